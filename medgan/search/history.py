"""What the trials of a study are to each other: attempts at one thing, of which each counts once.

Several workers share a study and no lock. A trial's number is given by the database, so all of them agree which trials
came first, and with that on which count.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta, timezone

from optuna.trial import FrozenTrial, TrialState

# What a trial's attributes say. retry_of: the number of the one that it repeats. kills: how often it was killed before.
# stopped: it was told to stop. reason: why it failed; it is not tried again. seen: what its suggestion rests on.
# figures: by name, what was measured once it had ended. zone: seconds by which the clock of its worker is ahead of UTC.
RETRY_OF, KILLS, STOPPED, REASON, WORKER, SEEN = "retry_of", "kills", "stopped", "reason", "worker", "seen"
FIGURES, ZONE = "figures", "zone"
SURPLUS = "not needed"  # the reason of one that was begun although enough are
ENDED = (TrialState.COMPLETE, TrialState.PRUNED)
_ALIVE = (*ENDED, TrialState.RUNNING, TrialState.WAITING)
_RETRIES = 1  # of a trial that was killed, since it may be what kills; one that was told to stop always goes on


def kills(trial: FrozenTrial) -> int:
    """How often it and what it repeats were killed."""
    known = int(trial.user_attrs.get(KILLS, 0))
    return known + (trial.state == TrialState.FAIL and not trial.user_attrs.get(STOPPED))


def to_retry(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """Those that an ended process left, and that nobody has queued again yet."""
    retried = {trial.user_attrs.get(RETRY_OF) for trial in trials}
    return [trial for trial in trials if _lost(trial) and kills(trial) <= _RETRIES and trial.number not in retried]


def counting(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """Those that have ended or may still end, each attempt at one thing once."""
    waiting = {trial.number for trial in to_retry(trials)}
    second = _twins(trials)
    return [
        trial for trial in trials if (trial.state in _ALIVE or trial.number in waiting) and trial.number not in second
    ]


def is_surplus(trials: Sequence[FrozenTrial], number: int, wanted: int) -> bool:
    """Say whether this trial is one too many: earlier ones are all that are wanted, or another repeats the same."""
    before = sum(trial.number < number for trial in counting(trials))
    return before >= wanted or number in _twins(trials)


def ordinal(trials: Sequence[FrozenTrial], number: int) -> int:
    """How many trials are older than this one and no retries; a retry has that of what it repeats.

    With what was seen it decides the suggestion, so that an interrupted study goes on as the unbroken one would have.
    """
    first = origins(trials)[number]
    return sum(trial.number < first and RETRY_OF not in trial.user_attrs for trial in trials)


def origins(trials: Sequence[FrozenTrial]) -> dict[int, int]:
    """The number of the first attempt, by the number of each."""
    found: dict[int, int] = {}
    for trial in trials:  # by number, and a retry has a higher one than what it repeats
        repeated = trial.user_attrs.get(RETRY_OF)
        found[trial.number] = trial.number if repeated is None else found[repeated]
    return found


def ended(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    return [trial for trial in trials if trial.state in ENDED]


def score_of(trial: FrozenTrial) -> float | None:
    """The one that decides; None of a trial that is not complete."""
    return trial.values[0] if trial.state == TrialState.COMPLETE else None


def broken(trial: FrozenTrial) -> list[str]:
    """The constraints that it breaks."""
    return [name for name, excess in trial.constraints.items() if excess > 0]


def instant(trial: FrozenTrial, moment: datetime) -> datetime:
    """A time that Optuna wrote down, by the clock on the wall of its worker, as one that is the same everywhere."""
    zone = trial.user_attrs.get(ZONE)
    return moment.astimezone() if zone is None else moment.replace(tzinfo=timezone(timedelta(seconds=zone)))


def tried(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """All but those that were begun although enough are."""
    return [trial for trial in trials if trial.user_attrs.get(REASON) != SURPLUS]


def asked_for(trials: Sequence[FrozenTrial], wanted: int) -> list[FrozenTrial]:
    """The first `wanted` trials that have ended, with all attempts at them and before them.

    A study keeps what a larger search has tried besides. A retry stands in the place of the trial that it repeats.
    """
    first = origins(trials)
    chosen: Collection[int] = sorted(first[trial.number] for trial in ended(trials))[:wanted]
    return [trial for trial in tried(trials) if chosen and first[trial.number] <= max(chosen)]


def _lost(trial: FrozenTrial) -> bool:
    return trial.state == TrialState.FAIL and REASON not in trial.user_attrs


def _twins(trials: Sequence[FrozenTrial]) -> set[int]:
    """Second retries of one trial: two workers had found it lost at once."""
    known, second = set[int](), set[int]()
    for trial in trials:
        repeated = trial.user_attrs.get(RETRY_OF)
        if repeated in known:
            second.add(trial.number)
        elif repeated is not None:
            known.add(repeated)
    return second

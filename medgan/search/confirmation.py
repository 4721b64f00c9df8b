"""Candidates on fresh seeds, beside params.yaml as it is: the best of many trials is partly luck."""

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass

import optuna
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

from medgan.config.schema import Config
from medgan.config.search import SearchConfig
from medgan.data.spec import ImageSpec
from medgan.errors import DivergedError, MedganError
from medgan.fingerprint import fingerprint
from medgan.gans import check_gan
from medgan.search.history import FIGURES, broken, counting, ordinal
from medgan.search.objective import Attempt, Objective
from medgan.search.space import Values, is_present, values_of
from medgan.search.study import TrialRecord, record
from medgan.search.suggestion import Given, directions
from medgan.search.trying import keep_figures
from medgan.seeds import derive_seed

_LOG = logging.getLogger(__name__)
CONFIRMATION = "confirmation"  # of its study's name
_CANDIDATE = "candidate"  # of a training: what is trained
PLACE = "place"  # of a training among all that are wanted: candidates within seeds


@dataclass(frozen=True)
class Candidate:
    """What is trained again.

    number: of the trial that found it; None for params.yaml as it is. first: its score there.
    """

    number: int | None
    values: Values
    first: float | None

    @property
    def name(self) -> str:
        return "params.yaml as it is" if self.number is None else f"finalist {self.number}"


def candidates(trials: Sequence[FrozenTrial], config: Config) -> list[Candidate]:
    """params.yaml as it is, then the best few that trials found, each once, and none that breaks a constraint.

    Raises MedganError where no trial ended with a score, or none keeps the constraints.
    """
    complete = _best_first(trials, config.search)
    found = [Candidate(None, {}, _first(complete, config))]
    known = [config.gan]
    for trial in complete:
        values = values_of(trial.params, config.search.drawn)
        # Few choices are soon tried twice; a finalist competes with others, not with itself.
        if (gan := config.override(values).gan) not in known and len(found) <= config.search.finalists:
            found.append(Candidate(trial.number, values, trial.values[0]))
            known.append(gan)
    return found


def _free(trials: Sequence[FrozenTrial], number: int, wanted: int) -> int:
    """The place of a trial among all that are wanted: its own, or one that nobody has who may still end.

    Those that were begun before and have not written theirs down yet take the first free ones.
    """
    if (own := ordinal(trials, number)) < wanted:
        return own
    earlier = [trial for trial in counting(trials) if trial.number < number]
    places = [trial.params.get(PLACE, ordinal(trials, trial.number)) for trial in earlier]
    free = sorted(set(range(wanted)) - set(places))
    before = sum(place >= wanted for place in places)
    return int(free[before]) if before < len(free) else wanted - 1


def untrained(trials: Sequence[FrozenTrial], chosen: Sequence[Candidate], search: SearchConfig) -> int:
    """How many of the trainings have not ended although as many have as are wanted: two workers took one place."""
    done = {trial.params[PLACE] for trial in trials if trial.state == TrialState.COMPLETE}
    return len(set(range(trainings(chosen, search))) - done)


def lucky(trials: Sequence[FrozenTrial], search: SearchConfig) -> Values:
    """The values of the best trial, which are part good and part lucky. Raises as `candidates`."""
    return values_of(_best_first(trials, search)[0].params, search.drawn)


def confirmation_name(study: str, chosen: Sequence[Candidate], search: SearchConfig) -> str:
    """The study in which their trainings are trials. Another set of finalists makes another one."""
    parts = {"values": [candidate.values for candidate in chosen], "steps": search.finalist_steps}
    return f"{study}-{CONFIRMATION}-{fingerprint(parts)}"


def trainings(chosen: Sequence[Candidate], search: SearchConfig) -> int:
    """How many there are; none where nothing competes with params.yaml."""
    return len(chosen) * search.seeds if len(chosen) > 1 else 0


def train_again(
    trial: Trial, chosen: Sequence[Candidate], config: Config, spec: ImageSpec, objective: Objective
) -> float:
    """The score of a candidate on one of its seeds; which, follows from the place of the trial in its study."""
    wanted = trainings(chosen, config.search)
    trial.study.sampler = given = Given()
    given.values = {PLACE: _free(trial.study.get_trials(deepcopy=False), trial.number, wanted)}
    turn, which = divmod(trial.suggest_int(PLACE, 0, wanted - 1), len(chosen))
    candidate = chosen[which]
    trial.set_user_attr(_CANDIDATE, candidate.name)
    changed = config.override(candidate.values)
    seed = derive_seed(config.seed, "confirmation", turn) % 2**31
    title = f"{_title(candidate, turn)} of {config.search.seeds}"
    figures = dict[str, float]()
    attempt = Attempt(title, measured=figures.__setitem__, steps=config.search.finalist_steps)
    try:
        check_gan(changed.gan, spec)
        score = objective(changed, seed, attempt)
        if not all(map(math.isfinite, figures.values())):
            raise DivergedError(f"it ended with {', '.join(f'{name} = {value}' for name, value in figures.items())}")
        keep_figures(trial, config.search, figures)
    except DivergedError as error:
        _LOG.warning("%s: %s", title, error)
        return math.inf
    return score if math.isfinite(score) else math.inf


def fresh_records(study: Study, chosen: Sequence[Candidate]) -> list[TrialRecord]:
    """Trainings on fresh seeds that have begun, as other stores mirror them."""
    found = []
    for trial in study.get_trials(deepcopy=False):
        if PLACE in trial.params:
            turn, which = divmod(trial.params[PLACE], len(chosen))
            fresh = (_title(chosen[which], turn), study.study_name)
            found.append(record(trial, chosen[which].values, fresh))
    return found


def _title(candidate: Candidate, turn: int) -> str:
    return f"{candidate.name}, fresh seed {turn + 1}"


def front(trials: Sequence[FrozenTrial], search: SearchConfig) -> list[int]:
    """Numbers of the trials that no other one beats in all metrics, and that break no constraint."""
    study = optuna.create_study(directions=directions(search))
    study.add_trials([trial for trial in trials if trial.state == TrialState.COMPLETE and not broken(trial)])
    numbers = [trial.number for trial in trials if trial.state == TrialState.COMPLETE and not broken(trial)]
    return sorted(numbers[trial.number] for trial in study.best_trials)


def broken_limits(names: Sequence[str], search: SearchConfig) -> str:
    """These constraints, for people."""
    return " and ".join(f"{name} <= {limit:g}" for name, limit in search.constraints.items() if name in names)


def _best_first(trials: Sequence[FrozenTrial], search: SearchConfig) -> list[FrozenTrial]:
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    if not complete:
        raise MedganError("no trial ended with a score; lower gan.lr or change search.space, then run again")
    kept = [trial for trial in complete if not broken(trial)]
    if not kept:
        names = [name for trial in complete for name in broken(trial)]
        least = {name: min(trial.user_attrs[FIGURES][name] for trial in complete) for name in dict.fromkeys(names)}
        nearest = ", ".join(f"{name} is {figure:.4g} at least" for name, figure in least.items())
        raise MedganError(
            f"no trial keeps {broken_limits(names, search)}: {nearest}; change search.constraints or space"
        )
    return sorted(kept, key=lambda trial: (trial.values[0], trial.number))


def _first(complete: Sequence[FrozenTrial], config: Config) -> float | None:
    drawn = config.search.drawn
    return next((t.values[0] for t in complete if is_present(values_of(t.params, drawn), config)), None)

"""Which trials count where several processes share a study, decided by their numbers alone."""

from itertools import permutations
from typing import Any

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState

from medgan.search.history import (
    KILLS,
    REASON,
    RETRY_OF,
    STOPPED,
    SURPLUS,
    asked_for,
    counting,
    is_surplus,
    kills,
    ordinal,
    to_retry,
)

WAITING, RUNNING, FAIL = TrialState.WAITING, TrialState.RUNNING, TrialState.FAIL
COMPLETE, PRUNED = TrialState.COMPLETE, TrialState.PRUNED


def trials(*told: tuple[TrialState, dict[str, Any]] | TrialState) -> list[FrozenTrial]:
    """Trials 0, 1, ...: each a state, or a state and attributes."""
    made = []
    for number, one in enumerate(told):
        state, attributes = one if isinstance(one, tuple) else (one, {})
        trial = optuna.create_trial(state=state, value=1.0 if state == COMPLETE else None, user_attrs=attributes)
        trial.number = number
        made.append(trial)
    return made


def numbers(found: list[FrozenTrial]) -> list[int]:
    return [trial.number for trial in found]


def test_a_killed_trial_is_retried_once_and_a_stopped_one_always() -> None:
    assert numbers(to_retry(trials(COMPLETE, FAIL, PRUNED, RUNNING))) == [1]
    assert numbers(to_retry(trials(FAIL, (WAITING, {RETRY_OF: 0, KILLS: 1})))) == []
    twice = trials(FAIL, (FAIL, {RETRY_OF: 0, KILLS: 1}))
    assert kills(twice[1]) == 2 and numbers(to_retry(twice)) == []
    stopped = trials((FAIL, {STOPPED: True}), (FAIL, {RETRY_OF: 0, KILLS: 0, STOPPED: True}))
    assert numbers(to_retry(stopped)) == [1]
    assert numbers(to_retry(trials((FAIL, {REASON: "no memory"})))) == []


def test_what_may_still_end_counts_once() -> None:
    found = trials(
        COMPLETE,
        FAIL,  # its retry is 4
        FAIL,  # nobody has queued it yet: its place is kept
        (FAIL, {REASON: SURPLUS}),
        (RUNNING, {RETRY_OF: 1, KILLS: 1}),
        (WAITING, {RETRY_OF: 1, KILLS: 1}),  # two workers had found 1 lost at once
        PRUNED,
    )
    assert numbers(counting(found)) == [0, 2, 4, 6]
    assert [is_surplus(found, number, wanted=3) for number in (4, 5, 6)] == [False, True, True]
    assert not is_surplus(found, 6, wanted=4)


def test_of_trials_begun_at_once_as_many_go_on_as_are_wanted() -> None:
    """Each decides by itself, in any order, and tells the others nothing but that it is not needed."""
    for order in permutations(range(2, 6)):
        found = trials(COMPLETE, PRUNED, *[RUNNING] * 4)
        for number in order:
            if is_surplus(found, number, wanted=4):
                found[number] = trials(*[RUNNING] * number, (FAIL, {REASON: SURPLUS}))[number]
        assert numbers([trial for trial in found if trial.state == RUNNING]) == [2, 3]


def test_a_trial_that_was_not_needed_was_not_asked_for() -> None:
    found = trials(COMPLETE, (FAIL, {REASON: SURPLUS}), (FAIL, {REASON: "no memory"}), COMPLETE)
    assert numbers(asked_for(found, 2)) == [0, 2, 3]


@pytest.mark.parametrize(("number", "expected"), [(0, 0), (1, 1), (2, 0), (3, 0), (4, 2), (5, 1), (6, 3)])
def test_a_retry_stands_where_the_first_attempt_stood(number: int, expected: int) -> None:
    found = trials(
        FAIL, FAIL, (FAIL, {RETRY_OF: 0}), (RUNNING, {RETRY_OF: 2}), RUNNING, (RUNNING, {RETRY_OF: 1}), RUNNING
    )
    assert ordinal(found, number) == expected

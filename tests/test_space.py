"""What a space may hold: ranges, choices of lists and mappings, and parameters that hang on others."""

from pathlib import Path
from typing import Any

import pytest
from optuna.study import Study

from medgan.config.schema import Config
from medgan.config.search import Distribution
from medgan.data.spec import ImageSpec
from medgan.errors import MedganError
from medgan.search.space import check_space, current_parameters, is_whole, values_of
from medgan.search.storage import Storage, open_storage
from medgan.search.study import open_study, records
from medgan.search.suggestion import repeated
from medgan.search.trying import try_candidate

SPEC = ImageSpec(16, 1, classes=3)
SPACE: dict[str, Any] = {  # what hangs on others is named first
    "gan.label_smoothing": {"low": 0.7, "high": 0.9, "when": {"gan.loss": ["bce", "saturating"]}, "otherwise": 1.0},
    "gan.model.upsample": {"choices": ["nearest", "transposed"], "when": {"gan.augment": [[]]}},
    "gan.loss": {"choices": ["bce", "relativistic", "saturating"]},
    "gan.augment": {"choices": [[], ["translation"], ["translation", "cutout"]]},
    "gan.betas.0": {"low": 0.0, "high": 0.5},
}
WHOLE = [
    {"name": "dcgan", "latent_dim": 8, "width": 4, "max_width": 8, "embedding_dim": 4},
    {"name": "residual", "latent_dim": 8, "width": 4, "max_width": 8, "embedding_dim": 4},
]


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return open_storage(f"sqlite:///{tmp_path / 'optuna.db'}", grace=60)


def tried(config: Config, storage: Storage, count: int) -> tuple[Study, list[Config]]:
    """A study of so many trials, and what each of them trained."""
    study, trained = open_study("s", storage), list[Config]()

    def score(candidate: Config, seed: int, report: object) -> float:
        trained.append(candidate)
        return candidate.gan.betas[0] + len(candidate.gan.augment)

    study.optimize(lambda trial: try_candidate(trial, config, SPEC, score), n_trials=count)
    return study, trained


def test_lists_are_searched_and_what_hangs_on_others_only_beside_them(config: Config, storage: Storage) -> None:
    wide = config.override({"search.space": SPACE, "gan.betas": [0.1, 0.9], "gan.model.upsample": "nearest"})
    study, trained = tried(wide, storage, 24)
    assert trained[0].gan == wide.gan
    assert {candidate.gan.augment for candidate in trained} == {(), ("translation",), ("translation", "cutout")}
    for trial, candidate in zip(study.trials, trained, strict=True):
        smoothed = candidate.gan.loss != "relativistic"
        assert (0.7 <= candidate.gan.label_smoothing <= 0.9) if smoothed else candidate.gan.label_smoothing == 1.0
        assert ("gan.label_smoothing" in trial.params) == smoothed
        assert ("gan.model.upsample" in trial.params) == (candidate.gan.augment == ())
        assert repeated(study.trials, trial, wide) == trial.params
        assert wide.override(values_of(trial.params, wide.search.drawn)).gan == candidate.gan
    smoothings = {candidate.gan.label_smoothing for candidate in trained}
    assert len(smoothings) > 5
    assert records(study.trials, wide.search)[0].values["gan.augment"] == list(wide.gan.augment)


def test_whole_models_are_choices(config: Config, storage: Storage) -> None:
    width = {"low": 4, "high": 6, "when": {"gan.model": [WHOLE[1]]}}
    space = {"gan.model.width": width, "gan.model": {"choices": WHOLE}}
    wide = config.override({"search.space": space})
    check_space(wide, SPEC)
    _, trained = tried(wide, storage, 8)
    assert {candidate.gan.model["name"] for candidate in trained} == {"dcgan", "residual"}
    widths = {name: {c.gan.model["width"] for c in trained if c.gan.model["name"] == name} for name in ("dcgan",)}
    assert widths == {"dcgan": {4}}


def test_every_end_of_a_range_is_checked_beside_values_that_it_hangs_on(config: Config) -> None:
    check_space(config.override({"search.space": SPACE}), SPEC)
    alone = {**SPACE, "gan.label_smoothing": {"low": 0.7, "high": 0.9}}
    with pytest.raises(MedganError, match="label_smoothing needs loss: bce or saturating, not relativistic"):
        check_space(config.override({"search.space": alone, "gan.loss": "relativistic"}), SPEC)


def test_fractions_are_tried_too(config: Config) -> None:
    with pytest.raises(MedganError, match=r"gan\.batch"):
        check_space(config.override({"search.space": {"gan.batch": {"low": 4.0, "high": 64.0}}}), SPEC)
    check_space(config.override({"search.space": {"gan.batch": {"low": 4.0, "high": 64.0, "step": 4.0}}}), SPEC)


@pytest.mark.parametrize(
    ("distribution", "value", "has"),
    [
        ({"low": 4, "high": 64, "step": 20}, 10, False),
        ({"low": 4, "high": 64, "step": 20}, 24, True),
        ({"low": 0.1, "high": 0.7, "step": 0.1}, 0.3, True),
        ({"low": 0, "high": 10}, 0.5, False),
        ({"low": 0, "high": 10}, 5.0, True),
        ({"low": 0.0, "high": 10.0}, 0.5, True),
    ],
)
def test_what_is_between_the_steps_is_not_in_the_space(distribution: dict[str, Any], value: float, has: bool) -> None:
    assert Distribution.model_validate(distribution).has(value) is has


def test_a_choice_written_otherwise_is_what_params_says(config: Config) -> None:
    model = dict(reversed(WHOLE[0].items()))
    space = {"gan.betas": {"choices": [[0.5, 0.9], [0, 0.9]]}, "gan.model": {"choices": [WHOLE[1], model]}}
    wide = config.override({"search.space": space, "gan.betas": [0.0, 0.9], "gan.model": WHOLE[0]})
    assert values_of(current_parameters(wide), wide.search.drawn) == {"gan.betas": [0, 0.9], "gan.model": model}


def test_what_a_trial_draws_does_not_hang_on_the_order_of_the_space(config: Config) -> None:
    turned = dict(reversed(SPACE.items()))
    orders = [list(config.override({"search.space": space}).search.drawn) for space in (SPACE, turned)]
    assert orders[0] == orders[1]


def test_parameters_are_whole_when_all_that_apply_are_there(config: Config) -> None:
    space = config.override({"search.space": SPACE}).search.drawn
    parameters = {"gan.loss": "relativistic", "gan.augment": '["translation"]', "gan.betas.0": 0.2}
    assert is_whole(parameters, space)
    assert values_of(parameters, space) == {**parameters, "gan.augment": ["translation"], "gan.label_smoothing": 1.0}
    for missing in parameters:
        assert not is_whole({path: value for path, value in parameters.items() if path != missing}, space)
    assert not is_whole({**parameters, "gan.loss": "bce"}, space)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"when": {"gan.los": ["bce"]}}, "space.gan.r1.when names gan.los, which the space does not contain"),
        ({"when": {"gan.loss": ["hinge"]}}, "space.gan.r1.when: gan.loss is never 'hinge' in this space"),
        ({"when": {"gan.r1": [1.0]}}, "each of gan.r1 is searched only when another of them is known"),
        ({"otherwise": 1.0}, "`otherwise` needs `when`"),
        ({"when": {"gan.loss": []}}, "`when` names no value of gan.loss"),
        ({"step": 0.4}, "steps of 0.4 from 0.5 miss high: 2; 1.7 is one"),
    ],
)
def test_a_condition_that_cannot_be_met_is_refused(config: Config, changes: dict[str, Any], says: str) -> None:
    space = {**SPACE, "gan.r1": {"low": 0.5, "high": 2.0, **changes}}
    with pytest.raises(MedganError) as refused:
        config.override({"search.space": space})
    assert says in str(refused.value)

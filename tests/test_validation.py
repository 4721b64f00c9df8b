"""The scores that choose weights: what each stands on, and that it stands on nothing else."""

import numpy as np
import pytest

from medgan.config.schema import Config
from medgan.config.train import TrainConfig
from medgan.data.store import Prepared
from medgan.data.stored import StoredImages
from medgan.errors import MedganError
from medgan.imports import closure
from medgan.scores.extractor import Extractor
from medgan.scores.frechet import distance, statistics
from medgan.scores.validation import SCORES, validation_judge
from medgan.search.objective import trial_training
from medgan.seeds import derive_seed


def test_every_score_of_the_parameters_is_in_the_table() -> None:
    assert set(SCORES) == set(TrainConfig.model_fields["score"].annotation.__args__)  # type: ignore[union-attr]


@pytest.mark.parametrize("name", SCORES)
def test_a_score_stands_on_nothing_that_it_does_not_need(name: str) -> None:
    """A new metric, or another way to train the extractor, leaves finished trainings finished."""
    reached = {module for module in closure([SCORES[name].module]) if module.startswith("medgan.scores.")}
    common = {"medgan.scores.extractor", "medgan.scores.validation_images", SCORES[name].module}
    own = {
        "fid": {"medgan.scores.frechet", "medgan.scores.groups"},
        "passing": {
            f"medgan.scores.{of}" for of in ("passing", "examining", "discerning", "parting", "images", "supervised")
        },
        "utility": {"medgan.scores.classifying", "medgan.scores.supervised"},
    }.get(name, {"medgan.scores.paired", "medgan.scores.figures", "medgan.scores.patients"})
    assert reached == common | own


def test_the_fid_is_of_the_chosen_validation_images(config: Config, prepared: Prepared) -> None:
    extractor = Extractor(1, 16, 0).eval()
    judge = validation_judge(config.gan, config.train.model_copy(update={"n": 60}), prepared, extractor, seed=3)
    chosen = prepared.take("validation", 60, derive_seed(3, "judge"))
    images = StoredImages(prepared, prepared.indices("train")[:60])[:]
    ours, real = (statistics(extractor.observe(rows).features) for rows in (images, StoredImages(prepared, chosen)))
    assert judge.score(images) == pytest.approx(distance(ours, real), rel=1e-4) and distance(ours, real) > 0
    # Between two levels of 8 bits nothing can be seen.
    assert judge.score(images + 0.001) == judge.score(images)


def test_the_utility_is_how_often_those_err_who_learn_from_the_images(config: Config, prepared: Prepared) -> None:
    train = config.train.model_copy(update={"n": 60, "score": "utility"})
    judge = validation_judge(config.gan, train, prepared, Extractor(1, 16, 0), seed=3)
    chosen = prepared.take("validation", 60, derive_seed(3, "judge"))
    real, noise = StoredImages(prepared, chosen)[:], np.random.default_rng(0).normal(size=(60, 1, 16, 16))
    of_real, of_noise = judge.score(real), judge.score(noise.astype(np.float32))
    assert of_real + 0.2 < of_noise <= 1 and judge.score(real) == of_real
    with pytest.raises(MedganError, match=r"utility is what classifiers learn .* set train.score .* to fid"):
        validation_judge(config.override({"gan.conditional": False}).gan, train, prepared, Extractor(1, 16, 0), seed=3)


def test_what_passes_is_what_a_fresh_network_takes_for_real(config: Config, prepared: Prepared) -> None:
    train = config.train.model_copy(update={"n": 60, "score": "passing"})
    judge = validation_judge(config.gan, train, prepared, Extractor(1, 16, 0), seed=3)
    others, noise = prepared.indices("train")[:60], np.random.default_rng(0).normal(size=(60, 1, 16, 16))
    assert judge.score(noise.clip(-1, 1).astype(np.float32)) == 1
    assert 0 <= judge.score(StoredImages(prepared, others)[:]) < 0.5


def test_trials_are_scored_by_a_metric_of_their_own_where_one_is_named(config: Config) -> None:
    assert trial_training(config).score == config.train.score == "fid"
    changed = config.override({"search.metric": "utility"})
    assert (trial_training(changed).score, changed.train.score) == ("utility", "fid")
    with pytest.raises(MedganError, match=r"search\.n is 10 and search\.metric is fid, which needs at least 15"):
        config.override({"search.metric": "fid", "train.score": "utility", "search.n": 10})
    assert config.override({"search.metric": "utility", "search.n": 10}).search.n == 10

"""The scores that choose weights: what each stands on, and that it stands on nothing else."""

import pytest

from medgan.config.schema import Config
from medgan.config.train import TrainConfig
from medgan.data.store import Prepared
from medgan.data.stored import StoredImages
from medgan.imports import closure
from medgan.scores.extractor import Extractor
from medgan.scores.frechet import distance, statistics
from medgan.scores.validation import SCORES, validation_judge
from medgan.seeds import derive_seed


def test_every_score_of_the_parameters_is_in_the_table() -> None:
    assert set(SCORES) == set(TrainConfig.model_fields["score"].annotation.__args__)  # type: ignore[union-attr]


@pytest.mark.parametrize("name", SCORES)
def test_a_score_stands_on_nothing_that_it_does_not_need(name: str) -> None:
    """A new metric, or another way to train the extractor, leaves finished trainings finished."""
    reached = {module for module in closure([SCORES[name].module]) if module.startswith("medgan.scores.")}
    common = {"medgan.scores.extractor", "medgan.scores.validation_images", SCORES[name].module}
    own = (
        {"medgan.scores.frechet", "medgan.scores.groups"}
        if name == "fid"
        else {"medgan.scores.paired", "medgan.scores.figures", "medgan.scores.patients"}
    )
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

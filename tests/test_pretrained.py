"""Published extractors, from made weights: known by checksum, judging beside fid_domain, named where they disagree."""

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from numpy.typing import NDArray
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric

from medgan.config.schema import Config
from medgan.data.store import Prepared
from medgan.data.stored import StoredImages
from medgan.errors import MedganError
from medgan.evaluation.evaluate import evaluate
from medgan.evaluation.generators import TorchGenerator
from medgan.evaluation.protocol import EvaluationProtocol
from medgan.evaluation.registration import Candidate, register
from medgan.evaluation.report import Opinion, SynthesisReport, from_tree, to_tree
from medgan.evaluation.summary import summary
from medgan.gans import build_gan
from medgan.scores import weights
from medgan.scores.extractor import Extractor
from medgan.scores.learning import extractor_of
from medgan.scores.pretrained import Pretrained, open_pretrained
from medgan.scores.weights import WEIGHTS, known
from medgan.tracking.opening import store_at

GATES = {"parity": 1e-4, "recall": 0.0, "coverage": 0.0, "passing": 0.0, "copies": 1.0}


class Unfilled(FeatureExtractorInceptionV3):
    """InceptionV3 as it is before its weights are read."""

    def load_state_dict(self, *_: Any, **__: Any) -> None:
        pass


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Weights of random networks, in the layout of the published files, by the name of the extractor."""
    folder = tmp_path_factory.mktemp("weights")
    paths = {name: folder / WEIGHTS[name].file for name in ("inception", "dinov2-small")}
    torch.save({}, folder / "empty")
    torch.manual_seed(0)
    inception = Unfilled("unfilled", ["2048"], feature_extractor_weights_path=str(folder / "empty"))
    for module in inception.modules():  # as they come, their activations die out
        if isinstance(module, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(module.weight)
    torch.save(inception.state_dict(), paths["inception"])
    dinov2 = timm.create_model("vit_small_patch14_dinov2.lvd142m")
    for name, parameter in dinov2.named_parameters():  # as they come, its layers change next to nothing
        if name.endswith("gamma"):
            torch.nn.init.ones_(parameter)
    torch.save({**dinov2.state_dict(), "mask_token": torch.zeros(1, dinov2.embed_dim)}, paths["dinov2-small"])
    return paths


@pytest.fixture
def published(files: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """The same files, as if their checksums were the published ones."""
    sums = {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items()}
    entries = {name: replace(WEIGHTS[name], sha256=found) for name, found in sums.items()}
    monkeypatch.setattr(weights, "WEIGHTS", {**WEIGHTS, **entries})
    return files


def images(channels: int, size: int) -> NDArray[np.float32]:
    return np.random.default_rng(0).uniform(-1, 1, (3, channels, size, size)).astype(np.float32)


@pytest.mark.parametrize(("name", "dimensions"), [("inception", 2048), ("dinov2-small", 384)])
def test_a_file_of_weights_is_known_by_its_checksum_and_sees_grey_and_colour(
    published: dict[str, Path], name: str, dimensions: int
) -> None:
    judge = open_pretrained(published[name])
    assert judge.name == WEIGHTS[name].extractor
    grey = images(1, 32)
    features = judge.observe(grey).features
    assert features.shape == (3, dimensions) and features.dtype == np.float32 and np.isfinite(features).all()
    assert features.std(axis=0).mean() > 1e-3
    assert np.array_equal(judge.observe(grey.repeat(3, axis=1)).features, features)
    assert not np.allclose(judge.observe(images(3, 32)).features, features, atol=1e-3)
    with pytest.raises(MedganError, match=f"{judge.name} knows grey and RGB images, not 2 channels"):
        judge.observe(images(2, 32))


def test_every_weight_of_the_file_is_used(published: dict[str, Path]) -> None:
    """None is left as it was made, and none is scaled away but the places of patches, of which there are fewer."""
    found = Pretrained("dinov2-small", published["dinov2-small"])._network.model.state_dict()
    for name, tensor in torch.load(published["dinov2-small"]).items():
        if name not in ("mask_token", "pos_embed"):
            assert torch.equal(found[name], tensor), name
    assert found["pos_embed"].shape == (1, 1 + 16 * 16, 384)


def test_a_file_that_is_none_of_them_is_a_sentence(tmp_path: Path, files: dict[str, Path]) -> None:
    with pytest.raises(
        MedganError, match=r"has the sha256 \w{12}\.\.\., which is none of inception \(6726825d0af5\.\.\.\)"
    ):
        open_pretrained(files["inception"])
    with pytest.raises(MedganError, match=r"nowhere\.pth does not exist; `medgan weights NAME` fetches inception"):
        known(tmp_path / "nowhere.pth")


class Other:
    """An embedder that is not that of the data: some of what that one sees, under another name."""

    name, digest, kernel_width = "fid_other", "other", None

    def __init__(self, extractor: Extractor) -> None:
        self._extractor = extractor

    def observe(self, images: NDArray[np.float32], /) -> Any:
        seen = self._extractor.observe(images)
        return replace(seen, features=seen.features[:, :8].copy(), logits=None)


@pytest.fixture(scope="module")
def protocol(config: Config, prepared: Prepared) -> EvaluationProtocol:
    extractor = extractor_of(prepared, config.features, seed=0)
    return EvaluationProtocol(
        extractor, None, n=100, bootstrap=4, segmenter_steps=3, seed=0, copying=False, others=(Other(extractor),)
    )


@pytest.fixture(scope="module")
def report(config: Config, prepared: Prepared, protocol: EvaluationProtocol) -> SynthesisReport:
    gan = build_gan(config.gan, prepared.spec)
    gan.generators.eval()
    found = evaluate(TorchGenerator(gan, gan.generators), prepared, protocol)
    assert isinstance(found, SynthesisReport)
    return found


def test_an_opinion_stands_beside_with_its_floor_and_interval(
    report: SynthesisReport, prepared: Prepared, protocol: EvaluationProtocol
) -> None:
    opinion = report.opinions["fid_other"]
    assert opinion.quality.digest == "other" and list(opinion.quality.groups) == ["all images"]
    assert opinion.quality.fid > opinion.floor.fid > 0
    assert opinion.quality.fid_low < opinion.quality.fid < opinion.quality.fid_high
    judge = protocol.others[0]
    real, trained = (
        fid_features_to_statistics(torch.from_numpy(judge.observe(StoredImages(prepared, rows)[:]).features).double())
        for rows in (protocol.held_out(prepared), protocol.training(prepared))
    )
    expected = fid_statistics_to_metric(trained, real, verbose=False)["frechet_inception_distance"]
    assert opinion.floor.fid == pytest.approx(expected, rel=1e-6)
    assert from_tree(to_tree({"": report})) == {"": report}
    assert "FID (fid_other)" in dict(summary(report))


@pytest.mark.filterwarnings(
    "ignore:The ..noload.. loader strategy:DeprecationWarning", "ignore::FutureWarning:mlflow", "ignore::UserWarning"
)
def test_versions_that_two_extractors_rank_differently_are_named(  # noqa: PLR0917 (fixtures)
    report: SynthesisReport,
    prepared: Prepared,
    protocol: EvaluationProtocol,
    tiny_onnx: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
    store = store_at(tmp_path, "phantom")
    run_id = store.run("t", "a run", params={}, tags={})

    def registered(number: int, fid: float, other: float, digest: str = "other", groups: int = 1) -> tuple[str, ...]:
        opinion, (group,) = report.opinions["fid_other"], report.quality.groups.values()
        said = Opinion(replace(opinion.quality, fid=other, fid_high=other + 2, digest=digest), opinion.floor)
        parts = {f"it's {code}": group for code in range(groups)}
        quality = replace(report.quality, fid=fid, fid_high=fid + 0.2, groups=parts)
        judged = replace(report, quality=quality, floor=quality, opinions={"fid_other": said})
        # Never crowned, for two reasons.
        candidate = Candidate("tiny", "", tiny_onnx, 1.0, judged, f"training-{number}")
        return register(store, run_id, candidate, prepared, protocol, gates=GATES, said={}).reasons[2:]

    assert registered(1, fid=4.0, other=40.0) == ()
    assert registered(2, fid=3.0, other=30.0) == ()
    flagged = "fid_other ranks it and version {} otherwise than fid; look at the pictures"
    assert registered(3, fid=2.0, other=35.0) == (flagged.format(2),)
    assert registered(4, fid=5.0, other=10.0) == (flagged.format("1 and 2 and 3"),)
    assert registered(5, fid=1.0, other=90.0, digest="another") == ()
    # Within the interval of a difference, by one extractor or by the other: both may be chance.
    assert registered(6, fid=1.75, other=37.0) == (flagged.format("2 and 4"),)
    assert registered(7, fid=2.85, other=36.0) == (flagged.format(4),)
    # A generator that is told the class is judged class by class, and one that is not is not.
    assert registered(8, fid=1.0, other=90.0, groups=2) == ()

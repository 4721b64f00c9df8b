"""Judging in one place: the same inputs whatever draws, each image seen once, a report that survives its file."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from medgan.config.schema import Config
from medgan.data.spec import Direction
from medgan.data.store import Prepared
from medgan.data.stored import StoredImages
from medgan.errors import MedganError
from medgan.evaluation.copying.figures import FOUND, NONE_FOUND
from medgan.evaluation.evaluate import evaluate, evaluate_ways, fidelity_floor
from medgan.evaluation.generators import ExportedGenerator, TorchGenerator
from medgan.evaluation.protocol import EvaluationProtocol
from medgan.evaluation.report import (
    Report,
    SynthesisReport,
    TranslationReport,
    from_tree,
    read_reports,
    to_tree,
    write_reports,
)
from medgan.evaluation.rescoring import rival
from medgan.evaluation.summary import summary
from medgan.export.onnx_file import export
from medgan.gans import build_gan
from medgan.gans.base import Gan
from medgan.imaging.intensity import Intensity
from medgan.runtime.generator import OnnxGenerator
from medgan.scores.extractor import Extractor, Observation
from medgan.scores.figures import check_comparable
from medgan.scores.images import ImageSet
from medgan.scores.learning import extractor_of, write_extractor
from medgan.sources.prepare import prepare

Images = NDArray[np.float32]
LESIONS = ["healthy", "infarct", "tumour"]
MASKS = {"gan.name": "multiscale", "gan.model": {"name": "mscgan", "latent_dim": 8, "width": 4, "region_width": 4}}
PAIRS = {
    "gan.name": "cyclegan",
    "gan.model": {"name": "unet", "width": 4, "max_width": 8, "levels": 1, "discriminator_width": 4},
}


class Counting:
    """An extractor that keeps what it is shown."""

    def __init__(self, extractor: Extractor) -> None:
        self._extractor, self.name, self.digest = extractor, extractor.name, extractor.digest
        self.kernel_width = extractor.kernel_width
        self.shown: list[Images] = []

    def observe(self, images: Images, /) -> Observation:
        self.shown.append(images)
        return self._extractor.observe(images)


class Recording:
    """A generator that keeps its inputs and draws what it is told to."""

    def __init__(self, images: Images, *inputs: str) -> None:
        self.images, self.inputs, self.latent_dim = images, inputs, 8
        self.given: Mapping[str, NDArray[Any]] = {}

    def draw(self, inputs: Mapping[str, NDArray[Any]], /) -> Images:
        self.given = inputs
        return self.images


class Untouchable:
    """A judge whom nobody may ask."""

    name, digest, kernel_width = "untouchable", "none", None

    def observe(self, _images: Images, /) -> Observation:
        raise AssertionError


def brief(protocol: EvaluationProtocol) -> EvaluationProtocol:
    """What of it a comparison reads."""
    return replace(protocol, segmenter_steps=0, classifier=None, copying=False, companions=False, others=())


@pytest.fixture(scope="module")
def extractor(config: Config, prepared: Prepared) -> Extractor:
    return extractor_of(prepared, config.features, seed=0)


@pytest.fixture(scope="module")
def protocol(extractor: Extractor) -> EvaluationProtocol:
    return EvaluationProtocol(extractor, extractor, n=100, bootstrap=5, segmenter_steps=3, seed=0)


@pytest.fixture(scope="module")
def pairs(prepared: Prepared) -> Prepared:
    """Images to be drawn from the same images upside down."""
    spec = replace(prepared.spec, classes=0, source_channels=1, mask_channels=0)
    upside_down = np.ascontiguousarray(prepared.images[:, ::-1])
    direction = Direction("down", "up")
    return replace(
        prepared, spec=spec, sources=upside_down, labels=None, label_names=(), masks=None, direction=direction
    )


def built(config: Config, data: Prepared, values: dict[str, Any]) -> Gan:
    gan = build_gan(config.override(values).gan, data.spec)
    gan.generators.eval()
    return gan


@pytest.fixture(scope="module")
def synthesis(config: Config, prepared: Prepared, protocol: EvaluationProtocol) -> SynthesisReport:
    gan = built(config, prepared, {})
    report = evaluate(TorchGenerator(gan, gan.generators), prepared, replace(protocol, told_apart_steps=3))
    assert isinstance(report, SynthesisReport)
    return report


@pytest.fixture(scope="module")
def translation(config: Config, pairs: Prepared, protocol: EvaluationProtocol) -> dict[str, Report]:
    gan = built(config, pairs, PAIRS)
    return evaluate_ways(gan, gan.generators, pairs, protocol)


@pytest.fixture(scope="module")
def one_class(config: Config, tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    options = {**config.data.options, "lesions": ["tumour"]}
    return prepare(config.override({"data.options": options}).data, tmp_path_factory.mktemp("one-class"), seed=0)


def test_one_class_trains_the_judge_as_if_it_had_no_labels(config: Config, one_class: Prepared, tmp_path: Path) -> None:
    """A single logit has no gradient: the features were those of a network that had learnt nothing."""
    extractor = extractor_of(one_class, config.features, seed=0)
    unlabelled = replace(one_class, spec=replace(one_class.spec, classes=0), labels=None, label_names=())
    assert extractor.digest == extractor_of(unlabelled, config.features, seed=0).digest
    untrained = extractor_of(one_class, config.features.model_copy(update={"steps": 1}), seed=0)
    kernels = [network.get_parameter("head.weight") for network in (extractor, untrained)]
    assert (kernels[0] - kernels[1]).abs().max() > 1e-3
    write_extractor(tmp_path / "extractor", extractor, one_class)
    assert "validation_accuracy" not in (tmp_path / "extractor.json").read_text()


def test_a_conditional_generator_of_one_class_is_judged(config: Config, one_class: Prepared) -> None:
    extractor = extractor_of(one_class, config.features, seed=0)
    gan = built(config, one_class, {})
    assert gan.inputs == ("z", "label")
    protocol = EvaluationProtocol.of(config.evaluate, extractor, seed=0)
    report = evaluate(TorchGenerator(gan, gan.generators), one_class, protocol)
    assert isinstance(report, SynthesisReport)
    assert report.agreement is None
    assert report.quality.fid > report.floor.fid


@pytest.fixture(params=["masked", "translated"])
def drawing(
    request: pytest.FixtureRequest, config: Config, prepared: Prepared, pairs: Prepared
) -> tuple[Gan, Prepared]:
    data, values = (prepared, MASKS) if request.param == "masked" else (pairs, PAIRS)
    return built(config, data, values), data


def test_torch_and_onnx_draw_the_same_images_for_the_same_seed(
    drawing: tuple[Gan, Prepared], protocol: EvaluationProtocol, tmp_path: Path
) -> None:
    gan, data = drawing
    names = json.dumps(data.label_names if gan.spec.classes else [])
    metadata = {"label_names": names, "data_md5": data.md5, "direction": "down to up"}
    path = export(gan, gan.generators, tmp_path, metadata).path
    generators = TorchGenerator(gan, gan.generators), ExportedGenerator(OnnxGenerator(path))
    assert generators[0].inputs == generators[1].inputs and generators[0].latent_dim == generators[1].latent_dim
    ours, theirs = (evaluate(generator, data, brief(protocol)) for generator in generators)
    assert ours.headline.value == pytest.approx(theirs.headline.value, rel=1e-3)
    assert rival(path, path, theirs, data, protocol).report == theirs


def test_a_generator_that_is_not_told_the_class_stands_against_one_that_is(
    config: Config, prepared: Prepared, protocol: EvaluationProtocol, tmp_path: Path
) -> None:
    """Both are judged without classes, and by how much they differ."""
    files, reports = [], []
    for conditional in (True, False):
        gan = built(config, prepared, {"gan.conditional": conditional})
        names = json.dumps(prepared.label_names if conditional else [])
        metadata = {"label_names": names, "data_md5": prepared.md5}
        files.append(export(gan, gan.generators, tmp_path / str(conditional), metadata).path)
        reports.append(evaluate(ExportedGenerator(OnnxGenerator(files[-1])), prepared, brief(protocol)))
    told, untold = reports
    assert isinstance(told, SynthesisReport) and isinstance(untold, SynthesisReport)
    opponent = rival(files[0], files[1], untold, prepared, protocol)
    assert isinstance(opponent.report, SynthesisReport) and opponent.margin is not None and opponent.margin > 0
    check_comparable(opponent.challenger.quality, opponent.report.quality)
    assert opponent.report.quality.classes == {} != told.quality.classes
    same = rival(files[0], files[0], told, prepared, protocol)
    assert same.challenger is told and same.report == told
    # What takes longest, and nothing compares, is not there.
    judged = rival(files[0], files[0], told, prepared, replace(protocol, others=(Untouchable(),), told_apart_steps=3))
    assert not isinstance(judged.report, str)
    assert not {"copying", "pairs", "two_sample", "lesion", "inception"} & to_tree({"": judged.report}).keys()


def test_each_set_of_images_passes_the_extractor_once(
    prepared: Prepared, pairs: Prepared, extractor: Extractor, protocol: EvaluationProtocol
) -> None:
    counting, drawn = Counting(extractor), np.zeros((100, 1, 16, 16), np.float32)
    counted = replace(protocol, embedder=counting, classifier=counting)
    report = evaluate(Recording(drawn, "z", "label"), prepared, counted)
    assert isinstance(report, SynthesisReport) and report.agreement is not None
    # Test images, drawn ones, and n training images for the floor.
    assert sum(map(len, counting.shown)) == 3 * 100
    counting.shown.clear()
    evaluate(Recording(drawn, "source"), pairs, counted)
    assert sum(map(len, counting.shown)) == 3 * 100


def test_judges_see_drawn_images_at_the_depth_of_the_data(
    prepared: Prepared, extractor: Extractor, protocol: EvaluationProtocol
) -> None:
    drawn = np.random.default_rng(0).uniform(-1, 1, (100, 1, 16, 16)).astype(np.float32)
    raw = prepared.images.astype(np.uint16) * 16
    for data, step in ((prepared, 2 / 255), (replace(prepared, images=raw, intensity=Intensity(0, 4095)), 2 / 4095)):
        counting = Counting(extractor)
        evaluate(Recording(drawn, "z"), data, replace(protocol, embedder=counting))
        for images in counting.shown:
            levels = (images + 1) / step
            assert np.abs(levels - np.rint(levels)).max() < 1e-3
        assert any(np.abs(images - drawn).max() < step for images in counting.shown if len(images) == len(drawn))


def test_z_labels_and_masks_hang_on_the_seed_alone(prepared: Prepared, protocol: EvaluationProtocol) -> None:
    given = []
    for seed in (0, 0, 1):
        generator = Recording(np.zeros((100, 1, 16, 16), np.float32), "z", "label", "mask")
        evaluate(generator, prepared, replace(protocol, seed=seed, segmenter_steps=0))
        given.append({name: generator.given[name] for name in generator.inputs})
    first, again, other = given
    assert {name: array.shape for name, array in first.items()} == {
        "z": (100, 8), "label": (100,), "mask": (100, 1, 16, 16)
    }  # fmt: skip
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert not np.array_equal(first["z"], other["z"]) and not np.array_equal(first["label"], other["label"])


def test_real_training_images_reach_the_floor(
    prepared: Prepared, synthesis: SynthesisReport, protocol: EvaluationProtocol
) -> None:
    images = StoredImages(prepared, protocol.training(prepared))[:]
    report = evaluate(Recording(images, "z"), prepared, protocol)
    assert isinstance(report, SynthesisReport) and report.agreement is None and report.lesion is None
    assert report.quality.fid == pytest.approx(report.floor.fid, rel=1e-3)
    # Of the same training images, as many of each class, whether or not the generator is told the class.
    assert report.floor == replace(synthesis.floor, classes={})
    assert synthesis.floor == fidelity_floor(prepared, protocol)
    assert report.copying is not None and synthesis.copying is not None
    assert report.copying.verdict == FOUND and report.copying.found.share > 0.9
    assert synthesis.copying.verdict == NONE_FOUND and report.quality.fid < synthesis.quality.fid


def test_the_answers_of_a_translator_are_their_own_baselines(pairs: Prepared, protocol: EvaluationProtocol) -> None:
    sources = StoredImages(pairs.opposite(), protocol.held_out(pairs))[:]
    report = evaluate(Recording(sources, "source"), pairs, protocol)
    assert isinstance(report, TranslationReport) and report.baselines.keys() == {"mean", "source"}
    assert report.quality.mae == pytest.approx(report.baselines["source"])
    assert report.headline.low < report.headline.value < report.headline.high


def test_the_extractor_says_nothing_of_the_way_back(translation: dict[str, Report]) -> None:
    there, back = translation[""], translation["reverse"]
    assert isinstance(there, TranslationReport) and isinstance(back, TranslationReport)
    assert there.quality.kid is not None and there.floor is not None and there.quality.extractor == "fid_domain"
    assert back.quality.kid is back.floor is None and back.quality.extractor == "none"


def test_reports_come_back_from_their_file(
    synthesis: SynthesisReport, translation: dict[str, Report], tmp_path: Path
) -> None:
    for reports in ({"": synthesis}, translation):
        write_reports(tmp_path / "metrics.json", reports)
        assert read_reports(tmp_path / "metrics.json") == reports
    tree = to_tree(translation)
    assert tree["quality"]["mae"] == translation[""].headline.value
    assert tree["reverse"]["quality"]["mae"] == translation["reverse"].headline.value
    assert "floor" not in tree["reverse"] and tree["reverse"]["quality"]["kid"] is None
    assert "agreement" in to_tree({"": synthesis}) and "lesion" not in to_tree({"": synthesis})
    assert [title for title, _ in summary(synthesis)] == [
        "FID (fid_domain)", "judged together", "KID", "precision, recall", "density, coverage", "class agreement",
        "inception score", "told apart", "log-loss of that", "passing for real", "1-nearest neighbour",
        "copies", "membership",
    ]  # fmt: skip
    assert [title for title, _ in summary(translation["reverse"], "reverse")] == ["MAE, back", "PSNR, SSIM"]


def test_drawn_images_are_told_apart_beside_training_images_and_the_extremes_are_shown(
    prepared: Prepared, protocol: EvaluationProtocol
) -> None:
    asked = replace(protocol, told_apart_steps=40)
    started: list[str] = []
    shown: dict[str, Sequence[Images]] = {}

    @contextmanager
    def progress(title: str, _total: int) -> Iterator[Callable[[int], None]]:
        started.append(title)
        yield lambda done: None

    grey = Recording(np.zeros((100, 1, 16, 16), np.float32), "z", "label")
    report = evaluate(grey, prepared, asked, progress=progress, show=shown.__setitem__)
    assert isinstance(report, SynthesisReport) and report.two_sample is not None
    drawn, real = report.two_sample.generated, report.two_sample.real
    assert drawn.told_apart is not None and real.told_apart is not None
    assert drawn.told_apart.overall.accuracy is not None and drawn.told_apart.overall.accuracy.value > 0.9
    assert drawn.nearest.features.drawn.value == drawn.nearest.pixels.drawn.value == 1
    assert real.nearest.pixels.accuracy.value < 0.7 and list(real.told_apart.classes) == LESIONS
    assert started == ["copies", "told apart", "real told apart"]
    assert (
        list(shown) == ["closest", "convincing"] and [row.shape for row in shown["convincing"]] == [(12, 1, 16, 16)] * 2
    )
    without = evaluate(grey, prepared, replace(protocol, copying=False), progress=progress, show=shown.__setitem__)
    assert isinstance(without, SynthesisReport) and without.two_sample is not None
    assert without.two_sample.generated.told_apart is None and len(started) == 3


def test_metrics_of_another_version_are_a_sentence(synthesis: SynthesisReport, tmp_path: Path) -> None:
    with pytest.raises(MedganError, match=r"metrics.json does not exist; run `make repro`"):
        read_reports(tmp_path / "metrics.json")
    tree = to_tree({"": synthesis})
    for other in ({**tree, "kind": None}, {**tree, "quality": {}}, {"quality": asdict(synthesis.quality)}):
        with pytest.raises(MedganError, match="of another version of medgan"):
            from_tree(other)


def test_a_generator_that_needs_what_the_data_have_not_is_a_sentence(
    prepared: Prepared, protocol: EvaluationProtocol
) -> None:
    with pytest.raises(MedganError, match="this generator needs source, which these data have not"):
        evaluate(Recording(np.zeros((100, 1, 16, 16), np.float32), "source"), prepared, protocol)
    with pytest.raises(MedganError, match="no embedder"):
        evaluate(Recording(np.zeros((100, 1, 16, 16), np.float32), "z"), prepared, replace(protocol, embedder=None))


def test_a_set_is_cut_where_an_extractor_cuts_it(prepared: Prepared, extractor: Extractor) -> None:
    images = ImageSet.stored(prepared, np.arange(300))
    whole = extractor.observe(StoredImages(prepared, np.arange(300)))
    assert np.array_equal(images.features(extractor), whole.features)
    assert np.array_equal(images.classes(extractor), whole.classes)


def test_what_one_network_saw_is_not_taken_for_what_another_sees(prepared: Prepared, extractor: Extractor) -> None:
    images, other = ImageSet.stored(prepared, np.arange(20)), Extractor(1, 16, 3).eval()
    mine, theirs = images.features(extractor), images.features(other)
    assert not np.array_equal(mine, theirs) and np.array_equal(mine, images.features(extractor))

"""Translation between two folders of images that are no pairs: patients have one kind, or both, or some of each."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT
from PIL import Image
from test_pipeline import UNGATED, after_stages

from medgan.config.schema import Config, load_config
from medgan.data.loader import Batches, conditions
from medgan.data.spec import SPARE, SPLITS, Direction, ImageSpec, Sample
from medgan.data.store import Prepared, open_prepared
from medgan.errors import MedganError
from medgan.runtime.generator import OnnxGenerator, golden_difference
from medgan.sources.phantom.source import Phantom
from medgan.sources.prepare import prepare
from medgan.workspace.counts import check_counts


def two_folders(raw: Path, *, t1: int, t2: int, both: int) -> None:
    """Patients with two T1 each, others with two T2, and some with one of each."""
    kinds = ["T1w"] * t1 + ["T2w"] * t2 + ["both"] * both
    phantom = Phantom(count=2 * len(kinds), slices=2, modalities=("T2w",), source_modalities=("T1w",))
    samples = list(phantom.samples(ROOT / "data" / "phantom.yaml", ImageSpec(16, 1)))
    for index, sample in enumerate(samples):
        assert isinstance(sample, Sample) and sample.source is not None
        kind = kinds[index // 2]
        name = ("T1w", "T2w")[index % 2] if kind == "both" else kind
        (raw / name).mkdir(parents=True, exist_ok=True)
        image = sample.image if name == "T2w" else sample.source
        Image.fromarray(image[..., 0]).save(raw / name / f"{sample.patient}_{index}.png")


def configured(config: Config, raw: Path) -> Config:
    return config.override(
        {
            "data.name": "two",
            "data.source": "folder",
            "data.raw": str(raw),
            "data.options": {"patient": "^(p\\d+)_"},
            "data.direction": ["T1w", "T2w"],
            "gan.name": "cyclegan",
            "gan.model": {"name": "unet", "width": 4, "max_width": 8, "levels": 1, "discriminator_width": 4},
        }
    )


@pytest.fixture(scope="module")
def stored(config: Config, tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """Images of the two classes, more of T1w."""
    folder = tmp_path_factory.mktemp("two")
    two_folders(folder / "raw", t1=40, t2=20, both=10)
    return prepare(configured(config, folder / "raw").data, folder / "prepared", seed=0)


def test_images_are_of_one_class_and_sources_of_the_other(stored: Prepared) -> None:
    data = stored.towards(("T1w", "T2w"))
    assert data.direction == Direction("T1w", "T2w") and not data.paired and stored.paired
    assert (data.spec.classes, data.spec.source_channels, data.labels, data.label_names) == (0, 1, None, ())
    assert stored.labels is not None and data.sources is not None
    for split in SPLITS:
        rows = data.indices(split)
        assert (stored.labels[rows] == 1).all() and len(rows) == ((stored.labels == 1) & (stored.splits == split)).sum()
        pool, givers = data.givers(split)
        assert pool is stored.images and (stored.labels[givers] == 0).all() and (stored.splits[givers] == split).all()
        # Each source that is dealt is one of them, and none comes twice before all have come once.
        dealt = data.sources[rows]
        found = [next(g for g in givers if (stored.images[g] == image).all()) for image in dealt]
        assert len(set(found)) == min(len(rows), len(givers))
        assert conditions(data, rows[:3])["source"].shape == (3, 1, 16, 16)


def test_the_way_back_swaps_the_classes(stored: Prepared) -> None:
    data = stored.towards(("T1w", "T2w"))
    back = data.opposite()
    assert back.direction == Direction("T2w", "T1w")
    assert not {*back.indices("train")} & {*data.indices("train")}
    again = back.opposite()
    assert (again.splits == data.splits).all() and again.sources is not None and data.sources is not None
    assert (again.sources[again.indices("test")] == data.sources[data.indices("test")]).all()


def test_training_sees_every_source_and_never_the_patients_own(stored: Prepared) -> None:
    data = stored.towards(("T1w", "T2w"))
    batches = Batches(data, "train", batch=8, seed=0, paired=False)
    _, givers = data.givers("train")
    seen = set()
    for step in range(60):
        images, strangers = batches.rows(step)
        assert strangers is not None
        assert (data.patients[images] != data.patients[strangers]).all()
        seen |= {*strangers.tolist()}
        source = batches.at(step).source
        assert source is not None and source.shape == (8, 1, 16, 16)
    assert seen == {*givers.tolist()}


def test_spare_images_have_sources_too(stored: Prepared) -> None:
    rows = stored.indices("train")
    splits = stored.splits.copy()
    splits[rows[::2]] = SPARE
    data = replace(stored, splits=splits).towards(("T1w", "T2w"))
    assert {*np.unique(data.splits[data.learnable()])} == {"train", SPARE} and data.sources is not None
    assert data.sources[data.learnable()].std(axis=(1, 2, 3)).min() > 1


def test_pairs_stay_pairs_and_unknown_classes_are_named(stored: Prepared, prepared: Prepared) -> None:
    assert stored.towards(None) is stored
    with pytest.raises(
        MedganError, match=r"data.direction: no class is called 'T2' \(did you mean 'T2w'\?\); choices: T1w"
    ):
        stored.towards(("T1w", "T2"))


def test_both_ways_need_images(stored: Prepared, config: Config, tmp_path: Path) -> None:
    """The class with fewer images decides, whether it is drawn or drawn from."""
    fewest = int(min(np.bincount(stored.labels[stored.splits == "test"])))  # type: ignore[index]
    for direction in (["T1w", "T2w"], ["T2w", "T1w"]):
        values = {"data.direction": direction, "train.score": "fid", "train.n": 30, "search.trials": 0}
        changed = configured(config, tmp_path).override({**values, "evaluate.n": 30})
        with pytest.raises(MedganError, match=rf"evaluate\.n is 30 and there are {fewest} test images"):
            check_counts(changed, stored)


def test_a_direction_of_data_with_sources_is_a_sentence(stored: Prepared, config: Config, tmp_path: Path) -> None:
    with pytest.raises(MedganError, match=r"these have sources; set data\.direction: null"):
        check_counts(configured(config, tmp_path), replace(stored, sources=stored.images))


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"gan.name": "translation"}, "gan.name is translation and train.score fid; set gan.name: cyclegan"),
        (
            {"train.score": "mae"},
            "gan.name is cyclegan and train.score mae; set gan.name: cyclegan and train.score: fid",
        ),
        ({"data.labels": False}, "name two classes, with labels: true and balance: false"),
        ({"data.direction": ["T1w", "T1w"]}, "name two classes"),
    ],
)
def test_what_needs_pairs_is_refused(config: Config, tmp_path: Path, values: dict[str, object], says: str) -> None:
    with pytest.raises(MedganError, match=says):
        configured(config, tmp_path).override(values)


@pytest.mark.slow
@pytest.mark.filterwarnings(
    "ignore:The ..noload.. loader strategy:DeprecationWarning",
    "ignore::FutureWarning:mlflow",
    "ignore::UserWarning:mlflow",
)
def test_all_stages_run_and_each_way_is_judged_as_a_set(config: Config, tmp_path: Path) -> None:
    two_folders(tmp_path / "raw", t1=220, t2=210, both=20)
    changed = configured(config, tmp_path / "raw").override({**UNGATED, "evaluate.n": 60, "train.n": 100})
    with after_stages(tmp_path / "clone", changed, raw=tmp_path / "raw") as folder:
        metrics = json.loads((folder / "reports/metrics.json").read_text())
        registry = json.loads((folder / "artifacts/registry.json").read_text())
        assert load_config(folder / "params.yaml").data.direction == ("T1w", "T2w")
        stored = open_prepared(folder / "data/prepared")
        for report, registered, path, direction in (
            (metrics, registry, "artifacts/export", "T1w to T2w"),
            (metrics["reverse"], registry["reverse"], "artifacts/export/reverse", "T2w to T1w"),
        ):
            generator = OnnxGenerator(folder / path / "generator.onnx")
            assert generator.metadata["direction"] == direction
            assert golden_difference(generator, folder / path / "golden.npz") < 1e-4
            assert report["quality"]["fid"] > report["floor"]["fid"] and "mae" not in report["quality"]
            assert registered["version"] == 1
        assert stored.label_names == ("T1w", "T2w")

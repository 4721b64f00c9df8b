"""One small data set, its configuration and an exported generator, made once and shared by all test modules."""

import gc
import json
import os
import tempfile
from pathlib import Path

import pytest
import torch

from medgan.config.schema import Config, load_config
from medgan.data.spec import ImageSpec
from medgan.data.store import Prepared
from medgan.device import use_cpu
from medgan.export.onnx_file import export
from medgan.gans import build_gan
from medgan.sources.prepare import prepare

ROOT = Path(__file__).parents[1]


def pytest_collection_finish() -> None:
    """Leave modules and test items, millions of objects that stay to the end, to no search for garbage."""
    gc.collect()
    gc.freeze()


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("real") and not os.environ.get("MEDGAN_REAL_DATA"):
        pytest.skip("MEDGAN_REAL_DATA names no folder with the real data sets")


def pytest_sessionfinish() -> None:
    """Let them go at the end, or libraries report them as leaks."""
    gc.unfreeze()


# Not the key of whoever runs the tests.
os.environ["MEDGAN_KEY"] = str(Path(tempfile.mkdtemp(prefix="medgan-key-")) / "patients.key")
# As in pipelines/__init__.py.
gc.set_threshold(50_000, 20, 100)
# On busy cores a step of two threads can take forty times as long as one of a single thread.
use_cpu(1)

LESIONS = ["healthy", "tumour", "infarct"]


@pytest.fixture(scope="session")
def config() -> Config:
    """The shipped params.yaml (not one that was edited since), shrunk until a training takes a second."""
    return load_config(ROOT / "recipes" / "default.yaml").override(
        {
            "data.raw": str(ROOT / "data" / "phantom.yaml"),
            "data.size": 16,
            "data.validation": 0.25,
            "data.test": 0.25,
            "data.options": {"count": 480, "slices": 4, "lesions": LESIONS, "modalities": ["T2w"]},
            "features.steps": 20,
            "features.batch": 16,
            "gan.model": {"name": "dcgan", "latent_dim": 8, "width": 4, "max_width": 16, "embedding_dim": 4},
            "gan.batch": 8,
            "search.trials": 2,
            "search.steps": 4,
            "search.evaluations": 2,
            "search.n": 100,
            "search.finalists": 1,
            "search.seeds": 2,
            "train.init_from": str(ROOT / "data" / "from-scratch"),
            "train.steps": 6,
            "train.evaluations": 2,
            "train.n": 100,
            "train.checkpoint_every": 2,
            "train.precision": "fp32",
            "train.threads": 1,
            "evaluate.n": 100,
            "evaluate.bootstrap": 5,
            "evaluate.told_apart_steps": 4,
            "utility.seeds": 0,
        }
    )


@pytest.fixture(scope="session")
def prepared(config: Config, tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """480 phantom images 16 x 16 of 120 patients and three classes; 120 in validation, 120 in test."""
    return prepare(config.data, tmp_path_factory.mktemp("prepared"), seed=config.seed)


@pytest.fixture(scope="session")
def tiny_onnx(config: Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """generator.onnx of an untrained conditional generator of the classes in LESIONS, golden.npz beside it."""
    spec = ImageSpec(config.data.size, config.data.channels, classes=len(LESIONS))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        gan = build_gan(config.gan, spec)
    metadata = {"name": "tiny", "label_names": json.dumps(sorted(LESIONS)), "notice": "synthetic; not for diagnosis"}
    return export(gan, gan.generators, tmp_path_factory.mktemp("export"), metadata).path


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """What recipes and stages read of a clone, at the default recipe; a test may edit it."""
    root = tmp_path / "clone"
    names = [
        "dvc.yaml",
        "data/phantom.yaml",
        "data/from-scratch",
        *(f"recipes/{path.name}" for path in (ROOT / "recipes").glob("*.yaml")),
    ]
    for name in names:
        target = root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((ROOT / name).read_bytes())
    (root / "params.yaml").write_bytes((ROOT / "recipes" / "default.yaml").read_bytes())
    return root

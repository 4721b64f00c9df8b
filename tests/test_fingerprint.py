"""Digests that find things again."""

import importlib.metadata
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from medgan.config.schema import Config
from medgan.data.spec import ImageSpec
from medgan.fingerprint import code_digest, file_digest, git_commit, tree_digest
from medgan.imports import ROOT
from medgan.scores.validation_fid import fid_judge
from medgan.training.identity import training_modules

FID_SCORE_CHANGES = (
    ("medgan/scores/extractor.py", "_GRID = 32", "_GRID = 16"),
    ("medgan/scores/frechet.py", ".double())", ".float())"),
    ("medgan/scores/validation_images.py", "_HELD_OUT = 500", "_HELD_OUT = 501"),
    ("medgan/imaging/arrays.py", "half = (levels - 1) / 2", "half = levels / 2"),
)


def test_the_commit_is_named_and_whether_files_differ_from_it(tmp_path: Path) -> None:
    assert git_commit(tmp_path) == ""
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b"]
    (tmp_path / "file").write_text("one")
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "first"]):
        subprocess.run([*git, *command], check=True)
    clean = git_commit(tmp_path)
    assert len(clean) == 40
    (tmp_path / "file").write_text("two")
    assert git_commit(tmp_path) == f"{clean}-dirty"
    (tmp_path / "file").write_text("one")
    (tmp_path / "new").write_text("untracked")
    assert git_commit(tmp_path) == clean


# The code behind a result: what decides it belongs to it, and nothing else.

SPEC = ImageSpec(16, 1, classes=3)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the code, for tests to edit; each puts back what it has changed."""
    root = tmp_path_factory.mktemp("code")
    for package in ("medgan", "pipelines"):
        shutil.copytree(ROOT / package, root / package, ignore=shutil.ignore_patterns("__pycache__"))
    return root


@contextmanager
def changed(path: Path, old: str, new: str) -> Iterator[None]:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    yield
    path.write_text(text)


def code_of_a_training(config: Config, root: Path) -> str:
    return code_digest(training_modules(config.gan, SPEC, scored_by=fid_judge.__module__), root)


def test_what_decides_no_bit_of_a_training_leaves_its_code(config: Config, tree: Path) -> None:
    before = code_of_a_training(config, tree)
    for new in ("medgan/sources/dicom.py", "medgan/scores/vendi.py", "medgan/evaluation/usefulness.py"):
        (tree / new).write_text('"""New."""\nVALUE = 1\n')
    for path, old, added in (
        ("medgan/models/__init__.py", "from medgan.models.dcgan import DCGAN\n", "from medgan.models.new import New\n"),
        ("medgan/training/loop.py", "LOG_POINTS = 200", "# A comment.\n"),
        ("medgan/scores/paired.py", "_BATCH = 5", "_BATCH = 6\n"),
        ("medgan/scores/fidelity.py", "\n\n\n", "\n\nANOTHER = 1\n"),
        ("medgan/scores/learning.py", "\n\n\n", "\n\nANOTHER = 1\n"),
        ("medgan/config/data.py", "\n\n\n", "\n\nANOTHER = 1\n"),
        ("medgan/models/transformer.py", "\n\n\n", "\n\nANOTHER = 1\n"),
        ("medgan/gans/cyclegan.py", "\n\n\n", "\n\nANOTHER = 1\n"),
        ("medgan/sources/folder.py", "\n\n\n", "\n\nANOTHER = 1\n"),
        ("medgan/tracking/runs.py", "\n\n\n", "\n\nANOTHER = 1\n"),
    ):
        with changed(tree / path, old, added + old):
            assert code_of_a_training(config, tree) == before, path
    with changed(tree / "medgan/gans/losses.py", '    """Non-saturating', '    """In other words: non-saturating'):
        assert code_of_a_training(config, tree) == before


@pytest.mark.parametrize(
    ("path", "old", "new"),
    [
        ("medgan/training/loop.py", "LOG_POINTS = 200", "LOG_POINTS = 201"),
        ("medgan/training/ema.py", "(10 + step)", "(11 + step)"),
        ("medgan/gans/losses.py", "return 0.5 * wide", "return 0.4 * wide"),
        ("medgan/gans/__init__.py", "return GANS[config.name](config, spec)", "return GANS['synthesis'](config, spec)"),
        ("medgan/models/dcgan.py", "from medgan", "ANOTHER = 1\nfrom medgan"),
        ("medgan/models/layers.py", "from torch import", "ANOTHER = 1\nfrom torch import"),
        ("medgan/seeds.py", ">> 1", ">> 2"),
        ("medgan/data/loader.py", "epochs, offsets = np.divmod(", "epochs, offsets = np.divmod(1 + "),
    ],
)
def test_a_changed_constant_of_the_loop_a_loss_or_its_network_changes_a_trainings_code(
    config: Config, tree: Path, path: str, old: str, new: str
) -> None:
    before = code_of_a_training(config, tree)
    with changed(tree / path, old, new):
        assert code_of_a_training(config, tree) != before
    assert code_of_a_training(config, tree) == before


def test_the_score_that_chooses_weights_belongs_to_the_code_of_a_training(config: Config, tree: Path) -> None:
    before = code_of_a_training(config, tree)
    for path, old, new in FID_SCORE_CHANGES:
        with changed(tree / path, old, new):
            assert code_of_a_training(config, tree) != before, path


def test_another_version_of_torch_or_numpy_changes_the_code_and_one_of_mlflow_does_not(
    config: Config, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, versions = code_of_a_training(config, tree), importlib.metadata.version
    for name, same in (("torch", False), ("numpy", False), ("torch-fidelity", False), ("mlflow", True)):
        with monkeypatch.context() as patch:
            patch.setattr(importlib.metadata, "version", lambda asked, n=name: "0" if asked == n else versions(asked))
            assert (code_of_a_training(config, tree) == before) == same, name


def test_another_network_or_gan_is_other_code(config: Config) -> None:
    residual = config.gan.model_copy(update={"model": {"name": "residual"}})
    digests = {
        code_digest(training_modules(gan, SPEC, scored_by=fid_judge.__module__)) for gan in (config.gan, residual)
    }
    assert len(digests) == 2


def test_a_folder_is_known_by_names_and_contents(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "one").write_bytes(b"1")
    digests = {tree_digest(tmp_path)}
    (tmp_path / "a" / "one").rename(tmp_path / "a" / "two")
    digests.add(tree_digest(tmp_path))
    (tmp_path / "a" / "two").write_bytes(b"2")
    digests.add(tree_digest(tmp_path))
    (tmp_path / os.fsdecode(b"\xff")).touch()
    digests.add(tree_digest(tmp_path))
    assert len(digests) == 4 and tree_digest(tmp_path / "a" / "two") == file_digest(tmp_path / "a" / "two")

"""Faults that were seen, driven from outside: commands and files, nothing imported from the code under test.

To try another commit, copy this folder anywhere and run pytest there; MEDGAN_CLONE names a clone with its .venv.
"""

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import pytest
import yaml

from . import preloaded

CODE = Path(os.environ.get("MEDGAN_CLONE") or Path(__file__).parents[2])
PYTHON = Path(sys.executable) if "MEDGAN_CLONE" not in os.environ else CODE / ".venv" / "bin" / "python"
_COPIED = ("medgan", "pipelines", "recipes", "data", "dvc.yaml", "pyproject.toml", ".dvcignore", ".gitignore")
STAGES = ("prepare", "features", "search", "train", "evaluate", "utility", "export", "register", "report")
_ENTRY = (
    "import sys; from importlib.metadata import entry_points; sys.argv[0] = 'medgan'; "
    "next(iter(entry_points(group='console_scripts', name='medgan'))).load()()"
)
_STAGES = "import runpy, sys; [runpy.run_module(f'pipelines.{stage}', run_name='__main__') for stage in sys.argv[1:]]"
# Small enough that every stage takes its imports and a second.
TINY: dict[str, Any] = {
    "data.size": 16,
    "data.validation": 0.25,
    "data.test": 0.25,
    "data.options": {"count": 480, "slices": 4, "lesions": ["healthy", "tumour", "infarct"], "modalities": ["T2w"]},
    "features.steps": 10,
    "features.batch": 16,
    "gan.model": {"name": "dcgan", "latent_dim": 8, "width": 4, "max_width": 16, "embedding_dim": 4},
    "gan.batch": 8,
    "search.trials": 0,
    "search.steps": 4,
    "search.evaluations": 2,
    "search.n": 60,
    "search.finalists": 1,
    "train.steps": 4,
    "train.evaluations": 2,
    "train.n": 60,
    "train.checkpoint_every": 2,
    "train.precision": "fp32",
    "evaluate.n": 60,
    "evaluate.bootstrap": 5,
    "register.recall": 0.0,
    "register.copies": 1.0,
}
# Applied where the code under test has them.
LATER: dict[str, Any] = {
    "evaluate.told_apart_steps": 2,
    "utility.seeds": 0,
    "register.coverage": 0.0,
    "register.passing": 0.0,
}


@dataclass(frozen=True)
class Clone:
    """A copy of the code under test, without its results, in which commands run."""

    root: Path

    def run(
        self, *command: str | Path, env: Mapping[str, str] | None = None, timeout: float = 240
    ) -> "subprocess.CompletedProcess[str]":
        """A command in this clone. Its output is text; a status that is not 0 raises nothing.

        Those of Python, and what DVC starts in them, fork off one that has imported the large libraries already.
        """
        if command[0] == PYTHON:
            return self._forked([str(part) for part in command[1:]], self.environment(env), timeout)
        return subprocess.run(
            [str(part) for part in command],
            cwd=self.root,
            env=self.environment(env),
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=timeout,
            stdin=subprocess.DEVNULL,
        )

    def _forked(self, arguments: list[str], env: dict[str, str], timeout: float) -> "subprocess.CompletedProcess[str]":
        where = preloaded_python()
        env |= {"MEDGAN_PYTHON": preloaded.__file__, "MEDGAN_PRELOADED": where}
        with TemporaryFile() as out, TemporaryFile() as err, Path(os.devnull).open("rb") as nothing:
            files = (nothing.fileno(), out.fileno(), err.fileno())
            with preloaded.call(where, arguments, cwd=str(self.root), env=env, files=files) as connection:
                connection.settimeout(timeout)
                code = preloaded.status(connection)
            said = [(file.seek(0), file.read().decode(errors="replace"))[1] for file in (out, err)]
        return subprocess.CompletedProcess(arguments, code, *said)

    def environment(self, env: Mapping[str, str] | None = None) -> dict[str, str]:
        clean = {key: value for key, value in os.environ.items() if not key.startswith(("MLFLOW_", "PYTEST_"))}
        return {**clean, "PYTHONPATH": str(self.root), "PYTHONWARNINGS": "ignore", "COLUMNS": "200", **(env or {})}

    def stage(self, name: str, **options: Any) -> "subprocess.CompletedProcess[str]":
        return self.run(PYTHON, "-m", f"pipelines.{name}", **options)

    def stages(self, *names: str) -> "subprocess.CompletedProcess[str]":
        """One after the other in one process, which imports torch and MLflow once; the first that fails ends it."""
        return self.run(PYTHON, "-c", _STAGES, *names)

    def repro(self, **options: Any) -> "subprocess.CompletedProcess[str]":
        """What `make repro` runs."""
        return self.run(PYTHON, "-m", "pipelines", **options)

    def medgan(self, *arguments: str | Path, **options: Any) -> "subprocess.CompletedProcess[str]":
        return self.run(PYTHON, "-c", _ENTRY, *arguments, **options)

    def params(self, changes: Mapping[str, Any]) -> None:
        """Replace values of params.yaml by dotted path."""
        path = self.root / "params.yaml"
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
        for dotted, value in changes.items():
            *parents, leaf = dotted.split(".")
            node = tree
            for key in parents:
                node = node[key]
            node[leaf] = value
        path.write_text(yaml.safe_dump(tree, sort_keys=False), encoding="utf-8")

    def copied(self, root: Path) -> "Clone":
        shutil.copytree(self.root, root, symlinks=True)
        return Clone(root)


@cache
def preloaded_python() -> str:
    """The socket of a Python that commands fork off; it ends with this process."""
    folder = Path(tempfile.mkdtemp(prefix="preloaded-"))
    env = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen([PYTHON, preloaded.__file__, "serve", folder / "socket"], env=env)
    atexit.register(lambda: (process.kill(), process.wait()))
    end = time.monotonic() + 120
    while not (folder / "socket").exists():
        assert time.monotonic() < end, "the preloaded Python does not start"
        time.sleep(0.1)
    return str(folder / "socket")


def make_clone(root: Path, *, git: bool = True) -> Clone:
    root.mkdir(parents=True)
    for name in _COPIED:
        origin, target = CODE / name, root / name
        if origin.is_dir():
            shutil.copytree(origin, target, ignore=shutil.ignore_patterns("prepared", "raw"))
        elif origin.exists():
            shutil.copy2(origin, target)
    shutil.copytree(CODE / ".dvc", root / ".dvc", ignore=shutil.ignore_patterns("cache", "tmp"))
    shutil.copy2(CODE / "recipes" / "default.yaml", root / "params.yaml")
    clone = Clone(root)
    known = yaml.safe_load((root / "params.yaml").read_text(encoding="utf-8"))
    later = {path: value for path, value in LATER.items() if path.split(".")[1] in known[path.split(".")[0]]}
    clone.params(TINY | later)
    if git:
        mine = ("git", "-c", "user.name=a", "-c", "user.email=a@b")
        for command in (("init", "-q"), ("add", "."), ("commit", "-qm", "as it is")):
            clone.run(*mine, *command)
    return clone


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    """At tiny parameters, with nothing run yet."""
    return make_clone(tmp_path / "clone")


@pytest.fixture(scope="session")
def finished_once(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """As after a first `make repro`, but its stages ran in one process; DVC was told of it. Not to be changed."""
    done = make_clone(tmp_path_factory.mktemp("finished") / "clone")
    for result in (done.stages(*STAGES), done.run(PYTHON, "-m", "dvc", "commit", "-f", "dvc.yaml")):
        assert result.returncode == 0, result.stdout + result.stderr
    return done


@pytest.fixture
def finished(finished_once: Clone, tmp_path: Path) -> Clone:
    """A copy of a clone after its first `make repro`, for a test to break. Absolute paths in it name the original."""
    return finished_once.copied(tmp_path / "copy")


def no_traceback(result: "subprocess.CompletedProcess[str]") -> str:
    """All that a command printed, which must hold no traceback."""
    said = result.stdout + result.stderr
    assert "Traceback" not in said, said
    return said

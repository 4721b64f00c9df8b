"""Short digests by which results, runs, studies and versions are found again, and the commit that they come from."""

import ast
import hashlib
import importlib.metadata
import json
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from medgan.imports import ROOT, closure, imported_by, modules
from medgan.walking import walk

# Packages whose modules are chosen by name in params.yaml. Their tables belong to nobody's code: a result depends on
# the entry that it uses, which is named among the modules that it starts from.
TABLES = frozenset({"medgan.models", "medgan.gans", "medgan.sources"})
# Libraries that compute, as they are imported and as they are installed: another version may give other bits.
ARITHMETIC = {
    "numpy": "numpy",
    "piq": "piq",
    "scipy": "scipy",
    "torch": "torch",
    "timm": "timm",
    "torch_fidelity": "torch-fidelity",
}


@dataclass(frozen=True)
class Origin:
    """commit, recipe: of the code and of the params.yaml that a training comes from.

    changed: values that are not the recipe's, by dotted path, those that a search has chosen among them.
    They are in no fingerprint: most commits change no training, and two recipes may be one configuration.
    """

    commit: str
    recipe: str
    changed: Mapping[str, Any] = field(default_factory=dict)


def fingerprint(parts: dict[str, Any]) -> str:
    """16 hex digits of the canonical JSON of `parts`."""
    canonical = json.dumps(parts, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def file_digest(path: Path) -> str:
    """16 hex digits of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def tree_digest(path: Path) -> str:
    """16 hex digits of a file's content, or of the names and contents of all files under a folder."""
    if not path.is_dir():
        return file_digest(path)
    digest = hashlib.sha256()
    for file in walk(path, hidden=True).files:
        if file.is_file():
            name = file.relative_to(path).as_posix().encode(errors="surrogateescape")
            digest.update(name + b"\0" + file_digest(file).encode() + b"\0")
    return digest.hexdigest()[:16]


def code_digest(starts: Iterable[str], root: Path = ROOT, *, libraries: Mapping[str, str] = ARITHMETIC) -> str:
    """16 hex digits of the code that these modules run, and of the versions of the libraries that compute for it.

    starts: dotted names; those that are not modules of medgan or pipelines do not count. The code is that of their
    import closure, as syntax trees: comments, docstrings and formatting do not count. Of TABLES, what stands beside
    the table does.
    """
    files = modules(root)
    reached = closure(starts, root, tables=TABLES)
    digest = hashlib.sha256()
    for name in sorted(reached):
        digest.update(f"{name}\0{_syntax(files[name].read_text(encoding='utf-8'), table=name in TABLES)}\0".encode())
    foreign = {target.partition(".")[0] for name in reached for target in imported_by(name, files)}
    for name in sorted(foreign & libraries.keys()):
        digest.update(f"{name} {importlib.metadata.version(libraries[name])}\0".encode())
    return digest.hexdigest()[:16]


def _syntax(text: str, *, table: bool) -> str:
    """A module as a syntax tree without docstrings; of a table's module, its functions and classes alone."""
    tree = ast.parse(text)
    if table:
        tree.body = [node for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    for node in ast.walk(tree):
        match node:
            case ast.Module() | ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
                node.body = node.body[int(ast.get_docstring(node, clean=False) is not None) :]
    return ast.dump(tree)


def git_commit(root: Path) -> str:
    """The commit of the code, with "-dirty" where tracked files differ from it; empty outside a git repository."""
    git = ("git", "-C", str(root))
    try:
        commit = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
        status = subprocess.run(
            [*git, "status", "--porcelain", "--untracked-files=no"], check=True, capture_output=True, text=True
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return ""
    return f"{commit}-dirty" if status.strip() else commit

"""What imports what, read from the source: nothing is run, and imports inside functions count."""

import ast
import functools
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Import:
    """`importer` (a dotted module of the tree) names `imported` (a module of the tree, or a foreign package)."""

    importer: str
    imported: str


def modules(root: Path = ROOT) -> dict[str, Path]:
    """Dotted name to file of every module of medgan and pipelines under `root`."""
    files = {}
    for package in ("medgan", "pipelines"):
        for path in (root / package).rglob("*.py"):
            parts = path.relative_to(root).with_suffix("").parts
            files[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return files


def imports(root: Path = ROOT) -> set[Import]:
    """Every import of the tree; one of a name inside a module is one of that module."""
    files = modules(root)
    return {Import(name, target) for name in files for target in imported_by(name, files)}


def imported_by(name: str, files: dict[str, Path]) -> set[str]:
    """Modules of `files` and foreign packages that the module of this name imports, its own package included."""
    path = files[name]
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    # `from medgan.gans import losses` is an import of medgan.gans.losses, not of what medgan/gans/__init__.py holds.
    named = _named(package, path.read_text(encoding="utf-8"))
    return {target if (target := f"{module}.{inner}") in files else module for module, inner in named}


def closure(starts: Iterable[str], root: Path = ROOT, *, tables: frozenset[str] = frozenset()) -> set[str]:
    """The modules of the tree that importing `starts` may load, with the packages that they are in.

    tables: packages that list their own modules. They belong to the closure, but what they list does not for that.
    """
    files = modules(root)
    reached: set[str] = set()
    waiting = list(starts)
    while waiting:
        module = waiting.pop()
        if module in reached or module not in files:
            continue
        reached.add(module)
        listed = f"{module}." if module in tables else None
        waiting += [name for name in imported_by(module, files) if not (listed and name.startswith(listed))]
        waiting.append(module.rpartition(".")[0])
    return reached


@functools.cache
def _named(package: str, text: str) -> frozenset[tuple[str, str]]:
    """(module, name in it or empty) of each import of a text that lies in `package`."""
    names = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names |= {(alias.name, "") for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".")
            base = parts[: len(parts) - node.level + 1] if node.level else []
            module = ".".join([*base, *filter(None, [node.module])])
            names |= {(module, alias.name) for alias in node.names}
    return frozenset(names)

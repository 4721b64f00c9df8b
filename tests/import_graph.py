"""What imports what, read from the source: nothing is run, and imports inside functions count."""

import ast
import functools
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Import:
    """`importer` (a dotted module of the tree) names `imported` (a module of the tree, or a foreign package)."""

    importer: str
    imported: str


def modules(root: Path) -> dict[str, Path]:
    """Dotted name to file of every module of medgan and pipelines."""
    found = {}
    for package in ("medgan", "pipelines"):
        for path in (root / package).rglob("*.py"):
            parts = path.relative_to(root).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(root: Path) -> set[Import]:
    """Every import of the tree; one of a name inside a module is one of that module."""
    known = modules(root)
    found = set()
    for name, path in known.items():
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        for module, inner in _named(package, path.read_text(encoding="utf-8")):
            # `from medgan.gans import losses` is an import of medgan.gans.losses, not of what medgan/__init__.py holds.
            target = f"{module}.{inner}"
            found.add(Import(name, target if target in known else module))
    return found


@functools.cache
def _named(package: str, text: str) -> frozenset[tuple[str, str]]:
    """(module, name in it or empty) of each import of a text that lies in `package`."""
    found = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found |= {(alias.name, "") for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".")
            base = parts[: len(parts) - node.level + 1] if node.level else []
            module = ".".join([*base, *filter(None, [node.module])])
            found |= {(module, alias.name) for alias in node.names}
    return frozenset(found)


def closure(root: Path, start: str) -> set[str]:
    """The modules of the tree that importing `start` may load, with the packages that they are in."""
    known, edges = modules(root), imports(root)
    reached: set[str] = set()
    waiting = [start]
    while waiting:
        module = waiting.pop()
        if module in reached or module not in known:
            continue
        reached.add(module)
        waiting += [edge.imported for edge in edges if edge.importer == module]
        waiting.append(module.rpartition(".")[0])
    return reached

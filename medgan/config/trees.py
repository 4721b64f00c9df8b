"""YAML files as plain trees, and dotted paths in them."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from medgan.config.checking import nearest
from medgan.errors import MedganError


def read_yaml(path: Path) -> dict[str, Any]:
    try:
        tree = yaml.safe_load(path.read_bytes())
    except FileNotFoundError:
        raise MedganError(f"{path} does not exist; run this in a clone of the repository") from None
    except OSError as error:
        raise MedganError(f"{path} cannot be read: {error.strerror}") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark  # without its line, which may hold a password
        where = f" in line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise MedganError(f"{path} is not valid YAML: {error.problem}{where}") from None
    except yaml.YAMLError as error:
        raise MedganError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(tree, dict):
        raise MedganError(f"{path} must hold a mapping of sections, not {type(tree).__name__}")
    return tree


def set_path(tree: dict[str, Any], path: str, value: Any) -> None:
    """Replace one dotted path in place, such as gan.lr or gan.betas.0.

    A missing parent or leaf is an error that names the nearest key.
    """
    *parents, leaf = path.split(".")
    node: Any = tree
    for depth, key in enumerate([*parents, leaf]):
        # Options are checked by the model or source that they are for.
        open_ended = depth == len(parents) and parents in (["gan", "model"], ["data", "options"])
        known = _parts(node)
        if key not in known and not open_ended:
            raise MedganError(f"unknown parameter '{path}'{nearest(key, list(known))}")
        if depth < len(parents):
            node = node[known[key]]
        else:
            node[known.get(key, key)] = value


def get_path(tree: dict[str, Any], path: str) -> Any:
    """The value at a dotted path; None for an option that is left at its default."""
    node: Any = tree
    for key in path.split("."):
        known = _parts(node)
        node = node[known[key]] if key in known else None
    return node


def _parts(node: Any) -> dict[str, str | int]:
    """What a part of a path may be at this node, and the key or index that it stands for."""
    if isinstance(node, list):
        return {str(index): index for index in range(len(node))}
    return {key: key for key in node} if isinstance(node, dict) else {}


def flat(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Walk a nested mapping: dotted paths and their values, of which an empty mapping is one."""
    for key, value in tree.items():
        if isinstance(value, Mapping) and value:
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value

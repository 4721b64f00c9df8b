"""Values from YAML files, checked; an error is one sentence with the key, the value and the choices."""

import difflib
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from medgan.errors import MedganError

Scalar = bool | int | float | str
Options = dict[str, Any]
T = TypeVar("T")

# Hyperparameter dataclasses (models, sources) are built with this: a misspelt option is an error, not a default.
STRICT = ConfigDict(extra="forbid")


def nearest(word: str, choices: list[str]) -> str:
    """The end of an error sentence: the likeliest choice, then all of them."""
    listed = f"; choices: {', '.join(sorted(choices))}" if choices else ""
    close = difflib.get_close_matches(word, choices, n=1)
    return f" (did you mean '{close[0]}'?){listed}" if close else listed


def read_yaml(path: Path) -> dict[str, Any]:
    try:
        tree = yaml.safe_load(path.read_bytes())
    except FileNotFoundError:
        raise MedganError(f"{path} does not exist; run this in a clone of the repository") from None
    except OSError as error:
        raise MedganError(f"{path} cannot be read: {error.strerror}") from None
    except yaml.YAMLError as error:
        raise MedganError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(tree, dict):
        raise MedganError(f"{path} must hold a mapping of sections, not {type(tree).__name__}")
    return tree


def build(table: Mapping[str, type[T]], name: str, options: Options, where: str) -> T:
    """Make `table[name]` from its options, with the same errors as the rest of params.yaml.

    where: the dotted path of the options, for the error.
    """
    if name not in table:
        raise MedganError(f"{where}: unknown name '{name}'{nearest(name, list(table))}")
    try:
        return TypeAdapter(table[name]).validate_python(options)
    except ValidationError as error:
        raise MedganError(f"params.yaml: {sentence(error, table[name], prefix=where)}") from None


def sentence(error: ValidationError, root: type, prefix: str = "") -> str:
    parts = []
    for item in error.errors():
        path = ".".join(str(key) for key in (*filter(None, [prefix]), *item["loc"]))
        if item["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
            key = str(item["loc"][-1])
            parts.append(f"unknown parameter '{path}'{nearest(key, _keys_at(root, item['loc'][:-1]))}")
        elif item["type"] in ("missing", "missing_argument"):
            parts.append(f"parameter '{path}' is missing")
        elif item["type"] == "value_error":  # of a whole section: its sentence says which values do not go together
            said = item["msg"].removeprefix("Value error, ")
            parts.append(f"{path}: {said}" if path else said)
        else:
            value = item["input"] if isinstance(item["input"], Scalar) else type(item["input"]).__name__
            parts.append(f"'{path}' = {value!r}: {item['msg'][0].lower()}{item['msg'][1:]}")
    return "; ".join(dict.fromkeys(parts))


def set_path(tree: dict[str, Any], path: str, value: Any) -> None:
    """Replace one dotted path in place, such as gan.lr or gan.betas.0.

    A missing parent or leaf is an error that names the nearest key.
    """
    *parents, leaf = path.split(".")
    node: Any = tree
    for depth, key in enumerate([*parents, leaf]):
        # Options are checked by the model or source that they are for.
        open_ended = depth == len(parents) and parents in (["gan", "model"], ["data", "options"])
        known = _places(node)
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
        known = _places(node)
        node = node[known[key]] if key in known else None
    return node


def _keys_at(root: type, location: tuple[int | str, ...]) -> list[str]:
    """Field names of the (nested) pydantic class at a location."""
    cls: Any = root
    for key in location:
        fields = getattr(cls, "model_fields", {})
        named = {field.alias or name: field for name, field in fields.items()}
        if str(key) not in named:
            # A mapping (search.space) has free keys: its values' class follows.
            cls = next(_classes(cls), cls)
            continue
        cls = next(_classes(named[str(key)].annotation), named[str(key)].annotation)
    fields = getattr(cls, "model_fields", None) or getattr(cls, "__pydantic_fields__", {})
    return [field.alias or name for name, field in fields.items()]


def _classes(annotation: Any) -> Iterator[type]:
    if get_origin(annotation) in (Union, UnionType, dict, Annotated):
        for inner in get_args(annotation):
            yield from _classes(inner)
    elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation


def _places(node: Any) -> dict[str, str | int]:
    """What a part of a path may be at this node, and the key or index that it stands for."""
    if isinstance(node, list):
        return {str(index): index for index in range(len(node))}
    return {key: key for key in node} if isinstance(node, dict) else {}

"""Values from YAML files as frozen classes; an error is one sentence with the key, the value and the choices."""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from medgan.errors import MedganError

Scalar = bool | int | float | str
Options = dict[str, Any]
T = TypeVar("T")

# Hyperparameter dataclasses (models, sources) are built with this: a misspelt option is an error, not a default.
STRICT = ConfigDict(extra="forbid")


class Section(BaseModel):
    """A part of params.yaml: frozen, without unknown keys, and without numbers that are none."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def nearest(word: str, choices: list[str]) -> str:
    """The end of an error sentence: the likeliest choice, then all of them."""
    listed = f"; choices: {', '.join(sorted(choices))}" if choices else ""
    close = difflib.get_close_matches(word, choices, n=1)
    return f" (did you mean '{close[0]}'?){listed}" if close else listed


def build(table: Mapping[str, type[T]], name: str, options: Options, where: str) -> T:
    """Make `table[name]` from its options, with the same errors as the rest of params.yaml.

    where: the dotted path of the options, for the error.
    """
    if name not in table:
        raise MedganError(f"{where}: unknown name '{name}'{nearest(name, list(table))}")
    try:
        return TypeAdapter(table[name]).validate_python(options)
    except ValidationError as error:
        raise MedganError(f"params.yaml: {sentence(error, table[name], options, prefix=where)}") from None


def sentence(error: ValidationError, root: type, tree: Any, prefix: str = "") -> str:
    """All of an error, each part with its dotted path.

    root, tree: the class that was to be made, and of what. prefix: the path of the tree itself.
    """
    parts = []
    for item in error.errors():
        keys = _keys(root, item["loc"])
        path = ".".join(filter(None, [prefix, *keys]))
        context = item.get("ctx", {})
        if item["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
            unknown = f"unknown parameter '{path}'{nearest(keys[-1], _keys_at(root, item['loc'][:-1]))}"
            parts.append(foreign(root, tree, keys) or unknown)
        elif item["type"] in ("missing", "missing_argument"):
            parts.append(f"parameter '{path}' is missing")
        elif item["type"] == "union_tag_not_found":
            parts.append(f"parameter '{path}.{_unquoted(context['discriminator'])}' is missing")
        elif item["type"] == "union_tag_invalid":
            choices = [_unquoted(tag) for tag in context["expected_tags"].split(", ")]
            wrong = f"{path}.{_unquoted(context['discriminator'])}: unknown name '{context['tag']}'"
            parts.append(wrong + nearest(context["tag"], choices))
        elif item["type"] == "value_error":  # of a whole section: its sentence says which values do not go together
            message = item["msg"].removeprefix("Value error, ")
            parts.append(f"{path}: {message}" if path else message)
        else:
            value = item["input"] if isinstance(item["input"], Scalar) else type(item["input"]).__name__
            parts.append(f"'{path}' = {value!r}: {item['msg'][0].lower()}{item['msg'][1:]}")
    return "; ".join(dict.fromkeys(parts))


def foreign(root: type, tree: Any, keys: Sequence[str]) -> str | None:
    """The sentence for a path that exists only under another choice of its section than the tree makes; else None.

    root: the class of the tree. Such a section is a union of classes, told apart by the value of one of its keys.
    """
    cls: Any = root
    node = tree
    for depth, key in enumerate(keys, start=1):
        if (field := _fields(cls).get(key)) is None:
            return None
        cls, node = next(_classes(field.annotation), None), node.get(key) if isinstance(node, Mapping) else None
        if members := _members(field):
            chosen = node.get(field.discriminator) if isinstance(node, Mapping) else None
            owners = sorted(tag for tag, member in members.items() if _has(member, keys[depth:]))
            if not owners or chosen in owners or chosen not in list(members):
                return None
            choice = ".".join([*keys[:depth], str(field.discriminator)])
            return f"{'.'.join(keys)} is a knob of {' and '.join(owners)}, and {choice} is {chosen}; leave it out"
    return None


def _keys(root: type, location: Sequence[int | str]) -> list[str]:
    """A location without the tags by which pydantic tells the members of a union."""
    return [key for key, _ in _places(root, location)]


def _keys_at(root: type, location: Sequence[int | str]) -> list[str]:
    """Field names of the (nested) class at a location."""
    *_, (_, cls) = [("", root), *_places(root, location)]
    return list(_fields(cls))


def _places(root: type, location: Sequence[int | str]) -> Iterator[tuple[str, Any]]:
    """Each key of a location with the class that it leads to; a tag leads on from the key before it."""
    cls: Any = root
    keys = [str(key) for key in location]
    while keys:
        key = keys.pop(0)
        field = _fields(cls).get(key)
        if field is None:
            # A mapping (search.space) has free keys: its values' class follows.
            cls = next(_classes(cls), cls)
        elif (members := _members(field)) and keys:
            cls = members[keys.pop(0)]
        else:
            cls = next(_classes(field.annotation), field.annotation)
        yield key, cls


def _fields(cls: Any) -> dict[str, FieldInfo]:
    """Fields of a pydantic class or dataclass, by their name in the file; none of anything else."""
    fields = getattr(cls, "model_fields", None) or getattr(cls, "__pydantic_fields__", {})
    return {field.alias or name: field for name, field in fields.items()}


def _members(field: FieldInfo) -> dict[str, type]:
    """The classes of a union that a key of theirs tells apart, by the value of that key; empty for other fields."""
    key = field.discriminator
    if not isinstance(key, str):
        return {}
    return {tag: cls for cls in _classes(field.annotation) for tag in get_args(_fields(cls)[key].annotation)}


def _has(cls: Any, keys: Sequence[str]) -> bool:
    """Say whether a path can exist below a class; what has no fields of its own takes any."""
    fields = _fields(cls)
    if not keys or not fields:
        return True
    field = fields.get(keys[0])
    return field is not None and _has(next(_classes(field.annotation), None), keys[1:])


def _unquoted(text: str) -> str:
    return text.strip("'")


def _classes(annotation: Any) -> Iterator[type]:
    if get_origin(annotation) in (Union, UnionType, dict, Annotated):
        for inner in get_args(annotation):
            yield from _classes(inner)
    elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation

"""Recipes: overlays of the shipped params.yaml. The shipped one lives in recipes/default.yaml."""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from medgan.config.checking import nearest
from medgan.config.gan import switched
from medgan.config.schema import parse_config
from medgan.config.search import check_storage
from medgan.config.trees import flat, read_yaml
from medgan.errors import MedganError
from medgan.files import write_atomically
from medgan.fingerprint import Origin, git_commit

DEFAULT, UNKNOWN = "default", "unknown"
_MADE_BY = "# medgan use "  # begins a params.yaml, before the name of its recipe
_FOR_DATA, _DIGEST = "# then, for other data: ", "; these values: "
_REPLACED_WHOLE = (("gan", "model"), ("data", "options"), ("search", "space"))


def clone_root(here: Path) -> Path:
    """The clone that `here` is in. Raises MedganError outside one: recipes and pipelines are not in the wheel."""
    for folder in (here, *here.parents):
        if (folder / "dvc.yaml").is_file() and (folder / "recipes").is_dir():
            return folder
    raise MedganError(
        f"{here} is not in a clone of medgan; this command needs recipes/ and dvc.yaml: clone and cd there"
    )


def list_recipes(here: Path) -> Iterator[tuple[str, str]]:
    """(name, first comment line) of each."""
    for path in sorted((clone_root(here) / "recipes").glob("*.yaml")):
        yield path.stem, _first_line(path).removeprefix("# ")


def use_recipe(here: Path, name: str, *, force: bool) -> list[str]:
    """Overlay the recipe on the defaults, write params.yaml, and return the lines that changed.

    Raises MedganError for an unknown recipe, and where params.yaml holds hand edits and force is not given.
    """
    root = clone_root(here)
    known = [path.stem for path in (root / "recipes").glob("*.yaml")]
    if name not in known:
        raise MedganError(f"unknown recipe '{name}'{nearest(name, known)}")
    wanted, text = read_recipe(root, name)
    parse_config(wanted, where=f"recipes/{name}.yaml")
    return write_params(root, wanted, text, force=force) or [f"params.yaml is recipe '{name}' already"]


def write_params(root: Path, wanted: Mapping[str, Any], text: str, *, force: bool) -> list[str]:
    """Make params.yaml this text, which says the tree `wanted`, and return the lines that changed.

    Raises MedganError where params.yaml holds hand edits and force is not given.
    """
    params = root / "params.yaml"
    check_unedited(root, force=force)
    current: dict[str, Any] = {}
    with suppress(MedganError):  # with force even a broken file is replaced
        current = read_yaml(params)
    write_atomically(params, text.encode())
    before, after = dict(flat(current)), dict(flat(wanted))
    return [
        f"{key}: {_shown(key, before)} -> {_shown(key, after)}"
        for key in sorted(before.keys() | after.keys())
        if before.get(key) != after.get(key)
    ]


def _shown(key: str, values: Mapping[str, Any]) -> str:
    """A value for people; an address that may hold a password is not for them."""
    value = str(values.get(key, "(none)"))
    if key.startswith("search.storage") and key in values:
        try:
            check_storage(value)
        except ValueError:
            return "***"
    return value


def check_unedited(root: Path, *, force: bool) -> None:
    """Raise MedganError where params.yaml holds hand edits, or cannot be read, and force is not given."""
    params = root / "params.yaml"
    current = read_yaml(params) if params.exists() and not force else {}
    if not current or _is_made(params, current):
        return
    known = [path.stem for path in (root / "recipes").glob("*.yaml")]
    likely = recipe_of(root, params)
    if not any(current == read_recipe(root, name)[0] for name in sorted(known, key=lambda name: name != likely)):
        raise MedganError("params.yaml was edited by hand; keep it, or use --force to drop the edits")


def made_text(recipe: str, tree: Mapping[str, Any], what: str) -> str:
    """The text of a params.yaml of a recipe's system for other data. what: the command that makes it."""
    return f"{_MADE_BY}{recipe}\n{_FOR_DATA}{what}{_DIGEST}{_digest(tree)}\n{yaml.safe_dump(tree, sort_keys=False)}"


def _is_made(params: Path, tree: Mapping[str, Any]) -> bool:
    """Say whether a tree is as `made_text` wrote it."""
    second = params.read_bytes().split(b"\n")[1:2]
    return bool(second) and second[0].decode(errors="replace").strip().endswith(f"{_DIGEST}{_digest(tree)}")


def _digest(tree: Mapping[str, Any]) -> str:
    return hashlib.sha256(yaml.safe_dump(tree).encode()).hexdigest()[:12]


def read_recipe(root: Path, name: str) -> tuple[dict[str, Any], str]:
    """The whole tree and the text of its params.yaml; the default keeps its comments."""
    path = root / "recipes" / f"{DEFAULT}.yaml"
    tree = read_yaml(path)
    if name == DEFAULT:
        return tree, path.read_text(encoding="utf-8")
    overlay = read_yaml(root / "recipes" / f"{name}.yaml")
    base, above = tree.get("gan"), overlay.get("gan")
    if isinstance(base, dict) and isinstance(above, dict) and above.get("name", base.get("name")) != base.get("name"):
        tree["gan"] = switched(base, above["name"])
    merged = _merge(tree, overlay, ())
    return merged, f"{_MADE_BY}{name}\n" + yaml.safe_dump(merged, sort_keys=False)


def recipe_of(root: Path, params: Path) -> str:
    """The recipe that a params.yaml was made from, with ", edited" where it holds other values; UNKNOWN without."""
    first = _first_line(params)
    name = first.removeprefix(_MADE_BY) if first.startswith(_MADE_BY) else DEFAULT
    if not (root / "recipes" / f"{name}.yaml").is_file():
        return UNKNOWN
    return name if read_yaml(params) == read_recipe(root, name)[0] else f"{name}, edited"


def _first_line(path: Path) -> str:
    """Its text, whatever else is in the file: an editor may have left it empty or in another encoding."""
    return path.read_bytes().partition(b"\n")[0].decode(errors="replace").strip()


def _merge(base: Mapping[str, Any], overlay: Mapping[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in overlay.items():
        deeper = (*path, key)
        # Options of another source or model are not mixed with those of the default one.
        if isinstance(value, Mapping) and isinstance(merged.get(key), Mapping) and deeper not in _REPLACED_WHOLE:
            merged[key] = _merge(merged[key], value, deeper)
        else:
            merged[key] = value
    return merged


def origin_of(params: Path, sections: Mapping[str, Any]) -> Origin:
    """Say where a training comes from that is begun in this folder. sections: its effective configuration."""
    here, recipe = Path.cwd(), recipe_of(Path.cwd(), params)
    name, of_recipe = recipe.partition(",")[0], dict[str, Any]()
    if name != UNKNOWN:
        config = parse_config(read_recipe(here, name)[0], where=f"recipes/{name}.yaml")
        of_recipe = dict(flat(config.model_dump(mode="json", include={"gan", "train", "seed"})))
    changed = {path: value for path, value in flat(sections) if path not in of_recipe or of_recipe[path] != value}
    return Origin(git_commit(here), recipe, changed)

"""Recipes: each is a whole, valid configuration, and `use` never loses an edit."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from medgan.config.checking import build
from medgan.config.schema import Config, load_config, parse_config
from medgan.config.trees import get_path
from medgan.data.spec import ImageSpec
from medgan.errors import MedganError
from medgan.gans import check_gan
from medgan.search.space import check_space
from medgan.sources import SOURCES
from medgan.workspace.recipes import clone_root, list_recipes, recipe_of, use_recipe

ROOT = Path(__file__).parents[1]
RECIPES = sorted(path.stem for path in (ROOT / "recipes").glob("*.yaml"))
every_recipe = pytest.mark.parametrize("name", RECIPES)


def used(clone: Path, name: str) -> Config:
    use_recipe(clone, name, force=True)
    return load_config(clone / "params.yaml")


def add(clone: Path, name: str, overlay: dict[str, Any] | str) -> None:
    text = overlay if isinstance(overlay, str) else f"# made by a test\n{yaml.safe_dump(overlay)}"
    (clone / "recipes" / f"{name}.yaml").write_text(text, encoding="utf-8")


@every_recipe
def test_each_recipe_builds_its_networks_and_its_source(clone: Path, name: str) -> None:
    config = used(clone, name)
    channels, classes = config.data.channels, 2 if config.data.labels else 0
    spec = ImageSpec(config.data.size, channels, classes, source_channels=channels, mask_channels=1)
    check_gan(config.gan, spec)
    build(SOURCES, config.data.source, config.data.options, "data.options")
    check_space(config, spec)


@every_recipe
def test_each_recipe_can_be_searched_around_its_own_values(clone: Path, name: str) -> None:
    config = used(clone, name)
    if name.endswith("-published") or name in ("cifar10", "sngan-colour"):
        return  # there to be compared with
    tree = config.model_dump(mode="json", by_alias=True)
    for path, distribution in config.search.space.items():
        node = get_path(tree, path)
        assert distribution.has(node), path
    assert config.search.n <= config.train.n  # which is as many as the data has


@every_recipe
def test_each_recipe_says_in_its_first_line_what_it_is(name: str) -> None:
    first = (ROOT / "recipes" / f"{name}.yaml").read_text(encoding="utf-8").splitlines()[0]
    assert first.startswith("# ")
    assert len(first) <= 120


@every_recipe
def test_each_overlay_changes_something_and_names_only_what_is_in_the_default(clone: Path, name: str) -> None:
    if name == "default":
        return
    overlay = yaml.safe_load((ROOT / "recipes" / f"{name}.yaml").read_text(encoding="utf-8"))
    default = yaml.safe_load((ROOT / "recipes" / "default.yaml").read_text(encoding="utf-8"))
    assert overlay.keys() <= default.keys()
    assert used(clone, name) != parse_config(default)


def test_params_yaml_is_shipped_at_the_default() -> None:
    shipped, default = ROOT / "params.yaml", ROOT / "recipes" / "default.yaml"
    changed = subprocess.run(
        ["git", "status", "--porcelain", "params.yaml", "recipes/default.yaml"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    if "params.yaml" in changed and "default.yaml" not in changed:
        pytest.skip("params.yaml is edited in this clone")
    assert shipped.read_bytes() == default.read_bytes()


@every_recipe
def test_a_params_yaml_tells_its_recipe(clone: Path, name: str) -> None:
    params = clone / "params.yaml"
    use_recipe(clone, name, force=True)
    assert recipe_of(clone, params) == name
    params.write_text(params.read_text().replace("seed: 0", "seed: 5"))
    assert recipe_of(clone, params) == f"{name}, edited"
    params.write_text(params.read_text().replace(f"use {name}", "use nothing-of-ours"))
    assert recipe_of(clone, params) == ("default, edited" if name == "default" else "unknown")


def test_recipes_are_listed_with_their_first_line(clone: Path) -> None:
    add(clone, "mine", {"train": {"steps": 7}})
    listed = dict(list_recipes(clone))
    assert sorted(listed) == sorted([*RECIPES, "mine"])
    assert listed["mine"] == "made by a test"


@pytest.mark.parametrize("content", [b"", "# für uns\nseed: 1\n".encode("latin-1"), "# mine\n".encode("utf-16")])
def test_a_recipe_that_is_empty_or_of_another_encoding_hides_no_other(clone: Path, content: bytes) -> None:
    (clone / "recipes" / "mine.yaml").write_bytes(content)
    assert sorted(dict(list_recipes(clone))) == sorted([*RECIPES, "mine"])
    with pytest.raises(MedganError, match=r"mine\.yaml"):
        use_recipe(clone, "mine", force=False)


def test_parameters_in_another_encoding_are_read(clone: Path) -> None:
    """As an editor on Windows may save them."""
    params = clone / "params.yaml"
    params.write_bytes(params.read_text(encoding="utf-8").encode("utf-16"))
    assert recipe_of(clone, params) == "default"


OWN_KNOBS = {
    "synthesis": {"gan.conditional"},
    "multiscale": {"gan.conditional", "gan.grow_until"},
    "translation": {"gan.weights.adversarial", "gan.weights.pixel"},
    "cyclegan": {"gan.weights.adversarial", "gan.weights.cycle", "gan.weights.identity", "gan.buffer"},
}


@every_recipe
def test_a_written_recipe_holds_every_knob_of_its_gan_and_none_of_another(clone: Path, name: str) -> None:
    config = used(clone, name)
    written = yaml.safe_load((clone / "params.yaml").read_text(encoding="utf-8"))
    assert written["gan"] == config.gan.model_dump(mode="json")
    knobs = {f"gan.{key}" for key in written["gan"]} - {"gan.weights"}
    knobs |= {f"gan.weights.{key}" for key in written["gan"].get("weights", {})}
    assert {key for key in knobs if key in set.union(*OWN_KNOBS.values())} == OWN_KNOBS[config.gan.name]


# use


def test_use_writes_the_overlay_and_says_what_changes(clone: Path) -> None:
    before = load_config(clone / "params.yaml")
    add(clone, "mine", {"train": {"steps": 7}, "data": {"name": "mine"}})
    lines = use_recipe(clone, "mine", force=False)
    assert lines == [f"data.name: {before.data.name} -> mine", f"train.steps: {before.train.steps} -> 7"]
    assert load_config(clone / "params.yaml") == before.override({"train.steps": 7, "data.name": "mine"})


def test_use_again_changes_nothing_and_default_goes_back(clone: Path) -> None:
    shipped = (clone / "params.yaml").read_bytes()
    add(clone, "mine", {"train": {"steps": 7}})
    use_recipe(clone, "mine", force=False)
    written = (clone / "params.yaml").read_bytes()
    assert use_recipe(clone, "mine", force=False) == ["params.yaml is recipe 'mine' already"]
    assert (clone / "params.yaml").read_bytes() == written
    use_recipe(clone, "default", force=False)
    assert (clone / "params.yaml").read_bytes() == shipped


def test_an_overlay_is_of_the_defaults_and_not_of_the_last_recipe(clone: Path) -> None:
    default = load_config(clone / "params.yaml")
    add(clone, "one", {"train": {"steps": 7}})
    add(clone, "two", {"gan": {"lr": 0.5}})
    use_recipe(clone, "one", force=False)
    use_recipe(clone, "two", force=False)
    assert load_config(clone / "params.yaml") == default.override({"gan.lr": 0.5})


def test_options_of_models_sources_and_spaces_are_replaced_as_a_whole(clone: Path) -> None:
    add(
        clone,
        "mine",
        {
            "data": {"options": {}},
            "gan": {"model": {"name": "dcgan"}},
            "search": {"space": {"gan.r1": {"choices": [1.0]}}},
        },
    )
    config = used(clone, "mine")
    assert config.data.options == {}
    assert config.gan.model == {"name": "dcgan"}
    assert list(config.search.space) == ["gan.r1"]


def test_a_recipe_of_another_gan_drops_what_the_default_alone_has(clone: Path) -> None:
    add(clone, "mine", {"gan": {"name": "cyclegan", "weights": {"cycle": 3.0}}})
    lines = use_recipe(clone, "mine", force=False)
    assert lines == [
        "gan.buffer: (none) -> 0",
        "gan.conditional: True -> (none)",
        "gan.name: synthesis -> cyclegan",
        "gan.weights.adversarial: (none) -> 1.0",
        "gan.weights.cycle: (none) -> 3.0",
        "gan.weights.identity: (none) -> 0.0",
    ]
    add(clone, "wrong", {"gan": {"name": "cyclegan", "conditional": True}})
    with pytest.raises(MedganError, match=r"wrong.yaml: gan.conditional is a knob of multiscale and synthesis"):
        use_recipe(clone, "wrong", force=True)
    add(clone, "unknown", {"gan": {"name": "cycle-gan"}})
    with pytest.raises(MedganError, match=r"gan.name: unknown name 'cycle-gan' \(did you mean 'cyclegan'\?\)"):
        use_recipe(clone, "unknown", force=True)


def test_use_keeps_hand_edits_unless_forced(clone: Path) -> None:
    params = clone / "params.yaml"
    params.write_text(params.read_text().replace("seed: 0", "seed: 41"))
    edited = params.read_bytes()
    with pytest.raises(MedganError, match=r"edited by hand.*--force"):
        use_recipe(clone, "default", force=False)
    assert params.read_bytes() == edited
    assert use_recipe(clone, "default", force=True) == ["seed: 41 -> 0"]
    assert load_config(params).seed == 0


@pytest.mark.parametrize("planted", ["postgresql+pg8000://u:S3cret@host/db", "u:S3cret@host", {"url": "u:S3cret@host"}])
def test_a_password_that_was_written_into_params_is_not_shown(clone: Path, planted: object) -> None:
    params = clone / "params.yaml"
    tree = yaml.safe_load(params.read_text())
    params.write_text(yaml.safe_dump({**tree, "search": {**tree["search"], "storage": planted, "trials": 0}}))
    with pytest.raises(MedganError, match=r"^params\.yaml: .*storage") as error:
        load_config(params)
    said = [str(error.value), *use_recipe(clone, "default", force=True)]
    assert len(said) > 1 and not any("S3cret" in line for line in said)
    params.write_text("search: {storage: u:S3cret@host, [")
    with pytest.raises(MedganError, match=r"not valid YAML: .* in line 1, column") as error:
        load_config(params)
    assert "S3cret" not in str(error.value)


def test_a_comment_is_no_edit(clone: Path) -> None:
    params = clone / "params.yaml"
    params.write_text(params.read_text() + "# mine\n")
    assert use_recipe(clone, "default", force=False) == ["params.yaml is recipe 'default' already"]


def test_a_missing_params_file_is_written_without_force(clone: Path) -> None:
    (clone / "params.yaml").unlink()
    assert "seed: (none) -> 0" in use_recipe(clone, "default", force=False)
    assert load_config(clone / "params.yaml").seed == 0


def test_a_params_file_that_is_not_yaml_is_kept_unless_forced(clone: Path) -> None:
    params = clone / "params.yaml"
    params.write_text("seed: [")
    with pytest.raises(MedganError, match="not valid YAML"):
        use_recipe(clone, "default", force=False)
    assert params.read_text() == "seed: ["
    use_recipe(clone, "default", force=True)
    assert load_config(params).seed == 0


def test_an_unknown_recipe_is_answered_with_the_nearest(clone: Path) -> None:
    with pytest.raises(MedganError, match=r"unknown recipe 'defualt' \(did you mean 'default'\?\); choices: .*default"):
        use_recipe(clone, "defualt", force=True)


def test_a_recipe_that_does_not_fit_is_named_and_writes_nothing(clone: Path) -> None:
    before = (clone / "params.yaml").read_bytes()
    add(clone, "wrong", {"train": {"step": 7}})
    with pytest.raises(MedganError, match=r"recipes/wrong.yaml: unknown parameter 'train.step' \(did you mean 'steps'"):
        use_recipe(clone, "wrong", force=True)
    assert (clone / "params.yaml").read_bytes() == before


def test_nothing_is_left_beside_the_file(clone: Path) -> None:
    before = {path.name for path in clone.iterdir()}
    add(clone, "mine", {"train": {"steps": 7}})
    use_recipe(clone, "mine", force=False)
    assert {path.name for path in clone.iterdir()} == before


def test_the_old_file_is_replaced_and_not_written_into(clone: Path) -> None:
    # A reader that holds the file, or a power cut, sees the old or the new one and never half of it.
    with (clone / "params.yaml").open() as held:
        inode = (clone / "params.yaml").stat().st_ino
        add(clone, "mine", {"train": {"steps": 7}})
        use_recipe(clone, "mine", force=False)
        assert yaml.safe_load(held)["train"]["steps"] != 7
    assert (clone / "params.yaml").stat().st_ino != inode


def test_a_clone_is_found_from_inside_and_missed_from_outside(clone: Path, tmp_path: Path) -> None:
    assert clone_root(clone / "data") == clone
    outside = tmp_path / "elsewhere"
    outside.mkdir()
    with pytest.raises(MedganError, match=r"elsewhere is not in a clone of medgan.*clone and cd there"):
        use_recipe(outside, "default", force=True)

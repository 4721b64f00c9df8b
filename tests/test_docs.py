"""What the documents tell a reader to type must exist."""

import re
import textwrap
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from medgan.cli.main import app
from medgan.config.schema import parse_config
from medgan.data.spec import ImageSpec
from medgan.search.space import check_space
from medgan.workspace.recipes import read_recipe

ROOT = Path(__file__).parents[1]
DOCUMENTS = ("README.md", "CONTRIBUTING.md", *(f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md"))))


def code(document: str) -> str:
    """Indented blocks and `inline` code of a document."""
    text = (ROOT / document).read_text(encoding="utf-8")
    blocks = [line for line in text.splitlines() if line.startswith("    ")]
    return "\n".join([*blocks, *re.findall(r"`([^`]+)`", text)])


def named(pattern: str) -> set[str]:
    """What the code of all documents matches."""
    return {found for document in DOCUMENTS for found in re.findall(pattern, code(document))}


def test_every_make_target_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.M))
    assert {"repro", "test", "recipes"} <= named(r"\bmake ([a-z-]+)") <= targets


def test_every_medgan_command_exists() -> None:
    commands = named(r"bin/medgan ([a-z]+)")
    assert {"generate", "translate"} <= commands
    for command in commands:
        assert CliRunner().invoke(app, [command, "--help"]).exit_code == 0, command


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_linked_file_and_source_path_exists(document: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    folder = (ROOT / document).parent
    linked = [folder / path.split("#")[0] for path in re.findall(r"\]\(([^)]+)\)", text) if "://" not in path]
    sources = [ROOT / path for path in re.findall(r"`((?:medgan|pipelines|tests|recipes|benchmarks)/[\w./-]*)`", text)]
    assert linked or sources
    for path in (*linked, *sources):
        assert path.exists(), path


def test_every_page_and_picture_is_linked() -> None:
    pages = [ROOT / document for document in DOCUMENTS] + list((ROOT / "benchmarks/results").glob("*.md"))
    linked = {
        (page.parent / path.split("#")[0]).resolve()
        for page in pages
        for path in re.findall(r"\]\(([^)]+)\)", page.read_text(encoding="utf-8"))
    }
    assert {*pages, *(ROOT / "docs").glob("*.png")} - {ROOT / "README.md"} <= linked


def test_every_recipe_that_is_used_exists() -> None:
    recipes = {path.stem for path in (ROOT / "recipes").glob("*.yaml")}
    assert {"unet", "mscgan"} <= named(r"medgan use ([a-z0-9-]+)") <= recipes


def test_every_recipe_is_in_the_table_of_systems() -> None:
    recipes = {path.stem for path in (ROOT / "recipes").glob("*.yaml")}
    table = [line for line in (ROOT / "docs/systems.md").read_text().splitlines() if line.startswith("|")]
    assert recipes == recipes & set(re.findall(r"`([a-z0-9-]+)`", "\n".join(table)))


def test_the_workflow_runs_the_same_targets_with_pinned_actions() -> None:
    workflow = yaml.safe_load((ROOT / ".github/workflows/test.yml").read_text())
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    assert {step["run"] for step in steps if "run" in step} == {"make test", "make repro"}
    assert all(re.search(r"@[0-9a-f]{40}$", step["uses"]) for step in steps if "uses" in step)
    assert workflow["permissions"] == {"contents": "read"}


def test_the_searches_of_the_documents_are_accepted() -> None:
    """Each on top of the default."""
    lines = (ROOT / "docs/search.md").read_text().splitlines()
    blocks = "\n".join(line if line.startswith("    ") else "" for line in lines).split("\n\n")
    searches = [yaml.safe_load(part) for block in blocks for part in _parts(block) if "search:" in part]
    assert len(searches) == 4
    for values in searches:
        tree, _ = read_recipe(ROOT, "default")
        tree["search"] |= values["search"]
        config = parse_config(tree)
        check_space(config, ImageSpec(32, 1, classes=2))


def _parts(block: str) -> list[str]:
    """Each `search:` of a block of code with what belongs to it."""
    return ["search:" + part for part in textwrap.dedent(block).split("search:")[1:]]


def test_the_space_of_the_documents_is_accepted() -> None:
    """By the default, whose model is the one that has such options."""
    text = (ROOT / "docs/systems.md").read_text()
    block = "\n".join(line[4:] for line in text[text.index("    search:\n") :].split("\n\n")[0].splitlines())
    tree, _ = read_recipe(ROOT, "default")
    tree["search"] |= yaml.safe_load(block)["search"]
    config = parse_config(tree)
    assert len(config.search.space) == 10
    check_space(config, ImageSpec(32, 1, classes=2))

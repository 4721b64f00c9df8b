"""What the documents tell a reader to type must exist."""

import re
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from medgan.cli import app

ROOT = Path(__file__).parents[1]
DOCUMENTS = ("README.md", "CONTRIBUTING.md")


def code(document: str) -> str:
    """Indented blocks and `inline` code of a document."""
    text = (ROOT / document).read_text(encoding="utf-8")
    blocks = [line for line in text.splitlines() if line.startswith("    ")]
    return "\n".join([*blocks, *re.findall(r"`([^`]+)`", text)])


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_make_target_exists(document: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.M))
    named = set(re.findall(r"\bmake ([a-z-]+)", code(document)))
    assert named and named <= targets


def test_every_medgan_command_exists() -> None:
    named = set(re.findall(r"bin/medgan ([a-z]+)", code("README.md")))
    assert named
    for command in named:
        assert CliRunner().invoke(app, [command, "--help"]).exit_code == 0, command


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_linked_file_and_source_path_exists(document: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    linked = [path for path in re.findall(r"\]\(([^)]+)\)", text) if "://" not in path]
    sources = re.findall(r"`((?:medgan|pipelines|tests|recipes)/[\w./-]*)`", text)
    assert linked or sources
    for path in (*linked, *sources):
        assert (ROOT / path).exists(), path


def test_the_readme_s_figures_name_the_recipes_that_exist() -> None:
    recipes = {path.stem for path in (ROOT / "recipes").glob("*.yaml")}
    used = set(re.findall(r"medgan use ([a-z0-9-]+)", code("README.md")))
    assert used and used <= recipes


def test_the_workflow_runs_the_same_targets_with_pinned_actions() -> None:
    workflow = yaml.safe_load((ROOT / ".github/workflows/test.yml").read_text())
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    assert {step["run"] for step in steps if "run" in step} == {"make test", "make repro"}
    assert all(re.search(r"@[0-9a-f]{40}$", step["uses"]) for step in steps if "uses" in step)
    assert workflow["permissions"] == {"contents": "read"}

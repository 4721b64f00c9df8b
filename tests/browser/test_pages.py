"""What people see in a real browser: the report without a network, and MLflow's pages from the link that is printed.

MEDGAN_SCREENSHOTS names a folder where a picture of each page is left.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from mlflow import MlflowClient
from playwright.sync_api import Browser, Page, sync_playwright
from stages import ASKED, ROOT, STAGES, UNGATED, after_stages, stage

from benchmarks.outage import free_port
from medgan.config.schema import Config
from medgan.tracking.links import runs_link
from medgan.workspace.comparing import compare
from medgan.workspace.serving import mlflow_page, serving

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium; Debian has a package of this name"),
    pytest.mark.filterwarnings(
        "ignore:The ..noload.. loader strategy:DeprecationWarning",
        "ignore::FutureWarning:mlflow",
        "ignore::UserWarning:mlflow",
    ),
]
NAME = "medgan-phantom-synthesis"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, config: Config) -> Iterator[Path]:
    """A folder with the results of two trainings."""
    asked = config.override(UNGATED | ASKED)
    with after_stages(tmp_path_factory.mktemp("browser"), asked) as folder:
        params = folder / "params.yaml"
        params.write_text(params.read_text().replace("  steps: 6\n", "  steps: 12\n"))
        for name in STAGES:
            stage(name)
        (first, second) = trainings(folder)
        compare(folder, (first, second), folder / "reports" / "compare.html")
        yield folder


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        # In a container there is no sandbox to be had.
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def server(place: Path) -> Iterator[str]:
    port = free_port()
    with serving([mlflow_page(f"sqlite:///{place / 'mlflow.db'}", port)]):
        yield f"http://127.0.0.1:{port}"


def trainings(place: Path) -> list[str]:
    """Ids of the runs of the two trainings."""
    client = MlflowClient(f"sqlite:///{place / 'mlflow.db'}")
    return [run.info.run_id for run in client.search_runs(["1"], "tags.`medgan.kind` = 'training'")]


def photographed(page: Page, name: str) -> None:
    if folder := os.environ.get("MEDGAN_SCREENSHOTS"):
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=name.startswith("report"))


@pytest.mark.parametrize("width", [1280, 400])
@pytest.mark.parametrize("name", ["report", "compare"])
def test_a_page_is_whole_without_a_network(browser: Browser, place: Path, name: str, width: int) -> None:
    context = browser.new_context(offline=True, viewport={"width": width, "height": 900})
    page, wrong = context.new_page(), list[str]()
    page.on("console", lambda message: wrong.append(message.text) if message.type in ("error", "warning") else None)
    page.on("requestfailed", lambda request: wrong.append(request.url[:80]))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto((place / "reports" / f"{name}.html").as_uri())
    for details in page.locator("details").all():
        details.evaluate("element => element.open = true")
    page.wait_for_load_state("networkidle")
    broken = page.eval_on_selector_all("img", "images => images.filter(i => !i.complete || !i.naturalWidth).length")
    assert (wrong, broken) == ([], 0)
    # Tables scroll inside the page; the page itself does not.
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    serious = [each for each in Axe().run(page).response["violations"] if each["impact"] in ("serious", "critical")]
    assert serious == [], [(each["id"], each["nodes"][0]["html"][:200]) for each in serious]
    photographed(page, f"{name}-{width}")
    context.close()


def test_plots_of_dvc_are_drawn_without_a_network(browser: Browser, place: Path) -> None:
    dvc = [sys.executable, "-m", "dvc"]
    subprocess.run([*dvc, "init", "-q", "--no-scm"], cwd=place, check=True)
    shutil.copy(ROOT / "dvc.yaml", place)
    shutil.copytree(ROOT / ".dvc" / "plots", place / ".dvc" / "plots")
    shutil.copy(ROOT / ".dvc" / "config", place / ".dvc" / "config.local")
    subprocess.run([*dvc, "plots", "show", "-q"], cwd=place, check=True)
    context = browser.new_context(offline=True)
    page, wrong = context.new_page(), list[str]()
    page.on("requestfailed", lambda request: wrong.append(request.url[:80]))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto((place / "dvc_plots" / "index.html").as_uri())
    drawings = page.locator("canvas, svg.marks")
    drawings.nth(3).wait_for(timeout=30_000)  # losses, validation, FID by class, usefulness
    broken = page.eval_on_selector_all("img", "images => images.filter(i => !i.complete || !i.naturalWidth).length")
    assert (wrong, broken) == ([], 0) and page.locator("img").count() >= 4
    for title in ("Losses by step", "FID on test images by class"):
        assert title in (place / "dvc_plots" / "index.html").read_text(encoding="utf-8")
    context.close()


def test_the_report_prints(browser: Browser, place: Path, tmp_path: Path) -> None:
    page = browser.new_page()
    page.goto((place / "reports" / "report.html").as_uri())
    page.pdf(path=tmp_path / "report.pdf", format="A4")
    content = (tmp_path / "report.pdf").read_bytes()
    assert content.startswith(b"%PDF") and 3 <= content.count(b"/Type /Page\n") <= 20
    page.close()


def test_the_link_opens_on_runs_with_the_figures_that_matter(browser: Browser, server: str) -> None:
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.goto(runs_link(server, "1"))
    rows = page.get_by_role("row").filter(has_text="default on phantom")
    rows.nth(1).wait_for(timeout=30_000)
    assert rows.count() == 2  # no trial, no search
    for name in ("test/fid", "test/recall", "test/passing"):
        column = page.get_by_text(name, exact=True).first
        box = column.bounding_box()
        assert box is not None and 0 < box["x"] < 1440 and 0 < box["y"] < 900, name
    assert page.get_by_text("trained on the data set").first.is_visible()
    photographed(page, "mlflow-runs")
    page.close()


def test_comparing_two_runs_begins_with_fid_and_shows_both_grids(browser: Browser, server: str, place: Path) -> None:
    one, other = trainings(place)
    page = browser.new_page(viewport={"width": 1920, "height": 1080})
    page.goto(f'{server}/#/compare-runs?runs=["{one}","{other}"]&experiments=["1"]')
    page.get_by_text("Parallel Coordinates Plot").wait_for(timeout=30_000)
    page.locator("text=test/fid").first.wait_for(timeout=30_000)
    file = page.get_by_text("samples.png").first
    file.evaluate("element => element.scrollIntoView({block: 'center'})")
    file.evaluate("element => element.click()")
    grids = page.locator("img[src^='blob:']:visible")
    grids.nth(1).wait_for(timeout=30_000)
    first, second = (grids.nth(place).bounding_box() for place in range(2))
    assert first is not None and second is not None
    assert abs(first["y"] - second["y"]) < 5 and first["x"] < second["x"] and first["height"] < 1080
    photographed(page, "mlflow-compare")
    page.close()


def test_a_version_shows_description_scores_picture_and_signature(browser: Browser, server: str) -> None:
    page = browser.new_page(viewport={"width": 1440, "height": 1800})
    page.goto(f"{server}/#/models/{NAME}/versions/1")
    page.get_by_text("Synthetic; not for diagnosis.").wait_for(timeout=30_000)
    picture = page.locator("img[src*='samples.png']")
    picture.wait_for(timeout=30_000)
    assert picture.evaluate("image => image.naturalWidth") > 100
    for text in ("May I diagnose with it?", "FID (fid_domain)", "Schema", "Inputs ("):
        assert page.get_by_text(text).first.is_visible(), text
    photographed(page, "mlflow-version")
    page.close()

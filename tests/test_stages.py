"""dvc.yaml against the code: a stage runs again whenever something that it uses has changed, and only then."""

import ast
import re
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import yaml
from PIL import Image

from medgan.config.schema import Config, load_config
from medgan.data.spec import ImageSpec
from medgan.data.store import open_prepared
from medgan.errors import MedganError
from medgan.gans import build_gan
from medgan.imports import ROOT, closure
from medgan.scores.extractor import Extractor
from medgan.sources.names import read_rejected_names
from medgan.sources.rejections import read_rejected
from medgan.training.checkpoint import Checkpoint, save_checkpoint
from medgan.workspace import places
from medgan.workspace.preflight import preflight
from medgan.workspace.recipes import use_recipe
from medgan.workspace.stages import with_deps
from pipelines import prepare, search, train

TEMPLATE = re.compile(r"\$\{([\w.]+)\}")
STAGES: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
LONGEST = 80
every_stage = pytest.mark.parametrize("stage", STAGES)


def paths(entries: list[Any]) -> list[Path]:
    """Outputs and dependencies are strings, or a string with its settings."""
    return [Path(entry if isinstance(entry, str) else next(iter(entry))) for entry in entries]


def outs(stage: str) -> list[Path]:
    return paths([*STAGES[stage].get("outs", []), *STAGES[stage].get("metrics", []), *STAGES[stage].get("plots", [])])


def covered(path: Path, by: list[Path]) -> bool:
    return any(path == other or other in path.parents for other in by)


def tree(stage: str) -> ast.Module:
    return ast.parse((ROOT / "pipelines" / f"{stage}.py").read_text(encoding="utf-8"))


def test_the_code_that_dvc_watches_is_what_the_stages_import() -> None:
    text = (ROOT / "dvc.yaml").read_text(encoding="utf-8")
    assert with_deps(text) == text, "run `make stages`"


def test_a_new_import_becomes_a_dependency_and_a_lost_one_none() -> None:
    text = (ROOT / "dvc.yaml").read_text(encoding="utf-8")
    lost = text.replace("      - medgan/training/loop.py\n", "").replace(
        "    deps:\n", "    deps:\n      - medgan/gone.py\n"
    )
    assert "medgan/gone.py" in lost and with_deps(lost) == text


def parameter(path: str) -> Any:
    """A value of the shipped params.yaml. KeyError where there is none."""
    node = yaml.safe_load((ROOT / "recipes" / "default.yaml").read_text(encoding="utf-8"))
    for key in path.split("."):
        node = node[key]
    return node


@every_stage
def test_a_file_that_a_parameter_names_is_a_dependency_where_it_is_read(stage: str) -> None:
    """`data.raw` by prepare, `train.init_from` by what trains; elsewhere it would make results stale for nothing."""
    templates = {found[1] for dep in paths(STAGES[stage]["deps"]) if (found := TEMPLATE.fullmatch(str(dep)))}
    names = {
        (node.module, alias.name)
        for node in ast.walk(tree(stage))
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    read = {
        "data.raw": ("medgan.workspace.preparing", "prepare_folder") in names,
        "train.init_from": bool(
            {("medgan.workspace.task", "training_task"), ("medgan.workspace.searching", "this_search")} & names
        ),
    }
    assert templates == {name for name, is_read in read.items() if is_read}


def test_every_file_that_a_parameter_names_is_read_by_some_stage() -> None:
    files = {
        f"{name}.{key}"
        for name, section in Config.model_fields.items()
        for key, field in getattr(section.annotation, "model_fields", {}).items()
        if field.annotation is Path
    }
    assert files == {
        found[1] for stage in STAGES for dep in paths(STAGES[stage]["deps"]) for found in TEMPLATE.finditer(str(dep))
    }


def test_the_package_itself_holds_nothing_but_its_version() -> None:
    statements = ast.parse((ROOT / "medgan/__init__.py").read_text(encoding="utf-8")).body
    assert [type(statement) for statement in statements] == [ast.Expr, ast.Assign]


@every_stage
def test_every_folder_that_a_stage_reads_is_a_dependency_or_its_own(stage: str) -> None:
    reached = [name.rpartition(".")[2] for name in closure([f"pipelines.{stage}"]) if name.startswith("pipelines.")]
    names = {
        alias.name
        for module in reached
        for node in ast.walk(tree(module))
        if isinstance(node, ast.ImportFrom) and node.module == "medgan.workspace.places"
        for alias in node.names
    }
    used = {name: getattr(places, name) for name in names if isinstance(getattr(places, name), Path)}
    allowed = [*paths(STAGES[stage]["deps"]), *outs(stage)]
    # REPORTS is the folder that a stage's own files are in; checkpoints outlive stages by design.
    wrong = [
        name
        for name, path in used.items()
        if name != "PARAMS" and not covered(path, allowed) and not any(covered(out, [path]) for out in outs(stage))
    ]
    assert wrong == []


@every_stage
def test_every_parameter_that_a_stage_names_is_listed(stage: str) -> None:
    fields = {field.alias or name: field for name, field in Config.model_fields.items()}
    read = set()
    for node in ast.walk(tree(stage)):
        if not isinstance(node, ast.Attribute):
            continue
        section = node if isinstance(node.value, ast.Name) else node.value
        if not (isinstance(section, ast.Attribute) and isinstance(section.value, ast.Name)):
            continue
        name = section.attr.rstrip("_")
        if section.value.id != "config" or name not in fields:
            continue
        classes = get_args(fields[name].annotation) or (fields[name].annotation,)  # each GAN has its own
        keys = {key for cls in classes for key in getattr(cls, "model_fields", {})}
        read.add(f"{name}.{node.attr}" if node is not section and node.attr in keys else name)
    # `config.data.name` also holds the attribute `config.data`; the longer one says what is read.
    read = {name for name in read if not any(other.startswith(f"{name}.") for other in read)}
    listed = STAGES[stage]["params"]
    assert [name for name in sorted(read) if not any(name == p or name.startswith(f"{p}.") for p in listed)] == []


@every_stage
def test_a_stage_with_a_section_of_its_own_depends_on_it(stage: str) -> None:
    section = {"prepare": "data"}.get(stage, stage)
    if section in {field.alias or name for name, field in Config.model_fields.items()}:
        assert section in {path.partition(".")[0] for path in STAGES[stage]["params"]}


@every_stage
def test_every_listed_parameter_exists(stage: str) -> None:
    for path in STAGES[stage]["params"]:
        parameter(path)


@every_stage
def test_a_stage_is_a_short_module_with_a_main(stage: str) -> None:
    assert STAGES[stage]["cmd"] == f"sh pipelines/run {stage}"
    text = (ROOT / "pipelines" / f"{stage}.py").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= LONGEST
    assert any(isinstance(node, ast.FunctionDef) and node.name == "main" for node in tree(stage).body)
    assert text.endswith('if __name__ == "__main__":\n    run(main)\n')


@every_stage
def test_outputs_lie_where_git_ignores_them(stage: str) -> None:
    for out in outs(stage):
        assert covered(out, [Path("artifacts"), Path("reports"), Path("data/prepared")])


def test_every_place_in_the_code_is_an_output() -> None:
    made = [path for stage in STAGES for path in outs(stage)]
    named = {name: value for name, value in vars(places).items() if isinstance(value, Path)}
    assert {"PREPARED", "FEATURES", "SEARCH", "TRAIN", "EXPORT", "REGISTRY", "METRICS"} <= named.keys()
    for name in named.keys() - {"PARAMS", "REPORTS"}:
        assert covered(named[name], made), name


def test_a_registration_is_never_restored_from_a_cache() -> None:
    assert {"artifacts/registry.json": {"cache": False, "persist": True}} in STAGES["register"]["outs"]


@pytest.mark.parametrize(
    ("here", "root"),
    [
        ("clone", "clone"),
        ("clone/.dvc/tmp/exps/tmpab12", "clone"),
        ("clone/.dvc/tmp/exps/tmpab12/data", "clone"),
        ("clone/.dvc/tmp", "clone/.dvc/tmp"),
    ],
)
def test_an_experiment_in_a_temporary_folder_uses_the_stores_of_its_clone(tmp_path: Path, here: str, root: str) -> None:
    (tmp_path / here).mkdir(parents=True)
    assert places.store_root(tmp_path / here) == tmp_path / root


# Bad input, found before DVC removes the outputs of the last good run.


def edit(clone: Path, path: str, value: object) -> None:
    params = yaml.safe_load((clone / "params.yaml").read_text(encoding="utf-8"))
    *parents, leaf = path.split(".")
    node = params
    for key in parents:
        node = node[key]
    node[leaf] = value
    (clone / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")


def use_folder(clone: Path, classes: dict[str, int]) -> None:
    """Make the clone read random pictures, so many a class."""
    random = np.random.default_rng(0)
    (clone / "data" / "raw").mkdir()
    for name, count in classes.items():
        (clone / "data" / "raw" / name).mkdir()
        for index in range(count):
            pixels = random.integers(0, 255, (16, 16), np.uint8)
            Image.fromarray(pixels).save(clone / "data" / "raw" / name / f"{index}.png")
    for path, value in (("source", "folder"), ("raw", "data/raw"), ("options", {}), ("size", 16)):
        edit(clone, f"data.{path}", value)


def ask_for(clone: Path, n: int) -> None:
    """So many images behind each score."""
    for path in ("search.n", "train.n", "evaluate.n"):
        edit(clone, path, n)


def test_the_shipped_input_passes(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(clone)
    preflight()


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        (
            "data.source",
            "phantoms",
            r"unknown name 'phantoms' \(did you mean 'phantom'\?\); choices: .*folder, .*phantom",
        ),
        ("data.options.cuont", 3, r"'data.options.cuont' \(did you mean 'count'"),
        ("data.raw", "data/absent.yaml", r"data/absent.yaml does not exist"),
        ("data.channels", 3, r"data.channels is 3 but data.options.modalities has 1"),
        ("data.labels", False, r"gan.conditional is true and the data has no labels"),
        (
            "features.weights",
            "data/absent.pth",
            r"features.weights: .*data/absent.pth does not exist; `medgan weights NAME`",
        ),
        ("features.weights", "data/phantom.yaml", r"phantom.yaml has the sha256 .*, which is none of inception"),
        ("data.fit", "stretch", r"'data.fit' = 'stretch': input should be 'crop', 'letterbox' or 'pad'"),
        ("data.train_per_class", 0, r"'data.train_per_class' = 0"),
        ("train.init_from", "data/absent", r"train.init_from: data/absent is not a file; .*, or data/from-scratch"),
        ("train.init_from", "data", r"train.init_from: data is not a file"),
        ("train.init_from", "data/phantom.yaml", r"train.init_from: data/phantom.yaml is damaged or not a checkpoint"),
        ("train.score", "mae", r"MAE, PSNR, SSIM and the other paired scores compare an image with its own target"),
        ("train.score", "psnr", r"'train.score' = 'psnr'"),
        ("train.n", 14, r"params.yaml: train.n is 14 and train.score is fid, which needs at least 15 images"),
        ("search.n", 10, "search.n is 10 and train.score is fid"),
        ("gan.name", "synthesise", r"gan.name: unknown name 'synthesise' \(did you mean 'synthesis'"),
        ("gan.name", "cyclegan", r"gan.conditional is a knob of multiscale and synthesis, and gan.name is cyclegan"),
        ("gan.model.name", "dcgna", r"unknown name 'dcgna' \(did you mean 'dcgan'"),
        ("gan.model.widht", 8, r"'gan.model.widht' \(did you mean 'width'"),
        ("gan.lrr", 8, r"'gan.lrr' \(did you mean 'lr'"),
        ("trian", {}, r"'trian' \(did you mean 'train'"),
        ("search.space", {"gan.lrr": {"low": 0.1, "high": 0.2}}, r"'gan.lrr' \(did you mean 'lr'"),
        ("search.space", {"gan.lr": {"low": -0.1, "high": 0.2}}, r"'gan.lr' = -0.1"),
        ("search.space", {"train.steps": {"low": 1, "high": 2}}, r"'train.steps' is outside the gan section"),
    ],
)
def test_a_wrong_parameter_stops_the_pipeline_at_once(
    clone: Path, monkeypatch: pytest.MonkeyPatch, path: str, value: object, says: str
) -> None:
    monkeypatch.chdir(clone)
    edit(clone, path, value)
    with pytest.raises(MedganError, match=says):
        preflight()


def test_networks_that_do_not_fit_stop_the_pipeline_at_once(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(clone)
    config = load_config(clone / "params.yaml")
    networks = build_gan(config.gan, ImageSpec(config.data.size, config.data.channels, 4)).state_dict()
    save_checkpoint(clone, Checkpoint(1, {f"gan.{name}": tensor for name, tensor in networks.items()}, {}))
    edit(clone, "train.init_from", "step-00000001.checkpoint")
    preflight()
    edit(clone, "gan.model.width", 8)
    with pytest.raises(MedganError, match=r"train.init_from: \d+% of the weights of its generators fit"):
        preflight()


def test_pairs_need_no_hundred_images(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(clone)
    use_recipe(clone, "unet", force=True)
    tree = yaml.safe_load((clone / "params.yaml").read_text())
    options = {"count": 8, "modalities": ["T2w"], "source_modalities": ["T1w"]}
    tree["data"] |= {"source": "phantom", "raw": "data/phantom.yaml", "options": options}
    tree["train"]["n"] = 2
    (clone / "params.yaml").write_text(yaml.safe_dump(tree))
    preflight()
    tree["data"]["options"]["source_modalities"] = []
    (clone / "params.yaml").write_text(yaml.safe_dump(tree))
    with pytest.raises(MedganError, match="need source images and the data has none"):
        preflight()


@pytest.mark.parametrize("classes", [{}, {"healthy": 0}])
def test_a_folder_without_images_stops_the_pipeline_at_once(
    clone: Path, monkeypatch: pytest.MonkeyPatch, classes: dict[str, int]
) -> None:
    monkeypatch.chdir(clone)
    use_folder(clone, classes)
    with pytest.raises(MedganError, match="data/raw holds no image"):
        preflight()


def test_pairs_are_scored_by_no_stage_where_there_are_none(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`dvc exp run` calls stages, and no preflight."""
    monkeypatch.chdir(clone)
    use_folder(clone, {"healthy": 200, "ill": 100})
    ask_for(clone, 30)
    prepare.main()
    for folder in (places.FEATURES, places.SEARCH):
        folder.mkdir(parents=True)
    Extractor(1, open_prepared(places.PREPARED).spec.size, 2).save(places.FEATURES / "extractor.safetensors")
    (places.SEARCH / "best.yaml").write_text("{}\n")
    edit(clone, "search.trials", 1)
    edit(clone, "train.score", "mae")
    for start in (preflight, search.main, train.main):
        with pytest.raises(MedganError, match=r"images drawn from noise do not have; set train\.score: fid"):
            start()


def test_a_class_of_one_image_stops_prepare(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(clone)
    use_folder(clone, {"healthy": 12, "rare": 1})
    with pytest.raises(MedganError, match=r"class 'rare' has 1 group"):
        prepare.main()


def test_prepare_writes_what_the_other_stages_read(
    clone: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(clone)
    use_folder(clone, {"healthy": 200, "ill": 100})
    ask_for(clone, 30)
    (clone / "data" / "raw" / "notes.txt").write_text("mine")
    prepare.main()
    files = {path.name for path in (clone / "data" / "prepared").iterdir()}
    assert files == {"images.npy", "index.csv", "rejected.csv", "spec.json", "preview.png"}
    said = capsys.readouterr().out
    shown = [line.split() for line in said.splitlines()]
    assert ["healthy", "132", "(132)", "34", "(34)", "34", "(34)", "200", "(200)"] in shown
    assert ["all", "198", "(198)", "51", "(51)", "51", "(51)", "300", "(300)"] in shown
    assert "none is in two splits, of 300 patients, 0 identical images, 0 near-copies" in said
    assert (
        "1 of 301 files (0.33 %) cannot be used" in said and "1  notes.txt: its suffix «.txt» is none of .bmp, " in said
    )
    few = "note: evaluate.n = 30 judges 18 of healthy, 12 of ill, and a class that is judged apart needs 100 images"
    assert few in said and "register.recall and register.coverage and register.passing to 0" in said
    prepare.main()
    again = capsys.readouterr().out
    assert "found what it made" in again or again == said
    assert [line for line in again.splitlines() if "found" not in line] == said.splitlines()


def test_prepare_tells_how_many_images_it_leaves_spare(
    clone: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(clone)
    use_folder(clone, {"healthy": 200, "ill": 100})
    ask_for(clone, 30)
    edit(clone, "data.train_per_class", 20)
    prepare.main()
    header, healthy, ill, *_ = (line.split() for line in capsys.readouterr().out.splitlines())
    assert header[2:] == ["train", "validation", "test", "spare", "all"]
    assert healthy[1::2] == ["20", "34", "34", "112", "200"] and ill[1::2] == ["20", "17", "17", "46", "100"]


def test_prepare_says_at_once_all_that_does_not_fit(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(clone)
    use_folder(clone, {"rare": 30})
    with pytest.raises(MedganError) as caught:
        prepare.main()
    assert str(caught.value).split("; ") == [
        "search.n is 1,000 and there are 5 validation images, of 15 at least: add images",
        "train.n is 2,000 and there are 5 validation images, of 15 at least: add images",
        "evaluate.n is 2,000 and there are 5 test images, of 15 at least: add images",
        "gan.batch is 32 and there are 20 training images: set gan.batch: 20",
    ]
    assert open_prepared(places.PREPARED).images.shape[0] == 30  # there to be looked at


def test_with_the_values_that_prepare_names_it_succeeds(
    clone: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(clone)
    use_folder(clone, {"healthy": 50, "ill": 25})
    for wanted in (["data.validation", "data.test"], ["search.n", "train.n", "evaluate.n"]):
        with pytest.raises(MedganError) as caught:
            prepare.main()
        named = dict(re.findall(r"set ([a-z.]+): ([\d.]+)", str(caught.value)))
        assert sorted(named) == sorted(wanted)
        for path, value in named.items():
            edit(clone, path, float(value) if "." in value else int(value))
    prepare.main()
    assert "judges" in capsys.readouterr().out


def test_files_that_cannot_be_used_stop_prepare_above_a_share(
    clone: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(clone)
    use_folder(clone, {"healthy": 200, "ill": 100})
    ask_for(clone, 30)
    for index in range(9):
        (clone / "data" / "raw" / "ill" / f"torn-{index}.png").write_bytes(b"torn")
    (clone / "data" / "raw" / "ill" / "notes.txt").write_text("mine")
    with pytest.raises(MedganError) as caught:
        prepare.main()
    said = str(caught.value)
    assert "10 of 310 files (3.2 %) cannot be used, above data.max_rejected = 0.01: 9 such as ill/torn-0.png (" in said
    assert (
        "1 such as ill/notes.txt (its suffix «.txt» is none of .bmp" in said
        and "or set data.max_rejected: 0.033" in said
    )
    (names,) = (clone / "data" / "raw.files").glob("*.csv")
    assert f"{names.relative_to(clone)} lists each file with its reason" in said
    assert len(read_rejected_names(names)) == 10 and not (clone / "data" / "prepared").exists()
    edit(clone, "data.max_rejected", 0.033)
    prepare.main()
    assert len(read_rejected(clone / "data" / "prepared" / "rejected.csv")) == 10
    edit(clone, "data.max_rejected", 0.01)
    with pytest.raises(MedganError, match=r"above data\.max_rejected"):  # nothing kept hides it
        prepare.main()


def test_a_class_of_which_nothing_can_be_used_stops_prepare(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(clone)
    use_folder(clone, {"healthy": 200, "ill": 100})
    for path in (clone / "data" / "raw" / "healthy").iterdir():
        path.rename(path.with_name(f"p{path.name}"))
    edit(clone, "data.options", {"patient": r"^(p\d+)"})
    edit(clone, "data.max_rejected", 1.0)
    with pytest.raises(MedganError) as caught:
        prepare.main()
    assert "no file of class 'ill' can be used: 100 such as ill/0.png (data.options.patient" in str(caught.value)
    (names,) = (clone / "data" / "raw.files").glob("*.csv")
    assert len(read_rejected_names(names)) == 100

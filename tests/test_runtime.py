"""What an app installs: an exported file, numpy and onnxruntime."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from conftest import LESIONS
from numpy.typing import NDArray

from medgan.config.schema import Config
from medgan.data.spec import ImageSpec
from medgan.errors import MedganError
from medgan.export.onnx_file import export
from medgan.gans import build_gan
from medgan.runtime import OnnxGenerator, golden_difference
from medgan.runtime.generator import Labels


@pytest.fixture(scope="module")
def generator(tiny_onnx: Path) -> OnnxGenerator:
    return OnnxGenerator(tiny_onnx, threads=1)


@pytest.fixture(scope="module")
def unconditional(tiny_onnx: Path, tmp_path_factory: pytest.TempPathFactory) -> OnnxGenerator:
    """A graph of three nodes: z (N, 4) -> image (N, 1, 2, 2)."""
    make = onnx.helper
    shape = make.make_tensor("shape", onnx.TensorProto.INT64, [4], [-1, 1, 2, 2])
    graph = make.make_graph(
        [make.make_node("Tanh", ["z"], ["t"]), make.make_node("Reshape", ["t", "shape"], ["image"])],
        "tiny",
        [make.make_tensor_value_info("z", onnx.TensorProto.FLOAT, ["N", 4])],
        [make.make_tensor_value_info("image", onnx.TensorProto.FLOAT, ["N", 1, 2, 2])],
        [shape],
    )
    model = make.make_model(graph, opset_imports=[make.make_opsetid("", 20)], ir_version=10)
    make.set_model_props(model, {"contract": "medgan/1", "label_names": "[]"})
    path = tmp_path_factory.mktemp("onnx") / "plain.onnx"
    onnx.save(model, path)
    return OnnxGenerator(path)


@pytest.fixture(scope="module")
def masked(config: Config, tmp_path_factory: pytest.TempPathFactory) -> OnnxGenerator:
    """An untrained generator of 16x16 images that takes a label and a mask."""
    model = {"name": "mscgan", "latent_dim": 8, "width": 4, "max_width": 16, "smallest": 8, "region_width": 4}
    changed = config.override({"gan.name": "multiscale", "gan.model": model})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        gan = build_gan(changed.gan, ImageSpec(16, 1, classes=len(LESIONS), mask_channels=1))
    metadata = {"name": "masked", "label_names": json.dumps(sorted(LESIONS)), "notice": "synthetic"}
    path = export(gan, gan.generators, tmp_path_factory.mktemp("masked"), metadata).path
    return OnnxGenerator(path, threads=1)


def squares(*sides: int) -> NDArray[np.uint8]:
    """(N, 1, 16, 16), a square of each side in the corner."""
    masks = np.zeros((len(sides), 1, 16, 16), np.uint8)
    for mask, side in zip(masks, sides, strict=True):
        mask[0, :side, :side] = 1
    return masks


def test_it_knows_itself(generator: OnnxGenerator, unconditional: OnnxGenerator) -> None:
    assert (generator.latent_dim, generator.conditional, generator.image_shape) == (8, True, (1, 16, 16))
    assert generator.label_names == ("healthy", "infarct", "tumour")
    assert (unconditional.latent_dim, unconditional.conditional) == (4, False)
    assert unconditional.label_names == () and unconditional.image_shape == (1, 2, 2)


def test_a_seed_gives_the_same_images_in_any_batches(generator: OnnxGenerator) -> None:
    whole = generator.draw(37, seed=5)
    assert whole.shape == (37, 1, 16, 16) and whole.dtype == np.float32 and np.abs(whole).max() <= 1
    assert (generator.draw(37, seed=5) == whole).all()
    for batch in (1, 7, 36, 100):
        assert np.abs(generator.draw(37, seed=5, batch=batch) - whole).max() <= 1e-6
    assert np.abs(generator.draw(37, seed=6) - whole).max() > 1e-4  # untrained images are faint
    # More images of one seed begin with those of fewer.
    assert np.abs(generator.draw(40, seed=5)[:37] - whole).max() <= 1e-6
    assert generator.draw(0, seed=5).shape == (0, 1, 16, 16)


def test_labels_by_name_by_index_or_in_turn(generator: OnnxGenerator) -> None:
    assert generator.codes(4) is not None and list(generator.codes(4, None)) == [0, 1, 2, 0]  # type: ignore[arg-type]
    by_name, by_index = generator.draw(3, seed=0, labels="tumour"), generator.draw(3, seed=0, labels=[2, 2, 2])
    assert (by_name == by_index).all()
    assert (generator.draw(3, seed=0, labels=np.array([2, 2, 2])) == by_index).all()
    assert not (generator.draw(3, seed=0, labels="healthy") == by_name).all()
    assert (generator.draw(3, seed=0) == generator.draw(3, seed=0, labels=[0, 1, 2])).all()


@pytest.mark.parametrize(
    "labels",
    [["tumour", "healthy", "tumour"], np.array(["tumour", "healthy", "tumour"]), np.array([2, 0, 2], np.uint8)],
)
def test_labels_for_each_image(generator: OnnxGenerator, labels: Labels) -> None:
    assert (generator.draw(3, seed=0, labels=labels) == generator.draw(3, seed=0, labels=[2, 0, 2])).all()


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ("unknown", "unknown label 'unknown'; choices: healthy, infarct, tumour"),
        (["tumour", "tumour", "unknown"], "unknown label 'unknown'; choices: healthy, infarct, tumour"),
        ([0, 1, 3], "label 3 is unknown; choices: 0 to 2"),
        ([0, 1, -1], "label -1 is unknown; choices: 0 to 2"),
        ([0, 1, 2**70], f"label {2**70} is unknown; choices: 0 to 2"),
        ([0, 1], r"labels must be 3 class names or 3 indices, one an image, not \[0, 1\]"),
        (np.zeros((3, 1), int), r"all integers; \[0\] is among them"),
        (1, "labels must be 3 class names or 3 indices, one an image, not 1"),
        (["tumour", 1, 2], "labels must all be class names or all integers; 'tumour' is among them"),
        ([0, 0.9, 1.7], "all integers; 0.9 is among them"),
        (np.zeros(3), "all integers; 0.0 is among them"),
        ([0, True, 1], "all integers; True is among them"),
        (np.ones(3, bool), "all integers; True is among them"),
        ([0, None, 1], "all integers; None is among them"),
    ],
)
def test_a_label_that_is_not_known_is_a_sentence(generator: OnnxGenerator, labels: Any, message: str) -> None:
    with pytest.raises(MedganError, match=message):
        generator.draw(3, seed=0, labels=labels)


def test_z_of_ones_own(generator: OnnxGenerator) -> None:
    z = generator.latents(2, seed=3)
    assert (generator.images(z.astype(np.float64)) == generator.images(z)).all()
    for wrong, says in (
        (z[:, :5], r"z has shape \(2, 5\); this model needs \(count, 8\)"),
        (z[0], r"z has shape \(8,\)"),
        (z.astype(str), "z must be an array of numbers"),
        (z.astype(np.float64) * 1e300, "z must be finite in float32"),
        (z * np.float32(np.nan), "z must be finite"),
    ):
        with pytest.raises(MedganError, match=says):
            generator.images(wrong)


@pytest.mark.parametrize("wrong", [{"count": -1}, {"count": 1.5}, {"seed": -1}, {"batch": 0}])
def test_counts_are_whole(generator: OnnxGenerator, wrong: dict[str, Any]) -> None:
    with pytest.raises(MedganError, match=f"{next(iter(wrong))} must be a whole number of at least [01], not"):
        generator.draw(**{"count": 2, "seed": 0, **wrong})


def test_what_the_bare_model_refuses_is_a_sentence(generator: OnnxGenerator) -> None:
    z = generator.latents(2, seed=0)
    for label in (np.array([0, 9]), np.array([0, -1]), np.zeros(2, np.float32)):
        with pytest.raises(MedganError, match="the model cannot take these inputs: "):
            generator.run(z=z, label=label)


def test_an_unconditional_generator_takes_no_label(unconditional: OnnxGenerator) -> None:
    assert unconditional.draw(3, seed=0).shape == (3, 1, 2, 2)
    for labels in ("tumour", [0, 0, 0]):
        with pytest.raises(MedganError, match="unconditional"):
            unconditional.draw(3, seed=0, labels=labels)


def test_files_that_cannot_be_used_are_sentences(tmp_path: Path, tiny_onnx: Path, generator: OnnxGenerator) -> None:
    with pytest.raises(MedganError, match=r"missing\.onnx does not exist; `make repro`"):
        OnnxGenerator(tmp_path / "missing.onnx")
    with pytest.raises(MedganError, match="does not exist"):
        OnnxGenerator(tmp_path)
    for name, content in (("text.onnx", b"not a model"), ("half.onnx", tiny_onnx.read_bytes()[:5000])):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(MedganError, match=f"{name} is not an ONNX model"):
            OnnxGenerator(tmp_path / name)
    with pytest.raises(MedganError, match=r"golden\.npz does not exist"):
        golden_difference(generator, tmp_path / "golden.npz")


@pytest.mark.parametrize(("contract", "found"), [(None, "none"), ("medgan/0", "medgan/0"), ("other", "other")])
def test_a_foreign_model_is_refused(tmp_path: Path, tiny_onnx: Path, contract: str | None, found: str) -> None:
    model = onnx.load(tiny_onnx)
    onnx.helper.set_model_props(model, {} if contract is None else {"contract": contract})
    onnx.save(model, tmp_path / "foreign.onnx")
    with pytest.raises(MedganError, match=f"follows contract '{found}', this runtime needs 'medgan/1'"):
        OnnxGenerator(tmp_path / "foreign.onnx")


def test_golden_vectors_are_those_beside_it(generator: OnnxGenerator, tiny_onnx: Path, tmp_path: Path) -> None:
    golden = tiny_onnx.with_name("golden.npz")
    assert golden_difference(generator, golden) <= 1e-4
    with np.load(golden) as saved:
        arrays = dict(saved)
    np.savez(tmp_path / "golden.npz", **{**arrays, "image": arrays["image"] + 0.25})
    assert golden_difference(generator, tmp_path / "golden.npz") == pytest.approx(0.25, abs=1e-3)
    np.savez(tmp_path / "golden.npz", **{**arrays, "image": arrays["image"][:3]})
    with pytest.raises(MedganError, match=r"golden\.npz holds images \(3, 1, 16, 16\).* it is of another"):
        golden_difference(generator, tmp_path / "golden.npz")


def test_the_runtime_imports_numpy_and_onnxruntime_alone(tiny_onnx: Path) -> None:
    code = (
        "import sys; from medgan.runtime.generator import OnnxGenerator;"
        "print(OnnxGenerator(sys.argv[1]).draw(2, seed=0).shape);"
        "print(sorted({name.split('.')[0] for name in sys.modules}"
        " & {'torch', 'pydantic', 'onnx', 'mlflow', 'optuna', 'PIL', 'yaml', 'scipy', 'typer'}))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tiny_onnx)], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["(2, 1, 16, 16)", "[]"]


def test_a_mask_for_all_or_one_for_each(masked: OnnxGenerator) -> None:
    assert masked.inputs == {"z": (8,), "label": (), "mask": (1, 16, 16)}
    plane = squares(6)[0, 0]
    drawn = masked.draw(3, seed=0, masks=plane)
    assert drawn.shape == (3, 1, 16, 16)
    assert (masked.draw(3, seed=0, masks=squares(6, 6, 6)) == drawn).all()
    each = masked.draw(3, seed=0, masks=squares(6, 0, 12))
    assert (each[0] == drawn[0]).all() and (each[1] != drawn[1]).any() and (each[2] != drawn[2]).any()
    assert np.abs(masked.draw(3, seed=0, masks=squares(6, 0, 12), batch=2) - each).max() <= 1e-6
    assert masked.draw(0, seed=0, masks=plane).shape == (0, 1, 16, 16)


@pytest.mark.parametrize("value", [True, 255, -1, 0.2])
def test_any_value_but_zero_is_lesion(masked: OnnxGenerator, value: float) -> None:
    plane = squares(6)[0, 0]
    other = np.where(plane, value, type(value)(0))
    assert (masked.draw(2, seed=0, masks=other) == masked.draw(2, seed=0, masks=plane)).all()


@pytest.mark.parametrize(
    ("masks", "found"),
    [
        (None, "none was given"),
        (np.zeros((8, 8)), r"it has shape \(8, 8\)"),
        (np.zeros((1, 16, 16)), r"it has shape \(1, 16, 16\)"),
        (squares(1, 2), r"it has shape \(2, 1, 16, 16\)"),
        (np.zeros((3, 16, 16, 1)), r"it has shape \(3, 16, 16, 1\)"),
    ],
)
def test_a_mask_that_is_missing_or_does_not_fit_is_a_sentence(
    masked: OnnxGenerator, masks: NDArray[Any] | None, found: str
) -> None:
    with pytest.raises(MedganError, match=f"this generator needs a mask of 16x16 pixels; {found}"):
        masked.draw(3, seed=0, masks=masks)


def test_a_generator_without_mask_takes_none(generator: OnnxGenerator, unconditional: OnnxGenerator) -> None:
    for each in (generator, unconditional):
        with pytest.raises(MedganError, match="this generator takes no mask"):
            each.draw(1, seed=0, masks=np.zeros(each.image_shape[1:]))

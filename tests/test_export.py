"""torch to ONNX: the same images, the same bytes, one file, and nothing about this machine in it."""

import getpass
import json
import socket
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from medgan.config.schema import Config
from medgan.data.spec import ImageSpec
from medgan.errors import MedganError
from medgan.export.onnx_file import PARITY_BATCHES, export
from medgan.gans import build_gan
from medgan.gans.base import Gan
from medgan.models import MODELS
from medgan.runtime.generator import CONTRACT, OnnxGenerator, golden_difference
from medgan.training.loop import Trained
from medgan.training.result import Description, load_generators, write_trained
from medgan.training.state import Best

METADATA = {
    "name": "tiny",
    "value_range": "[-1, 1]",
    "scores": json.dumps({"fid": 1.5, "n": 100}),
    "fingerprint": "0123456789abcdef",
    "data_md5": "f" * 32,
    "licence": "CC0-1.0",
    "notice": "synthetic; not for diagnosis",
}
TINY: dict[str, dict[str, Any]] = {
    "dcgan": {"latent_dim": 8, "width": 4, "max_width": 16, "embedding_dim": 4},
    "residual": {"latent_dim": 8, "width": 4, "max_width": 16, "embedding_dim": 4},
    "transformer": {"latent_dim": 8, "width": 64, "blocks": 2, "embedding_dim": 4},
}
MULTISCALE = {
    "gan.name": "multiscale",
    "gan.model": {"name": "mscgan", "latent_dim": 8, "width": 4, "max_width": 16, "region_width": 4},
}
OUR_UNET = {"name": "unet", "width": 4, "max_width": 8, "levels": 2, "discriminator_width": 4}
RESIDUAL = {"name": "residual", **TINY["residual"]}
NOISE, MASKED = ImageSpec(32, 3, classes=3), ImageSpec(32, 3, classes=3, mask_channels=1)
PAIRED = ImageSpec(64, 1, source_channels=1)
SYSTEMS = [
    *(
        pytest.param(
            NOISE, {"gan.conditional": conditional, "gan.model": {"name": name, **TINY.get(name, {})}}, id=case
        )
        for name in MODELS
        for case, conditional in ((name, False), (f"{name}-conditional", True))
    ),
    pytest.param(NOISE, {"gan.model": {**RESIDUAL, "full_size": "smooth", "grain": True}}, id="residual-grain"),
    pytest.param(MASKED, MULTISCALE, id="mscgan"),
    *(
        pytest.param(PAIRED, {"gan.name": gan, "gan.model": OUR_UNET}, id=f"unet-{gan}")
        for gan in ("translation", "cyclegan")
    ),
]


def made(config: Config, *, conditional: bool = True, upsample: str = "nearest") -> Gan:
    values = {"gan.conditional": conditional, "gan.model.upsample": upsample}
    return trained(config, ImageSpec(16, 1, classes=3), values)


def trained(config: Config, spec: ImageSpec, values: dict[str, Any]) -> Gan:
    gan_config = config.override(values).gan
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        gan = build_gan(gan_config, spec)
        normed = any(isinstance(module, torch.nn.BatchNorm2d) for module in gan.modules())
        with torch.no_grad():
            for _ in range(30 * normed):  # as after a training: batch norm has seen images
                gan.draw(gan.generators, inputs(gan, 16))
    # as the training has it
    return gan.to(memory_format=torch.channels_last)


def inputs(gan: Gan, n: int) -> dict[str, torch.Tensor]:
    z = torch.randn(n, gan.latent_dim, generator=torch.Generator().manual_seed(n))
    mask = torch.rand((n, 1, gan.spec.size, gan.spec.size), generator=torch.Generator().manual_seed(n)) < 0.1
    side = gan.spec.size
    source = torch.rand((n, gan.spec.source_channels, side, side), generator=torch.Generator().manual_seed(n)) * 2 - 1
    made = {"z": z, "label": torch.arange(n) % 3, "mask": mask.float(), "source": source}
    return {name: made[name] for name in gan.inputs}


@pytest.fixture(scope="module")
def once(config: Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that one export of a conditional generator wrote."""
    gan = made(config)
    return export(gan, gan.generators, tmp_path_factory.mktemp("once") / "out", metadata(gan)).path.parent


def metadata(gan: Gan) -> dict[str, str]:
    return METADATA | {"label_names": json.dumps(["a", "b", "c"] if gan.spec.classes else [])}


@pytest.mark.parametrize("upsample", ["nearest", "transposed"])
@pytest.mark.parametrize("conditional", [True, False])
def test_onnxruntime_draws_what_torch_draws(config: Config, tmp_path: Path, conditional: bool, upsample: str) -> None:
    gan = made(config, conditional=conditional, upsample=upsample)
    exported = export(gan, gan.generators, tmp_path, metadata(gan))
    assert PARITY_BATCHES == (1, 7, 64) == tuple(exported.parity)
    assert exported.worst == max(exported.parity.values()) <= 1e-4
    # Once more, by hand, at sizes that the export did not try.
    runtime = OnnxGenerator(exported.path)
    for n in (2, 33):
        given = inputs(gan, n)
        with torch.no_grad():
            expected = gan.eval().draw(gan.generators, given).numpy()
        drawn = runtime.run(**{name: tensor.numpy() for name, tensor in given.items()})
        assert drawn.dtype == np.float32 and drawn.shape == (n, 1, 16, 16)
        assert np.abs(drawn - expected).max() <= 1e-5
        assert expected.std() > 0.003


def written_and_read(gan: Gan, config: Config, spec: ImageSpec, folder: Path) -> tuple[Gan, nn.ModuleDict]:
    """Through the files of a training; networks that had only been built anew would be others."""
    description = Description(
        fingerprint="f00",
        gan=config.gan.model_dump(mode="json"),
        train={},
        seed=0,
        spec=asdict(spec),
        intensity={},
        label_names=(),
        direction=None,
        data_md5="",
        commit="",
        recipe="",
        weights="raw",
        step=0,
        score=0.0,
    )
    (folder / "samples").mkdir()
    write_trained(folder / "out", Trained(gan.generators, gan, Best(), [], 0), description, folder / "samples")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        read, generators, _ = load_generators(folder / "out")
    return read, generators


@pytest.mark.parametrize(("spec", "values"), SYSTEMS)
def test_a_generator_that_was_written_and_read_draws_the_same_in_torch_and_in_onnxruntime(
    config: Config, tmp_path: Path, spec: ImageSpec, values: dict[str, Any]
) -> None:
    gan = trained(config, spec, values)
    given = inputs(gan, 5)
    with torch.no_grad():
        wanted = gan.eval().draw(gan.generators, given).numpy()
    read, generators = written_and_read(gan, config.override(values), spec, tmp_path)
    with torch.no_grad():
        again = read.draw(generators, given).numpy()
    exported = export(read, generators, tmp_path, metadata(read))
    arrays = {name: tensor.numpy() for name, tensor in given.items()}
    drawn = OnnxGenerator(exported.path).run(**arrays)
    assert drawn.shape == (5, spec.channels, spec.size, spec.size) == wanted.shape
    assert exported.worst <= 1e-4 and wanted.std() > 0.003 and len({image.tobytes() for image in drawn}) == 5
    assert np.abs(again - wanted).max() <= 1e-5 and np.abs(drawn - wanted).max() <= 1e-5
    if "label" in arrays:
        refuses_labels_that_there_are_not(exported.path, arrays)


def refuses_labels_that_there_are_not(path: Path, arrays: dict[str, Any]) -> None:
    session = onnxruntime.InferenceSession(path)
    for label in (-1, -3, -4, 3, 99):
        with pytest.raises(Exception, match=r"idx=|out of (data )?bounds|ind(ex|ices) "):
            session.run(["image"], {**arrays, "label": np.full(len(arrays["label"]), label)})


@pytest.mark.parametrize("conditioning", ["onehot", "embedding"])
def test_bare_onnxruntime_refuses_a_label_that_there_is_not(config: Config, tmp_path: Path, conditioning: str) -> None:
    gan = trained(config, ImageSpec(16, 1, classes=3), {"gan.model.conditioning": conditioning})
    arrays = {name: tensor.numpy() for name, tensor in inputs(gan, 3).items()}
    refuses_labels_that_there_are_not(export(gan, gan.generators, tmp_path, metadata(gan)).path, arrays)


@pytest.mark.parametrize("conditional", [True, False])
def test_a_multiscale_generator_takes_its_mask_along(config: Config, tmp_path: Path, conditional: bool) -> None:
    spec = ImageSpec(32, 1, classes=3, mask_channels=1)
    gan = trained(config, spec, {**MULTISCALE, "gan.conditional": conditional})
    exported = export(gan, gan.generators, tmp_path, metadata(gan))
    assert tuple(exported.parity) == PARITY_BATCHES and exported.worst <= 1e-4
    runtime = OnnxGenerator(exported.path)
    expected = {"z": (8,), "label": (), "mask": (1, 32, 32)}
    assert runtime.inputs == {name: expected[name] for name in gan.inputs}
    assert gan.inputs == (("z", "label", "mask") if conditional else ("z", "mask"))

    given = inputs(gan, 5)
    with torch.no_grad():
        wanted = gan.eval().draw(gan.generators, given).numpy()
    arrays = {name: tensor.numpy() for name, tensor in given.items()}
    drawn = runtime.run(**arrays)
    assert drawn.shape == (5, 1, 32, 32) and np.abs(drawn - wanted).max() <= 1e-5
    assert np.abs(runtime.run(**{**arrays, "mask": 0 * arrays["mask"]}) - drawn).max() > 1e-3

    assert golden_difference(runtime, tmp_path / "golden.npz") <= 1e-4
    with np.load(tmp_path / "golden.npz") as saved:
        assert set(saved) == {*gan.inputs, "image"}
        assert saved["mask"].shape == (8, 1, 32, 32) and set(np.unique(saved["mask"])) == {0, 1}


def test_another_export_is_the_same_bytes_and_leaves_the_generator_usable(
    config: Config, tmp_path: Path, once: Path
) -> None:
    gan = made(config)
    given = inputs(gan, 3)
    gan.eval()
    with torch.no_grad():
        before = gan.draw(gan.generators, given)
        export(gan, gan.generators, tmp_path, metadata(gan))
        assert torch.allclose(gan.draw(gan.generators, given), before, atol=1e-6)
    for file in ("generator.onnx", "golden.npz"):
        assert (once / file).read_bytes() == (tmp_path / file).read_bytes()


def test_one_file_with_the_contract_inside(config: Config, once: Path) -> None:
    gan = made(config)
    assert sorted(file.name for file in once.iterdir()) == ["generator.onnx", "golden.npz"]
    model = onnx.load(once / "generator.onnx", load_external_data=False)
    assert all(tensor.data_location == onnx.TensorProto.DEFAULT for tensor in model.graph.initializer)
    operators = {node.op_type for graph in (model.graph, *model.functions) for node in graph.node}
    assert not {name for name in operators if "Random" in name or name in ("Bernoulli", "Multinomial", "Dropout")}
    found = {entry.key: entry.value for entry in model.metadata_props}
    assert found == {**metadata(gan), "contract": CONTRACT, "z": "standard normal"}
    assert list(found) == sorted(found)
    inputs = {value.name: value.type.tensor_type for value in model.graph.input}
    assert {name: kind.elem_type for name, kind in inputs.items()} == {
        "z": onnx.TensorProto.FLOAT,
        "label": onnx.TensorProto.INT64,
    }
    assert {kind.shape.dim[0].dim_param for kind in inputs.values()} == {"N"}
    assert [dim.dim_value for dim in inputs["z"].shape.dim][1:] == [gan.latent_dim]
    assert [value.name for value in model.graph.output] == ["image"]


def test_nothing_about_this_machine_is_in_the_bytes(once: Path) -> None:
    content = (once / "generator.onnx").read_bytes()
    places = [str(once), str(Path(__file__).parents[1]), str(Path.home()) + "/", "site-packages", ".py"]
    for word in [*places, socket.gethostname(), f"/{getpass.getuser()}/"]:
        assert word.encode() not in content, word


def test_golden_vectors_prove_the_file(config: Config, tmp_path: Path, once: Path) -> None:
    gan = made(config)
    golden = once / "golden.npz"
    assert golden_difference(OnnxGenerator(once / "generator.onnx"), golden) <= 1e-4
    with np.load(golden) as saved:
        assert saved["z"].shape == (8, gan.latent_dim) and saved["image"].shape == (8, 1, 16, 16)
        assert list(saved["label"]) == [0, 1, 2, 0, 1, 2, 0, 1]
    with torch.no_grad():
        next(gan.generators.parameters()).add_(0.5)
    other = export(gan, gan.generators, tmp_path / "other", metadata(gan))
    assert golden_difference(OnnxGenerator(other.path), golden) > 1e-3


@pytest.mark.parametrize(
    ("name", "model"),
    [
        pytest.param("translation", {"name": "published-unet"}, id="published", marks=pytest.mark.slow),
        pytest.param("translation", OUR_UNET, id="ours"),
        pytest.param("cyclegan", OUR_UNET, id="cyclegan"),
    ],
)
def test_a_translating_generator_takes_its_source(
    config: Config, tmp_path: Path, name: str, model: dict[str, Any]
) -> None:
    gan = trained(config, PAIRED, {"gan.name": name, "gan.model": model})
    exported = export(gan, gan.generators, tmp_path, metadata(gan))
    assert exported.worst <= 1e-4
    runtime = OnnxGenerator(exported.path)
    assert runtime.inputs == {"source": (1, 64, 64)} and runtime.latent_dim == 0
    sources = (torch.rand(5, 1, 64, 64, generator=torch.Generator().manual_seed(1)) * 2 - 1).numpy()
    with torch.no_grad():
        wanted = gan.eval().draw(gan.generators, {"source": torch.from_numpy(sources)}).numpy()
    translated = runtime.translate(sources, batch=2)
    assert np.abs(translated - wanted).max() <= 1e-5
    assert golden_difference(runtime, tmp_path / "golden.npz") <= 1e-4
    assert runtime.translate(sources[:0]).shape == (0, 1, 64, 64)
    for wrong, says in ((sources[:, :, :32], "translates images"), (sources * 3, "are in")):
        with pytest.raises(MedganError, match=says):
            runtime.translate(wrong)
    with pytest.raises(MedganError, match="medgan translate"):
        runtime.draw(1, seed=0)


def test_what_draws_from_noise_translates_nothing(tiny_onnx: Path) -> None:
    with pytest.raises(MedganError, match="medgan generate"):
        OnnxGenerator(tiny_onnx).translate(np.zeros((1, 1, 16, 16), np.float32))

"""torch to ONNX by the contract: one file, dynamic batch, no randomness inside, the same bytes each time."""

import io
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from medgan.files import write_atomically
from medgan.gans.base import Gan
from medgan.runtime.generator import CONTRACT, OnnxGenerator

PARITY_BATCHES = (1, 7, 64)
GOLDEN_IMAGES = 8


@dataclass(frozen=True)
class Exported:
    """parity: largest absolute difference between torch and onnxruntime at each batch size."""

    path: Path
    bytes: int
    parity: dict[int, float]

    @property
    def worst(self) -> float:
        return max(self.parity.values())


class _Drawing(nn.Module):
    """`Gan.draw` as a module with the contract's inputs, in the order of `gan.inputs`; a negative label is an error."""

    def __init__(self, gan: Gan, generators: nn.ModuleDict) -> None:
        super().__init__()
        # channels_last is for training; the exporter would write its transposes into the graph.
        self.gan, self.generators = gan, generators.to(memory_format=torch.contiguous_format)

    def forward(self, *inputs: Tensor) -> Tensor:
        named = dict(zip(self.gan.inputs, inputs, strict=True))
        if "label" in named:
            # ONNX counts negative indices from the end, so that -1 would draw the last class: one that is too large
            # is refused by onnxruntime.
            named["label"] = torch.where(named["label"] < 0, self.gan.spec.classes, named["label"])
        return self.gan.draw(self.generators, named)


def export(gan: Gan, generators: nn.ModuleDict, directory: Path, metadata: dict[str, str]) -> Exported:
    """Write generator.onnx and golden.npz into `directory`, and measure them against torch.

    metadata: what the contract asks for beside `contract`, `z` and `label_names`; label_names is a JSON list.
    """
    module = _Drawing(gan, generators).eval()
    names = list(gan.inputs)
    arguments = _arguments(gan, 2)
    batch = torch.export.Dim("N", min=1, max=65536)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # the exporter warns of its own deprecations
        program = torch.onnx.export(
            module,
            arguments,
            dynamo=True,
            verbose=False,
            input_names=names,
            output_names=["image"],
            dynamic_shapes=(({0: batch},) * len(arguments),),
        )
    if program is None:
        raise RuntimeError("torch.onnx.export returned nothing")
    model = program.model_proto
    _clean(model, {"contract": CONTRACT, **({"z": "standard normal"} if gan.latent_dim else {}), **metadata})
    onnx.checker.check_model(model)
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "generator.onnx"
    write_atomically(path, model.SerializeToString(deterministic=True))

    _write_golden(module, _arguments(gan, GOLDEN_IMAGES), names, directory / "golden.npz")
    runtime = OnnxGenerator(path)
    parity = {}
    for n in PARITY_BATCHES:
        inputs = _arguments(gan, n)
        with torch.no_grad():
            expected = module(*inputs).numpy()
        parity[n] = float(
            np.abs(
                runtime.run(**{name: tensor.numpy() for name, tensor in zip(names, inputs, strict=True)}) - expected
            ).max()
        )
    return Exported(path, path.stat().st_size, parity)


def _arguments(gan: Gan, n: int) -> tuple[Tensor, ...]:
    """n of each input: random z and source, the classes in turn, squares of every side as masks."""
    spec, generator = gan.spec, torch.Generator().manual_seed(n)
    z = torch.randn(n, gan.latent_dim, generator=generator)
    inside = torch.arange(spec.size) < (torch.arange(n) % spec.size)[:, None]
    square = (inside[:, :, None] & inside[:, None, :]).float()[:, None]
    made = {
        "z": z,
        "label": torch.arange(n) % max(1, spec.classes),
        "mask": square.expand(-1, spec.mask_channels, -1, -1).contiguous(),
        "source": torch.rand(n, spec.source_channels, spec.size, spec.size, generator=generator) * 2 - 1,
    }
    return tuple(made[name] for name in gan.inputs)


def _clean(model: onnx.ModelProto, metadata: dict[str, str]) -> None:
    """Drop what names this machine (source lines, stack traces); write the contract's metadata, sorted."""
    model.producer_version = ""
    del model.metadata_props[:]
    graphs = [model.graph, *model.functions]
    for graph in graphs:
        graph.doc_string = ""
        del graph.metadata_props[:]
        for node in graph.node:
            node.doc_string = ""
            del node.metadata_props[:]
    for value in (*model.graph.value_info, *model.graph.input, *model.graph.output, *model.graph.initializer):
        del value.metadata_props[:]
    onnx.helper.set_model_props(model, dict(sorted(metadata.items())))


def _write_golden(module: nn.Module, inputs: tuple[Tensor, ...], names: list[str], path: Path) -> None:
    with torch.no_grad():
        image = module(*inputs).numpy()
    buffer = io.BytesIO()
    arrays = {name: tensor.numpy() for name, tensor in zip(names, inputs, strict=True)}
    np.savez(buffer, allow_pickle=False, image=image, **arrays)
    write_atomically(path, buffer.getvalue())

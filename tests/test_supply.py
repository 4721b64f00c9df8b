"""What a step gets from the host: as if it had drawn it itself, in one copy."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from small import MSCGAN, UNET, with_everything
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from medgan.config.schema import Config
from medgan.data.loader import Batches
from medgan.data.resident import Resident
from medgan.data.store import Prepared
from medgan.imaging.intensity import Intensity
from medgan.randomness import Asked, Normal, StepRandomness, Uniform
from medgan.training import state
from medgan.training.state import State
from medgan.training.steps import Steps, update
from medgan.training.supply import Packet, Supply

META = torch.device("meta")
ALL = {
    "augment": ["brightness", "contrast", "saturation", "translation", "cutout", "mirror"],
    "instance_noise": 0.3,
    "jitter": 2,
    "discriminator_steps": 2,
}


@pytest.mark.parametrize("static", [True, False])
def test_what_was_drawn_before_a_step_is_what_it_would_have_drawn(
    config: Config, prepared: Prepared, static: bool
) -> None:
    changed = config.override({f"gan.{name}": value for name, value in ALL.items()})
    current = State(changed.gan, changed.train, prepared.spec, seed=3)
    supply = Supply(current, prepared, static=static)
    turns = supply.at(0)
    assert not any(turn.randomness.ready for turn in turns)
    update(current, turns)
    supply.remember(turns)
    turns = supply.at(1)
    assert [turn.randomness.step for turn in turns] == [2, 3]
    for turn in turns:
        streams = {asked.stream for asked in turn.randomness.ready}
        assert streams == {"z", "jitter", "augment/real", "augment/fake", "noise/real", "noise/fake"}
        for asked, ready in turn.randomness.ready.items():
            own = StepRandomness(3, turn.randomness.step).drawn(asked.stream, asked.draws, asked.n)
            assert all(torch.equal(*pair) for pair in zip(ready, own, strict=True))
    supply.remember([])  # a step that was replayed
    assert supply.at(2)[0].randomness.ready.keys() == turns[0].randomness.ready.keys()


@pytest.mark.parametrize("deep", [False, True], ids=["8 bits", "16 bits"])
@pytest.mark.parametrize("paired", [True, False])
def test_batches_of_resident_images_are_those_of_the_loader(prepared: Prepared, deep: bool, paired: bool) -> None:
    kind = np.uint16 if deep else np.uint8
    images = np.random.default_rng(0).integers(0, np.iinfo(kind).max, prepared.images.shape, dtype=kind, endpoint=True)
    data = replace(
        prepared,
        images=images,
        sources=images[::-1],
        masks=(images > 100).astype(np.uint8),
        intensity=replace(prepared.intensity, low=3.0, high=200.0) if not deep else Intensity(10.0, 60_000.0, "HU"),
    )
    batches = Batches(data, "train", batch=32, seed=0, paired=paired)
    resident = Resident(batches, torch.device("cpu"))
    for step in range(5):
        expected, found = batches.at(step), resident.batch(**resident.places(*batches.rows(step)))
        assert expected.tensors().keys() == found.tensors().keys() == {"image", "label", "mask", "source"}
        assert all(torch.equal(tensor, found.tensors()[name]) for name, tensor in expected.tensors().items())


def test_random_numbers_can_be_read_in_any_order_and_again() -> None:
    one, other = StepRandomness(1, 2), StepRandomness(1, 2)
    first = one.drawn("augment", [Uniform(), Normal((2,))], 4)
    z = one.draw("z", Normal((3,)), 4)
    assert torch.equal(other.draw("z", Normal((3,)), 4), z)
    assert all(
        torch.equal(*pair) for pair in zip(other.drawn("augment", [Uniform(), Normal((2,))], 4), first, strict=True)
    )
    assert one.drawn("augment", [Uniform(), Normal((2,))], 4) is first
    assert one.values.keys() == {Asked("augment", (Uniform(), Normal((2,))), 4), Asked("z", (Normal((3,)),), 4)}


def tensors(seed: int, *, rows: int = 3) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    image = torch.randn(rows, 2, 4, 4, generator=generator)
    return [
        image,
        image.to(memory_format=torch.channels_last),
        torch.randint(9, (2, rows), generator=generator).T,
        torch.randn(6, generator=generator)[::2],
        torch.zeros(0),
        torch.tensor(7),
    ]


def test_a_packet_arrives_as_it_was_and_stays_where_it_is() -> None:
    packet, places = Packet(torch.device("cpu"), packed=True), []
    for seed in range(4):
        sent = packet.sent(tensors(seed))
        assert all(torch.equal(*pair) for pair in zip(sent, tensors(seed), strict=True))
        assert [tensor.dtype for tensor in sent] == [tensor.dtype for tensor in tensors(seed)]
        assert sent[1].is_contiguous(memory_format=torch.channels_last)
        places.append([tensor.data_ptr() for tensor in sent])
    assert all(place == places[0] for place in places)
    assert all(torch.equal(*pair) for pair in zip(packet.sent(tensors(5, rows=8)), tensors(5, rows=8), strict=True))


class Copies(TorchDispatchMode):
    """Counts operations that bring a tensor from the host to the device."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        given, made = (
            {leaf.device.type for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)}
            for tree in ((args, kwargs), result)
        )
        self.count += "cpu" in given and META.type in made
        return result


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> Iterator[torch.device]:
    """One that keeps no values, on which nothing can be computed but everything that a step does can be asked for."""
    built = torch.optim.Adam.__init__

    def unfused(self: torch.optim.Adam, *args: Any, fused: bool, **values: Any) -> None:
        built(self, *args, **values)

    monkeypatch.setattr(state, "resolve_device", lambda: META)
    # It has no kernel for this device, and takes nothing from the host.
    monkeypatch.setattr(torch.optim.Adam, "__init__", unfused)
    monkeypatch.setattr(torch.optim.Adam, "step", lambda self: None)
    return META


@pytest.mark.parametrize(
    "values",
    [
        {},
        ALL,
        {"name": "multiscale", "model": MSCGAN},
        {"name": "translation", "model": UNET, "jitter": 2},
        {"name": "cyclegan", "model": UNET, "buffer": 20, "instance_noise": 0.3},
    ],
    ids=["synthesis", "every option", "multiscale", "translation", "cyclegan"],
)
def test_a_step_takes_one_copy(
    config: Config, prepared: Prepared, device: torch.device, values: dict[str, Any]
) -> None:
    changed = config.override({f"gan.{name}": value for name, value in values.items()})
    data = with_everything(prepared)
    ahead, counts = Steps(State(changed.gan, changed.train, data.spec, seed=0), data), []
    for _ in range(4):
        with Copies() as copies:
            ahead.take()
        counts.append(copies.count)
    assert counts[1:] == [1, 1, 1] and counts[0] >= 1

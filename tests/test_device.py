"""What the machine's parts decide, as far as it can be said without them."""

import pytest
import torch

from medgan import device
from medgan.device import failure_as_error, resolve_precision, why_eager
from medgan.errors import MedganError


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that multiplies bf16."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: True)


def test_steps_are_captured_on_a_gpu_alone() -> None:
    assert why_eager(True, "adam", 1) == "no GPU"


@pytest.mark.parametrize(
    ("wanted", "optimizer", "processes", "why"),
    [
        (True, "adam", 1, ""),
        (True, "adamw", 1, ""),
        (False, "adam", 1, "train.capture: false"),
        (True, "sgd", 1, "sgd asks the GPU whether to take a step"),
        (True, "adam", 2, "several processes share a batch"),
    ],
)
@pytest.mark.usefixtures("gpu")
def test_why_steps_are_not_captured(wanted: bool, optimizer: str, processes: int, why: str) -> None:
    assert why_eager(wanted, optimizer, processes) == why


@pytest.mark.usefixtures("gpu")
def test_bf16_is_for_steps_that_do_not_wait_for_python() -> None:
    assert resolve_precision("auto", captured=True) == "bf16"
    assert resolve_precision("auto") == "fp32"
    assert {resolve_precision(name, captured=True) for name in ("fp32", "bf16")} == {"fp32", "bf16"}


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB. GPU 0 has"), "no room left .CUDA out of"),
        (torch.AcceleratorError("CUDA error: unspecified launch failure\nCUDA kernel errors"), "goes on from the last"),
    ],
)
def test_a_device_that_fails_is_a_sentence(error: Exception, said: str) -> None:
    with pytest.raises(MedganError, match=said), failure_as_error():
        raise error


def test_memory_that_is_not_there_is_a_sentence() -> None:
    with pytest.raises(MedganError, match=r"no memory left .*; lower gan.batch"), failure_as_error():
        torch.empty(2**60, dtype=torch.uint8)


def test_other_errors_stay_what_they_are() -> None:
    with pytest.raises(RuntimeError, match="size of tensor"), device.failure_as_error():
        torch.zeros(2) + torch.zeros(3)

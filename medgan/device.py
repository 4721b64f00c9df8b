"""Which arithmetic, how many threads and what memory: `auto` is resolved here and shown by `medgan doctor`."""

import contextlib
import ctypes
import os
from collections.abc import Iterator
from typing import Any

import torch
from threadpoolctl import threadpool_limits

from medgan.errors import MedganError

# Names of glibc's malloc.h.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3


def resolve_device() -> torch.device:
    """This process's GPU (torchrun numbers them), or the CPU where there is none."""
    if torch.cuda.is_available():
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    return torch.device("cpu")


def resolve_precision(wanted: str, *, captured: bool = False) -> str:
    """auto: bf16 where a GPU or the CPU (AMX, AVX512-bf16) multiplies it in hardware, else fp32.

    captured: whether steps are replayed from graphs. Otherwise a GPU waits for Python, and for the conversions of
    autocast more than for fp32.
    """
    if wanted != "auto":
        return wanted
    if torch.cuda.is_available():
        return "bf16" if captured and torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    cpu = torch.backends.cpu.get_cpu_capability()
    has_bf16 = torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()
    return "bf16" if has_bf16 and "AVX512" in cpu else "fp32"


def why_eager(wanted: bool, optimizer: str, processes: int) -> str:
    """Say why training steps are not captured into graphs of a GPU; "" where they are."""
    if not torch.cuda.is_available():
        return "no GPU"
    if not wanted:
        return "train.capture: false"
    if processes > 1:
        return "several processes share a batch"
    return "" if optimizer in ("adam", "adamw") else f"{optimizer} asks the GPU whether to take a step"


def resolve_threads(wanted: int | str, processes: int | None = None) -> int:
    """auto: the cores that this process may use, shared by so many; by default, by those that torchrun started here."""
    if not isinstance(wanted, str):
        return wanted
    processes = processes or int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    return max(1, len(os.sched_getaffinity(0)) // processes)


def use_cpu(threads: int | str) -> None:
    """Set the threads of torch and numpy's BLAS for a whole process, where a second one can be slower by 40 times.

    And memory that was freed is kept. Otherwise large blocks go back to the kernel at once and come again page by page,
    zeroed, which costs a sixth of a step at 256 pixels.
    """
    count = resolve_threads(threads)
    torch.set_num_threads(count)
    threadpool_limits(count)
    with contextlib.suppress(OSError, AttributeError):  # another C library than glibc
        glibc = ctypes.CDLL("libc.so.6")
        glibc.mallopt(_MMAP_THRESHOLD, 2**30)
        glibc.mallopt(_TRIM_THRESHOLD, 2**31 - 1)


@contextlib.contextmanager
def failure_as_error() -> Iterator[None]:
    """Turn a device that has no room left, or that is gone, into a MedganError."""
    remedy = "lower gan.batch or the widths in gan.model"
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise MedganError(f"the GPU has no room left ({_first_sentence(error)}); {remedy}") from None
    except torch.AcceleratorError as error:
        raise MedganError(
            f"the GPU has failed ({_first_sentence(error)}); the same command goes on from the last checkpoint"
        ) from None
    except RuntimeError as error:
        if "can't allocate memory" in str(error):
            raise MedganError(f"there is no memory left ({_first_sentence(error)}); {remedy}") from None
        raise


def _first_sentence(error: BaseException) -> str:
    return str(error).splitlines()[0].split(". ")[0].rstrip(".")


def autocast(precision: str, *, cached: bool = True) -> contextlib.AbstractContextManager[Any]:
    """cached: keep converted weights for the whole context, which a graph must not."""
    if precision != "bf16":
        return contextlib.nullcontext()
    return torch.autocast(resolve_device().type, torch.bfloat16, cache_enabled=cached)


def working_dtype(precision: str) -> torch.dtype:
    """Return the type of weights and batches: under bf16 only the arithmetic inside is narrower."""
    return torch.float64 if precision == "fp64" else torch.float32

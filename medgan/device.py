"""Which arithmetic and how many threads: `auto` is resolved here and shown by `medgan doctor`."""

import contextlib
import os
from typing import Any

import torch
from threadpoolctl import threadpool_limits


def resolve_device() -> torch.device:
    """This process's GPU (torchrun numbers them), or the processor where there is none."""
    if torch.cuda.is_available():
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    return torch.device("cpu")


def resolve_precision(wanted: str) -> str:
    """auto: bf16 where a GPU or the processor (AMX, AVX512-bf16) multiplies it in hardware, else fp32."""
    if wanted != "auto":
        return wanted
    if torch.cuda.is_available():
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    cpu = torch.backends.cpu.get_cpu_capability()
    has_bf16 = torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()
    return "bf16" if has_bf16 and "AVX512" in cpu else "fp32"


def resolve_threads(wanted: int | str) -> int:
    """auto: the cores that this process may use, shared with the others that torchrun started here."""
    if not isinstance(wanted, str):
        return wanted
    return max(1, len(os.sched_getaffinity(0)) // int(os.environ.get("LOCAL_WORLD_SIZE", "1")))


def use_threads(wanted: int | str) -> None:
    """For a whole process, torch and numpy's BLAS alike: a second thread on a busy machine can be 40 times slower."""
    count = resolve_threads(wanted)
    torch.set_num_threads(count)
    threadpool_limits(count)


def autocast(precision: str) -> contextlib.AbstractContextManager[Any]:
    bf16 = precision == "bf16"
    return torch.autocast(resolve_device().type, torch.bfloat16) if bf16 else contextlib.nullcontext()


def working_dtype(precision: str) -> torch.dtype:
    """Of weights and batches: under bf16 only the arithmetic inside is narrower."""
    return torch.float64 if precision == "fp64" else torch.float32

"""Which arithmetic and how many threads: `auto` is resolved here and shown by `medgan doctor`."""

import contextlib
import os
from typing import Any

import torch
from threadpoolctl import threadpool_limits


def resolve_precision(wanted: str) -> str:
    """auto: bf16 where the processor multiplies it in hardware (AMX, AVX512-bf16), else fp32."""
    if wanted != "auto":
        return wanted
    cpu = torch.backends.cpu.get_cpu_capability()
    has_bf16 = torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()
    return "bf16" if has_bf16 and "AVX512" in cpu else "fp32"


def resolve_threads(wanted: int | str) -> int:
    """auto: the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if isinstance(wanted, str) else wanted


def use_threads(wanted: int | str) -> None:
    """For a whole process, torch and numpy's BLAS alike: a second thread on a busy machine can be 40 times slower."""
    count = resolve_threads(wanted)
    torch.set_num_threads(count)
    threadpool_limits(count)


def autocast(precision: str) -> contextlib.AbstractContextManager[Any]:
    return torch.autocast("cpu", torch.bfloat16) if precision == "bf16" else contextlib.nullcontext()

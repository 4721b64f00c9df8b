"""How networks and losses compose. A GAN says which losses its networks play; the loop optimises."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from medgan.config.gan import GanConfig
from medgan.data.spec import ImageSpec
from medgan.gans.base import Gan
from medgan.gans.cyclegan import CycleGan
from medgan.gans.multiscale import MultiScale
from medgan.gans.synthesis import Synthesis
from medgan.gans.translation import Translation

GANS: dict[str, type[Gan]] = {
    "cyclegan": CycleGan,
    "multiscale": MultiScale,
    "synthesis": Synthesis,
    "translation": Translation,
}


def build_gan(config: GanConfig, spec: ImageSpec) -> Gan:
    """Fresh networks, initialised from the global generator (callers fork and seed it).

    Raises MedganError for an unknown model, and where GAN or model do not fit the data.
    """
    return GANS[config.name](config, spec)


def check_gan(config: GanConfig, spec: ImageSpec) -> Gan:
    """The GAN without its weights, which costs no memory. Raises MedganError where it cannot be built."""
    with torch.device("meta"), _Unfilled():
        return build_gan(config, spec)


class _Unfilled(TorchFunctionMode):
    """Weights without memory get no normal values: torch loads its compiler to draw them, which takes a second."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        given = dict(kwargs or {})
        if func in (nn.init.normal_, Tensor.normal_):
            return args[0] if args else given["tensor"]
        return func(*args, **given)

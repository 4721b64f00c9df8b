"""How networks and losses compose. A GAN says which losses its networks play; the loop optimises."""

import torch

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
    with torch.device("meta"):
        return build_gan(config, spec)

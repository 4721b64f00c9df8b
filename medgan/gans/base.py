"""What the loop needs to know of a GAN."""

from abc import ABC, abstractmethod
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from medgan.config import GanConfig
from medgan.data.spec import Batch, ImageSpec
from medgan.randomness import StepRandomness


class Gan(nn.Module, ABC):
    """Owns the networks. Fakes are made once a step and shared: both phases see the same images.

    A GAN without discriminators gives no discriminator losses, and its generator is trained alone.

    Loss dictionaries are summed by the loop; a key's name is the name of its curve.
    """

    paired = True  # False: the source of an image in a batch is of somebody else
    generators: nn.ModuleDict
    discriminators: nn.ModuleDict
    spec: ImageSpec  # what these networks take of the data: classes is 0 where labels are not looked at

    @abstractmethod
    def __init__(self, config: GanConfig, spec: ImageSpec) -> None:
        super().__init__()

    @abstractmethod
    def fakes(self, batch: Batch, randomness: StepRandomness) -> dict[str, Tensor]:
        """Generated images by name, with their graph."""

    @abstractmethod
    def discriminator_losses(
        self, batch: Batch, fakes: dict[str, Tensor], randomness: StepRandomness
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Losses to sum, and figures to log."""

    @abstractmethod
    def generator_losses(self, batch: Batch, fakes: dict[str, Tensor], randomness: StepRandomness) -> dict[str, Tensor]:
        """Losses to sum."""

    def set_progress(self, fraction: float) -> None:
        """Called before each step with the share of the budget that is done; schedules hang on it."""

    @torch.no_grad()
    def held_out_figures(self, held_out: Batch, drawn: Tensor) -> dict[str, float]:
        """Figures to log at an evaluation: of held-out real images, and of as many generated ones."""
        return {}

    @property
    def complete(self) -> bool:
        """False while a schedule still changes what `draw` does: such weights cannot be the best."""
        return True

    @property
    @abstractmethod
    def inputs(self) -> tuple[str, ...]:
        """What `draw` needs, in the order of the exported model: of z, label, mask and source."""

    @property
    @abstractmethod
    def latent_dim(self) -> int: ...

    @abstractmethod
    def draw(self, generators: nn.ModuleDict, inputs: Mapping[str, Tensor]) -> Tensor:
        """Images (B, C, H, W) float32 in [-1, 1] from other weights of the same shape, such as the ema.

        inputs: at least what `inputs` names; the rest is not looked at.
        """

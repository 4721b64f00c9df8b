"""What the loop needs to know of a GAN."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from medgan.config.gan import GanConfig
from medgan.data.batch import Batch
from medgan.data.spec import Direction, ImageSpec
from medgan.data.store import Prepared
from medgan.gans.adversarial import Discriminate, Game
from medgan.levels import Level
from medgan.models.layers import statistics_kept
from medgan.randomness import StepRandomness


class Gan(nn.Module, ABC):
    """Owns the networks. Fakes are made once a step and shared: both phases see the same images.

    A GAN without discriminators gives no discriminator losses, and its generator is trained alone.
    Loss dictionaries are summed by the loop; a key's name is the name of its curve.

    spec: what these networks take of the data; classes is 0 where labels are not looked at.
    inputs: what `draw` needs, in the order of the exported model: of z, label, mask and source.
    paired: False where the source of an image in a batch is to be somebody else's.
    grows: True where some networks join in while the training is under way.
    """

    generators: nn.ModuleDict
    discriminators: nn.ModuleDict
    game: Game
    spec: ImageSpec
    inputs: tuple[str, ...]
    latent_dim: int
    paired = True
    grows = False

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

    @abstractmethod
    def held_out(self, batch: Batch, drawn: Tensor) -> tuple[Discriminate, Tensor, Tensor]:
        """A discriminator that knows the conditions of held-out images; the real and the drawn as it sees them."""

    def held_out_figures(self, batch: Batch, drawn: Tensor) -> dict[str, float]:
        """Figures to log at an evaluation: of held-out real images, and of as many drawn ones.

        A discriminator with batch norm has only ever seen real and drawn images apart, each normalised by their own.
        """
        if not self.discriminators:
            return {}
        self.discriminators.eval()  # spectral norm stands still
        with statistics_kept(self.discriminators):
            figures = self.game.held_out_figures(*self.held_out(batch, drawn))
        self.discriminators.train()
        return figures

    def set_progress(self, fraction: float) -> None:
        """Called before each step with the share of the budget that is done; schedules hang on it."""
        self.game.set_progress(fraction)

    @property
    def levels(self) -> list[Level]:
        """What `set_progress` sets."""
        return self.game.levels

    @property
    def complete(self) -> bool:
        """False while a schedule still changes what `draw` does: such weights cannot be the best."""
        return True

    def ways(self) -> "tuple[Way, ...]":
        """List the ways in which it draws: the one that was asked for, then the way back where it has one."""
        return (Way("", self),)

    @abstractmethod
    def draw(self, generators: nn.ModuleDict, inputs: Mapping[str, Tensor]) -> Tensor:
        """Images (B, C, H, W) float32 in [-1, 1] from other weights of the same shape, such as the ema.

        inputs: at least what `inputs` names; the rest is not looked at.
        """


@dataclass(frozen=True)
class Way:
    """One way in which a GAN draws, measured, exported and registered on its own.

    name: "" for the one that was asked for, else what its files and results are called by.
    gan: the same networks, drawing this way. backwards: sources are drawn from images.
    """

    name: str
    gan: Gan
    backwards: bool = False

    @property
    def suffix(self) -> str:
        """The end that it adds to names: "" or "-reverse"."""
        return f"-{self.name}" if self.name else ""

    def view(self, prepared: Prepared) -> Prepared:
        """The data as this way sees them: what it draws are the images."""
        return prepared.opposite() if self.backwards else prepared

    def direction(self, direction: Direction | None) -> Direction | None:
        """Return the direction of this way, given that of the data; None for what does not translate."""
        return direction.opposite if direction and self.backwards else direction

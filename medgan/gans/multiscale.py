"""Label and lesion mask to image at growing scales: one generator, a discriminator a scale (see models/mscgan)."""

from collections.abc import Mapping
from functools import partial
from typing import cast

from torch import Tensor, nn
from torch.nn import functional as F

from medgan.config.checking import build
from medgan.config.gan import MultiscaleConfig
from medgan.data.batch import Batch
from medgan.data.spec import ImageSpec
from medgan.errors import MedganError
from medgan.gans.adversarial import Discriminate, Game
from medgan.gans.base import Gan
from medgan.levels import Level
from medgan.models import MULTISCALE_MODELS
from medgan.models.layers import to_float32
from medgan.models.mscgan import shrunk
from medgan.randomness import Normal, StepRandomness


class MultiScale(Gan):
    """Each scale after the first fades in over an equal share of the budget's first `grow_until`; then all are full."""

    grows = True

    def __init__(self, config: MultiscaleConfig, spec: ImageSpec) -> None:
        super().__init__(config, spec)
        options = dict(config.model)
        model = build(MULTISCALE_MODELS, options.pop("name", "(none)"), options, "gan.model")
        if not spec.mask_channels:
            raise MedganError("gan.name: multiscale needs lesion masks and the data has none; take another gan.name")
        if moved := [kind for kind in config.augment if kind in ("translation", "cutout", "mirror")]:
            raise MedganError(f"gan.augment: {', '.join(moved)} would move an image away from its mask; leave it out")
        if config.conditional and not spec.classes:
            raise MedganError("gan.conditional is true and the data has no labels; set gan.conditional: false")
        classes = spec.classes if config.conditional else 0
        self.spec = ImageSpec(spec.size, spec.channels, classes, mask_channels=spec.mask_channels)
        self.game = Game(config)
        self.inputs, self.latent_dim = ("z", "label", "mask") if classes else ("z", "mask"), model.latent_dim
        self._grow_until, self._scales = config.grow_until, model.scales(self.spec)
        self._alphas = [Level(1.0) for _ in self._scales]
        self.generators = nn.ModuleDict({"generator": model.generator(self.spec)})
        self.discriminators = nn.ModuleDict({str(side): model.discriminator(self.spec, side) for side in self._scales})

    @property
    def complete(self) -> bool:
        return self._alphas[-1].now == 1

    def set_progress(self, fraction: float) -> None:
        super().set_progress(fraction)
        steps = max(1, len(self._scales) - 1)
        grown = steps * fraction / self._grow_until if self._grow_until > 0 else steps
        for behind, alpha in enumerate(self._alphas[1:]):
            alpha.now = min(1.0, max(0.0, grown - behind))

    @property
    def levels(self) -> list[Level]:
        return [*super().levels, *self._alphas]

    def fakes(self, batch: Batch, randomness: StepRandomness) -> dict[str, Tensor]:
        z = randomness.draw("z", Normal((self.latent_dim,)), len(batch.image)).to(batch.image, non_blocking=True)
        images = self._images(self.generators, {"z": z, **batch.conditions()})
        return {str(side): to_float32(image) for side, image in zip(self._scales, images, strict=False)}

    def discriminator_losses(
        self, batch: Batch, fakes: dict[str, Tensor], randomness: StepRandomness
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        terms: dict[str, Tensor] = {}
        figures: dict[str, Tensor] = {}
        for side, fake in fakes.items():
            game_terms, logits = self.game.discriminator_terms(
                self._discriminate(batch, side), self._real(batch.image, int(side)), fake, randomness
            )
            terms |= {f"{name}-{side}": self._weight(side) * value for name, value in game_terms.items()}
            figures |= {f"{name}-{side}": value for name, value in logits.items()}
        return terms, figures

    def generator_losses(self, batch: Batch, fakes: dict[str, Tensor], randomness: StepRandomness) -> dict[str, Tensor]:
        losses = {}
        for side, fake in fakes.items():
            real = self._real(batch.image, int(side))
            loss = self.game.generator_loss(self._discriminate(batch, side), real, fake, randomness)
            losses[f"generator-{side}"] = self._weight(side) * loss
        return losses

    def held_out(self, batch: Batch, drawn: Tensor) -> tuple[Discriminate, Tensor, Tensor]:
        """Give the discriminator of the largest scale that has begun to grow."""
        side = max(side for side, alpha in zip(self._scales, self._alphas, strict=True) if alpha.now > 0)
        return self._discriminate(batch, str(side)), self._real(batch.image, side), shrunk(drawn, side)

    def draw(self, generators: nn.ModuleDict, inputs: Mapping[str, Tensor]) -> Tensor:
        """The largest image there is yet, enlarged to the full size while scales are still to come."""
        image = to_float32(self._images(generators, inputs)[-1])
        factor = self.spec.size // image.shape[-1]
        return F.interpolate(image, scale_factor=float(factor)) if factor > 1 else image

    def _images(self, generators: nn.ModuleDict, inputs: Mapping[str, Tensor]) -> list[Tensor]:
        label = inputs["label"] if self.spec.classes else None
        return cast(list[Tensor], generators["generator"](inputs["z"], inputs["mask"], label, self._alphas))

    def _discriminate(self, batch: Batch, side: str) -> partial[Tensor]:
        assert batch.mask is not None
        return partial(self._logits, side, mask=shrunk(batch.mask, int(side)), label=batch.label)

    def _logits(self, side: str, image: Tensor, *, mask: Tensor, label: Tensor | None) -> Tensor:
        condition = label if self.spec.classes else None
        return to_float32(self.discriminators[side](image, mask, condition))

    def _real(self, image: Tensor, side: int) -> Tensor:
        """The real image at this scale, faded like the generated one (Karras 2018)."""
        alpha, small = self._alphas[self._scales.index(side)], shrunk(image, side)
        if alpha.now == 1:
            return small
        return alpha.value * small + (1 - alpha.value) * F.interpolate(shrunk(small, side // 2), scale_factor=2.0)

    def _weight(self, side: str) -> float | Tensor:
        return self._alphas[self._scales.index(int(side))].value

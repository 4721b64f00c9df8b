"""Noise (and a class) to image: one generator against one discriminator."""

from collections.abc import Mapping
from functools import partial

from torch import Tensor, nn

from medgan.config.checking import build
from medgan.config.gan import SynthesisConfig
from medgan.data.batch import Batch
from medgan.data.spec import ImageSpec
from medgan.errors import MedganError
from medgan.gans.adversarial import Discriminate, Game
from medgan.gans.base import Gan
from medgan.models import MODELS
from medgan.models.layers import to_float32
from medgan.randomness import Normal, StepRandomness


class Synthesis(Gan):
    def __init__(self, config: SynthesisConfig, spec: ImageSpec) -> None:
        super().__init__(config, spec)
        options = dict(config.model)
        model = build(MODELS, options.pop("name", "(none)"), options, "gan.model")
        if config.conditional and not spec.classes:
            raise MedganError("gan.conditional is true and the data has no labels; set gan.conditional: false")
        self.spec = ImageSpec(spec.size, spec.channels, spec.classes if config.conditional else 0)
        self.game = Game(config)
        self.inputs, self.latent_dim = ("z", "label") if self.spec.classes else ("z",), model.latent_dim
        self.generators = nn.ModuleDict({"generator": model.generator(self.spec)})
        self.discriminators = nn.ModuleDict({"discriminator": model.discriminator(self.spec)})

    def fakes(self, batch: Batch, randomness: StepRandomness) -> dict[str, Tensor]:
        z = randomness.draw("z", Normal((self.latent_dim,)), len(batch.image)).to(batch.image, non_blocking=True)
        return {"image": self.draw(self.generators, {"z": z, **batch.conditions()})}

    def discriminator_losses(
        self, batch: Batch, fakes: dict[str, Tensor], randomness: StepRandomness
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        discriminate = partial(self._logits, label=batch.label)
        return self.game.discriminator_terms(discriminate, batch.image, fakes["image"], randomness)

    def generator_losses(self, batch: Batch, fakes: dict[str, Tensor], randomness: StepRandomness) -> dict[str, Tensor]:
        discriminate = partial(self._logits, label=batch.label)
        return {"generator": self.game.generator_loss(discriminate, batch.image, fakes["image"], randomness)}

    def held_out(self, batch: Batch, drawn: Tensor) -> tuple[Discriminate, Tensor, Tensor]:
        return partial(self._logits, label=batch.label), batch.image, drawn

    def draw(self, generators: nn.ModuleDict, inputs: Mapping[str, Tensor]) -> Tensor:
        label = inputs["label"] if self.spec.classes else None
        return to_float32(generators["generator"](inputs["z"], label))

    def _logits(self, image: Tensor, label: Tensor | None) -> Tensor:
        condition = label if self.spec.classes else None
        return to_float32(self.discriminators["discriminator"](image, condition))

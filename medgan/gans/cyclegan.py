"""Unpaired translation in both directions (Zhu 2017, "CycleGAN")."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from medgan.config.gan import CycleGanConfig
from medgan.data.batch import Batch
from medgan.data.spec import ImageSpec
from medgan.errors import MedganError
from medgan.gans.adversarial import Discriminate, Game
from medgan.gans.base import Gan, Way
from medgan.gans.translation import translating
from medgan.models.layers import statistics_kept, to_float32
from medgan.randomness import StepRandomness

DOMAINS = ("image", "source")


class CycleGan(Gan):
    """generators["image"] draws images from sources, generators["source"] the other way; a discriminator a domain.

    Memory: with `gan.buffer`, a discriminator sees with even chances the fresh image or one from among the last ones,
    whose place the fresh one takes (Shrivastava 2017). It is part of the state that a checkpoint holds.
    """

    inputs, latent_dim, paired = ("source",), 0, False
    _target = "image"  # what `draw` draws

    def __init__(self, config: CycleGanConfig, spec: ImageSpec) -> None:
        super().__init__(config, spec)
        model, self.spec = translating(config, spec)
        if config.weights.adversarial == 0:
            raise MedganError(
                "gan.weights.adversarial is 0, and without pairs nothing else says what an image looks like; raise it"
            )
        if spec.source_channels not in (1, 3):
            raise MedganError(
                f"cyclegan draws sources too, and these have {spec.source_channels} channels, neither grey nor colour; "
                "give 1 or 3 (data.options), or set gan.name: translation"
            )
        if config.weights.identity > 0 and spec.channels != spec.source_channels:
            raise MedganError(
                f"gan.weights.identity gives a generator of {spec.channels}-channel images what it draws, and it takes "
                f"sources of {spec.source_channels}; set it to 0, or give both as many channels (data)"
            )
        self.game, self._weights = Game(config), config.weights
        channels = {"image": spec.channels, "source": spec.source_channels}
        self.generators = nn.ModuleDict({to: model.generator(channels[_other(to)], channels[to]) for to in DOMAINS})
        self.discriminators = nn.ModuleDict(
            {domain: model.discriminator(channels[domain], spec.size) for domain in DOMAINS}
        )
        for domain in DOMAINS:
            shape = (config.buffer, channels[domain], spec.size, spec.size)
            self.register_buffer(f"memory_{domain}", torch.zeros(shape))

    def fakes(self, batch: Batch, randomness: StepRandomness) -> dict[str, Tensor]:
        return {to: self._to(to, self._real(batch, _other(to))) for to in DOMAINS}

    def discriminator_losses(
        self, batch: Batch, fakes: dict[str, Tensor], randomness: StepRandomness
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        terms: dict[str, Tensor] = {}
        figures: dict[str, Tensor] = {}
        for domain in DOMAINS:
            fake = self._recalled(domain, fakes[domain].detach(), randomness)
            game_terms, logits = self.game.discriminator_terms(
                partial(self._logits, domain), self._real(batch, domain), fake, randomness
            )
            terms |= {f"{name}-{domain}": value for name, value in game_terms.items()}
            figures |= {f"{name}-{domain}": value for name, value in logits.items()}
        return terms, figures

    def generator_losses(self, batch: Batch, fakes: dict[str, Tensor], randomness: StepRandomness) -> dict[str, Tensor]:
        losses = {}
        for to in DOMAINS:
            real, start = self._real(batch, to), self._real(batch, _other(to))
            adversarial = self.game.generator_loss(partial(self._logits, to), real, fakes[to], randomness)
            losses[f"adversarial-{to}"] = self._weights.adversarial * adversarial
            losses[f"cycle-{_other(to)}"] = self._weights.cycle * F.l1_loss(self._again(_other(to), fakes[to]), start)
            if self._weights.identity > 0:
                losses[f"identity-{to}"] = self._weights.identity * F.l1_loss(self._again(to, real), real)
        return losses

    def held_out(self, batch: Batch, drawn: Tensor) -> tuple[Discriminate, Tensor, Tensor]:
        return partial(self._logits, "image"), batch.image, drawn

    def ways(self) -> tuple[Way, ...]:
        back = copy.copy(self)
        back._target = _other(self._target)
        back.spec = replace(self.spec, channels=self.spec.source_channels, source_channels=self.spec.channels)
        return Way("", self), Way("reverse", back, backwards=True)

    def draw(self, generators: nn.ModuleDict, inputs: Mapping[str, Tensor]) -> Tensor:
        return to_float32(generators[self._target](inputs["source"]))

    def _to(self, domain: str, start: Tensor) -> Tensor:
        return to_float32(self.generators[domain](start))

    def _again(self, domain: str, start: Tensor) -> Tensor:
        """Translate what only training gives it, drawn images or its own kind: statistics do not remember them."""
        with statistics_kept(self.generators[domain]):
            return self._to(domain, start)

    def _logits(self, domain: str, image: Tensor) -> Tensor:
        return to_float32(self.discriminators[domain](image))

    def _real(self, batch: Batch, domain: str) -> Tensor:
        real = batch.image if domain == "image" else batch.source
        assert real is not None
        return real

    def _recalled(self, domain: str, fresh: Tensor, randomness: StepRandomness) -> Tensor:
        memory: Tensor = self.get_buffer(f"memory_{domain}")
        n = len(fresh)
        if not len(memory):
            return fresh
        chosen = randomness.draw(f"memory/{domain}", Recall(len(memory)), n).to(fresh.device)
        both = torch.cat([memory, fresh])
        memory.copy_(both[chosen[n:]])
        return both[chosen[:n]]


@dataclass(frozen=True)
class Recall:
    """Which images a discriminator is shown, and which are remembered after it.

    (n + places,) int64: first for each fresh image the one that stands for it, then the one in each place of the
    memory, counted through the memory and then the fresh ones.
    """

    places: int

    def __call__(self, generator: Generator, n: int, step: int) -> Tensor:
        shown, kept = list(range(self.places, self.places + n)), list(range(self.places))
        for row, image in enumerate(shown):
            before = step * n + row
            if before < self.places:
                kept[before] = image
            elif torch.rand((), generator=generator) < 0.5:
                place = int(torch.randint(self.places, (), generator=generator))
                shown[row], kept[place] = kept[place], image
        return torch.tensor(shown + kept)


def _other(domain: str) -> str:
    return "source" if domain == "image" else "image"

"""The loop of the textbooks, to measure against: ImageFolder and DataLoader, fp32, fakes drawn twice, `.item()` a step.

Networks and optimiser are those of recipe dcgan-published. Fakes are not detached: the discriminator's loss goes back
through the generator too, whose gradients are then thrown away.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import ImageFolder

from benchmarks.judging import WORK, configuration
from medgan.data.spec import ImageSpec
from medgan.data.store import Prepared
from medgan.device import resolve_device
from medgan.evaluation.generators import Inputs
from medgan.gans import build_gan
from medgan.imaging.arrays import Images

RECIPE = "dcgan-published"
BATCH = 128


def image_folder(prepared: Prepared) -> Path:
    """The training images as PNG files, a folder a class: what ImageFolder reads."""
    target = WORK / f"images-{prepared.md5[:16]}"
    if not target.exists():
        aside = target.with_suffix(".part")
        labels = prepared.labels
        for index in prepared.indices("train"):
            name = prepared.label_names[labels[index]] if labels is not None else "all"
            path = aside / name / f"{index:06d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(prepared.pictures([index])[0].squeeze(-1)).save(path)
        aside.rename(target)
    return target


class Textbook:
    """One training; `step` takes a batch and updates both networks, `draw` makes it a generator that can be judged."""

    inputs = ("z",)

    def __init__(self, folder: Path, spec: ImageSpec, *, seed: int, workers: int = 0) -> None:
        config = configuration(RECIPE).gan
        torch.manual_seed(seed)
        gan, self.device = build_gan(config, ImageSpec(spec.size, spec.channels)), resolve_device()
        gan.to(self.device)
        self.latent_dim = gan.latent_dim
        self.generator, self.discriminator = gan.generators["generator"], gan.discriminators["discriminator"]
        self.batches = endless(folder, workers=workers)
        self.optimizers = [
            torch.optim.Adam(network.parameters(), lr=config.lr, betas=config.betas)
            for network in (self.generator, self.discriminator)
        ]

    def step(self) -> tuple[float, float]:
        """Losses of discriminator and generator."""
        real = next(self.batches).to(self.device, non_blocking=True)
        of_generator, of_discriminator = self.optimizers
        of_discriminator.zero_grad()
        judged_real = self.discriminator(real)
        judged_fake = self.discriminator(self._fakes(len(real)))
        loss = F.binary_cross_entropy_with_logits(judged_real, torch.ones_like(judged_real))
        loss = loss + F.binary_cross_entropy_with_logits(judged_fake, torch.zeros_like(judged_fake))
        loss.backward()  # type: ignore[no-untyped-call]
        of_discriminator.step()
        of_generator.zero_grad()
        judged = self.discriminator(self._fakes(len(real)))
        wanted = F.binary_cross_entropy_with_logits(judged, torch.ones_like(judged))
        wanted.backward()  # type: ignore[no-untyped-call]
        of_generator.step()
        return loss.item(), wanted.item()

    @torch.no_grad()
    def draw(self, inputs: Inputs, /) -> Images:
        """(n, C, H, W) in [-1, 1] of z (n, latent_dim), for judges."""
        self.generator.eval()
        z = torch.from_numpy(inputs["z"]).to(self.device)
        return np.concatenate([self.generator(z[i : i + 100]).cpu().numpy() for i in range(0, len(z), 100)])

    def _fakes(self, n: int) -> Tensor:
        image: Tensor = self.generator(torch.randn(n, self.latent_dim, device=self.device))
        return image


def endless(folder: Path, *, workers: int = 0) -> Iterator[Tensor]:
    """Batches (128, 1, H, W) in [-1, 1], epoch after epoch; DataLoader as it comes, or with workers, then pinned."""
    grey = transforms.Compose([transforms.Grayscale(), transforms.ToTensor(), transforms.Normalize(0.5, 0.5)])
    loader = DataLoader(
        ImageFolder(str(folder), grey),
        batch_size=BATCH,
        shuffle=True,
        drop_last=True,
        num_workers=workers,
        persistent_workers=workers > 0,
        pin_memory=workers > 0 and torch.cuda.is_available(),
    )
    while True:
        for images, _ in loader:
            yield images

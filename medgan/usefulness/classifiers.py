"""Classifiers by name: a small one, and published ones from torchvision, from scratch or from local weights."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from medgan.data.spec import ImageSpec
from medgan.errors import MedganError
from medgan.fingerprint import file_digest
from medgan.scores.classifying import LEARNING_RATE, PlainCnn

# Of each classifier: the learning rate at its highest.
CLASSIFIERS: Mapping[str, float] = {
    "cnn": LEARNING_RATE,
    "resnet18": 1e-3,
    "densenet121": 1e-3,
    "efficientnet_b0": 1e-3,
    "vgg16": 1e-4,
    "googlenet": 1e-3,
}
# What torchvision's weights were trained on (ImageNet), for images in [0, 1].
_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Published(nn.Module):
    """A network of torchvision for grey or colour images (B, C, H, W) in [-1, 1]."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("mean", torch.tensor(_MEAN).view(1, 3, 1, 1))
        self.register_buffer("deviation", torch.tensor(_DEVIATION).view(1, 3, 1, 1))
        self.mean: Tensor
        self.deviation: Tensor

    def forward(self, image: Tensor) -> Tensor:
        colour = image.expand(-1, 3, -1, -1)
        return self.network(((colour + 1) / 2 - self.mean) / self.deviation)  # type: ignore[no-any-return]


def classifier(name: str, spec: ImageSpec, weights: Path | None = None) -> nn.Module:
    """A fresh network: images (B, C, H, W) in [-1, 1] to logits (B, classes).

    weights: a file that torchvision publishes for this network, trained on ImageNet; its last layer stays fresh.
    Raises MedganError as `check_classifier` does.
    """
    check_classifier(name, spec.channels, weights)
    if name == "cnn":
        return PlainCnn(spec.channels, spec.classes)
    network = _published(name, spec.classes, transformed=weights is not None)
    if weights is not None:
        _load(network, name, weights)
    return Published(network)


def check_classifier(name: str, channels: int, weights: Path | None) -> None:
    """Raise MedganError for a number of channels that it does not know, and for a file that is not of its weights."""
    if name == "cnn" and weights is not None:
        raise MedganError("utility.weights: nobody publishes weights of cnn; leave it empty")
    if name != "cnn" and channels not in (1, 3):
        raise MedganError(f"{name} knows grey and colour images, not {channels} channels; set utility.classifier: cnn")
    if weights is None:
        return
    urls = _urls(name)
    if not weights.is_file():
        raise MedganError(f"utility.weights: {weights} does not exist; fetch {' or '.join(urls)}")
    digest = file_digest(weights)
    if not any(digest.startswith(beginning) for beginning in urls.values()):
        raise MedganError(
            f"utility.weights: {weights} has the sha256 {digest[:12]}..., and is not what torchvision publishes for "
            f"{name}; fetch {' or '.join(urls)}"
        )


def _published(name: str, classes: int, *, transformed: bool) -> nn.Module:
    """transformed: whether GoogLeNet is to bring images to the range that its published weights expect."""
    from torchvision.models import get_model  # noqa: PLC0415 (takes seconds)

    options: dict[str, Any] = {}
    if name == "googlenet":
        options = {"aux_logits": False, "transform_input": transformed, "init_weights": True}
    network: nn.Module = get_model(name, num_classes=classes, **options)
    return network


def _load(network: nn.Module, name: str, path: Path) -> None:
    state = torch.load(path, map_location="cpu", weights_only=True)
    own = network.state_dict()
    fitting = {key: tensor for key, tensor in state.items() if key in own and own[key].shape == tensor.shape}
    fresh = sorted({key.rpartition(".")[0] for key in own.keys() - fitting.keys()})
    if len(fresh) != 1:
        raise MedganError(f"utility.weights: {path} lacks the layers {', '.join(fresh)} of {name}")
    network.load_state_dict(own | fitting)


def _urls(name: str) -> dict[str, str]:
    """Addresses of published weights, and the first digits of their sha256, which stand in the names of files."""
    from torchvision.models import get_model_weights  # noqa: PLC0415 (takes seconds)

    found = {}
    for weights in get_model_weights(name):
        if beginning := re.search(r"-([0-9a-f]{8,})\.pth$", weights.url):
            found[weights.url] = beginning[1]
    return found

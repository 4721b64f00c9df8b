"""Parts that several networks share: activations, upsampling, how a label enters."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations

Activation = Literal["relu", "leaky_relu", "elu", "gelu", "silu"]
# one-hot and embedding: joined to z, and to the image as planes; projection: Miyato 2018 in the discriminator.
Conditioning = Literal["onehot", "embedding", "projection"]
ACTIVATIONS: dict[str, type[nn.Module]] = {"elu": nn.ELU, "gelu": nn.GELU, "relu": nn.ReLU, "silu": nn.SiLU}


def activation(name: Activation) -> nn.Module:
    return nn.LeakyReLU(0.2) if name == "leaky_relu" else ACTIVATIONS[name]()


class OneHot(nn.Module):
    """label (B,) int64 to (B, classes) float32."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.register_buffer("rows", torch.eye(classes), persistent=False)
        self.embedding_dim = classes

    def forward(self, label: Tensor) -> Tensor:
        rows: Tensor = self.rows  # type: ignore[assignment]
        return rows[label]


def label_vector(kind: Conditioning, classes: int, embedding_dim: int) -> OneHot | nn.Embedding:
    """Label to the vector (B, embedding_dim, or classes where one-hot) that is joined to z."""
    return OneHot(classes) if kind == "onehot" else nn.Embedding(classes, embedding_dim)


class LabelPlanes(nn.Module):
    """label (B,) to planes (B, channels, size, size) that are joined to an image (Mirza 2014; Radford 2016).

    One plane a class where one-hot; one learned plane, linear in the label's embedding, otherwise.
    """

    def __init__(self, kind: Conditioning, classes: int, embedding_dim: int, size: int) -> None:
        super().__init__()
        self.vector = label_vector(kind, classes, embedding_dim)
        self.plane = None if kind == "onehot" else nn.Linear(embedding_dim, size * size)
        self.channels, self._size = classes if kind == "onehot" else 1, size

    def forward(self, label: Tensor) -> Tensor:
        vector: Tensor = self.vector(label)
        if self.plane is None:
            return vector[:, :, None, None].expand(-1, -1, self._size, self._size)
        return self.plane(vector).unflatten(1, (1, self._size, self._size))  # type: ignore[no-any-return]


def spectrally_normalise(network: nn.Module) -> None:
    """Divide each weight matrix by its largest singular value, from one power iteration a call (Miyato 2018)."""
    for module in list(network.modules()):
        if isinstance(module, nn.Conv2d | nn.Linear | nn.Embedding):
            parametrizations.spectral_norm(module)


@contextmanager
def statistics_kept(network: nn.Module) -> Iterator[None]:
    """Batch norm normalises by the batch, in eval mode too, and leaves the statistics that drawing uses as they are."""
    norms = [module for module in network.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    before = [(norm, norm.training, norm.track_running_stats) for norm in norms]
    for norm in norms:
        norm.training, norm.track_running_stats = True, False
    try:
        yield
    finally:
        for norm, training, tracks in before:
            norm.training, norm.track_running_stats = training, tracks


def to_float32(tensor: Tensor) -> Tensor:
    """Widen what autocast leaves in bf16, which is coarser than 8 bits; the rest stays as it is."""
    return tensor.float() if tensor.dtype == torch.bfloat16 else tensor

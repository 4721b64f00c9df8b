"""Sets of images to judge, and what judges are: networks that embed images, and networks that tell their class."""

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from medgan.data.store import Prepared
from medgan.data.stored import ImageRows, StoredImages
from medgan.imaging.arrays import Images

# A whole number of an extractor's batches at every size, so that features do not hang on where a set is cut.
_CHUNK = 256


class Embedding(Protocol):
    @property
    def features(self) -> NDArray[np.float32]:
        """(N, D)."""
        ...


class Classification(Protocol):
    @property
    def classes(self) -> NDArray[np.int64]:
        """(N,)."""
        ...

    @property
    def logits(self) -> NDArray[np.float32] | None:
        """(N, classes); None where it knows no classes."""
        ...


class Embedder(Protocol):
    """A frozen network that turns images into features.

    digest: of its weights; others are another protocol. kernel_width: of the Gaussian kernel behind KID, None for the
    usual cubic one.
    """

    @property
    def name(self) -> str: ...
    @property
    def digest(self) -> str: ...
    @property
    def kernel_width(self) -> float | None: ...
    def observe(self, images: Images, /) -> Embedding: ...


class Classifier(Protocol):
    """A frozen network that tells the class of images. It may be an embedder too, and then looks once for both."""

    @property
    def digest(self) -> str: ...
    def observe(self, images: Images, /) -> Classification: ...


class ImageSet:
    """N images (N, C, H, W) in [-1, 1] at the levels of the data, and what is known of them.

    labels: class indices (N,), of drawn images those that were asked for; None without classes. patients: (N,), None
    of drawn images. Each network looks at each image once: what it saw is kept.
    """

    def __init__(
        self,
        images: ImageRows,
        *,
        labels: NDArray[np.int64] | None = None,
        patients: NDArray[np.int64] | None = None,
    ) -> None:
        self.images, self.labels, self.patients = images, labels, patients
        self._observed: dict[str, list[Any]] = {}

    @classmethod
    def stored(cls, prepared: Prepared, indices: NDArray[np.int64]) -> "ImageSet":
        labels = None if prepared.labels is None else prepared.labels[indices]
        return cls(StoredImages(prepared, indices), labels=labels, patients=prepared.patients[indices])

    def __len__(self) -> int:
        return len(self.images)

    def features(self, embedder: Embedder, *, done: Callable[[int], None] | None = None) -> NDArray[np.float32]:
        """(N, D). done: takes how many images were looked at, where it takes long."""
        return np.concatenate([part.features for part in self._parts(embedder, done)])

    def classes(self, classifier: Classifier) -> NDArray[np.int64]:
        """Class indices (N,), as the classifier sees them."""
        return np.concatenate([part.classes for part in self._parts(classifier)])

    def logits(self, classifier: Classifier) -> NDArray[np.float32]:
        """(N, classes), of a classifier that knows classes."""
        return np.concatenate([part.logits for part in self._parts(classifier)])

    def _parts(self, network: Embedder | Classifier, done: Callable[[int], None] | None = None) -> list[Any]:
        if network.digest not in self._observed:
            parts = []
            for start in range(0, max(1, len(self)), _CHUNK):
                parts.append(network.observe(self.images[start : start + _CHUNK]))
                if done is not None:
                    done(min(start + _CHUNK, len(self)))
            self._observed[network.digest] = parts
        return self._observed[network.digest]

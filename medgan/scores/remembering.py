"""Features are kept on disk, by the content of the images and the digest of the network that looked at them."""

import logging
import warnings
from pathlib import Path
from typing import Any

from joblib import Memory

from medgan.imaging.arrays import Images
from medgan.scores.images import Embedder

# Beyond that, what was used longest ago goes.
_BYTES = 2 * 1024**3


class Remembering:
    """An embedder, which may be a classifier too, that looks only at images that it has not seen."""

    def __init__(self, network: Embedder, folder: Path) -> None:
        """folder: shared by networks and processes. What is damaged in it is made anew."""
        self._network, self._memory = network, Memory(folder, verbose=0)
        self._remembered = self._memory.cache(_observe, ignore=["network"])

    @property
    def name(self) -> str:
        return self._network.name

    @property
    def digest(self) -> str:
        return self._network.digest

    @property
    def kernel_width(self) -> float | None:
        return self._network.kernel_width

    def observe(self, images: Images) -> Any:
        """As the network does. A full disk, or a file that somebody has damaged, costs time alone."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return self._remembered(images, self.digest, network=self._network)

    def forget_the_oldest(self) -> None:
        """Keep the folder below two gigabytes."""
        try:
            self._memory.reduce_size(bytes_limit=_BYTES)
        except OSError as error:
            logging.getLogger(__name__).info(f"{self._memory.location} cannot be tidied ({error.strerror or error})")


def _observe(images: Images, _digest: str, *, network: Embedder) -> Any:
    return network.observe(images)

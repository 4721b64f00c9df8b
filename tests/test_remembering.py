"""What a network has seen is found again by content, whoever asks; damage costs time alone."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medgan.scores.extractor import Extractor, Observation
from medgan.scores.images import ImageSet
from medgan.scores.remembering import Remembering


class Counting:
    """An extractor that counts the images that it is shown."""

    def __init__(self, extractor: Extractor, digest: str) -> None:
        self._extractor, self.name, self.digest, self.kernel_width = extractor, "counting", digest, 1.0
        self.looked = 0

    def observe(self, images: NDArray[np.float32], /) -> Observation:
        self.looked += len(images)
        return self._extractor.observe(images)


def counting(digest: str = "a") -> Any:
    return Counting(Extractor(1, 16, 3).eval(), digest)


def images(n: int = 300) -> NDArray[np.float32]:
    return np.random.default_rng(0).uniform(-1, 1, (n, 1, 16, 16)).astype(np.float32)


def test_images_are_looked_at_once_by_each_network(tmp_path: Path) -> None:
    network = counting()
    seen = network._extractor.observe(images()).features
    for _ in range(2):
        found = ImageSet(images()).features(Remembering(network, tmp_path))
        assert np.allclose(found, seen, atol=1e-5)
    assert network.looked == 300
    other = counting("b")
    ImageSet(images()).features(Remembering(other, tmp_path))
    assert other.looked == 300


def test_one_pixel_makes_other_images_of_its_chunk_alone(tmp_path: Path) -> None:
    network, changed = counting(), images()
    changed[299, 0, 3, 3] += 0.01
    before, after = (ImageSet(pixels).features(Remembering(network, tmp_path)) for pixels in (images(), changed))
    assert network.looked == 300 + 44
    assert np.array_equal(before[:299], after[:299]) and not np.array_equal(before[299], after[299])


def test_what_is_damaged_is_made_anew(tmp_path: Path) -> None:
    network = counting()
    first = ImageSet(images()).features(Remembering(network, tmp_path))
    files = [path for path in tmp_path.rglob("*") if path.name == "output.pkl"]
    assert len(files) == 2
    files[0].write_bytes(files[0].read_bytes()[:40])
    files[1].write_bytes(b"")
    assert np.array_equal(ImageSet(images()).features(Remembering(network, tmp_path)), first)
    assert network.looked == 600


def test_what_cannot_be_written_costs_time_alone(tmp_path: Path) -> None:
    (tmp_path / "features").mkdir()
    remembering = Remembering(counting(), tmp_path / "features")
    (tmp_path / "features").rename(tmp_path / "gone")
    (tmp_path / "features").write_text("a file in its place")
    assert ImageSet(images()).features(remembering).shape[0] == 300
    remembering.forget_the_oldest()

"""Files of a source read, fitted and hashed by several processes, in the order of the source."""

from collections.abc import Iterable, Iterator
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice

from joblib import delayed

from medgan.config.data import Fit
from medgan.data.spec import ImageSpec, Item, Rejected, Sample
from medgan.errors import MedganError
from medgan.imaging.intensity import Intensity
from medgan.sources.fit import exceeds, fit, lost
from medgan.sources.near_copies import perceptual_hashes, thumbnails
from medgan.workers import workers

# Items given out before all of them are back: the most, and how many of the first, of which nobody knows the size yet.
_BLOCK, _START = 4096, 64
# Bytes of samples, fitted, that a block is to give. Those of the blocks before say how many items that is.
_HELD = 2**27
# Items that a process takes at a time, and the fewest for which it pays to start processes.
_BATCH, _FEW = 32, 512


@dataclass(frozen=True)
class Fitting:
    """What samples are made, for all of them alike."""

    spec: ImageSpec
    intensity: Intensity
    how: Fit


@dataclass(frozen=True)
class Fitted:
    """A sample as it is stored.

    hashes: perceptual ones, of each plane of `thumbnails`. clipped: whether it had values outside the intensity. lost:
    share of its longer side that was cut away.
    """

    sample: Sample
    hashes: tuple[bytes, ...]
    clipped: bool
    lost: float


def fitted(items: Iterable[Item], fitting: Fitting, *, processes: int) -> Iterator[Fitted | Rejected]:
    """Fit every sample, in order. Only items that are calls are worked on by several processes.

    Some 128 MB of samples are held at a time, however many a call gives, such as all slices of a volume.
    Raises MedganError where one of the processes is killed.
    """
    work, rest = partial(_worked, fitting=fitting), iter(items)
    first = list(islice(rest, 1))
    if processes > 1 and first and callable(first[0]):
        first += islice(rest, _FEW - 1)
    rest = chain(first, rest)
    if len(first) < _FEW:
        yield from (made for item in rest for made in work([item]))
        return
    with workers(processes, batch_size=1) as parallel:
        items_done, held, length = 0, 0, _START
        while block := list(islice(rest, length)):
            # Several turns for each process, so that none waits long for the last one.
            each = max(1, min(_BATCH, len(block) // (8 * processes)))
            try:
                parts = parallel(delayed(work)(block[i : i + each]) for i in range(0, len(block), each))
            except BrokenProcessPool:
                raise MedganError(
                    "a process that reads files was killed, for want of memory or by a damaged file at which a library "
                    "crashes; free memory, or find the file by moving half of data.raw elsewhere"
                ) from None
            for part in parts:
                held += sum(map(_bytes, part))
                yield from part
            items_done += len(block)
            length = min(_BLOCK, max(processes, _HELD * items_done // max(1, held)))


def _worked(items: Iterable[Item], fitting: Fitting) -> list[Fitted | Rejected]:
    return [_fitted(part, fitting) for item in items for part in (item() if callable(item) else (item,))]


def _bytes(made: Fitted | Rejected) -> int:
    sample = None if isinstance(made, Rejected) else made.sample
    arrays = (sample.image, sample.source, sample.mask) if sample else ()
    return sum(array.nbytes for array in arrays if array is not None)


def _fitted(item: Sample | Rejected, fitting: Fitting) -> Fitted | Rejected:
    if isinstance(item, Rejected):
        return item
    made = fit(item, fitting.spec, fitting.intensity, fitting.how)
    if isinstance(made, Rejected):
        return made
    return Fitted(
        sample=made,
        hashes=perceptual_hashes(thumbnails(made.image, made.source, fitting.intensity, colour=made.colour)),
        clipped=exceeds(item, fitting.intensity),
        lost=lost(item, fitting.spec.size) if fitting.how == "crop" else 0.0,
    )

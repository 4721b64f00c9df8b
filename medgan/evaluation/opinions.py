"""What published extractors say beside fid_domain."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from medgan.evaluation.report import Opinion
from medgan.evaluation.watching import Progress
from medgan.scores.fidelity import measure
from medgan.scores.images import Embedder, ImageSet

# Behind an interval: a distance of thousands of dimensions takes seconds.
_RESAMPLES = 10


def opinions(
    judges: Sequence[Embedder],
    drawn: ImageSet,
    trained: ImageSet,
    real: ImageSet,
    *,
    split: str,
    resamples: int,
    seed: int,
    progress: Progress,
) -> Mapping[str, Opinion]:
    """Each judge's scores of drawn images, and of training images in their place, by its name."""
    found = {}
    for judge in judges:
        with progress(judge.name, 3 * len(real)) as done:
            for place, images in enumerate((drawn, trained, real)):
                images.features(judge, done=partial(_done_beyond, place * len(real), done))
        quality, floor = (
            measure(judge, images, real, alike=trained, split=split, resamples=min(resamples, _RESAMPLES), seed=seed)
            for images in (drawn, trained)
        )
        found[judge.name] = Opinion(quality, floor)
    return found


def _done_beyond(before: int, done: Callable[[int], None], count: int) -> None:
    done(before + count)

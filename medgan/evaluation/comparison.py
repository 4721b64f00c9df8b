"""Two-sample tests of drawn images, beside those of real training images in their place."""

from collections.abc import Sequence

from medgan.evaluation.nearest import nearest_neighbours
from medgan.evaluation.told_apart import tell_apart
from medgan.evaluation.two_sample import TwoSample, TwoSamples
from medgan.evaluation.watching import Progress, Show
from medgan.scores.images import Embedder, ImageSet

# Images in each row of the most and the least convincing ones.
_SHOWN = 12


def compare(
    drawn: ImageSet,
    trained: ImageSet,
    real: ImageSet,
    *,
    names: Sequence[str],
    embedder: Embedder,
    steps: int,
    seed: int,
    progress: Progress,
    show: Show,
) -> TwoSamples:
    """Drawn images and training images, each against held-out real ones.

    Shows, as "convincing", the drawn images that are taken for real with most certainty, and below them those with
    least. names: of the classes. steps: of the network that tells them apart, 0 to leave it out.
    """
    tests = []
    for title, images in (("told apart", drawn), ("real told apart", trained)):
        told_apart = None
        if steps:
            with progress(title, steps) as done:
                outcome = tell_apart(images, real, names=names, steps=steps, seed=seed, progress=done)
            told_apart = outcome.figures
            if images is drawn:
                count = min(_SHOWN, len(outcome.convincing) // 2)
                rows = outcome.convincing[:count], outcome.convincing[-count:]
                show("convincing", [drawn.images[part] for part in rows])
        tests.append(TwoSample(nearest_neighbours(images, real, embedder, seed=seed), told_apart))
    return TwoSamples(*tests)

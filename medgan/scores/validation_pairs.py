"""The validation scores `mae` and `ssim`: how near translated images are to their own targets."""

from medgan.data.loader import gather
from medgan.data.store import Prepared
from medgan.imaging.arrays import Images
from medgan.scores.extractor import Extractor
from medgan.scores.paired import absolute_errors, windowed_ssim
from medgan.scores.validation_images import chosen_images, judge_of
from medgan.training.judge import Judge


def mae_judge(prepared: Prepared, _extractor: Extractor, n: int, seed: int) -> Judge:
    """Judge by the mean absolute error on [-1, 1] of n images."""
    chosen = chosen_images(prepared, n, seed)
    targets = gather(prepared, chosen).image.numpy()
    return judge_of(prepared, chosen, lambda images: float(absolute_errors(images, targets).mean()))


def ssim_judge(prepared: Prepared, _extractor: Extractor, n: int, seed: int) -> Judge:
    """Judge by 1 - SSIM of n images of 11 pixels and more a side, so that lower is better."""
    chosen = chosen_images(prepared, n, seed)
    targets = gather(prepared, chosen).image.numpy()

    def score(images: Images) -> float:
        return 1 - windowed_ssim(images, targets)

    return judge_of(prepared, chosen, score)

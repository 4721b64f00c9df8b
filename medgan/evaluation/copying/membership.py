"""Are training images nearer to drawn ones than images that no training saw?"""

import numpy as np
from numpy.typing import NDArray

from medgan.evaluation.copying.figures import Membership


def membership(
    members: NDArray[np.float32],
    others: NDArray[np.float32],
    member_classes: NDArray[np.int64],
    other_classes: NDArray[np.int64],
) -> Membership:
    """Compare scores (n,) of training and held-out images, lower is nearer, within classes, mean over classes.

    The held-out ones must be test images: validation images chose the weights, so they are no control.
    The interval is that of DeLong, DeLong and Clarke-Pearson 1988; a class with fewer than two images a side is left
    out.
    """
    from scipy.stats import rankdata  # noqa: PLC0415 (half a second, which registering does not need)

    aucs, variances = [], []
    for code in np.unique(member_classes):
        ours, theirs = members[member_classes == code], others[other_classes == code]
        if min(len(ours), len(theirs)) < 2:
            continue
        together = rankdata(np.concatenate([ours, theirs]))
        # Of each image, the share of the other side that lies on its right side.
        near = 1 - (together[: len(ours)] - rankdata(ours)) / len(theirs)
        far = (together[len(ours) :] - rankdata(theirs)) / len(ours)
        aucs.append(float(near.mean()))
        variances.append(near.var(ddof=1) / len(ours) + far.var(ddof=1) / len(theirs))
    if not aucs:
        return Membership(0.5, 0.0, 1.0)
    auc, margin = float(np.mean(aucs)), 1.96 * float(np.sqrt(np.sum(variances))) / len(aucs)
    return Membership(auc, max(0.0, auc - margin), min(1.0, auc + margin))

"""Training that starts from the networks of another one (Wang 2018, "Transferring GANs"): both sides are taken over."""

from pathlib import Path

import torch

from medgan.errors import MedganError
from medgan.gans.base import Gan
from medgan.training.checkpoint import Checkpoint, read_checkpoint

FRESH = b"fresh networks\n"  # what data/from-scratch holds; DVC warns of empty files
_LEAST_SHARE = 0.5


def initial_networks(path: Path) -> Checkpoint | None:
    """The checkpoint behind `train.init_from`; None for data/from-scratch, which asks for fresh networks.

    Raises MedganError for a file that is not there or not an undamaged checkpoint.
    """
    if not path.is_file():
        raise MedganError(
            f"train.init_from: {path} is not a file; copy a checkpoint (.checkpoints/train-*/*.checkpoint) to data/ "
            "and name it, or data/from-scratch"
        )
    if path.read_bytes() == FRESH:
        return None
    checkpoint = read_checkpoint(path)
    if checkpoint is None:
        raise MedganError(f"train.init_from: {path} is damaged or not a checkpoint; name another one")
    return checkpoint


def start_from(gan: Gan, checkpoint: Checkpoint) -> list[str]:
    """Copy every weight that fits; returns the names of those that stay fresh, such as embeddings of other classes.

    Raises MedganError where less than half of either side's weights fit: the networks are of another kind.
    """
    theirs = {name.removeprefix("gan."): t for name, t in checkpoint.tensors.items() if name.startswith("gan.")}
    sides = ("generators", "discriminators")
    # What a GAN remembers of other data beside its networks, such as drawn images, is left behind.
    mine = {name: tensor for name, tensor in gan.state_dict().items() if name.startswith(sides)}
    fitting = {name for name, tensor in mine.items() if name in theirs and theirs[name].shape == tensor.shape}
    for side in sides:
        sizes = {name: tensor.numel() for name, tensor in mine.items() if name.startswith(side)}
        share = sum(size for name, size in sizes.items() if name in fitting) / max(1, sum(sizes.values()))
        if sizes and share < _LEAST_SHARE:
            raise MedganError(
                f"train.init_from: {share:.0%} of the weights of its {side} fit these networks; use the gan.model, "
                "data.size, data.channels and number of classes that it was trained with"
            )
    with torch.no_grad():
        for name in fitting:
            mine[name].copy_(theirs[name])
    return sorted(mine.keys() - fitting)

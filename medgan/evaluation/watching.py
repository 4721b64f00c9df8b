"""What an evaluation tells and shows to those who wait for it."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext

from medgan.imaging.arrays import Images

# A title and how many steps there are -> a context that yields what to tell of the steps that are done.
Progress = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]
# The name of a picture, and the rows of images (n, C, H, W) in [-1, 1] that it is to have.
Show = Callable[[str, Sequence[Images]], None]


def silent(_title: str, _total: int) -> AbstractContextManager[Callable[[int], None]]:
    return nullcontext(lambda done: None)


def unseen(_name: str, _rows: Sequence[Images]) -> None:
    pass

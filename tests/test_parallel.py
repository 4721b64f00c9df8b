"""Several processes read what one does, in the same order, and end with it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from medgan.data.spec import ImageSpec, Item, Rejected, Sample
from medgan.errors import MedganError
from medgan.imaging.intensity import EIGHT_BITS
from medgan.sources import parallel
from medgan.sources.parallel import Fitted, Fitting, fitted

FITTING = Fitting(ImageSpec(16, 1), EIGHT_BITS, "crop")
COUNT = 640


def read(index: int) -> Iterator[Sample | Rejected]:
    """None, one or two samples a file, or a rejected one."""
    if index % 50 == 7:
        yield Rejected(f"{index}", "torn")
        return
    image = np.random.default_rng(index).integers(0, 256, (20, 16 + index % 9, 1), np.uint8)
    for part in range(index % 3):
        yield Sample(image + np.uint8(part), patient=f"p{index}", origin=f"{index}-{part}", digest=f"{index}-{part}")


def items(count: int = COUNT) -> Iterator[Item]:
    return (partial(read, index) for index in range(count))


def told(made: Fitted | Rejected) -> object:
    if isinstance(made, Rejected):
        return made
    return made.sample.origin, made.sample.image.tobytes(), made.hashes, made.clipped, made.lost


def test_several_processes_give_the_same_in_the_same_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "_BLOCK", 550)
    one, two = (list(fitted(items(), FITTING, processes=processes)) for processes in (1, 2))
    assert len(one) == len(two) == sum(1 if index % 50 == 7 else index % 3 for index in range(COUNT))
    assert [told(made) for made in one] == [told(made) for made in two]
    assert {made.lost > 0 for made in one if isinstance(made, Fitted)} == {True, False}


def killed(index: int) -> Iterator[Sample | Rejected]:
    if index == 600:
        os.kill(os.getpid(), signal.SIGKILL)
    yield from read(index)


@pytest.mark.filterwarnings("ignore:A worker stopped:UserWarning")
def test_a_process_that_is_killed_is_a_sentence() -> None:
    with pytest.raises(MedganError, match="a process that reads files was killed, for want of memory or by a damaged"):
        list(fitted((partial(killed, index) for index in range(COUNT)), FITTING, processes=2))


def volume(index: int) -> Iterator[Sample | Rejected]:
    """Eight slices."""
    yield from (Sample(np.full((16, 16, 1), index % 256, np.uint8), "p", f"{index}-{i}", "d") for i in range(8))


@pytest.mark.parametrize("slices", [1, 8])
def test_calls_that_give_many_samples_are_given_out_a_few_at_a_time(
    slices: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that a hundred samples and not a hundred volumes are held; the same samples come, in the same order."""
    monkeypatch.setattr(parallel, "_HELD", 100 * 16 * 16)
    given, ahead = [], []
    call = volume if slices == 8 else one

    def calls() -> Iterator[Item]:
        for index in range(600):
            given.append(index)
            yield partial(call, index)

    for number, made in enumerate(fitted(calls(), FITTING, processes=2)):
        assert isinstance(made, Fitted) and made.sample.origin == f"{number // slices}-{number % slices}"
        ahead.append(len(given) - number // slices)
    assert len(ahead) == 600 * slices
    # At first 512 are looked at for whether it pays to start processes.
    assert max(ahead[512 * slices :]) <= 100 // slices


def one(index: int) -> Iterator[Sample | Rejected]:
    yield next(volume(index))


@pytest.mark.parametrize("count", [0, 3])
def test_a_few_files_need_no_processes(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "workers", None)
    assert len(list(fitted(items(count), FITTING, processes=2))) == sum(index % 3 for index in range(count))


def test_samples_are_fitted_as_they_come(monkeypatch: pytest.MonkeyPatch) -> None:
    """A source that yields samples is asked for one at a time: its images may be large."""
    monkeypatch.setattr(parallel, "workers", None)
    asked = []

    def given() -> Iterator[Item]:
        for index in range(1, 10_000):
            asked.append(index)
            yield next(read(1))

    list(islice(fitted(given(), FITTING, processes=2), 3))
    assert len(asked) == 3


FOREVER = """
import time  # perhaps for ever
from functools import partial
import numpy as np
from medgan.data.spec import ImageSpec
from medgan.imaging.intensity import EIGHT_BITS
from medgan.sources.parallel import Fitting, fitted
items = (partial(time.sleep, 0.01) for number in range(100_000))
list(fitted(items, Fitting(ImageSpec(16, 1), EIGHT_BITS, "crop"), processes=2))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_processes_end_with_the_one_that_started_them(number: signal.Signals, tmp_path: Path) -> None:
    with (tmp_path / "stderr").open("w") as stderr:
        child = subprocess.Popen([sys.executable, "-c", FOREVER], stderr=stderr, start_new_session=True)
    deadline = time.monotonic() + 30
    while len(group(child.pid)) < 3 and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(0.5)
    if number == signal.SIGINT:
        os.killpg(child.pid, number)
    else:
        child.kill()
    child.wait(timeout=30)
    deadline = time.monotonic() + 30
    while (left := group(child.pid)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not left


def group(leader: int) -> list[str]:
    """Commands of the processes of a session that live, but for those that only tidy up."""
    commands = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, _, _, session = (folder / "stat").read_text().rpartition(")")[2].split()[:4]
            command = (folder / "cmdline").read_text()
        except OSError:  # it has ended meanwhile
            continue
        if session == str(leader) and state != "Z" and ("popen_loky" in command or "perhaps" in command):
            commands.append(command)
    return commands

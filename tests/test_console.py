"""What a log file and a terminal show of long work."""

import io
import re

import pytest
from rich.console import Console

from medgan import console
from medgan.console import minutes, progress


class Clock:
    """Seconds that a test may let pass."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    ticking = Clock()
    monkeypatch.setattr(console, "time", ticking)
    return ticking


def test_a_log_has_a_line_every_two_minutes_with_what_is_left(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with progress("train", 3000) as done:
        for step in range(0, 3001, 10):
            clock.now += 1.0
            if step == 500:
                done.note("fid 23.1")
            done(step)
    said = capsys.readouterr().err.splitlines()
    assert said[0] == "train: 1,190 of 3,000, fid 23.1, about 3 min left" and len(said) == 2


def test_short_work_says_nothing_in_a_log(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with progress("features", 300) as done:
        for step in range(301):
            clock.now += 0.1
            done(step)
    assert capsys.readouterr().err == ""


def test_resumed_work_is_judged_by_what_was_done_since(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with progress("train", 1000) as done:
        done(900)
        clock.now += 120
        done(950)
    assert capsys.readouterr().err == "train: 950 of 1,000, about 2 min left\n"


def test_a_total_that_was_a_guess_may_be_passed(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with progress("reading", 0) as done:
        clock.now += 100
        done(7)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("colour", [True, False])
def test_a_terminal_of_80_columns_shows_title_score_and_time(monkeypatch: pytest.MonkeyPatch, colour: bool) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    if not colour:
        monkeypatch.setenv("NO_COLOR", "1")
    screen = io.StringIO()

    def terminal(**_: object) -> Console:
        return Console(file=screen, force_terminal=True, width=80)

    monkeypatch.setattr(console, "Console", terminal)
    with progress("trial 3 (4 of 12)", 240) as done:
        done.note("fid 29.08")
        done(240)
    drawn = screen.getvalue()
    plain = re.sub(r"\x1b\[[?\d;]*[A-Za-z]", "", drawn)
    last = [line for line in re.split(r"[\r\n]", plain) if line.strip()][-1]
    assert "trial 3 (4 of 12)" in last and "240/240" in last and "fid 29.08" in last and len(last) <= 80
    assert (re.search(r"\x1b\[[\d;]*3[1-7]", drawn) is not None) == colour


def test_times_are_said_in_the_unit_that_fits() -> None:
    assert [minutes(seconds) for seconds in (8.4, 89, 600, 7000)] == ["8 s", "89 s", "10 min", "1.9 h"]

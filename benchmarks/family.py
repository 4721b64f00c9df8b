"""What a process and all those that it started take, looked at twenty times a second. Linux alone."""

import os
from pathlib import Path
from threading import Event, Thread
from typing import Self

import numpy as np
from numpy.typing import NDArray

_TICK = os.sysconf("SC_CLK_TCK")


class Watch:
    """A context within which this process is watched, with those that it started.

    private: peak of private memory (RssAnon, RssShmem) of all together, MB. resident: the same of VmRSS, in which pages
    of written files are, which the system takes back at need, and what processes share once for each.
    processes: most at a time. cpu_seconds: of all, also of those that have ended.
    """

    def __init__(self) -> None:
        self.private = self.resident = 0.0
        self.processes = 0
        self._spent: dict[int, float] = {}
        self._before = cpu_seconds(os.getpid())
        self._ended, self._thread = Event(), Thread(target=self._watch)

    @property
    def cpu_seconds(self) -> float:
        return sum(self._spent.values()) - self._before

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while True:
            pids = family()
            private, resident = sum((memory(pid) for pid in pids), start=np.zeros(2))
            self.private, self.resident = max(self.private, private), max(self.resident, resident)
            self.processes = max(self.processes, len(pids))
            self._spent |= {pid: max(cpu_seconds(pid), self._spent.get(pid, 0.0)) for pid in pids}
            if self._ended.wait(0.05):
                return


def family() -> list[int]:
    """This process and all that descend from it."""
    parents = {int(path.name): _stat(int(path.name))[1:2] for path in Path("/proc").glob("[0-9]*")}
    found = [os.getpid()]
    for pid in found:  # grows on the way
        found += [child for child, parent in parents.items() if parent == [str(pid)]]
    return found


def memory(pid: int) -> NDArray[np.float64]:
    """Private and resident, MB; 0 of a process that has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return np.zeros(2)
    fields = dict(line.split(":", 1) for line in lines)
    anonymous, shared, resident = (
        int(fields.get(name, "0 kB").split()[0]) * 1024 / 1e6 for name in ("RssAnon", "RssShmem", "VmRSS")
    )
    return np.array([anonymous + shared, resident])


def cpu_seconds(pid: int) -> float:
    """Of a process; 0 of one that has ended."""
    return sum(map(int, _stat(pid)[11:13])) / _TICK


def _stat(pid: int) -> list[str]:
    """Fields of /proc/PID/stat behind its name, from the state on; none of a process that has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []

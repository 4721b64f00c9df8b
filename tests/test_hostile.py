"""Source `folder` over hundreds of damaged and hostile files: none crashes it, hangs it, or goes missing."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hostile import make

from medgan.sources.files import shown

READ = """
import json, sys
from pathlib import Path
from medgan.data.spec import ImageSpec, Sample
from medgan.sources.folder import Folder
given = Folder(bits=int(sys.argv[2])).samples(Path(sys.argv[1]), ImageSpec(64, 1))
for item in (made for item in given for made in (item() if callable(item) else (item,))):
    read = isinstance(item, Sample)
    print(json.dumps([item.origin, None if read else item.reason, list(item.image.shape) if read else None]))
# The high-water mark of this program alone: ru_maxrss begins with that of the one that started it.
status = Path("/proc/self/status").read_text()
print(status.split("VmHWM:")[1].split()[0])
"""
GIGABYTE = 2**20  # in kB


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hostile")
    assert make(folder, seed=0) >= 600
    return folder


def expected(folder: Path) -> set[str]:
    """All that lies there but what is hidden, and the folders that hold it."""
    found = set()
    for place, folders, files in os.walk(folder):
        links = [name for name in folders if (Path(place) / name).is_symlink()]
        found |= {shown((Path(place) / name).relative_to(folder)) for name in files + links if not name.startswith(".")}
    return found


@pytest.mark.parametrize("bits", [8, 16])
def test_every_file_is_read_or_rejected_with_a_reason(hostile: Path, bits: int) -> None:
    limit = 120  # seconds in all; a pipe or /dev/zero would take for ever
    done = subprocess.run(
        [sys.executable, "-W", "always", "-c", READ, hostile, str(bits)],
        capture_output=True,
        text=True,
        timeout=limit,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    *lines, most = map(json.loads, done.stdout.splitlines())
    assert most < GIGABYTE, f"{most / 1024:.0f} MB"
    origins = [origin for origin, *_ in lines]
    assert len(origins) == len(set(origins)) and set(origins) == expected(hostile)
    reasons = {origin: reason for origin, reason, _ in lines if reason is not None}
    assert len(lines) > len(reasons) > 300
    for origin, reason in reasons.items():
        assert reason.strip() and "\n" not in reason and str(hostile) not in reason, origin
    cut = [origin for origin in origins if "-cut-0" in origin]
    assert len(cut) > 100 and not set(cut) - reasons.keys()

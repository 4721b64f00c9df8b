"""Digests that find things again."""

import subprocess
from pathlib import Path

from medgan.fingerprint import git_commit


def test_the_commit_is_named_and_whether_files_differ_from_it(tmp_path: Path) -> None:
    assert git_commit(tmp_path) == ""
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b"]
    (tmp_path / "file").write_text("one")
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "first"]):
        subprocess.run([*git, *command], check=True)
    clean = git_commit(tmp_path)
    assert len(clean) == 40
    (tmp_path / "file").write_text("two")
    assert git_commit(tmp_path) == f"{clean}-dirty"
    (tmp_path / "file").write_text("one")
    (tmp_path / "new").write_text("untracked")
    assert git_commit(tmp_path) == clean

"""Fetching raw data and weights: from a server on this machine, without any, and finding what is there already."""

import functools
import hashlib
import http.server
import tarfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from torchvision.datasets import CIFAR10
from typer.testing import CliRunner

import medgan.scores.weights
import medgan.workspace.downloads
import medgan.workspace.weights
from medgan.cli.main import app
from medgan.errors import MedganError
from medgan.scores.weights import WEIGHTS, Weights
from medgan.sources.medmnist import information
from medgan.workspace.fetch import raw_data
from medgan.workspace.weights import fetch_weights

NOWHERE = "http://127.0.0.1:9"  # a port that nobody listens on
FILE = "pneumoniamnist_64.npz"
FILES = [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch", "batches.meta"]


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Path, str]]:
    """A folder, and the address under which its files are served."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    folder = tmp_path / "served"
    folder.mkdir()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield folder, f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def publish(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Make medmnist's table say at which address FILE lies, and its md5."""

    def publish(address: str, md5: str) -> None:
        entry = information("pneumoniamnist") | {"url_64": f"{address}/{FILE}?download=1", "MD5_64": md5}
        monkeypatch.setattr(medgan.workspace.downloads, "information", lambda flag: entry)

    return publish


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small archive with CIFAR-10's names of files, and torchvision's checksums set to theirs; it lies nowhere."""
    folder = tmp_path / "made" / CIFAR10.base_folder
    folder.mkdir(parents=True)
    for name in FILES:
        (folder / name).write_text(name)
    path: Path = folder.with_name(CIFAR10.filename)
    with tarfile.open(path, "w:gz") as packed:
        packed.add(folder, arcname=folder.name)
    sums = [[name, md5(folder / name)] for name in FILES]
    monkeypatch.setattr(CIFAR10, "train_list", sums[:5])
    monkeypatch.setattr(CIFAR10, "test_list", sums[5:6])
    monkeypatch.setattr(CIFAR10, "meta", CIFAR10.meta | {"md5": sums[6][1]})
    monkeypatch.setattr(CIFAR10, "tgz_md5", md5(path))
    monkeypatch.setattr(CIFAR10, "url", f"{NOWHERE}/{CIFAR10.filename}")
    return path


def md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# MedMNIST


def test_a_data_set_is_fetched_once_and_checked_afterwards(
    clone: Path, served: tuple[Path, str], publish: Callable[[str, str], None]
) -> None:
    folder, address = served
    (folder / FILE).write_bytes(b"pictures")
    publish(address, md5(folder / FILE))
    assert raw_data(clone, "pneumoniamnist") == f"data/raw/pneumoniamnist: {FILE} fetched, md5 {md5(folder / FILE)}"
    raw = clone / "data" / "raw"
    assert (raw / "pneumoniamnist" / FILE).read_bytes() == b"pictures"
    assert (names(raw), names(raw / "pneumoniamnist")) == (["pneumoniamnist"], [FILE])
    (folder / FILE).unlink()
    assert raw_data(clone, "pneumoniamnist") == f"data/raw/pneumoniamnist: {FILE} found, md5 as medmnist says"


@pytest.mark.parametrize("suffix", ["", "_64", "_128", "_224"])
def test_a_file_that_came_by_hand_with_another_md5_is_named_and_kept(clone: Path, suffix: str) -> None:
    path = clone / "data" / "raw" / "pneumoniamnist" / f"pneumoniamnist{suffix}.npz"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"half of it")
    with pytest.raises(MedganError, match=rf"{path} .*another md5 than \w+; remove {path} and run this again"):
        raw_data(clone, "pneumoniamnist")
    assert path.exists()


@pytest.mark.parametrize("kind", ["offline", "not found", "other content"])
def test_a_failed_fetch_names_the_file_to_put_there_and_leaves_nothing(
    clone: Path, served: tuple[Path, str], publish: Callable[[str, str], None], kind: str
) -> None:
    folder, address = served
    if kind == "other content":
        (folder / FILE).write_bytes(b"half of it")
    publish(NOWHERE if kind == "offline" else address, "0" * 32)
    wanted = clone / "data" / "raw" / "pneumoniamnist"
    with pytest.raises(MedganError, match=rf"{FILE}\S* cannot be fetched \(.+\); .* put {FILE} into {wanted} yourself"):
        raw_data(clone, "pneumoniamnist")
    assert names(clone / "data" / "raw") == []


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("pneumonamnist", r"unknown data set 'pneumonamnist' \(did you mean 'pneumoniamnist'\?\); choices: .*cifar10"),
        ("chestmnist", r"'chestmnist' has several labels an image"),
        ("organmnist3d", r"'organmnist3d' has volumes"),
    ],
)
def test_a_name_that_cannot_be_fetched_is_a_sentence(clone: Path, name: str, says: str) -> None:
    with pytest.raises(MedganError, match=says):
        raw_data(clone, name)
    assert not (clone / "data" / "raw").exists()


def test_the_command_answers_with_the_same_sentence(
    clone: Path, monkeypatch: pytest.MonkeyPatch, publish: Callable[[str, str], None]
) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.chdir(clone)
    publish(NOWHERE, "0" * 32)
    outcome = CliRunner().invoke(app, ["data", "fetch", "pneumoniamnist"])
    assert isinstance(outcome.exception, MedganError)
    assert "cannot be fetched" in str(outcome.exception)


# CIFAR-10


def test_a_fetched_archive_is_unpacked_and_checked_afterwards(
    clone: Path, archive: Path, served: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, address = served
    archive.rename(folder / archive.name)
    monkeypatch.setattr(CIFAR10, "url", f"{address}/{archive.name}")
    said = f"data/raw/cifar10: {archive.name} fetched and unpacked, md5 {CIFAR10.tgz_md5}"
    assert raw_data(clone, "cifar10") == said
    raw = clone / "data" / "raw"
    assert (names(raw), names(raw / "cifar10")) == (["cifar10"], [CIFAR10.base_folder])
    assert names(raw / "cifar10" / CIFAR10.base_folder) == sorted(FILES)
    assert "cifar-10-batches-py found, md5 of each file as torchvision says" in raw_data(clone, "cifar10")


def test_an_archive_that_came_by_hand_is_unpacked(clone: Path, archive: Path) -> None:
    raw = clone / "data" / "raw" / "cifar10"
    raw.mkdir(parents=True)
    archive.rename(raw / archive.name)
    assert f"{archive.name} found and unpacked" in raw_data(clone, "cifar10")
    assert (names(raw.parent), names(raw)) == (["cifar10"], [CIFAR10.base_folder, archive.name])


def test_an_archive_with_another_md5_is_named_and_nothing_is_unpacked(clone: Path, archive: Path) -> None:
    raw = clone / "data" / "raw" / "cifar10"
    raw.mkdir(parents=True)
    path = raw / archive.name
    path.write_bytes(archive.read_bytes()[:-9])
    with pytest.raises(MedganError, match=rf"{path} .*another md5 than \w+; remove {path} and run this again"):
        raw_data(clone, "cifar10")
    assert (names(raw.parent), names(raw)) == (["cifar10"], [path.name])


@pytest.mark.parametrize("name", ["data_batch_3", "batches.meta"])
def test_a_changed_or_missing_file_of_the_folder_is_named(clone: Path, archive: Path, name: str) -> None:
    folder = clone / "data" / "raw" / "cifar10" / CIFAR10.base_folder
    folder.parent.mkdir(parents=True)
    archive.with_name(CIFAR10.base_folder).rename(folder)
    (folder / name).write_text("changed")
    with pytest.raises(MedganError, match=rf"{folder / name} .*; remove {folder} and run this again"):
        raw_data(clone, "cifar10")
    (folder / name).unlink()
    with pytest.raises(MedganError, match=rf"{folder / name} is missing .*; remove {folder} and run this again"):
        raw_data(clone, "cifar10")


@pytest.mark.usefixtures("archive")
def test_without_network_the_archive_to_put_there_is_named_and_nothing_is_left(
    clone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    wanted = clone / "data" / "raw" / "cifar10"
    says = rf"{CIFAR10.url} cannot be fetched \(.+\); .* put {CIFAR10.filename} into {wanted} yourself"
    with pytest.raises(MedganError, match=says):
        raw_data(clone, "cifar10")
    assert names(clone / "data" / "raw") == []


# Weights


@pytest.fixture
def inception(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, bytes], str]:
    """Say at which address the weights lie, and of what content they are; returns the name of the file."""

    def publish(address: str, content: bytes) -> str:
        name = WEIGHTS["inception"].file
        known = Weights("fid_inception", f"{address}/{name}", hashlib.sha256(content).hexdigest(), "Apache-2.0")
        monkeypatch.setattr(medgan.workspace.weights, "WEIGHTS", {"inception": known})
        monkeypatch.setattr(medgan.scores.weights, "WEIGHTS", {"inception": known})
        return name

    return publish


def test_weights_are_fetched_once_and_checked_afterwards(
    clone: Path, served: tuple[Path, str], inception: Callable[[str, bytes], str]
) -> None:
    folder, address = served
    name = inception(address, b"weights")
    (folder / name).write_bytes(b"weights")
    assert f"data/weights/{name}: fetched, sha256 " in fetch_weights(clone, "inception")
    (folder / name).unlink()
    assert f"data/weights/{name}: found, sha256 " in fetch_weights(clone, "inception")
    assert names(clone / "data" / "weights") == [name]
    (clone / "data" / "weights" / name).write_bytes(b"other weights")
    with pytest.raises(MedganError, match=rf"{name} has another sha256 than \w+; remove it and run this again"):
        fetch_weights(clone, "inception")


@pytest.mark.parametrize("kind", ["offline", "not found", "other content"])
def test_weights_that_cannot_be_fetched_are_named_and_leave_nothing(
    clone: Path, served: tuple[Path, str], inception: Callable[[str, bytes], str], kind: str
) -> None:
    folder, address = served
    name = inception(NOWHERE if kind == "offline" else address, b"weights")
    if kind == "other content":
        (folder / name).write_bytes(b"half of it")
    wanted = clone / "data" / "weights"
    with pytest.raises(MedganError, match=rf"{name} cannot be fetched \(.+\); .* put {name} into {wanted} yourself"):
        fetch_weights(clone, "inception")
    assert names(wanted) == []


def test_weights_of_an_unknown_name_are_a_sentence(clone: Path) -> None:
    with pytest.raises(
        MedganError, match=r"unknown extractor 'incption' \(did you mean 'inception'\?\); choices: dinov2"
    ):
        fetch_weights(clone, "incption")

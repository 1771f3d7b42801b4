"""Files that several processes may write are published whole, and leave nothing behind."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nnexp.errors import CorruptError, DiskError
from nnexp.store import disk

if TYPE_CHECKING:
    from tests.conftest import Bench

WRITES: list[Callable[[Path, bytes], object]] = [disk.publish, disk.create, disk.write_atomically]


@pytest.mark.parametrize("write", WRITES)
def test_a_file_is_written_whole_and_nothing_else_is_left(
    tmp_path: Path, write: Callable[[Path, bytes], object]
) -> None:
    write(tmp_path / "a", b"content")
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == {"a": b"content"}


@pytest.mark.parametrize("call", ["write", "fsync", "replace", "link"])
@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_an_error_leaves_no_temporary_file_and_the_file_as_it_was(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    write: Callable[[Path, bytes], object],
    call: str,
    error: BaseException,
) -> None:
    def fail(*_: object) -> None:
        raise error

    before = {}
    if write is not disk.create:
        (tmp_path / "a").write_bytes(b"before")
        before = {"a": b"before"}
    monkeypatch.setattr(os, call, fail)
    if (call == "link") == (write is disk.create) or call in {"write", "fsync"}:
        with pytest.raises(DiskError if isinstance(error, OSError) else KeyboardInterrupt):
            write(tmp_path / "a", b"content")
        assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


def test_a_second_writer_does_not_disturb_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As faults/6: both wrote the same temporary file, and one renamed the other's."""
    replace = os.replace

    def slow(new: Path, path: Path) -> None:
        monkeypatch.setattr(os, "replace", replace)
        disk.publish(tmp_path / "a", b"second, and longer")
        replace(new, path)

    monkeypatch.setattr(os, "replace", slow)
    disk.publish(tmp_path / "a", b"first")
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == {"a": b"first"}


def test_the_longest_name_has_a_temporary_file(tmp_path: Path) -> None:
    disk.publish(tmp_path / ("n" * 255), b"content")
    assert (tmp_path / ("n" * 255)).read_bytes() == b"content"


@pytest.mark.parametrize("kind", ["link", "fifo", "folder"])
def test_only_a_regular_file_is_replaced(tmp_path: Path, kind: str) -> None:
    (tmp_path / "precious").write_text("as it was")
    target = tmp_path / "a"
    if kind == "link":
        target.symlink_to("precious")
    elif kind == "fifo":
        os.mkfifo(target)
    else:
        target.mkdir()
    with pytest.raises(CorruptError, match=r"a: is .*; a file is needed"):
        disk.publish(target, b"content")
    assert not disk.create(target, b"content")
    assert (tmp_path / "precious").read_text() == "as it was"
    assert len([*tmp_path.iterdir()]) == 2


def test_without_hard_links_a_file_is_created_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", fail)
    assert disk.create(tmp_path / "a", b"content")
    assert not disk.create(tmp_path / "a", b"other")
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == {"a": b"content"}


def limited(bench: Bench, size: int, *command: str) -> tuple[int, str, str]:
    """Run a command that may write files of at most some bytes."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    done = subprocess.run(
        [sys.executable, "-m", "nnexp", *command],
        cwd=bench.folder,
        env=os.environ
        | {"PYTHONPATH": str(Path(disk.__file__).parents[2])}
        | {"PYTHONDONTWRITEBYTECODE": "1"},  # Python 3.11 keeps what is cut off
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=limit,
    )
    return done.returncode, done.stdout, done.stderr


def test_a_full_disk_leaves_pictures_reports_and_configs_as_they_were(bench: Bench) -> None:
    """As faults/7: half a picture, and a config that `init` would not write again."""
    for name in "ab":
        bench("train", "tiny.yaml", "-q", "--name", name, "--set", f"seed={ord(name)}")
    runs = [f"runs/{name}-s{ord(name)}" for name in "ab"]
    (bench.folder / "q.png").write_bytes(b"as it was")
    code, out, err = limited(bench, 8192, "compare", *runs, "--plot", "q.png")
    assert (code, err) == (74, "q.png: file too large\n")
    assert out.startswith("   run ")
    assert limited(bench, 8192, "report", *runs, "-o", "r.html")[::2] == (
        74,
        "r.html: file too large\n",
    )
    assert limited(bench, 512, "init", "my.yaml")[::2] == (74, "my.yaml: file too large\n")
    names = {path.name for path in bench.folder.iterdir()}
    assert names == {"tiny.npz", "tiny.yaml", "runs", "q.png"}
    assert (bench.folder / "q.png").read_bytes() == b"as it was"
    assert bench("init", "my.yaml") == (0, "my.yaml\n", "")

"""Fixtures for all tests, imported first: the thread limits must be set before NumPy loads."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import pty
import shutil
import struct
import subprocess
import sys
import tempfile
import termios
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import pytest

os.environ.pop("PYTHONUNBUFFERED", None)  # buffered streams are what users have
sys.dont_write_bytecode = False  # compiling the tests' asserts takes half of their collection
for library in ("OPENBLAS", "OMP", "MKL", "BLIS", "VECLIB_MAXIMUM", "NUMEXPR"):
    os.environ[f"{library}_NUM_THREADS"] = "1"  # two threads give other last bits

MEMORY = Path("/dev/shm")  # noqa: S108 - pytest makes folders in it that only this user can open
ROOM = 2 << 30
"""Free bytes from which on temporary files are kept in memory: a tenth is used."""


def _is_roomy(folder: Path) -> bool:
    try:
        status = os.statvfs(folder)
    except OSError:
        return False
    return os.access(folder, os.W_OK) and status.f_bavail * status.f_frsize >= ROOM


if "TMPDIR" not in os.environ and _is_roomy(MEMORY):  # a disk is slow to sync and to delete
    tempfile.tempdir = os.environ["TMPDIR"] = str(MEMORY)

BOOK = Path(__file__).resolve().parents[2] / "shared" / "book"


def pytest_make_parametrize_id(val: object) -> str | None:
    """Name long bytes by their length: the names must be the same in every worker of pytest-xdist.

    Those of a gzip have the second in them at which they were made.
    """
    return f"{len(val)} bytes" if isinstance(val, bytes) and len(val) > 16 else None


@pytest.fixture(scope="session", autouse=True)
def _idle() -> Iterator[None]:
    """Let the machine look idle: runs record its load, and reports of a high one say so."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "getloadavg", lambda: (0.0, 0.0, 0.0))
        yield


@pytest.fixture(scope="session")
def book() -> Path:
    """The folder of the book's published curves, which are not part of the project."""
    if not BOOK.is_dir():
        pytest.skip(f"the book's curves are not at {BOOK}")
    return BOOK


@cache
def _lifeline() -> tuple[str, ...]:
    """Return a command prefix that kills the command when the tests' process dies, on Linux.

    If pytest itself is killed, no fixture is torn down, and some commands train for an hour.
    """
    words = ("setpriv", "--pdeathsig", "KILL")
    if shutil.which(words[0]) is None:
        return ()
    has_it = subprocess.run([*words, "true"], capture_output=True, check=False).returncode == 0
    return words if has_it else ()


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError:  # EIO is how Linux says that the other side is closed
        return b""


class Said(NamedTuple):
    """The result of a command."""

    code: int
    out: str
    err: str


def commit(run: Path) -> None:
    """Write a checkpoint without arrays that commits all rows of a run's metrics."""
    from nnexp.store import checkpoint, meta  # noqa: PLC0415 - after the variables are set

    written = (run / "metrics.jsonl").read_bytes()
    committed = meta.Meta(
        epoch=json.loads(written.splitlines()[-1])["epoch"],
        config_sha256=json.loads((run / "run.json").read_text())["config_sha256"],
        metrics_length=len(written),
        metrics_sha256=hashlib.sha256(written).hexdigest(),
        arrays_sha256="",
    )
    name = f"checkpoints/epoch-{committed.epoch:06d}.npz"
    (run / name).write_bytes(checkpoint.encode(committed, {}))


def missing_path_hint(folder: Path) -> str:
    """Return where a message about missing data says that relative paths start from."""
    return f" (relative paths start from the working directory {folder}, or from --data-root DIR)"


class Bench:
    """The command line in a temporary folder with small data and a config for it."""

    def __init__(self, folder: Path, call: Callable[..., Said]) -> None:
        self.folder = folder
        self.call = call
        self._started: list[subprocess.Popen[str]] = []

    def __call__(self, *arguments: str) -> Said:
        """Run a command in this process."""
        return self.call(*arguments)

    def start(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:  # noqa: ANN401
        """Start a command in a subprocess that ends with the test."""
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        command = [*_lifeline(), sys.executable, "-m", "nnexp", *arguments]
        process = subprocess.Popen(command, cwd=self.folder, **(pipes | options))
        self._started.append(process)
        return process

    def close(self) -> None:
        """Kill the processes that a failed test left running."""
        for process in self._started:
            if process.poll() is None:
                process.kill()
                process.communicate()

    def process(self, *arguments: str, **options: Any) -> Said:  # noqa: ANN401
        """Run a command in a subprocess."""
        process = self.start(*arguments, **options)
        out, err = process.communicate(timeout=60)
        return Said(process.returncode, out or "", err or "")

    def on_a_terminal(self, *arguments: str, columns: int = 80, **extra: str) -> str:
        """Return the terminal output of a command that must succeed."""
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        inherited = {key: value for key, value in os.environ.items() if key != "NO_COLOR"}
        process = self.start(*arguments, stdout=theirs, stderr=theirs, env=inherited | extra)
        os.close(theirs)
        written = b"".join(iter(lambda: _read(ours), b""))
        os.close(ours)
        assert process.wait(timeout=20) == 0
        return written.decode()

    def config(self, name: str = "tiny.yaml", **keys: object) -> str:
        """Write a config for the small data and return its name."""
        config = {"data": {"name": "npz", "file": "tiny.npz"}, "hidden": [5], "epochs": 3} | keys
        lines = [f"{key}: {json.dumps(value)}\n" for key, value in config.items()]
        (self.folder / name).write_text("".join(lines), encoding="utf-8")
        return name

    def files(self, run: str) -> dict[str, bytes]:
        """Return the reproducible files of a run, by path."""
        assert (self.folder / run).is_dir(), "nothing is equal to nothing"
        left_out = {"log.txt", "timing.jsonl", "notes.json", "LOCK"}
        return {
            str(path.relative_to(self.folder / run)): path.read_bytes()
            for path in (self.folder / run).rglob("*")
            if path.is_file() and path.name not in left_out
        }

    def commit(self, run: str) -> None:
        """Write a checkpoint that commits all rows of a run's metrics."""
        commit(self.folder / run)

    def data(self, seed: int = 0, name: str = "tiny.npz") -> str:
        """Write data of three classes that a few epochs can separate; return the file's name."""
        import numpy as np  # noqa: PLC0415 - after its variables are set

        rng = np.random.default_rng(seed)
        arrays: dict[str, Any] = {}
        centres = rng.integers(50, 200, (3, 10))
        for split, count in (("train", 200), ("validation", 60), ("test", 40)):
            labels = rng.integers(0, 3, count)
            pixels = centres[labels] + rng.integers(-50, 51, (count, 10))
            arrays |= {f"x_{split}": pixels.astype(np.uint8), f"y_{split}": labels}
        np.savez(self.folder / name, **arrays)
        return name


Once: TypeAlias = "Callable[[Callable[[Bench], object]], Bench]"
_kept: dict[str, Path] = {}
"""Folders as ``once`` left them, by the function that fills them."""


@pytest.fixture
def once(bench: Bench, tmp_path_factory: pytest.TempPathFactory) -> Once:
    """Fill the bench's folder by a function that trains; later tests get a copy of the folder."""

    def filled(fill: Callable[[Bench], object]) -> Bench:
        name = f"{fill.__module__}.{fill.__qualname__}"
        if name in _kept:
            shutil.copytree(_kept[name], bench.folder, symlinks=True, dirs_exist_ok=True)
            return bench
        fill(bench)
        _kept[name] = tmp_path_factory.mktemp("kept") / "folder"
        shutil.copytree(bench.folder, _kept[name], symlinks=True)
        return bench

    return filled


@pytest.fixture
def bench(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Bench]:
    """The command line in a temporary folder that contains only tiny.npz and tiny.yaml."""
    from nnexp.cli import main  # noqa: PLC0415 - after the variables are set

    def call(*arguments: str) -> Said:
        monkeypatch.setattr(sys, "argv", ["nnexp", *arguments])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        code = ended.value.code
        return Said(code if isinstance(code, int) else -1, *capsys.readouterr())

    monkeypatch.chdir(tmp_path)
    made = Bench(tmp_path, call)
    made.data()
    made.config()
    yield made
    made.close()

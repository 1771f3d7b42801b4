"""Fixtures for hostile input: limits on time, memory, output and changes for any command."""

from __future__ import annotations

import os
import re
import resource
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.hostile.damage import OTHER, RUN, Case

if TYPE_CHECKING:
    from tests.conftest import Bench, Said

SECONDS = 10.0
"""Limit of processor time. A command takes a tenth of it; input that is read in quadratic time,
or expanded, takes minutes. It is no measurement: neighbours on a shared processor cost time too."""

HANGS = 30
"""Seconds after which a command counts as hanging."""

MEMORY = 200 << 20
LINES = 3

STATUS = Path("/proc/self/status")
CHILD = """
import resource
resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
from nnexp.cli import main
try:
    main()
finally:
    with open("peak", "w") as file, open("/proc/self/status") as status:
        file.write(status.read())
"""


class Hostile:
    """The command line in a folder with small data, with checks of every call."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.folder = bench.folder

    def config(self, content: str | bytes, name: str = "c.yaml") -> str:
        """Write a config."""
        raw = content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content
        (self.folder / name).write_bytes(raw)
        return name

    def holds(self, *command: str, code: int, told: str, changes: bool = False) -> Said:
        """Run a command in this process and check every guarantee."""
        before = snapshot(self.folder)
        with within(SECONDS), below(MEMORY):
            said = self.bench(*command)
        check(said, code, told)
        if not changes:
            assert snapshot(self.folder) == before, "something was created or changed"
        return said

    def process_holds(self, *command: str, code: int, told: str) -> Said:
        """Run a command in a subprocess limited to a gigabyte, and measure its memory."""
        if not STATUS.exists():
            pytest.skip("a process's peak of memory is read from /proc")
        before = snapshot(self.folder)
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(
            [sys.executable, "-c", CHILD, *command],
            cwd=self.folder,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=HANGS,
            check=False,
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        peak = self.folder / "peak"
        assert kilobytes(peak.read_text(), "VmHWM") << 10 < MEMORY
        assert after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime < SECONDS
        peak.unlink()
        from tests.conftest import Said  # noqa: PLC0415 - pytest finds it, once it runs

        said = Said(done.returncode, done.stdout.decode(), done.stderr.decode())
        check(said, code, told)
        assert snapshot(self.folder) == before, "something was created or changed"
        return said


def check(said: Said, code: int, told: str) -> None:
    """Check the exit code, the message, its length, and the absence of control characters."""
    assert "Traceback" not in said.err
    assert said.code == code, said.err[-500:]
    assert told in said.err + said.out, said.err
    lines = [line for line in said.err.splitlines() if line]
    assert len(lines) <= LINES, said.err
    assert max(map(len, lines), default=0) < 1500, "a line that scrolls everything away"
    for text in (said.out, said.err):
        assert all(line.isprintable() for line in text.split("\n")), ascii(text)


def snapshot(folder: Path) -> dict[str, tuple[int, int, int]]:
    """Return the kind, size and time of each entry of a folder, without opening any."""
    found = {}
    for path in [folder, *folder.rglob("*")]:
        status = path.lstat()
        is_folder = stat.S_ISDIR(status.st_mode)
        size, time_ns = (0, 0) if is_folder else (status.st_size, status.st_mtime_ns)
        found[str(path)] = (status.st_mode, size, time_ns)
    return found


def kilobytes(status: str, name: str) -> int:
    """Return a number from /proc/self/status."""
    match = re.search(rf"^{name}:\s*(\d+) kB", status, re.MULTILINE)
    assert match is not None
    return int(match[1])


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Fail a block that uses too much processor time, or hangs."""

    def hang(*_: object) -> None:
        pytest.fail(f"it still runs after {HANGS} seconds")

    handler = signal.signal(signal.SIGALRM, hang)
    signal.alarm(HANGS)
    start = time.process_time()
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, handler)
    assert time.process_time() - start < seconds


@contextmanager
def below(limit: int) -> Iterator[None]:
    """Fail a block whose peak memory exceeds the memory before it by more than limit bytes."""
    reset = Path("/proc/self/clear_refs")
    if not os.access(reset, os.W_OK):
        yield
        return
    reset.write_text("5", encoding="ascii")  # the peak is counted anew
    before = kilobytes(STATUS.read_text(), "VmRSS")
    yield
    assert kilobytes(STATUS.read_text(), "VmHWM") - before < limit >> 10


@pytest.fixture
def hostile(bench: Bench) -> Hostile:
    """The command line with all checks."""
    return Hostile(bench)


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an unfinished and a finished run, made once."""
    return tmp_path_factory.mktemp("trained")


@pytest.fixture
def runs(hostile: Hostile, trained: Path) -> Callable[[Case], Path]:
    """Return how a case's run is put into the folder, beside a sound one."""

    def put(case: Case) -> Path:
        for name, arguments in (("begun", ("--until", "2")), ("done", ())):
            if not (trained / name).exists():
                called = hostile.bench("train", "tiny.yaml", "--name", "hostile", "-q", *arguments)
                assert called.code == 0
                (hostile.folder / RUN).rename(trained / name)
        shutil.copytree(trained / "done", hostile.folder / OTHER)
        shutil.copytree(trained / ("done" if case.finished else "begun"), hostile.folder / RUN)
        case.damage(hostile.folder / RUN)
        return hostile.folder / RUN

    return put

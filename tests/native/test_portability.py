"""Every compiler and every kind of processor gives the same bytes.

The tests build a C program with each compiler that is installed and run it, in an emulator if need
be. On Debian: apt-get install clang qemu-user gcc-aarch64-linux-gnu libc6-dev-arm64-cross.
"""

from __future__ import annotations

import functools
import platform
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import NamedTuple

import pytest

from nnexp.native.availability import SOURCES
from nnexp.native.build import FLAGS, KERNELS
from tests.native.requirements import lacking

PROGRAM = Path(__file__).parent / "trainings.c"


class Build(NamedTuple):
    """A compiler and the processor that it compiles for."""

    compiler: str
    architecture: str
    kernels: str
    flags: tuple[str, ...] = ()
    emulator: str | None = None

    @property
    def name(self) -> str:
        return f"{self.compiler}-{self.kernels}"


def builds() -> list[Build]:
    """Return the builds for this machine, and those for arm64 in an emulator."""
    native, arm = platform.machine(), "aarch64"
    mine = [Build(c, native, k) for c in ("gcc", "clang") for k in KERNELS.get(native, {})]
    if native == arm:
        return mine
    emulator = "qemu-aarch64"
    return [
        *mine,
        Build("aarch64-linux-gnu-gcc", arm, "neon", ("-static",), emulator),
        Build("clang", arm, "neon", ("-static", "--target=aarch64-linux-gnu"), emulator),
    ]


@functools.cache
def output(build: Build, step: int) -> str:
    """Return what the program prints, or skip the test if it cannot be built or run here."""
    for tool in (build.compiler, build.emulator):
        if tool is not None and shutil.which(tool) is None:
            lacking(f"{tool} is not installed")
    if build.emulator and not Path("/usr/aarch64-linux-gnu").is_dir():
        lacking("the C library for arm64 is not installed")
    with tempfile.TemporaryDirectory() as folder:
        program = f"{folder}/{build.name}"
        options = (*FLAGS, *KERNELS[build.architecture][build.kernels], *build.flags)
        sources = (PROGRAM, SOURCES / "network.c", SOURCES / "kernels.c")
        subprocess.run(
            [
                *(build.compiler, *options, f"-DKERNELS=kernels_{build.kernels}"),
                *(f"-I{SOURCES}", *map(str, sources), "-o", program),
            ],
            check=True,
        )
        command = [*([build.emulator] if build.emulator else []), program, str(step)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == -signal.SIGILL:
        pytest.skip(f"this processor cannot run the {build.kernels} kernels")
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("build", builds(), ids=lambda build: build.name)
def test_trainings_give_the_same_bytes(build: Build) -> None:
    """1,440 trainings of two epochs; in an emulator, which takes long, every 13th."""
    step = 13 if build.emulator else 1
    slowest = builds()[len(KERNELS.get(platform.machine(), {})) - 1]  # every processor has it
    reference = output(slowest, step)
    assert len(reference.splitlines()) >= 100
    assert output(build, step) == reference

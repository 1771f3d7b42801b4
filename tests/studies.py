"""Commands that train many runs, and all that is left of one: its runs, its files, its output."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

if TYPE_CHECKING:
    from tests.conftest import Bench

SPACE = ("--space", "learning_rate=log-uniform(0.01,30)", "--space", "lambda=[0,1]")
SEARCHES = {
    "grid": ("--method", "grid", "--trials", "6", "--seeds", "2"),
    "random": ("--trials", "5", "--seeds", "2"),
    "tpe": ("--method", "tpe", "--trials", "15"),  # the first 10 of which are drawn at random
    "halving": ("--trials", "4", "--halving", "--factor", "2", "--seeds", "2"),
}

SECONDS = 300.0
"""That a command may take."""


class Left(NamedTuple):
    """What a command came to."""

    out: str
    """Without the seconds of training, which no two runs have in common."""
    runs: dict[str, dict[str, bytes]]
    """What its runs must hold to the last byte, by name."""
    files: dict[str, bytes]
    """The decisions of tune, by name."""


def search(name: str, *more: str) -> tuple[str, ...]:
    """Return the command of a search."""
    return ("search", "tiny.yaml", *SPACE, *SEARCHES[name], "-q", *more)


def ended(process: subprocess.Popen[str], seconds: float = SECONDS) -> tuple[int, str, str]:
    """Wait for a command; return its exit code, output and messages."""
    try:
        out, err = process.communicate(timeout=seconds)
    finally:
        process.kill()
    return process.returncode, out, err


def study(bench: Bench, *command: str, **options: Any) -> Left:  # noqa: ANN401 - Popen's
    """Run a command that must succeed and return what is left of it."""
    code, out, err = ended(bench.start(*command, **options))
    assert (code, err) == (0, "")
    return left(bench, out)


def left(bench: Bench, out: str) -> Left:
    """Return what is left of a command by now."""
    names = sorted(path.name for path in (bench.folder / "runs").iterdir() if path.is_dir())
    tuned = bench.folder / "tiny-tuned"
    files = tuned.iterdir() if tuned.exists() else ()
    return Left(
        re.sub(r"(?m)^seconds of training .*\n", "", out),
        {name: bench.files(f"runs/{name}") for name in names},
        {path.name: path.read_bytes() for path in files},
    )


def put_away(bench: Bench, folder: str = "whole") -> None:
    """Move what is left of a command out of the next one's way."""
    (bench.folder / folder).mkdir()
    for name in ("runs", "tiny-tuned"):
        if (bench.folder / name).exists():
            (bench.folder / name).rename(bench.folder / folder / name)


def sequential(bench: Bench, *command: str) -> Left:
    """Run a command one job after another, put away what is left of it, and return that."""
    found = study(bench, *command, "-j", "1")
    put_away(bench)
    return found


def keep_times(bench: Bench) -> dict[str, list[float]]:
    """Give the next tuning the times of the one that was put away; return them by run."""
    times = Path("tiny-tuned") / "times.json"
    content = (bench.folder / "whole" / times).read_bytes()
    (bench.folder / times).parent.mkdir(exist_ok=True)
    (bench.folder / times).write_bytes(content)
    kept: dict[str, dict[str, list[float]]] = msgspec.json.decode(content)
    return kept["seconds"]


def keep_timed_runs(bench: Bench) -> None:
    """Give it the times and the runs that they are of: of other runs they would not be used."""
    for name in keep_times(bench):
        shutil.copytree(bench.folder / "whole" / "runs" / name, bench.folder / "runs" / name)

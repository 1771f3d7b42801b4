"""Run commands that train many runs, and collect their output, runs and files."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from nnexp.store import growth_index

if TYPE_CHECKING:
    from tests.conftest import Bench

SPACE = ("--space", "learning_rate=log-uniform(0.01,30)", "--space", "lambda=[0,1]")
# TPE needs 10 scores and knows i - 4 of them at point i, so that it draws the first 13 at random.
SEARCHES = {
    "grid": ("--method", "grid", "--trials", "6", "--seeds", "2", "--confirm", "2"),
    "random": ("--trials", "5", "--seeds", "2", "--confirm", "0"),
    "tpe": ("--method", "tpe", "--trials", "20", "--confirm", "0"),
    "halving": ("--trials", "4", "--halving", "--factor", "2", "--seeds", "2", "--confirm", "1"),
}

TIMEOUT = 300.0
"""Timeout of a command, in seconds."""


class Results(NamedTuple):
    """The results of a command."""

    out: str
    """Its output without the lines of measured seconds."""
    runs: dict[str, dict[str, bytes]]
    """The reproducible files of its runs, by name."""
    files: dict[str, bytes]
    """The files of tune's decisions, by name."""


def search(name: str) -> tuple[str, ...]:
    """Return the command of a search."""
    return ("search", "tiny.yaml", *SPACE, *SEARCHES[name], "-q")


def wait(process: subprocess.Popen[str], timeout: float = TIMEOUT) -> tuple[int, str, str]:
    """Wait for a command; return its exit code, standard output and standard error."""
    try:
        out, err = process.communicate(timeout=timeout)
    finally:
        process.kill()
    return process.returncode, out, err


def study(bench: Bench, *command: str) -> Results:
    """Run a command that must succeed and return its results."""
    code, out, err = wait(bench.start(*command))
    assert (code, err) == (0, "")
    return results(bench, out)


def results(bench: Bench, out: str) -> Results:
    """Collect the results of a command with this output."""
    names = sorted(path.name for path in (bench.folder / "runs").iterdir() if path.is_dir())
    names = [name for name in names if name != growth_index.FOLDER]
    decisions = bench.folder / "tiny-tuned"
    files = decisions.iterdir() if decisions.exists() else ()
    return Results(
        timeless(out),
        {name: bench.files(f"runs/{name}") for name in names},
        {path.name: path.read_bytes() for path in files},
    )


def without_times(out: str) -> str:
    """Return output without what the clock and the machine's load decide."""
    out = re.sub(r"(?m)^(seconds of training|!: measured under load|note: times of ).*\n", "", out)
    return re.sub(r"\n{3,}", "\n\n", out.replace("; !: measured under load", ""))


def timeless(out: str) -> str:
    """Return output without times, and without the widths of columns, which times are in."""
    return re.sub(" {2,}", "  ", without_times(out))


def without_race(out: str) -> str:
    """Return a comparison without the command that would add runs with the trials' seeds."""
    start, heading, _ = out.partition("\n\nto train seeds until this is decided:\n")
    return f"{start}\n" if heading else out


def move_results(bench: Bench, folder: str) -> None:
    """Move results to another folder, so that the next command starts without them."""
    (bench.folder / folder).mkdir()
    for name in ("runs", "tiny-tuned"):
        if (bench.folder / name).exists():
            (bench.folder / name).rename(bench.folder / folder / name)


def sequential(bench: Bench, *command: str) -> Results:
    """Run a command with one job at a time, move its results to "sequential", and return them."""
    found = study(bench, *command, "-j", "1")
    move_results(bench, "sequential")
    return found


def keep_times(bench: Bench) -> dict[str, list[float]]:
    """Copy the times of the sequential tune for the next one; return them by run."""
    times = Path("tiny-tuned") / "times.json"
    content = (bench.folder / "sequential" / times).read_bytes()
    (bench.folder / times).parent.mkdir(exist_ok=True)
    (bench.folder / times).write_bytes(content)
    kept: dict[str, dict[str, list[float]]] = msgspec.json.decode(content)
    return kept["seconds"]


def keep_timed_runs(bench: Bench) -> None:
    """Copy the timed runs as well: the next tune would measure again if it had to train them."""
    source, target = bench.folder / "sequential" / "runs", bench.folder / "runs"
    for name in keep_times(bench):
        shutil.copytree(source / name, target / name)

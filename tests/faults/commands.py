"""Every command that reads or writes runs, and disk errors at its system calls, one at a time."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from tests.conftest import Said
from tests.faults.tracing import CONFIG, Call, Tracing

PREPARED = (
    ("train", CONFIG, "-q", "--name", "a"),
    ("train", CONFIG, "-q", "--name", "b", "--set", "learning_rate=1"),
    ("train", CONFIG, "-q", "--name", "begun", "--until", "1"),
    ("train", CONFIG, "-q"),
    ("find-rate", CONFIG, "-q"),
    ("tune", CONFIG, "-q", "--only", "lambda", "-j", "1", "--out", "out/tuned"),
)
"""The commands that make the folder of runs which the others find.

The commands that train many runs find most of them finished, since training is traced by itself.
"""

A, B, BEGUN, OUT = "runs/a-s0", "runs/b-s0", "runs/begun-s0", "out"
COMMANDS: dict[str, tuple[str, ...]] = {
    "train": ("train", CONFIG, "-q", "--name", "new"),
    "train, resuming": ("train", CONFIG, "-q", "--name", "begun"),
    "train, already done": ("train", CONFIG, "-q", "--name", "a"),
    "train, growing": ("train", CONFIG, "-q", "--set", "epochs=4"),
    "train, growing under its name": ("train", CONFIG, "-q", "--name", "a", "--set", "epochs=4"),
    "train --restart": ("train", CONFIG, "-q", "--name", "begun", "--restart"),
    "train --seeds": ("train", CONFIG, "-q", "--seeds", "2", "-j", "1"),
    "train RUN": ("train", A, "-q", "--set", "lambda=1"),
    "search": ("search", CONFIG, "-q", "--space", "lambda=[0,1]", "--trials", "2", "-j", "1",
               "--confirm", "0", "--plot", f"{OUT}/search.png"),
    "race": ("race", A, B, "-q", "-j", "1", "--metric", "test_cost", "--smallest-effect", "100",
             "--plot", f"{OUT}/race.png"),
    "inspect RUN": ("inspect", A, "--plot", f"{OUT}/inspect.svg"),
    "tune": ("tune", CONFIG, "-q", "--only", "lambda", "-j", "1", "--out", f"{OUT}/tuned"),
    "find-rate": ("find-rate", CONFIG, "-q", "--plot", f"{OUT}/rate.png"),
    "sweep": ("sweep", CONFIG, "-q", "--grid", "lambda=0,1", "-j", "1", "--plot", f"{OUT}/s.png"),
    "sweep --dry-run": ("sweep", CONFIG, "--grid", "learning_rate=0.5,1", "--dry-run"),
    "sweep RUN --emit": ("sweep", A, "--grid", "lambda=0,1", "--emit", "commands"),
    "show": ("show", A),
    "show, interrupted": ("show", BEGUN),
    "compare": ("compare", A, B, "--plot", f"{OUT}/compare.png"),
    "compare, an experiment": ("compare", "runs/a", "runs/b*", "--csv"),
    "report": ("report", A, B, "-o", f"{OUT}/report.html"),
    "evaluate": ("evaluate", A, B),
    "predict": ("predict", A, "tiny.npz"),
    "export --to csv": ("export", A, B, "--to", "csv", "-o", f"{OUT}/metrics.csv"),
    "export --to safetensors": ("export", A, "--to", "safetensors", "-o", f"{OUT}/a.safetensors"),
    "export --to onnx": ("export", A, "--to", "onnx", "-o", f"{OUT}/a.onnx"),
    "replay": ("replay", A),
    "runs": ("runs",),
    "runs --each": ("runs", "--each", "--json"),
    "verify": ("verify", "-q", A),
    "init": ("init", f"{OUT}/my.yaml"),
}  # fmt: skip
"""By a name for messages; paths are relative to the traced folder."""
EXTRAS = {"export --to safetensors": "safetensors", "export --to onnx": "onnx"}
IN_RUNS = {"train", "search", "tune", "find-rate", "sweep", "runs"}
"""Commands with the option --runs."""

KINDS = (
    (r"/begun-s0\b|/[ab]-s\d+\b|/new-s\d+\b|/tiny-[0-9a-f]{12}-s\d+\b", "/RUN"),
    (r"/\.(?:begun|a|b|new|tiny-[0-9a-f]{12})-s\d+\.(new|removed|home)\b", r"/.RUN.\1"),
    (r"epoch-\d+", "epoch-N"),
    (r"[0-9a-f]{64}", "DIGEST"),
    (r"\.nnexp-[0-9a-f]{16}\.tmp", "TEMPORARY"),
)
"""Parts of paths that differ although the files are of one kind."""


class Fault(NamedTuple):
    """A command in which one call failed."""

    command: str
    call: Call
    ended: Said
    is_needed: bool
    """Whether the result of the call matters to the command."""

    @property
    def problem(self) -> str | None:
        """What is wrong with how the command ended, or None."""
        problems = []
        if self.is_needed and not self.ended.code:
            problems.append("exit 0")
        if "Traceback" in self.ended.err:
            problems.append("a traceback")
        return f"{self.command}: EIO at {self.call}: {', '.join(problems)}" if problems else None


def kind(call: Call) -> tuple[str, str]:
    """Return the name of a call and the kind of its path."""
    path = call.path
    for pattern, name in KINDS:
        path = re.sub(pattern, name, path)
    return call.name, path


def available() -> dict[str, tuple[str, ...]]:
    """Return the commands whose packages are installed."""
    return {n: c for n, c in COMMANDS.items() if n not in EXTRAS or find_spec(EXTRAS[n])}


def arguments(tracing: Tracing, command: tuple[str, ...]) -> list[str]:
    """Return a command's arguments, with paths in the traced folder."""
    place = tracing.place
    paths = ("runs/", f"{OUT}/")
    given = [str(place / word) if word.startswith(paths) else word for word in command]
    return given + (["--runs", str(place / "runs")] if command[0] in IN_RUNS else [])


def prepare(tracing: Tracing) -> Path:
    """Make the folder of runs and return a copy of it for ``Tracing.reset``."""
    tracing.reset()
    (tracing.place / OUT).mkdir()
    for command in PREPARED:
        ended = tracing.run_command(arguments(tracing, command))
        assert ended.code == 0, ended
    return tracing.keep("prepared")


def faults(
    tracing: Tracing, state: Path, name: str, *, each: bool, error: str = "EIO"
) -> Iterator[Fault]:
    """Run a command again and again, and let one of its calls fail each time.

    Args:
        tracing: runs it.
        state: the result of ``prepare``.
        name: of the command.
        each: whether every call fails once; otherwise the first of each kind.
        error: the error.
    """
    given = arguments(tracing, COMMANDS[name])
    tracing.reset(state)
    calls = [call for call in tracing.calls(given) if call.path]
    if not each:
        calls = list({kind(call): call for call in reversed(calls)}.values())[::-1]
    for call in calls:
        tracing.reset(state)
        ended, struck = tracing.strike(call, error, given)
        if struck is not None:
            yield Fault(name, struck, ended, is_needed(struck))


def is_needed(call: Call) -> bool:
    """Return whether a call's result matters to a command.

    The close of a directory that was listed does not: Python does not check C's closedir.
    """
    return not (call.name == "close" and call.after_listing)

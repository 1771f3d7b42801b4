"""The Tab key in bash, zsh and fish, on a terminal; skipped for a shell that is not installed."""

from __future__ import annotations

import os
import pty
import select
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nnexp.cli import shells

if TYPE_CHECKING:
    from tests.conftest import Bench

LOADER = "/usr/share/bash-completion/bash_completion"
"""Where Debian puts the package that loads installed scripts."""

pytestmark = pytest.mark.slow

MALICIOUS = "a$(touch PWNED)`touch PWNED`.yaml"
"""The name of a file that runs commands if a shell evaluates it."""

TYPED = {
    "nnexp tra\tquickst\t--set optimizer=mom\t": [
        *("train", "quickstart", "--set", "optimizer=momentum"),
    ],
    "nnexp train --set 'cost=qua\t": ["train", "--set", "cost=quadratic"],
    "nnexp train --set=rng=net\t": ["train", "--set=rng=network2"],
    "nnexp train --set learn\t0.5": ["train", "--set", "learning_rate=0.5"],
    "nnexp sweep --grid regularizer=l1,\t": ["sweep", "--grid", "regularizer=l1,l2"],
    "nnexp show B\t": ["show", "runs/B-s0"],
    "nnexp show runs/A-\t1": ["show", "runs/A-s1"],
    "nnexp train my\t--unt\t3": ["train", "my config.yaml", "--until", "3"],
    "nnexp train my\\ c\t": ["train", "my config.yaml"],
    "nnexp train --set data.file=my\\ c\t": ["train", "--set", "data.file=my config.yaml"],
    "nnexp train --set data.file='my c\t": ["train", "--set", "data.file=my config.yaml"],
    'nnexp train "a\t': ["train", MALICIOUS],
    "nnexp train 'a\t": ["train", MALICIOUS],
    "nnexp train a\t": ["train", MALICIOUS],
    "nnexp train 'it\t": ["train", "it's.yaml"],
    "nnexp compare --metric epochs_to_97.\t": ["compare", "--metric", "epochs_to_97.5"],
    "nnexp qqq \t": ["qqq"],
}
"""Lines as they are typed, and the arguments that the command then gets."""

BASH = ["bash", "--norc", "--noprofile", "-i"]
MUST_RUN = "NNEXP_SHELLS_MUST_RUN"
"""Set where all are installed: a missing one then fails the test."""
COMMANDS = {
    "bash": (BASH, "source ./script"),
    "zsh": (["zsh", "-f", "-i"], "autoload -Uz compinit; compinit -u; source ./script"),
    "fish": (["fish", "--no-config", "-i"], "source ./script"),
    "bash, installed": (BASH, f". {LOADER}"),
    "zsh, installed": (
        ["zsh", "-f", "-i"],
        "fpath+=(~/.zfunc); autoload -Uz compinit; compinit -u",
    ),
    "fish, installed": (["fish", "-i"], ""),
}
"""How each shell is started, and how it learns to complete: from the script, or as installed."""

FOREIGN = ("XDG_", "ZDOTDIR", "BASH", "PS1", "PROMPT")
"""Variables that would make a shell find or show something else."""

TIMEOUT = 30.0
"""Seconds without output after which a shell is given up."""

COMMAND = """\
#!/bin/sh
if [ -n "$_NNEXP_COMPLETE" ]; then exec "{python}" -m nnexp; fi
printf '%s\\n' "$@" '---' >> "{output}"
"""
"""A command nnexp that completes as the real one, and otherwise writes down its arguments."""


def type_into(command: list[str], lines: list[str], folder: Path, env: dict[str, str]) -> str:
    """Type lines into a shell on a terminal, and return what the terminal shows."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        ["setsid", "-c", *command], cwd=folder, env=env, stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    os.write(ours, "".join(f"{line}\n" for line in lines).encode())
    shown = b""
    with suppress(OSError):  # EIO: the shell has exited
        while select.select([ours], [], [], TIMEOUT)[0] and (part := os.read(ours, 65536)):
            shown += part
    os.close(ours)
    process.kill()
    process.wait()
    return shown.decode(errors="replace")


def lacking(program: str) -> None:
    """Skip or fail the test, since a program is not installed."""
    if os.environ.get(MUST_RUN):
        pytest.fail(f"{MUST_RUN} is set, but {program} is not installed")
    pytest.skip(f"{program} is not installed")


@pytest.mark.parametrize("kind", COMMANDS)
def test_the_tab_key_completes(bench: Bench, kind: str) -> None:
    command, setup = COMMANDS[kind]
    for program in ("setsid", command[0]):
        if shutil.which(program) is None:
            lacking(program)
    if LOADER in setup and not Path(LOADER).exists():
        lacking("bash-completion")
    folder = bench.folder
    for name in ("A-s0", "A-s1", "B-s0"):
        (folder / "runs" / name).mkdir(parents=True)
        (folder / "runs" / name / "run.json").write_text("{}")
    for name in ("my config.yaml", MALICIOUS, "it's.yaml"):
        bench.config(name)
    (folder / "bin").mkdir()
    given = folder / "given"
    (folder / "bin/nnexp").write_text(COMMAND.format(python=sys.executable, output=given))
    (folder / "bin/nnexp").chmod(0o755)
    (folder / "script").write_text(shells.SHELLS[command[0]].script)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    path = f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
    env = kept | {"HOME": str(folder), "PATH": path, "TERM": "dumb", "LC_ALL": "C.UTF-8"}
    if "script" not in setup:
        assert bench.process("completion", command[0], "--install", env=env).code == 0
    shown = type_into(command, [setup, *TYPED, "exit"], folder, env)
    expected = "".join(f"{word}\n" for words in TYPED.values() for word in [*words, "---"])
    assert given.read_text() == expected, shown
    assert not (folder / "PWNED").exists(), shown

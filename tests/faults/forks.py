"""A preloaded process that forks a child for each command it reads.

A command in a fresh interpreter takes ten times as long, nearly all of it for imports, and
thousands are needed. The child runs the same main as a user's command does; a test holds
its calls against those of a fresh process.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import NoReturn

from nnexp.cli import main

PR_SET_PTRACER = 0x59616D61
ANYBODY = ctypes.c_ulong(-1)
SECONDS = 60
"""After which a child that hangs is ended, by SIGALRM."""


def serve() -> None:
    """Run a command here for its imports, then each one that is read in a child."""
    warm = json.loads(sys.stdin.readline())
    with Path(os.devnull).open("w") as nowhere:
        sys.stdout = nowhere
        _run(warm)
        sys.stdout = sys.__stdout__
    print("ready", flush=True)  # noqa: T201 - the protocol's
    for line in sys.stdin:
        pid = os.fork()
        if not pid:
            _child(**json.loads(line))
        os.waitpid(pid, os.WUNTRACED)  # it stops itself, for a tracer to take hold of it
        print(pid, flush=True)  # noqa: T201 - likewise
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)  # noqa: T201 - likewise


def _child(arguments: list[str], out: str, err: str) -> NoReturn:
    signal.alarm(SECONDS)
    for descriptor, name, flags in (
        (0, os.devnull, os.O_RDONLY),
        (1, out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
        (2, err, os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
    ):
        opened = os.open(name, flags, 0o666)
        os.dup2(opened, descriptor)
        os.close(opened)
    # Where Yama guards processes, only a parent may trace without this; elsewhere it does nothing.
    ctypes.CDLL(None).prctl(PR_SET_PTRACER, ANYBODY, 0, 0, 0)
    os.kill(os.getpid(), signal.SIGSTOP)
    os._exit(_run(arguments))


def _run(arguments: list[str]) -> int:
    """Return the exit code that a command ends in; a bug's traceback is shown, as Python does."""
    sys.argv = ["nnexp", *arguments]
    code: object = 1
    try:
        main()
    except SystemExit as ended:
        code = ended.code
    except BaseException:  # noqa: BLE001 - what would end an interpreter
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    return code if isinstance(code, int) else 1


if __name__ == "__main__":
    serve()

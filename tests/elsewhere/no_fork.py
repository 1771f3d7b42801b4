"""A plugin of pytest: nnexp does not fork in the tests' own processes, and starts are counted."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NoReturn

from nnexp.study.local import child, starting
from nnexp.study.local.process import Process

spawn = starting.spawn


def counted(request: dict[str, object]) -> Process:
    """Start a job as ever, and add a line to the file of starts."""
    with Path(os.environ["NNEXP_TEST_STARTS"]).open("a", encoding="utf-8") as file:
        file.write("start\n")
    return spawn(request)


def forbidden(*_: object) -> NoReturn:
    """Fail: nobody may fork."""
    raise AssertionError("a trial was forked")


starting.CAN_FORK = False
starting.spawn = counted  # type: ignore[assignment]
child.fork = forbidden  # type: ignore[assignment]

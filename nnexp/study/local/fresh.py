"""The entry point of a subprocess that is not forked: ``python -m nnexp.study.local.fresh``.

It reads a job as JSON from standard input and writes messages to standard output. It sets up the
parent-death signal before it imports anything slow.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from nnexp.study.local import lifeline


def main() -> None:
    """Train the job on standard input."""
    request = json.load(sys.stdin)
    lifeline.die_with_parent(request["parent"])
    pipe = os.dup(1)
    os.dup2(2, 1)
    if request["folder"] is not None:
        os.chdir(request["folder"])  # paths of data are relative to it

    from nnexp.config import load as configs  # noqa: PLC0415 - slow: after die_with_parent
    from nnexp.datasets import data_root  # noqa: PLC0415 - likewise
    from nnexp.datasets.loading import load  # noqa: PLC0415 - likewise
    from nnexp.native import availability  # noqa: PLC0415 - likewise
    from nnexp.store.run import Run, named  # noqa: PLC0415 - likewise
    from nnexp.study.job import Job, Ready  # noqa: PLC0415 - likewise
    from nnexp.study.local import child  # noqa: PLC0415 - likewise

    os.environ[availability.VARIABLE] = request["backend"]
    os.environ[data_root.VARIABLE] = request["data_root"]
    config = configs.from_builtins(request["config"], "the request")
    child.sender(pipe)(Ready())
    run = named(Path(request["runs"]), request["name"])
    against = request.get("against")
    job = Job(
        config,
        run,
        request["until"],
        request["content"],
        alone=request.get("alone", False),
        against=None if against is None else Run(Path(against)),
        other_numerics=request.get("other_numerics", False),
        restart=request.get("restart", False),
    )
    child.run(job, load, pipe, request["parent"])


if __name__ == "__main__":
    main()

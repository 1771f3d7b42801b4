"""What a trial's process runs that a worker starts afresh: ``python -m nnexp.study.local.fresh``.

It reads its order on standard input, and tells what happens on standard output. Before it
imports anything slow it has tied its life to the worker's.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from nnexp.study.local import lifeline


def main() -> None:
    """Train what the order says."""
    order = json.load(sys.stdin)
    lifeline.follow(order["parent"])
    pipe = os.dup(1)
    os.dup2(2, 1)
    if order["folder"] is not None:
        os.chdir(order["folder"])  # what paths of data are relative to

    from nnexp.config import load as configs  # noqa: PLC0415 - not before the life is tied
    from nnexp.datasets.loading import load  # noqa: PLC0415 - likewise
    from nnexp.store.run import named  # noqa: PLC0415 - likewise
    from nnexp.study.job import Job, Ready  # noqa: PLC0415 - likewise
    from nnexp.study.local import child  # noqa: PLC0415 - likewise

    config = configs.recorded(order["config"], "the order")
    child.sender(pipe)(Ready())
    job = Job(config, named(Path(order["runs"]), order["name"]), order["until"])
    child.run(job, load, pipe, order["parent"])


if __name__ == "__main__":
    main()

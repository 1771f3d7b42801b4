"""Let every system call of every command that touches runs fail with EIO, one call at a time.

It needs Linux and strace, and prints the counts of docs/reliability.md: each failing call must end
the command with a nonzero exit code and without a traceback.

    python -m benchmarks.faults
    python -m benchmarks.faults --error ENOSPC --command compare
    python -m benchmarks.faults --kinds                      # the first call of each kind, as in CI
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.faults import commands
from tests.faults.tracing import Tracing, obstacle


def main() -> int:
    """Print a row per command, and every violation; return 1 if there is one."""
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--error", default="EIO", help="the error (default: EIO)")
    options.add_argument("--command", action="append", choices=list(commands.COMMANDS))
    options.add_argument("--kinds", action="store_true", help="only one call of each kind")
    given = options.parse_args()
    if (reason := obstacle()) is not None:
        sys.exit(reason)
    begun, total, problems = time.monotonic(), 0, 0
    print(f"| command | {given.error} at | violations |\n| --- | ---: | ---: |")
    with tempfile.TemporaryDirectory() as folder:
        tracing = Tracing(Path(folder))
        try:
            state = commands.prepare(tracing)
            for name in given.command or commands.available():
                found = commands.faults(
                    tracing, state, name, each=not given.kinds, error=given.error
                )
                made = [(fault, fault.problem) for fault in found]
                wrong = [problem for _, problem in made if problem]
                print(f"| {name} | {len(made)} | {len(wrong)} |", flush=True)
                for problem in wrong:
                    print(problem, file=sys.stderr, flush=True)
                total, problems = total + len(made), problems + len(wrong)
        finally:
            tracing.close()
    print(f"| sum | {total:,} | {problems} |\n\n{time.monotonic() - begun:.0f} s")
    return int(problems > 0)


if __name__ == "__main__":
    sys.exit(main())

"""Fuzz everything that reads what a stranger may have written.

Each reader gets a process of its own and so many seconds. With atheris (coverage-guided, in
the extra ``fuzz``) inputs grow towards unseen code; without it they are sound files mutated at
random. Whatever a reader raises but its own errors is a finding; so is taking more than ten
seconds, or two gigabytes.

    python -m benchmarks.fuzz --seconds 60
    python -m benchmarks.fuzz --seconds 60 --reader yaml
"""

from __future__ import annotations

import argparse
import importlib.util
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from benchmarks.readers import Target

HAS_ATHERIS = importlib.util.find_spec("atheris") is not None
SLOW = 10


READERS = ("yaml", "settings", "idx", "npz", "csv", "metrics", "sealed", "checkpoint", "names")


# One reader, in a process of its own


def fuzz(reader: str, seconds: int) -> None:
    """Try a reader for so long; end with an exception at the first finding."""
    if HAS_ATHERIS:
        _fuzz_guided(reader, seconds)
    else:
        from benchmarks.readers import TARGETS  # noqa: PLC0415 - not in the parent

        _fuzz_blindly(TARGETS[reader], seconds)


def _fuzz_guided(reader: str, seconds: int) -> None:
    import atheris  # noqa: PLC0415 - it may be missing

    with atheris.instrument_imports(include=["nnexp", "yaml", "zipfile", "gzip"]):
        from benchmarks.readers import TARGETS  # noqa: PLC0415 - it is instrumented

    target = TARGETS[reader]
    with tempfile.TemporaryDirectory() as folder:
        for number, seed in enumerate(target.seeds):
            (Path(folder) / f"seed-{number}").write_bytes(seed)
        options = [f"-max_total_time={seconds}", f"-timeout={SLOW}", "-rss_limit_mb=2048"]
        fixed = ["-seed=1", "-max_len=4096", "-print_final_stats=1", "-verbosity=0"]
        artifacts = [f"-artifact_prefix={folder}/"]
        atheris.Setup([sys.argv[0], folder, *options, *fixed, *artifacts], target.read)
        atheris.Fuzz()


def _fuzz_blindly(target: Target, seconds: int) -> None:
    inputs = _mutated(random.Random(1), target.seeds)  # noqa: S311 - nothing is kept secret
    count, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        content = next(inputs)
        start = time.monotonic()
        try:
            target.read(content)
        except BaseException:
            print(f"the input was {content!r}", file=sys.stderr)
            raise
        if time.monotonic() - start > SLOW:
            raise TimeoutError(f"{content!r} takes more than {SLOW} seconds")
        count += 1
    print(f"stat::number_of_executed_units: {count}", file=sys.stderr)


def _mutated(rng: random.Random, seeds: list[bytes]) -> Iterator[bytes]:
    telling = [b"", b"\0", b"\xff" * 4, b"-1", b"1e999", b"\x1b[31m", b"{", b"[", b'"', b"9" * 30]
    while True:
        content = bytearray(rng.choice(seeds))
        for _ in range(rng.randint(1, 6)):
            at = rng.randint(0, len(content))
            end = min(len(content), at + rng.choice((0, 1, 4, 16)))
            content[at:end] = rng.choice((rng.randbytes(rng.randint(0, 4)), rng.choice(telling)))
        yield bytes(content)


# All of them


class Outcome(NamedTuple):
    """What came of a reader's time."""

    reader: str
    executions: int
    seconds: float
    finding: str


def run(reader: str, seconds: int) -> Outcome:
    """Fuzz a reader in another process."""
    start = time.monotonic()
    command = [sys.executable, "-m", "benchmarks.fuzz", "--seconds", str(seconds), "--only", reader]
    done = subprocess.run(  # noqa: S603 - our own interpreter
        command, capture_output=True, text=True, errors="replace", check=False
    )
    found = re.search(r"number_of_executed_units: *(\d+)", done.stderr)
    finding = "" if done.returncode == 0 else done.stderr[-2000:]
    return Outcome(reader, int(found[1]) if found else 0, time.monotonic() - start, finding)


def main() -> None:
    """Fuzz the readers that are asked for and say what came of it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--seconds", type=int, default=60, help="for each reader")
    parser.add_argument("--reader", choices=READERS, action="append", help="repeatable")
    parser.add_argument("--only", choices=READERS, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.only:
        fuzz(given.only, given.seconds)
        return
    outcomes = [run(reader, given.seconds) for reader in given.reader or READERS]
    print(f"with {'atheris' if HAS_ATHERIS else 'random mutations, as atheris is not installed'}")
    for outcome in outcomes:
        words = f"{outcome.reader:12}{outcome.executions:>12,} executions{outcome.seconds:>8.0f} s"
        print(f"{words}   {'no finding' if not outcome.finding else 'FINDING'}")
    for outcome in outcomes:
        if outcome.finding:
            print(f"\n{outcome.reader}:\n{outcome.finding}")
    sys.exit(any(outcome.finding for outcome in outcomes))


if __name__ == "__main__":
    main()

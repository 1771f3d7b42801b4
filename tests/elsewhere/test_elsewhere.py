"""What starts and ends processes works without fork, prctl and O_TMPFILE, as on macOS."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent
STUDY = FOLDER.parent / "study"
FILES = [
    *(STUDY / f"test_sweep_{part}.py" for part in ("signals", "results", "failures", "parts")),
    *(STUDY / f"test_{name}.py" for name in ("execution", "engines", "race_command")),
]
WITHOUT = "import os; from nnexp.study.local import starting; print(starting.CAN_FORK, dir(os))"
SKIPPED = "only Linux forks trials, and kills them with their sweep"


def python(*arguments: str, **environment: str) -> str:
    """Return what a Python prints that does without; it must succeed."""
    paths = os.pathsep.join(map(str, (FOLDER, FOLDER.parents[1])))
    done = subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, "PYTHONPATH": paths, **environment},
        cwd=FOLDER.parents[1],
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_without_what_only_linux_has_studies_are_the_same(tmp_path: Path) -> None:
    known, names = python("-c", WITHOUT).split(maxsplit=1)
    assert (known, "'fork'" in names, "'O_TMPFILE'" in names) == ("False", False, False)
    starts = tmp_path / "starts"
    plain = ("-q", "-rs", "-p", "no:cacheprovider", "-m", "slow or not slow")
    options = (*plain, "-p", "tests.elsewhere.no_fork")
    printed = python("-m", "pytest", *options, *map(str, FILES), NNEXP_TEST_STARTS=str(starts))
    skipped = [line for line in printed.splitlines() if line.startswith("SKIPPED")]
    assert all(line.endswith((SKIPPED, "is not installed")) for line in skipped)
    assert int(printed.rsplit(" passed", 1)[0].split()[-1]) > 120
    assert len(starts.read_text().splitlines()) > 30

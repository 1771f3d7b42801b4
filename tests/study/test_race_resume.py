"""A race that is killed resumes, and ends with the same runs and the same verdicts."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.study.races import configs
from tests.study.searches import tree
from tests.study.studies import timeless
from tests.waiting import until

if TYPE_CHECKING:
    from tests.conftest import Bench

pytestmark = pytest.mark.slow

KILLS = 30
EPOCHS = 100


def committed(bench: Bench, runs: str) -> int:
    """Return how many bytes of metrics a folder's runs have."""
    return sum(path.stat().st_size for path in bench.folder.glob(f"{runs}/[!.]*/metrics.jsonl"))


def until_committed(bench: Bench, process: subprocess.Popen[str], share: float) -> None:
    """Wait until a race has committed more than so many bytes, or is over."""
    until(lambda: process.poll() is not None or committed(bench, "again") > share)


def kill(process: subprocess.Popen[str]) -> None:
    """Kill a race, and with it the processes that train its runs."""
    process.send_signal(signal.SIGKILL)
    process.communicate()


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_killed_thirty_times_at_random_it_ends_as_if_it_never_was(bench: Bench, jobs: str) -> None:
    files = configs(bench, "a", "b", "c", epochs=EPOCHS, patience=None)
    # Costs have no smallest effect, and b and c differ little: most of the eight seeds are needed.
    words = ("--metric", "last_validation_cost", "--at-most", "8", "-q")
    whole = bench("race", *files, *words, "-j", "3", "--runs", "whole")
    assert whole.code in {0, 7}
    rng, kills = np.random.default_rng(int(jobs)), 0
    total = committed(bench, "whole")
    while kills < KILLS:
        before = committed(bench, "again")
        process = bench.start("race", *files, *words, "-j", jobs, "--runs", "again")
        # Each start trains a random part of what its share of the whole is on average.
        share = before + rng.uniform(0, 1.6) * (total - before) / (KILLS - kills + 1)
        until_committed(bench, process, share)
        if process.poll() is None:
            kill(process)
            kills += 1
        else:  # this process was too slow to kill it
            process.communicate()
            assert process.returncode == whole.code
            shutil.rmtree(bench.folder / "again")
    again = bench("race", *files, *words, "-j", jobs, "--runs", "again")
    assert again.code == whole.code
    found = again.out.replace(f"again{os.sep}", f"whole{os.sep}")
    assert timeless(found) == timeless(whole.out)
    assert tree(bench, "again") == tree(bench, "whole")

"""The performance of a trial by a given epoch, even if its run was trained further."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nnexp.config import load
from nnexp.errors import NameTakenError
from nnexp.runner.naming import RunNames
from nnexp.store import run as store
from nnexp.study import job as jobs
from nnexp.study.job import Job

if TYPE_CHECKING:
    from tests.conftest import Bench


def job(bench: Bench, **keys: object) -> Job:
    """Return a job of the small data whose run has train's own name."""
    config = load.read(bench.config("tiny.yaml", **keys))
    return Job(config, RunNames(Path("runs")).run(config))


def trained(job: Job, until: int | None = None) -> Job:
    """Train a job, divergence being an end like any other, and return it with a fresh look."""
    for _ in jobs.messages(job._replace(until=until)):
        pass
    return Job(job.config, store.named(Path("runs"), job.run.name))


@pytest.mark.parametrize("most", [None, 3, 4])
def test_what_is_not_trained_so_far_has_no_standing(bench: Bench, most: int | None) -> None:
    fresh = job(bench, epochs=4)
    assert jobs.performance(fresh) is None
    partly = trained(fresh, until=2)
    assert jobs.performance(partly, most) is None


@pytest.mark.parametrize("epoch", [1, 2])
def test_a_standing_is_the_same_however_far_the_run_went(bench: Bench, epoch: int) -> None:
    by_then = jobs.performance(trained(job(bench, epochs=4), until=epoch), epoch)
    later = jobs.performance(trained(job(bench, epochs=4)), epoch)
    assert by_then is not None
    assert by_then == later
    assert (by_then.epochs, by_then.examples, len(by_then.rows)) == (epoch, 200 * epoch, epoch)
    best = max(row.validation_accuracy or 0.0 for row in by_then.rows)
    assert by_then.accuracies["validation"] == best


def test_epochs_count_up_to_the_next_that_is_evaluated(bench: Bench) -> None:
    found = jobs.performance(trained(job(bench, epochs=4, evaluate_every=2), until=2), 1)
    assert found is not None
    assert found.epochs == 2


def test_test_data_tells_nothing_before_the_run_is_over(bench: Bench) -> None:
    keys = {"epochs": 3, "monitor": ["train", "validation", "test"]}
    partly = jobs.performance(trained(job(bench, **keys), until=2), 2)
    assert partly is not None
    assert partly.accuracies.keys() == {"validation", "train"}
    whole = trained(job(bench, **keys))
    found, result = jobs.performance(whole), whole.run.result
    assert found is not None
    assert result is not None
    assert found.accuracies["test"] == result.test_accuracy
    before = jobs.performance(whole, 2)
    assert before == partly


def test_a_divergence_is_a_standing_without_accuracies(bench: Bench) -> None:
    diverged = trained(job(bench, epochs=3, learning_rate=1e300))
    found = jobs.performance(diverged)
    assert found is not None
    assert found.fault is not None
    assert (found.epochs, found.accuracies) == (found.fault.epoch, {})
    assert list(jobs.messages(diverged)) == []


def test_another_configs_run_is_refused(bench: Bench) -> None:
    first = trained(job(bench, epochs=2))
    with pytest.raises(NameTakenError, match="learning_rate"):
        jobs.performance(Job(load.read(bench.config(epochs=2, learning_rate=3)), first.run))


def test_what_a_kill_right_behind_the_last_epoch_left_is_tidied(bench: Bench) -> None:
    """The epoch is committed, and a checkpoint that is kept no longer is still there."""
    early = trained(job(bench, epochs=6), until=3)
    left = {path: path.read_bytes() for path in early.run.checkpoints().values()}
    reached = trained(early, until=5)._replace(until=5)
    tidy = {path.name for path in reached.run.checkpoints().values()}
    assert jobs.existing_outcome(reached) == jobs.recorded_outcome(reached)
    assert jobs.recorded_outcome(reached) is not None
    for path, content in left.items():
        path.write_bytes(content)
    assert {path.name for path in reached.run.checkpoints().values()} > tidy
    assert jobs.existing_outcome(reached) is None
    again = trained(reached, until=5)._replace(until=5)
    assert {path.name for path in again.run.checkpoints().values()} == tidy
    assert jobs.existing_outcome(again) == jobs.recorded_outcome(again)
    timing = (again.run.path / "timing.jsonl").read_text()
    assert len(timing.splitlines()) == 5

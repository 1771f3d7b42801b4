"""The loop that trains many runs: which jobs may start, and when."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from nnexp.config import load
from nnexp.config.model import Config
from nnexp.errors import JobError
from nnexp.store.run import Run
from nnexp.study import execution
from nnexp.study.execution import Execution, JobList, Started
from nnexp.study.job import Job, Notice, Outcome


class Engine:
    """Ends one job at a time, the first or the last that was started, as it is told to."""

    def __init__(
        self, slots: int, *, last: bool = False, outcomes: dict[str, Outcome] | None = None
    ) -> None:
        self.slots = slots
        self.running: deque[tuple[Job, Future[Outcome]]] = deque()
        self.most = 0
        self._last = last
        self._outcomes = outcomes or {}

    def prepare(self, configs: Iterable[Config]) -> None:
        pass

    def submit(self, job: Job) -> Future[Outcome]:
        future: Future[Outcome] = Future()
        self.running.append((job, future))
        self.most = max(self.most, len(self.running))
        return future

    def wait(self, seconds: float) -> Sequence[Any]:
        del seconds
        if self.running:
            job, future = self.running.pop() if self._last else self.running.popleft()
            future.set_result(self._outcomes.get(job.run.name, Outcome()))
        return ()

    def stop(self) -> None:
        while self.running:
            self.running.pop()[1].set_result(Outcome(code=143, is_stopped=True))

    def close(self) -> None:
        pass


class Changing(Engine):
    """Ends all jobs at once, each as it is told to, and well when nothing more is told."""

    def __init__(self, slots: int, **outcomes: list[Outcome]) -> None:
        super().__init__(slots)
        self._next = outcomes

    def wait(self, seconds: float) -> Sequence[Any]:
        del seconds
        while self.running:
            job, future = self.running.popleft()
            outcomes = self._next.get(job.run.name)
            future.set_result(outcomes.pop(0) if outcomes else Outcome())
        return ()


SCARCE = Outcome(code=74, reason="no process is left", is_scarce=True)
LOCKED = Outcome(code=4, reason="another process is training it", is_locked=True)


def told(events: Iterable[execution.StudyEvent]) -> list[str]:
    """Return what happens to jobs, as words, but for the ticks."""
    words = []
    for event in events:
        match event:
            case execution.Ended(each, outcome):
                words.append(f"Ended {each.run.name} {outcome.code}")
            case Started(each) | execution.Postponed(each) | execution.Elsewhere(each):
                words.append(f"{type(event).__name__} {each.run.name}")
    return words


def job(name: str, *after: str, **keys: Any) -> Job:  # noqa: ANN401 - a job's own
    paths = tuple(Path("nowhere", each) for each in after)
    return Job(load.check(Config()), Run(Path("nowhere", name)), after=paths, **keys)


def order(jobs: Iterable[Job], engine: Engine) -> list[str]:
    """Return the names of jobs as they start, with a bar where one ends."""
    names = []
    for event in Execution(JobList(jobs), engine).events():
        match event:
            case Started(each):
                names.append(each.run.name)
            case execution.Ended():
                names.append("|")
    return names


def test_a_job_starts_once_those_before_it_have_ended() -> None:
    jobs = [job("a"), job("c", "a", "b"), job("b"), job("d")]
    assert "".join(order(jobs, Engine(4))) == "abd||c||"
    assert "".join(order(jobs, Engine(4, last=True))) == "abd|||c|"
    assert "".join(order(jobs, Engine(1))) == "a|b|c|d|"


def test_a_job_that_failed_has_ended_for_those_after_it() -> None:
    engine = Engine(2, outcomes={"a": Outcome(code=5)})
    assert "".join(order([job("a"), job("b", "a")], engine)) == "a|b|"


def test_jobs_that_wait_for_what_nobody_trains_start_in_the_end() -> None:
    assert "".join(order([job("b", "gone"), job("a")], Engine(2))) == "a|b|"


def test_what_waits_for_a_job_that_waits_itself_comes_after_it() -> None:
    assert "".join(order([job("b", "gone"), job("c", "b")], Engine(2))) == "b|c|"
    assert "".join(order([job("c", "b"), job("b", "gone")], Engine(2))) == "b|c|"
    with pytest.raises(ValueError, match="in a cycle"):
        order([job("a", "b"), job("b", "a")], Engine(2))


def test_a_job_that_runs_alone_has_the_engine_to_itself() -> None:
    jobs = [job("a"), job("t", alone=True), job("b")]
    assert "".join(order(jobs, Engine(4))) == "ab||t|"
    assert "".join(order([jobs[1], jobs[0], jobs[2]], Engine(4))) == "t|ab||"


def test_the_same_run_is_trained_by_one_job_at_a_time() -> None:
    engine = Engine(4)
    assert "".join(order([job("a"), job("a"), job("b")], engine)) == "ab|a||"


def test_no_more_jobs_are_asked_for_than_there_is_room() -> None:
    asked: list[str] = []

    class Counting(JobList):
        def ask(self) -> Job | None:
            found = super().ask()
            asked.extend([] if found is None else [found.run.name])
            return found

    engine = Engine(2)
    events = Execution(Counting(map(job, "abcde")), engine).events()
    for event in events:
        if isinstance(event, execution.Ticked):
            break
    assert asked == ["a", "b"]
    assert engine.most == 2


def test_jobs_that_find_no_room_together_are_all_tried_again() -> None:
    """One at a time, as far as is known then; a job that finds none alone fails."""
    engine = Changing(2, a=[SCARCE], b=[SCARCE])
    assert told(Execution(JobList(map(job, "ab")), engine).events()) == [
        *("Started a", "Started b", "Postponed a", "Postponed b"),
        *("Started b", "Ended b 0", "Started a", "Ended a 0"),
    ]
    engine = Changing(2, a=[SCARCE, SCARCE], b=[Outcome()])
    assert told(Execution(JobList(map(job, "ab")), engine).events()) == [
        *("Started a", "Started b", "Postponed a", "Ended b 0", "Started a", "Ended a 74"),
    ]


def test_a_run_that_another_process_trains_is_taken_over_or_a_failure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(execution, "POLL_INTERVAL", 0.0)
    engine = Changing(1, a=[LOCKED])
    assert told(Execution(JobList(map(job, "ab")), engine, takes_over=True).events()) == [
        *("Started a", "Elsewhere a", "Started a", "Ended a 0", "Started b", "Ended b 0"),
    ]
    engine = Changing(1, a=[LOCKED])
    assert told(Execution(JobList(map(job, "ab")), engine).events()) == [
        *("Started a", "Ended a 4", "Started b", "Ended b 0"),
    ]


def test_a_failure_ends_a_training_and_a_divergence_does_not() -> None:
    diverged = {"a": Outcome(code=3, reason="diverged")}
    execution.train(JobList(map(job, "ab")), Engine(1, outcomes=diverged))
    failed = {"a": Outcome(code=5, reason="runs/a: is damaged")}
    engine = Engine(2, outcomes=failed)
    with pytest.raises(JobError, match="runs/a: is damaged") as caught:
        execution.train(JobList(map(job, "abc")), engine)
    assert caught.value.exit_code == 5
    assert JobError.exit_code == 1
    assert not engine.running


def test_a_warning_is_shown_once_few_are_and_what_an_engine_says_is_shown_each_time() -> None:
    class Telling(Engine):
        def wait(self, seconds: float) -> Sequence[Any]:
            (_, future), *_ = self.running
            super().wait(seconds)
            warnings = [Notice(text) for text in ("a", "a", "b", "c", "d")]
            said = [Notice("waits", is_warning=False)] * 2
            return [(future, each) for each in warnings + said]

    events = Execution(JobList([job("a")]), Telling(1), most_warnings=2).events()
    shown = [(e.message, e.is_warning) for e in events if isinstance(e, execution.Noticed)]
    assert shown == [
        ("a", True),
        ("b", True),
        ("further warnings are not shown", True),
        *[("waits", False)] * 2,
    ]


def test_preparations_are_made_once_and_only_if_there_is_something_to_train() -> None:
    made: list[int] = []
    execution.train(JobList([]), Engine(1), lambda: made.append(1))
    assert not made
    execution.train(JobList(map(job, "ab")), Engine(1), lambda: made.append(1))
    assert made == [1]

"""A trial in a process of its own: forked from the sweep, or started afresh by a worker."""

from __future__ import annotations

import contextlib
import faulthandler
import os
import signal
import traceback
from collections.abc import Callable, Iterable
from types import FrameType
from typing import NoReturn

import msgspec

from nnexp.datasets.dataset import Dataset
from nnexp.datasets.sources import Source
from nnexp.errors import InterruptedRunError
from nnexp.study.job import Job, Message, Outcome, failure, train
from nnexp.study.local.lifeline import ASKED, STOPPING, end_without, follow


def fork(job: Job, dataset: Dataset, pipe: int, log: int, others: Iterable[int]) -> int:
    """Start a trial in a process of its own and return its id.

    The thread that calls this must live on while the trial does: the kernel takes its end for
    the parent's. Signals that arrive before the child is ready for them wait.

    Args:
        job: the trial.
        dataset: its data, shared with the parent.
        pipe: where the child writes what happens, and last its outcome.
        log: where its standard output and error go.
        others: the ends of pipes that the parent reads from. A fork copies them all; with one of
            them open here, who writes there would wait for ever once the parent is gone.
    """
    parent = os.getpid()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
    try:
        pid = os.fork()
        if not pid:
            _run(job, dataset, pipe, log, others, parent)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return pid


def _run(
    job: Job, dataset: Dataset, pipe: int, log: int, others: Iterable[int], parent: int
) -> NoReturn:
    """Be the child of a fork."""
    try:
        for other in others:
            os.close(other)
        for stream in (1, 2):
            os.dup2(log, stream)
        follow(parent)
    except BaseException:  # noqa: BLE001 - nothing may return into the parent's program
        os._exit(1)
    run(job, lambda _: dataset, pipe, parent)


def run(job: Job, source: Callable[[Source], Dataset], pipe: int, parent: int) -> NoReturn:
    """Be the child: train, tell the outcome, and end without the parent's own business.

    Args:
        job: the trial.
        source: hands out its data.
        pipe: where to write what happens, and last the outcome.
        parent: without which this process has no business.
    """
    outcome = Outcome(code=1)
    try:
        faulthandler.enable(2)
        outcome = train(job, sender(pipe), _checker(job, parent), source)
    except BaseException as error:  # noqa: BLE001 - nothing may return into the parent's program
        outcome = failure(error) if isinstance(error, Exception) else outcome
        os.write(2, traceback.format_exc().encode())
    finally:
        with contextlib.suppress(OSError):
            sender(pipe)(outcome)
        os._exit(outcome.code)


def sender(pipe: int) -> Callable[[Message | Outcome], None]:
    """Return what writes to a pipe, a line each time."""

    def tell(told: Message | Outcome) -> None:
        os.write(pipe, msgspec.json.encode(told) + b"\n")

    return tell


def _checker(job: Job, parent: int) -> Callable[[], None]:
    """Return what stops the training after a signal, or where the parent is gone.

    A terminal sends its signals to the sweep and its trials, and the sweep passes them on:
    so the second one means no more than the first. One that the user had ignored, as ``nohup``
    does it, stays ignored.
    """
    came: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        del frame
        came.append(signal.SIGTERM if number == ASKED else number)

    for number in STOPPING:
        if number == ASKED or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, note)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)

    def check() -> None:
        end_without(parent)
        if came:
            message = f"{job.run.path}: stopped; what is committed is safe"
            raise InterruptedRunError(came[0], message)

    return check

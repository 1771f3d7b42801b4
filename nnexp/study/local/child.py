"""A job's subprocess from the inside: forked by a pool, or started fresh by a worker."""

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

from nnexp.datasets.dataset import Dataset, Factors
from nnexp.datasets.loading import load
from nnexp.datasets.sources import Source
from nnexp.errors import InterruptedRunError
from nnexp.study.job import Job, Message, Outcome, failure, train
from nnexp.study.local.lifeline import (
    STOP_SIGNAL,
    STOP_SIGNALS,
    die_with_parent,
    exit_if_orphaned,
)


def fork(job: Job, dataset: Dataset, pipe: int, output: int, others: Iterable[int]) -> int:
    """Start a job in a forked process and return the process's id.

    The calling thread must outlive the job: the kernel treats its exit as the parent's death.
    Signals to the child wait until it can handle them.

    Args:
        job: the job to train.
        dataset: its data, shared with the parent.
        pipe: the descriptor that the child writes its messages to, and last its outcome.
        output: the descriptor that gets its standard output and error.
        others: the parent's read ends of pipes, which the child closes. A pipe with a read end
            open in the child would block its writer for ever after the parent's death.
    """
    parent = os.getpid()
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    try:
        pid = os.fork()
        if not pid:
            _run(job, dataset, pipe, output, others, parent)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    return pid


def _run(
    job: Job, dataset: Dataset, pipe: int, output: int, others: Iterable[int], parent: int
) -> NoReturn:
    """Set up the child of a fork and train its job."""
    try:
        for descriptor in others:
            os.close(descriptor)
        for stream in (1, 2):
            os.dup2(output, stream)
        die_with_parent(parent)
    except BaseException:  # noqa: BLE001 - nothing may return into the parent's program
        os._exit(1)

    def shared(source: Source, factors: Factors | None = None) -> Dataset:
        return dataset if factors is None else load(source, factors)

    run(job, shared, pipe, parent)


def run(job: Job, source: Callable[..., Dataset], pipe: int, parent: int) -> NoReturn:
    """Train a job, write its messages and outcome, and exit without the parent's exit handlers.

    Args:
        job: the job to train.
        source: loads its data.
        pipe: the descriptor that messages go to, and last the outcome.
        parent: the parent's process id; the process exits when the parent is dead.
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
    """Return a function that writes messages to a pipe as lines of JSON."""

    def send(message: Message | Outcome) -> None:
        os.write(pipe, msgspec.json.encode(message) + b"\n")

    return send


def _checker(job: Job, parent: int) -> Callable[[], None]:
    """Return a function that ends the training after a signal or the parent's death.

    A terminal signals the study as well as its jobs, and the study forwards the signal, so a
    second one is not treated as more urgent. A signal that is ignored, as under ``nohup``, stays
    ignored.
    """
    received: list[int] = []

    def handle(number: int, frame: FrameType | None) -> None:
        del frame
        received.append(signal.SIGTERM if number == STOP_SIGNAL else number)

    for number in STOP_SIGNALS:
        if number == STOP_SIGNAL or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, handle)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)

    def check() -> None:
        exit_if_orphaned(parent)
        if received:
            message = f"{job.run.path}: stopped; committed epochs are safe"
            raise InterruptedRunError(received[0], message)

    return check

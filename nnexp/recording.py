"""One run's way from its last commit to its result: training, measured and recorded."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from nnexp.assembly import Assembly
from nnexp.config.model import Config
from nnexp.datasets.dataset import Dataset
from nnexp.errors import DivergedError
from nnexp.store.records import Fault, Reason, Result
from nnexp.store.run import Run
from nnexp.store.writer import Writer
from nnexp.training.history import Row, best_row
from nnexp.training.trainer import State


class Opened(NamedTuple):
    """The run is locked for writing and about to train."""

    run: Run
    history: list[Row]
    """What it had recorded before: empty for a new run."""
    examples: int
    """Training examples in an epoch."""


class Trained(NamedTuple):
    """So many examples of an epoch are done."""

    epoch: int
    examples: int


class Evaluated(NamedTuple):
    """An epoch was measured and committed."""

    row: Row


class Warned(NamedTuple):
    """Something that the user should know and that stops nothing."""

    message: str


Event: TypeAlias = Opened | Trained | Evaluated | Warned


class _Found(Exception):  # noqa: N818 - not an error: it leaves the loops when numbers go wrong
    def __init__(self, fault: Fault) -> None:
        super().__init__()
        self.fault = fault


class Recording:
    """Training of one config into one run.

    Args:
        config: the experiment.
        dataset: what ``config.data`` loads.
        writer: the run, open for writing.
    """

    def __init__(self, config: Config, dataset: Dataset, writer: Writer) -> None:
        self._config = config
        self._writer = writer
        self._assembly = Assembly(config, dataset)
        self._history: list[Row] = []

    def events(self, until: int | None) -> Iterator[Event]:
        """Go on from the last commit to the end, or until an epoch is committed.

        Raises:
            DivergedError: a cost or parameter is not finite; that is recorded.
        """
        warnings: list[str] = []
        state = self._restore(warnings)
        yield from map(Warned, warnings)
        self._log(f"training from epoch {self._epoch + 1}")
        yield Opened(self._writer.run, list(self._history), self._assembly.examples)
        try:
            while (reason := self._reason()) is None and not self._reaches(until):
                yield from self._to_next_commit(state)
        except _Found as found:
            self._finish("diverged", found.fault)
            raise DivergedError(describe(self._writer.run, found.fault)) from None
        if reason is not None:
            self._finish(reason, None)

    def _restore(self, warnings: list[str]) -> State:
        committed = self._writer.restore(self._assembly.expected(), warnings.append)
        if committed is None:
            return self._assembly.initial()
        self._history = committed.history
        return self._assembly.state(committed.arrays)

    @property
    def _epoch(self) -> int:
        """The last committed epoch."""
        return self._history[-1].epoch if self._history else 0

    def _reaches(self, until: int | None) -> bool:
        return until is not None and self._epoch >= until

    def _reason(self) -> Reason | None:
        """Return why training is over, or None while it is not: a function of the history."""
        config = self._config
        if not self._history:
            return None
        if config.patience is not None and config.stopping.stops(self._history, config.patience):
            return "patience"
        return "epochs" if self._epoch >= config.epochs else None

    def _to_next_commit(self, state: State) -> Iterator[Event]:
        """Train up to the next epoch that is evaluated, measure it and commit it."""
        config, start = self._config, time.perf_counter()
        last = min(self._epoch + config.evaluate_every, config.epochs)
        for epoch in range(self._epoch + 1, last + 1):
            yield from self._train(state, epoch)
        trained = time.perf_counter()
        row = self._measure(state, last)
        self._history.append(row)
        self._writer.commit(self._history, self._assembly.arrays(state))
        self._writer.time(last, trained - start, time.perf_counter() - trained)
        yield Evaluated(row)

    def _train(self, state: State, epoch: int) -> Iterator[Event]:
        before = state.copy()
        trainer, order = self._assembly.trainer, self._assembly.orders(epoch)
        learning_rate = self._learning_rate(epoch)
        for examples in trainer.epoch(state, order, learning_rate):
            if state.fault() is not None:
                batch, found = trainer.first_fault(before, order, learning_rate)
                raise _Found(Fault(epoch=epoch, batch=batch, found=found))
            yield Trained(epoch, examples)

    def _learning_rate(self, epoch: int) -> float:
        return self._config.learning_rate * self._config.schedule.factor(epoch)

    def _measure(self, state: State, epoch: int) -> Row:
        """Return the epoch's row.

        Raises:
            _Found: a cost is not finite.
        """
        values: dict[str, float] = {}
        for split in self._config.monitor:
            measured = self._assembly.evaluate(state.theta, split)
            if not np.isfinite(measured.cost):
                found = f"the {split} cost is {measured.cost}"
                raise _Found(Fault(epoch=epoch, batch=None, found=found))
            values |= {f"{split}_cost": measured.cost, f"{split}_accuracy": measured.accuracy}
        return Row(epoch=epoch, learning_rate=self._learning_rate(epoch), **values)

    def _finish(self, reason: Reason, fault: Fault | None) -> None:
        """Measure the best epoch's parameters and write the result."""
        best = best_row(self._history) if self._history else None
        predictions: dict[str, npt.NDArray[Any]] = {}
        test_cost = test_accuracy = None
        if best is not None:
            arrays = self._writer.load(best.epoch, self._assembly.expected())
            theta = self._assembly.state(arrays).theta
            smallest = np.min_scalar_type(self._assembly.network.sizes[-1] - 1)
            for split in ("validation", "test"):
                if not self._assembly.has(split):
                    continue
                measured = self._assembly.evaluate(theta, split)
                predictions[f"{split}_predicted"] = measured.predicted.astype(smallest)
                predictions[f"{split}_true"] = self._assembly.labels(split).astype(smallest)
                if split == "test":
                    test_cost, test_accuracy = measured.cost, measured.accuracy
        result = Result(
            status="finished" if fault is None else "diverged",
            reason=reason,
            epochs=self._epoch,
            best=best,
            final=self._history[-1] if self._history else None,
            test_cost=test_cost,
            test_accuracy=test_accuracy,
            fault=fault,
            files={},
        )
        self._writer.finish(result, predictions)
        self._log(f"{result.status} after epoch {result.epochs}: {reason}")

    def _log(self, line: str) -> None:
        self._writer.log(f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} {line}")


def describe(run: Run, fault: Fault) -> str:
    """Return in words where a run diverged."""
    where = f"epoch {fault.epoch}" + (f", batch {fault.batch}" if fault.batch else "")
    return f"{run.path}: diverged in {where}: {fault.found}; try a smaller learning_rate"

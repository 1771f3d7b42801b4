"""Train one run from its last commit to the end that its history decides, measured and recorded."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from msgspec import UNSET

from nnexp.config.model import Config
from nnexp.errors import DivergedError, MismatchError
from nnexp.optim.schedules import Scored
from nnexp.runner.assembly import Assembly
from nnexp.store import checkpoint
from nnexp.store.records import Fault, Reason, Result
from nnexp.store.run import Run
from nnexp.store.writer import Writer
from nnexp.training.evaluation import Evaluation
from nnexp.training.history import Row, best_row, stretches
from nnexp.training.stopping import stops
from nnexp.training.trainer import TrainingState


class Opened(NamedTuple):
    """The run is locked for writing and about to train."""

    run: Run
    history: list[Row]
    """What it had recorded before: empty for a new run."""
    examples: int
    """Training examples in an epoch."""


class ExamplesTrained(NamedTuple):
    """So many examples of an epoch are done."""

    epoch: int
    examples: int


class EpochEvaluated(NamedTuple):
    """An epoch was measured and committed."""

    row: Row


class Warned(NamedTuple):
    """Something that the user should know and that stops nothing."""

    message: str


TrainingEvent: TypeAlias = Opened | ExamplesTrained | EpochEvaluated | Warned


class _Found(Exception):  # noqa: N818 - not an error: it leaves the loops when numbers go wrong
    def __init__(self, fault: Fault) -> None:
        super().__init__()
        self.fault = fault


class Recording:
    """Training of one config into one run.

    Args:
        config: the experiment.
        assembly: its parts.
        state: as it is before the first epoch; training changes it.
        writer: the run, open for writing.
        numerics: the fingerprint of this machine's arithmetic.
    """

    other_numerics = False
    """Whether to go on also where the last epoch was trained under other arithmetic."""

    def __init__(
        self,
        config: Config,
        assembly: Assembly,
        state: TrainingState,
        writer: Writer,
        numerics: str,
    ) -> None:
        self._config, self._assembly, self._state = config, assembly, state
        self._headers = assembly.headers(state)
        self._writer, self._numerics = writer, numerics
        self._history: list[Row] = []
        self._foreign = UNSET if numerics == writer.run.record.numerics else numerics

    def events(self, until: int | None, heartbeat: Callable[[], None]) -> Iterator[TrainingEvent]:
        """Go on from the last commit to the end, or until an epoch is committed.

        Raises:
            DivergedError: a cost or parameter is not finite; that is recorded.
            MismatchError: the arithmetic is not that of the last commit.
        """
        self._assembly.beat(heartbeat)
        yield from map(Warned, self._restore())
        yield from map(Warned, self._change_of_numerics())
        self._log(f"training from epoch {self._epoch + 1}")
        yield Opened(self._writer.run, list(self._history), self._assembly.examples)
        config, history = self._config, self._history
        try:
            while (reason := ending(config, history)) is None and not self._reaches(until):
                yield from self._to_next_commit()
        except _Found as found:
            self._finish("diverged", found.fault)
            raise DivergedError(describe(self._writer.run, found.fault)) from None
        if reason is not None:
            self._finish(reason, None)

    def _restore(self) -> list[str]:
        """Take up the last commit, if there is one; return what the user should know of it."""
        warnings: list[str] = []
        committed = self._writer.restore(self._headers, warnings.append)
        if committed is not None:
            self._history = committed.history
            self._assembly.restore(self._state, committed.arrays)
        return warnings

    def _change_of_numerics(self) -> Iterator[str]:
        """Yield a warning if the arithmetic changes with the next epoch; it must be allowed to."""
        run = self._writer.run
        if self._numerics == stretches(run.record.numerics, self._history)[-1].numerics:
            return
        change = f"{run.path}: this machine's arithmetic gives other last digits than the run's"
        if not self.other_numerics:
            raise MismatchError(
                f"{change}; train anew under another --name, or go on with --other-numerics"
            )
        yield f"{change} up to epoch {self._epoch}; what follows is recorded as such"

    @property
    def _epoch(self) -> int:
        """The last committed epoch."""
        return self._history[-1].epoch if self._history else 0

    def _reaches(self, until: int | None) -> bool:
        return until is not None and self._epoch >= until

    def _to_next_commit(self) -> Iterator[TrainingEvent]:
        """Train up to the next epoch that is evaluated, measure it and commit it."""
        config, start = self._config, time.perf_counter()
        last = min(self._epoch + config.evaluate_every, config.epochs)
        for epoch in range(self._epoch + 1, last + 1):
            yield from self._train(epoch)
        trained = time.perf_counter()
        row = self._measure(last)
        self._history.append(row)
        self._writer.time(last, trained - start, time.perf_counter() - trained)
        self._writer.commit(self._history, self._assembly.arrays(self._state))
        yield EpochEvaluated(row)

    def _train(self, epoch: int) -> Iterator[TrainingEvent]:
        state, trainer = self._state, self._assembly.trainer
        learning_rate = self._learning_rate(epoch)
        before = None if trainer.full_batch else state.copy()
        for examples in trainer.epoch(state, epoch, learning_rate):
            found = state.fault()
            if found is not None:
                batch = 1
                if before is not None:
                    batch, found = trainer.first_fault(before, epoch, learning_rate)
                raise _Found(Fault(epoch=epoch, batch=batch, found=found))
            yield ExamplesTrained(epoch, examples)

    def _learning_rate(self, epoch: int) -> float | None:
        if self._config.learning_rate is None:
            return None
        return self._config.learning_rate * (multiplier(self._config, self._history, epoch) or 0.0)

    def _measure(self, epoch: int) -> Row:
        """Return the epoch's row.

        Raises:
            _Found: a cost is not finite.
        """
        values: dict[str, Any] = dict(self._state.measures)
        for what in self._config.monitor:
            values |= self._assembly.monitored(self._state.theta, what)
        for name, value in values.items():
            if not np.isfinite(value).all():
                found = f"{name.replace('_', ' ')} is {value}"
                raise _Found(Fault(epoch=epoch, batch=None, found=found))
        values |= {"learning_rate": self._learning_rate(epoch), "numerics": self._foreign}
        return Row(epoch=epoch, **values)

    def _finish(self, reason: Reason, fault: Fault | None) -> None:
        """Measure the best epoch's parameters and write the result."""
        best = best_row(self._history) if self._history else None
        measured = {} if best is None else self._measure_splits(best.epoch)
        smallest = np.min_scalar_type(self._assembly.network.sizes[-1] - 1)
        predictions = {}
        for split, evaluation in measured.items():
            predictions[f"{split}_predicted"] = evaluation.predicted.astype(smallest)
            predictions[f"{split}_true"] = self._assembly.labels(split).astype(smallest)
        test = measured.get("test")
        result = Result(
            status="finished" if fault is None else "diverged",
            reason=reason,
            epochs=self._epoch,
            best=best,
            final=self._history[-1] if self._history else None,
            test_cost=test.cost if test else None,
            test_accuracy=test.accuracy if test else None,
            fault=fault,
            files={},
            numerics=self._foreign,
        )
        self._writer.finish(result, predictions)
        self._log(f"{result.status} after epoch {result.epochs}: {reason}")

    def _measure_splits(self, epoch: int) -> dict[str, Evaluation]:
        """Evaluate a committed epoch's parameters on validation and test data, where there are."""
        theta = self._assembly.theta(checkpoint.load(self._writer.run, epoch, self._headers))
        splits = [split for split in ("validation", "test") if self._assembly.has(split)]
        return {split: self._assembly.evaluate(theta, split) for split in splits}

    def _log(self, line: str) -> None:
        self._writer.log(f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} {line}")


def describe(run: Run, fault: Fault) -> str:
    """Return in words where a run diverged."""
    where = f"epoch {fault.epoch}" + (f", batch {fault.batch}" if fault.batch else "")
    return f"{run.path}: diverged in {where}: {fault.found}; try a smaller learning_rate"


def ending(config: Config, history: Sequence[Row]) -> Reason | None:
    """Return why training is over, or None while it is not: it follows from the history alone."""
    if not history:
        return None
    if _has_converged(config, history[-1]):
        return "converged"
    if history[-1].step_norm == 0:
        return "stalled"
    if config.patience is not None and stops(config.stopping, history, config.patience):
        return "patience"
    if multiplier(config, history, history[-1].epoch + 1) is None:
        return "schedule"
    return "epochs" if history[-1].epoch >= config.epochs else None


def multiplier(config: Config, history: Sequence[Row], epoch: int) -> float | None:
    """Return the schedule's factor on the learning rate in an epoch; None ends the run."""
    scored = [
        Scored(row.epoch, row.validation_accuracy)
        for row in history
        if row.validation_accuracy is not UNSET
    ]
    return config.schedule.multiplier(epoch, config.epochs, scored)


def _has_converged(config: Config, row: Row) -> bool:
    """Return whether a full-batch optimizer has come to where the gradient vanishes."""
    tolerance: float | None = getattr(config.optimizer, "tolerance", None)
    norm = row.gradient_norm
    return tolerance is not None and norm is not UNSET and norm < tolerance

"""Train a run from its last commit to its end: evaluate, commit and record every epoch."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from msgspec import UNSET

from nnexp.config.model import Config
from nnexp.errors import DivergedError, MismatchError
from nnexp.optim.optimizers import Optimizer
from nnexp.optim.schedules import Piecewise, Scored
from nnexp.runner import backends
from nnexp.runner.assembly import Assembly
from nnexp.store import checkpoint
from nnexp.store.records import BackendName, Fault, Reason, Result
from nnexp.store.run import Run
from nnexp.store.writer import Writer
from nnexp.training.backend import Evaluation
from nnexp.training.history import Row, best_row, stretches
from nnexp.training.state import NotFiniteError, TrainingState
from nnexp.training.stopping import stops


class Opened(NamedTuple):
    """The run is locked for writing and training is about to start."""

    run: Run
    history: list[Row]
    """The rows recorded before; empty for a new run."""
    examples: int
    """Training examples in an epoch."""


class Grown(NamedTuple):
    """A run begins with epochs of an earlier one, or takes the name of one with another ending."""

    run: Run
    epoch: int
    """The last epoch taken over; 0 if there is none."""
    source: Run
    """The run that they come from."""
    former: Path | None
    """The trash directory of the run that had this name before; None if there was none."""

    def __str__(self) -> str:
        epochs = "epoch 1 is" if self.epoch == 1 else f"epochs 1 to {self.epoch} are"
        taken = f"{epochs} taken from {self.source.path}" if self.epoch else "begins anew"
        if self.former is None:
            return f"{self.run.path}: {taken}"
        if self.epoch and self.source.path == self.run.path:
            taken = f"{epochs} kept"
        return f"{self.run.path}: {taken}; the former run is now {self.former}"


class ExamplesTrained(NamedTuple):
    """Progress within an epoch: the number of examples trained on."""

    epoch: int
    examples: int


class EpochEvaluated(NamedTuple):
    """An epoch was evaluated and committed."""

    row: Row


class Warned(NamedTuple):
    """A warning for the user; training continues."""

    message: str


TrainingEvent: TypeAlias = Grown | Opened | ExamplesTrained | EpochEvaluated | Warned


class _Divergence(Exception):  # noqa: N818 - internal: leaves the training loops
    def __init__(self, fault: Fault) -> None:
        super().__init__()
        self.fault = fault


class Recording:
    """Training of one config into one run.

    Args:
        config: the config.
        assembly: its network, feeds and trainer.
        state: the state before the first epoch; training modifies it.
        writer: the run, open for writing.
        numerics: the fingerprint of this machine's arithmetic.
        backend: the backend that trains it.
    """

    other_numerics = False
    """Whether to resume even if the last epoch was trained under other numerics."""

    def __init__(
        self,
        config: Config,
        assembly: Assembly,
        state: TrainingState,
        writer: Writer,
        numerics: str,
        backend: BackendName,
    ) -> None:
        self._config, self._assembly, self._state = config, assembly, state
        self._headers = assembly.headers(state)
        self._writer, self._numerics, self._backend = writer, numerics, backend
        self._history: list[Row] = []
        self._foreign = UNSET if numerics == writer.run.record.numerics else numerics

    def events(self, until: int | None, heartbeat: Callable[[], None]) -> Iterator[TrainingEvent]:
        """Train from the last commit to the end, or until epoch ``until`` is committed.

        Raises:
            DivergedError: a cost or parameter is not finite; the run records it.
            MismatchError: the numerics differ from those of the last commit.
        """
        self._assembly.set_heartbeat(heartbeat)
        yield from map(Warned, self._restore())
        yield from map(Warned, self._change_of_numerics())
        self._log(f"training from epoch {self._epoch + 1}")
        yield Opened(self._writer.run, list(self._history), self._assembly.examples)
        config, history = self._config, self._history
        try:
            while (reason := ending(config, history)) is None and not self._reaches(until):
                yield from self._to_next_commit()
        except _Divergence as divergence:
            fault = self._finish("diverged", self._explained(divergence.fault))
        else:
            fault = None if reason is None else self._finish(reason, None)
        if fault is not None:
            raise DivergedError(describe(self._writer.run, fault))
        if reason == "saddle":
            yield Warned(f"{self._writer.run.path}: {describe_saddle(config.optimizer)}")

    def _restore(self) -> list[str]:
        """Restore the last commit, if there is one, and return warnings about it."""
        warnings: list[str] = []
        committed = self._writer.restore(self._headers, warnings.append)
        if committed is not None:
            self._history = committed.history
            self._assembly.restore(self._state, committed.arrays)
            if (evaluations := committed.history[-1].evaluations) is not UNSET:
                self._state.measures["evaluations"] = evaluations
        return warnings

    def _change_of_numerics(self) -> Iterator[str]:
        """Yield a warning if the numerics change with the next epoch.

        Raises: MismatchError if that is not allowed.
        """
        run = self._writer.run
        if self._numerics == stretches(run.record.numerics, self._history)[-1].numerics:
            return
        if not self.other_numerics:
            raise MismatchError(f"{run.path}: {backends.difference(run, self._backend)}")
        yield (
            f"{run.path}: from epoch {self._epoch + 1} on, the {self._backend} backend trains with "
            "other last digits than before; the run records the change"
        )

    @property
    def _epoch(self) -> int:
        """The last committed epoch."""
        return self._history[-1].epoch if self._history else 0

    def _reaches(self, until: int | None) -> bool:
        return until is not None and self._epoch >= until

    def _to_next_commit(self) -> Iterator[TrainingEvent]:
        """Train up to the next epoch to evaluate, evaluate it and commit it."""
        config, start = self._config, time.perf_counter()
        last = min(self._epoch + config.evaluate_every, config.epochs)
        for epoch in range(self._epoch + 1, last + 1):
            yield from self._train(epoch)
        trained = time.perf_counter()
        row = self._evaluate(last)
        self._history.append(row)
        self._writer.time(last, trained - start, time.perf_counter() - trained)
        self._writer.commit(self._history, self._assembly.arrays(self._state))
        yield EpochEvaluated(row)

    def _train(self, epoch: int) -> Iterator[TrainingEvent]:
        epochs: Callable[..., Iterator[int]] = self._assembly.trainer.epoch
        try:
            rate = learning_rate(self._config, self._history, epoch)
            for examples in epochs(self._state, epoch, rate):
                yield ExamplesTrained(epoch, examples)
        except NotFiniteError as error:
            fault = Fault(epoch=epoch, batch=error.batch, found=error.found)
            raise _Divergence(fault) from None

    def _evaluate(self, epoch: int) -> Row:
        """Return the row of an epoch.

        Raises:
            _Divergence: a cost is not finite.
        """
        values: dict[str, Any] = dict(self._state.measures)
        if self._history and self._history[-1].evaluations is UNSET:
            values.pop("evaluations", None)  # an earlier version began the run without counting
        for entry in self._config.monitor:
            values |= self._assembly.monitored(self._state.parameters, entry)
        for name, value in values.items():
            if not np.isfinite(value).all():
                fault = f"{name.replace('_', ' ')} is {value}"
                raise _Divergence(Fault(epoch=epoch, batch=None, found=fault))
        rate = learning_rate(self._config, self._history, epoch)
        values |= {"learning_rate": rate, "numerics": self._foreign}
        return Row(epoch=epoch, **values)

    def _finish(self, reason: Reason, fault: Fault | None) -> Fault | None:
        """Evaluate the best epoch's parameters, write the result, and return the fault, if any.

        A cost that only this evaluation takes, such as that of a test split that is not monitored,
        can be the first that is not finite.
        """
        best = best_row(self._history) if self._history else None
        evaluations = {} if best is None else self._evaluate_splits(best.epoch)
        for split, evaluation in evaluations.items():
            if not np.isfinite(evaluation.cost):
                found = f"{split} cost of epoch {best and best.epoch} is {evaluation.cost}"
                fault = fault or Fault(epoch=self._epoch, batch=None, found=found)
                reason = "diverged"
        smallest = np.min_scalar_type(self._assembly.network.sizes[-1] - 1)
        predictions = {}
        for split, evaluation in evaluations.items():
            predictions[f"{split}_predicted"] = evaluation.predicted.astype(smallest)
            predictions[f"{split}_true"] = self._assembly.labels(split).astype(smallest)
        test = evaluations.get("test")
        if test is not None and not np.isfinite(test.cost):
            test = None
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
        return fault

    def _explained(self, fault: Fault) -> Fault:
        """Return a fault with its cause, if that is the data."""
        if not self._assembly.has_too_large_features():
            return fault
        found = f"{fault.found}, since {TOO_LARGE} {self._config.dtype} can hold"
        return Fault(epoch=fault.epoch, batch=fault.batch, found=found)

    def _evaluate_splits(self, epoch: int) -> dict[str, Evaluation]:
        """Evaluate a committed epoch's parameters on the validation and test data, if present."""
        arrays = checkpoint.load(self._writer.run, epoch, self._headers)
        parameters = self._assembly.parameters(arrays)
        splits = [split for split in ("validation", "test") if self._assembly.has(split)]
        return {split: self._assembly.evaluate(parameters, split) for split in splits}

    def _log(self, line: str) -> None:
        self._writer.log(f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} {line}")


TOO_LARGE = "the data has features beyond what"


def describe(run: Run, fault: Fault) -> str:
    """Return the message about a run's divergence."""
    where = f"epoch {fault.epoch}" + (f", batch {fault.batch}" if fault.batch else "")
    is_measured_only = measured_only(run.history(), fault)
    advice = "check that split's data" if is_measured_only else "try a smaller learning_rate"
    if TOO_LARGE in fault.found:
        advice = "set data.standardize: true, or drop those features"
    return f"{run.path}: diverged in {where}: {fault.found}; {advice}"


def describe_saddle(optimizer: Optimizer) -> str:
    """Return the message about a run that this optimizer ended at a saddle point."""
    advice = "start from other weights (initializer)"
    if not optimizer.leaves_saddles:
        advice += ", or use optimizer: newton, which follows negative curvature"
    return f"the gradient vanishes at a saddle point, not at a minimum; {advice}"


def measured_only(history: Sequence[Row], fault: Fault) -> bool:
    """Return whether a fault is of a split that only the final evaluation measured.

    All numbers of training are finite then: a row of the epoch was recorded.
    """
    return bool(history) and history[-1].epoch == fault.epoch


def ending(config: Config, history: Sequence[Row]) -> Reason | None:
    """Return why training has ended, or None if it has not; depends only on the history."""
    if not history:
        return None
    if _has_converged(config, history[-1]):
        return "converged" if history[-1].negative_curvature is UNSET else "saddle"
    if history[-1].step_norm == 0:
        return "stalled"
    if config.patience is not None and stops(config.stopping, history, config.patience):
        return "patience"
    if multiplier(config, history, history[-1].epoch + 1) is None:
        return "schedule"
    return "epochs" if history[-1].epoch >= config.epochs else None


def learning_rate(config: Config, history: Sequence[Row], epoch: int) -> float | None:
    """Return an epoch's learning rate, or None if the optimizer has none."""
    first = 1.0 if isinstance(config.schedule, Piecewise) else config.learning_rate
    return None if first is None else first * (multiplier(config, history, epoch) or 0.0)


def multiplier(config: Config, history: Sequence[Row], epoch: int) -> float | None:
    """Return the schedule's factor for an epoch's learning rate, or None to end the run."""
    scored = [
        Scored(row.epoch, row.validation_accuracy)
        for row in history
        if row.validation_accuracy is not UNSET
    ]
    return config.schedule.multiplier(epoch, config.epochs, scored)


def _has_converged(config: Config, row: Row) -> bool:
    """Return whether a full-batch optimizer's gradient norm is below its tolerance.

    At a saddle point, an optimizer that can leave it goes on until it finds no step.
    """
    tolerance: float | None = getattr(config.optimizer, "tolerance", None)
    norm, is_saddle = row.gradient_norm, row.negative_curvature is not UNSET
    if is_saddle and config.optimizer.leaves_saddles and row.step_norm != 0:
        return False
    return tolerance is not None and norm is not UNSET and norm < tolerance

"""Progress of one training: a bar on a terminal, otherwise a line for every epoch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

from msgspec import UNSET

from nnexp.cli.output import StandardError, log
from nnexp.errors import InterruptedRunError
from nnexp.report.text import percent

if TYPE_CHECKING:
    from nnexp.cli.signals import ReceivedSignal
    from nnexp.datasets.loading import Data
    from nnexp.runner.recording import TrainingEvent
    from nnexp.study.job import Job
    from nnexp.training.history import Row

SPLITS = ("train", "validation", "test")


class TrainingProgress:
    """Shows the events of a training on stderr; training continues if nobody reads them.

    Args:
        epochs: of the config.
        quiet: show warnings only.
    """

    def __init__(self, epochs: int, *, quiet: bool) -> None:
        self._epochs = epochs
        self._quiet = quiet
        self._bar: Any = None
        self._examples = 0
        self._best: float | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def show(self, event: TrainingEvent) -> None:
        """Show an event."""
        from nnexp.runner import recording

        match event:
            case recording.Warned(message):
                self._line(f"warning: {message}")
            case recording.Grown() if not self._quiet:
                self._line(str(event))
            case recording.Opened(run, history, examples):
                self._open(str(run.path), history, examples)
            case recording.ExamplesTrained(epoch, examples) if self._bar is not None:
                self._bar.update((epoch - 1) * self._examples + examples - self._bar.n)
            case recording.EpochEvaluated(row):
                self._evaluated(row)

    def _open(self, path: str, history: list[Row], examples: int) -> None:
        if self._quiet:
            return
        done = history[-1].epoch if history else 0
        self._best = max((r.validation_accuracy or 0 for r in history), default=None)
        self._line(f"{path}: resuming after epoch {done}" if done else f"{path}: training")
        self._examples = examples
        if StandardError().columns() > 0:
            self._bar = _bar(self._epochs, done, examples)

    def _evaluated(self, row: Row) -> None:
        if self._quiet:
            return
        if self._bar is None:
            width = len(str(self._epochs))
            self._line(
                f"epoch {row.epoch:{width}}/{self._epochs}  {measures(row)}{self._mark(row)}"
            )
        else:
            self._bar.set_description_str(f"epoch {row.epoch}/{self._epochs}", refresh=False)
            split = "train" if row.validation_cost is UNSET else "validation"
            self._bar.set_postfix_str(measures(row, [split]))

    def _mark(self, row: Row) -> str:
        accuracy = row.validation_accuracy
        if accuracy is UNSET or (self._best is not None and accuracy <= self._best):
            return ""
        self._best = accuracy
        return "  best"

    def _line(self, line: str) -> None:
        log(line)


def measures(row: Row, splits: Sequence[str] = SPLITS) -> str:
    """Format a row's costs and accuracies as one line."""
    parts = []
    for split in splits:
        cost, accuracy = getattr(row, f"{split}_cost"), getattr(row, f"{split}_accuracy")
        if cost is not UNSET:
            parts.append(f"{split} {cost:.4f} {percent(accuracy)}")
    return "  ".join(parts)


def _bar(epochs: int, done: int, examples: int) -> Any:  # noqa: ANN401 - tqdm's own type
    from tqdm import tqdm

    return tqdm(
        total=epochs * examples,
        initial=done * examples,
        desc=f"epoch {done}/{epochs}",
        unit=" examples",
        unit_scale=True,
        dynamic_ncols=True,
        file=StandardError(),
        bar_format="{desc} {percentage:3.0f}%|{bar:10}| {rate_fmt} {remaining}{postfix}",
    )


def follow(
    job: Job, signal: ReceivedSignal, data: Data | None = None, *, quiet: bool = False
) -> bool:
    """Train a single job, showing its epochs; return False if it was finished already.

    Args:
        job: the job.
        signal: the signal that was received, if any.
        data: the cache of loaded datasets.
        quiet: show warnings only.

    Raises:
        InterruptedRunError: a signal was received; committed epochs are safe.
        NnexpError: the errors of ``train.train``.
    """
    from nnexp.datasets.loading import load
    from nnexp.runner import recording, train

    def check() -> None:
        if signal.number is not None:
            raise InterruptedRunError(
                signal.number,
                f"{job.run.path}: stopped; committed epochs are safe; repeat the command to resume",
            )

    opened = False
    events = train.events(
        job.config,
        job.run,
        until=job.until,
        heartbeat=check,
        against=job.against,
        other_numerics=job.other_numerics,
        restart=job.restart,
        source=data or load,
        content=job.content,
        backend=job.backend,
    )
    with TrainingProgress(job.config.epochs, quiet=quiet) as progress:
        for event in events:
            opened = opened or isinstance(event, recording.Opened)
            progress.show(event)
            check()
    return opened

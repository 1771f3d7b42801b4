"""The result of evaluate as a document and as a value for JSON: best epochs and the vote."""

from __future__ import annotations

from msgspec import UNSET, Struct, UnsetType

from nnexp.analysis.evaluation import On, RunsEvaluation
from nnexp.report.document import Document, Table, plain
from nnexp.report.text import percent


def document(evaluation: RunsEvaluation) -> Document:
    """Return a table with a row for each run, and one for the vote of several."""
    rows = [
        [run.run, str(run.epoch), f"{run.cost:.4f}", percent(run.accuracy)]
        for run in evaluation.runs
    ]
    if evaluation.vote is not None:
        rows.append([f"vote of {len(rows)}", "", "", percent(evaluation.vote.accuracy)])
    split = evaluation.on
    return plain(Table(["run", "best epoch", f"{split} cost", f"{split} accuracy"], rows))


class EvaluatedRunOutput(Struct, frozen=True, kw_only=True):
    """A run's best epoch on the split; the other split's numbers are left out."""

    run: str
    best_epoch: int
    validation_cost: float | UnsetType | None = UNSET
    """Null if it is not finite, like a test cost."""
    validation_accuracy: float | UnsetType = UNSET
    test_cost: float | UnsetType | None = UNSET
    test_accuracy: float | UnsetType = UNSET


class VoteOutput(Struct, frozen=True, kw_only=True):
    """The vote of several runs on the split."""

    validation_accuracy: float | UnsetType = UNSET
    test_accuracy: float | UnsetType = UNSET


class EvaluateOutput(Struct, frozen=True, kw_only=True):
    """The result of evaluate."""

    on: On
    """The split."""
    examples: int
    runs: list[EvaluatedRunOutput]
    vote: VoteOutput | None
    """Null for a single run."""


def output(evaluation: RunsEvaluation) -> EvaluateOutput:
    """Return an evaluation as a value for JSON."""
    split = evaluation.on
    cost, accuracy, vote = f"{split}_cost", f"{split}_accuracy", evaluation.vote
    return EvaluateOutput(
        on=split,
        examples=evaluation.examples,
        runs=[
            EvaluatedRunOutput(
                run=run.run, best_epoch=run.epoch, **{cost: run.cost, accuracy: run.accuracy}
            )
            for run in evaluation.runs
        ],
        vote=None if vote is None else VoteOutput(**{accuracy: vote.accuracy}),
    )

"""The result of evaluate as a document: each run's best epoch on a split, and the vote."""

from __future__ import annotations

from nnexp.analysis.evaluation import RunsEvaluation
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

"""The result of evaluate as a document and as a value for JSON: best epochs and the vote."""

from __future__ import annotations

from msgspec import UNSET, Struct, UnsetType

from nnexp.analysis.evaluation import On, RunsEvaluation
from nnexp.report import classifications
from nnexp.report.classifications import ClassificationOutput
from nnexp.report.document import Document, Sentences, Table, plain
from nnexp.report.text import percent


def document(evaluation: RunsEvaluation) -> Document:
    """Return a table of runs and their vote, and one by class of the vote or the single run."""
    vote, runs = evaluation.vote, evaluation.runs
    of_split = "" if evaluation.on is None else f"{evaluation.on} "
    header = ["run", "best epoch", f"{of_split}cost", f"{of_split}accuracy"]
    rows = [[run.run, str(run.epoch), f"{run.cost:.4f}", percent(run.accuracy)] for run in runs]
    examples, shown = f"{of_split}examples", runs[0].classification
    if evaluation.file is not None:
        examples = f"examples of {evaluation.file}"
    if vote is not None:
        name, shown = f"vote of {len(runs)}", vote.classification
        examples = f"{examples}, {name}"
        rows.append([name, "", "", percent(vote.accuracy)])
        header += ["balanced accuracy", "macro F1"]
        for row, own in zip(rows, [*(run.classification for run in runs), shown], strict=True):
            row += [percent(own.balanced_accuracy), percent(own.macro.f1)]
    by_class = classifications.table(shown, evaluation.classes, examples)
    lines = [f"{by_class.caption}:"]
    if evaluation.left_out:
        lines.insert(0, f"{evaluation.left_out} examples of other classes are left out.")
    return plain(Table(header, rows, folds=True), Sentences(lines), by_class)


class EvaluatedRunOutput(Struct, frozen=True, kw_only=True):
    """A run's best epoch on the split, or on a file; the others' numbers are left out."""

    run: str
    best_epoch: int
    validation_cost: float | UnsetType | None = UNSET
    """Null if it is not finite, like a test cost."""
    validation_accuracy: float | UnsetType = UNSET
    test_cost: float | UnsetType | None = UNSET
    test_accuracy: float | UnsetType = UNSET
    cost: float | UnsetType | None = UNSET
    """On the file of --data."""
    accuracy: float | UnsetType = UNSET
    classification: ClassificationOutput


class VoteOutput(Struct, frozen=True, kw_only=True):
    """The vote of several runs on the split, or on a file."""

    validation_accuracy: float | UnsetType = UNSET
    test_accuracy: float | UnsetType = UNSET
    accuracy: float | UnsetType = UNSET
    """On the file of --data."""
    classification: ClassificationOutput


class EvaluateOutput(Struct, frozen=True, kw_only=True):
    """The result of evaluate."""

    on: On | None
    """The split; null with --data."""
    file: str | None
    """The file of --data; null without it."""
    examples: int
    left_out: int
    """Examples of the file whose class the runs leave out of their own data."""
    classes: list[int | str]
    """The labels: whole numbers, or names."""
    runs: list[EvaluatedRunOutput]
    vote: VoteOutput | None
    """Null for a single run."""


def output(evaluation: RunsEvaluation) -> EvaluateOutput:
    """Return an evaluation as a value for JSON."""
    of_split = "" if evaluation.on is None else f"{evaluation.on}_"
    cost, accuracy, vote = f"{of_split}cost", f"{of_split}accuracy", evaluation.vote
    return EvaluateOutput(
        on=evaluation.on,
        file=evaluation.file,
        examples=evaluation.examples,
        left_out=evaluation.left_out,
        classes=list(evaluation.classes),
        runs=[
            EvaluatedRunOutput(
                run=run.run,
                best_epoch=run.epoch,
                **{cost: run.cost, accuracy: run.accuracy},
                classification=classifications.output(run.classification),
            )
            for run in evaluation.runs
        ],
        vote=None
        if vote is None
        else VoteOutput(
            **{accuracy: vote.accuracy},
            classification=classifications.output(vote.classification),
        ),
    )

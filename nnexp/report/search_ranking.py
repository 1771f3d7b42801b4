"""The result of search: its trials as a document and as a value for JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

from msgspec import Struct

from nnexp.analysis.comparability import evaluated
from nnexp.analysis.verdicts import ACCURACY
from nnexp.config import dump
from nnexp.report import comparison_output, comparisons, confirmation, sweep_ranking
from nnexp.report.comparison_output import CompareOutput
from nnexp.report.confirmation import ConfirmationOutput
from nnexp.report.document import Document, Section, Sentences, Table
from nnexp.report.samples import SampleOutput, of_sample
from nnexp.report.sweep_ranking import FailureOutput
from nnexp.report.text import MISSING, resolution
from nnexp.store.run import Run
from nnexp.study import trials
from nnexp.study.ranking import is_tie

if TYPE_CHECKING:
    from nnexp.analysis.comparison import Comparison
    from nnexp.seeds import Sample
    from nnexp.study.search import SearchResult
    from nnexp.study.trials import TrialResult

GIVEN = "as given"
OPTIMISTIC = "*: optimistic: chosen from {} trials by these runs, which were partly lucky"
UNCONFIRMED = "; this holds for validation and test accuracies; to know, repeat with --confirm 5"


def document(
    result: SearchResult, compared: Comparison | None, *, with_curves: bool = False
) -> Document:
    """Return the trials, the best one, and its comparison with the unchanged config.

    If the best trial is to be confirmed, test accuracies are only those of confirming runs.

    Args:
        result: of the search.
        compared: ``result.compare()``.
        with_curves: include curves for a terminal.
    """
    confirms = result.definition.confirm > 0
    is_marked = any(map(result.is_optimistic, result.ranked))
    legend = OPTIMISTIC.format(result.choices) + ("" if confirms else UNCONFIRMED)
    marks = [Sentences([legend])] if is_marked else []
    own = Section("trials", "", [_trials(result), *marks, Sentences(list(_summary(result)))])
    if confirms:
        rest = confirmation.sections(
            result.confirmation, compared, "trial", with_curves=with_curves
        )
        return Document("", [own, *rest])
    if compared is None:
        return Document("", [own])
    comparison = comparisons.document(compared, with_curves=with_curves, advises=False)
    return Document("", [own, *comparison.sections])


def _trials(result: SearchResult) -> Table:
    """Return a table of the trials and the unchanged config, the best first."""
    keys = result.definition.space.keys
    rows = [_row(result, trial) for trial in result.ranked]
    test = [] if result.definition.confirm else ["test"]
    header = ["trial", *keys, "epochs", "validation", *test]
    return Table(header, rows, left=1 + len(keys))


def _row(result: SearchResult, trial: TrialResult) -> list[str]:
    values = result.values(trial)
    epochs = sorted({performance.epochs for performance in trial.performances})
    mark = " *" if result.is_optimistic(trial) else "  " if result.choices > 1 else ""
    return [
        GIVEN if trial.trial.is_baseline else str(trial.trial.number),
        *(MISSING if value is None else dump.inline(value) for value in values),
        "-".join(map(str, epochs[:: max(1, len(epochs) - 1)])),
        unscored(trial) if trial.score is None else _cell(trial.validation) + mark,
        *([] if result.definition.confirm else [_cell(trial.test) + mark]),
    ]


def unscored(trial: TrialResult) -> Literal["diverged", "failed"]:
    """Return why a trial has no score."""
    return "diverged" if trial.failure is None else "failed"


def _cell(sample: Sample) -> str:
    return f"{comparisons.cell(sample, ACCURACY)} %" if sample.is_whole else MISSING


def _summary(result: SearchResult) -> Iterator[str]:
    yield _cost(result)
    baseline, best = result.baseline, result.best
    if best is not None:
        config = best.trial.paths[0] / "config.yaml"
        trial = f"{result.definition.space.describe(best.trial.values)}, as in {config}"
        gives = _given_ties(result)
        yield f"best: the config as given; as good: {trial}" if gives else f"best: {trial}"
        yield from _ties(result)
        is_given = baseline is not None and best.trial.paths == baseline.trial.paths
        if is_given and not result.definition.confirm:
            yield "the best trial equals the config as given"
        if not best.is_complete:
            failed = " or failed" if result.failures else ""
            yield (
                f"the best trial was dropped after epoch "
                f"{best.epoch}: all trials that were trained further diverged{failed}"
            )
        given = baseline and baseline.score
        if best.is_complete and given is not None and best.score is not None and given > best.score:
            yield "the config as given did better than every trial"
    if baseline is not None and baseline.score is None and not result.definition.confirm:
        yield f"no comparison: the config as given {unscored(baseline)}"


def _given_ties(result: SearchResult) -> bool:
    """Return whether the config as given is as good as the best trial, and not the same."""
    given, best = result.baseline, result.best
    if given is None or best is None or best.score is None or not best.is_complete:
        return False
    return is_tie(given.score, best.score) and given.trial.paths != best.trial.paths


def _ties(result: SearchResult) -> Iterator[str]:
    """Yield how many trials tie for the best, and that the config as given does, if it does."""
    best, gives = result.best, _given_ties(result)
    if best is None or best.score is None:
        return
    alike = (r for r in result.results if r.epoch == best.epoch and is_tie(r.score, best.score))
    count = len({trial.trial.paths for trial in alike})
    if count == 1 and not gives:
        return
    examples = evaluated(Run(best.trial.paths[0]), "validation")
    what = f"{count} trial{'s tie' if count > 1 else ' ties'}"
    also = " with the config as given" if gives else ""
    yield f"{what}{also} at the best {resolution('validation', examples)}"


def _cost(result: SearchResult) -> str:
    """Return the number of trials, their method and the examples seen, in words."""
    definition, count = result.definition, len(result.results)
    text = f"{count} trial{'s' * (count != 1)} ({definition.method}"
    text += "" if definition.method == "grid" else f", seed {definition.seed}"
    distinct = len({trial.trial.paths for trial in result.results})
    text += "" if distinct == count else f", {distinct:,} of them different"
    text += f"), {result.examples:,} training examples seen"
    if result.baseline is not None:
        text += f"; the config as given: {trials.examples_seen([result.baseline]):,}"
    return text


class TrialOutput(Struct, frozen=True, kw_only=True):
    """A trial of a search."""

    trial: int
    values: dict[str, Any]
    status: Literal["finished", "interrupted", "diverged", "failed"]
    """``interrupted`` if it was left behind before its last epoch."""
    runs: list[str]
    epochs: list[int]
    examples: list[int]
    best_validation_accuracy: SampleOutput
    test_accuracy: SampleOutput | None
    """At the best epoch; null with --confirm, which reports those of confirming runs only."""
    optimistic: bool
    """Whether the trial was chosen by these runs, so that both accuracies are too high by luck."""


class SearchOutput(Struct, frozen=True, kw_only=True):
    """The result of search."""

    config: str
    method: str
    seed: int
    space: dict[str, dict[str, Any]]
    exclude: list[dict[str, Any]]
    halving: int | None
    best: int | None
    """The number of the best trial."""
    examples: int
    baseline: TrialOutput | None
    trials: list[TrialOutput]
    failures: list[FailureOutput]
    comparison: CompareOutput | None
    """Of the config as given and the best trials; null with --confirm."""
    confirmation: ConfirmationOutput | None
    """Of the best trial; null without --confirm, or if no trial was trained to its end."""


def output(result: SearchResult, compared: Comparison | None) -> SearchOutput:
    """Return the trials and their comparison as a value for JSON."""
    definition, best = result.definition, result.best
    return SearchOutput(
        config=definition.config,
        method=definition.method,
        seed=definition.seed,
        space={column.key: {column.kind: column.bounds} for column in definition.space.columns},
        exclude=[exclusion.values for exclusion in definition.space.exclusions],
        halving=definition.factor,
        best=None if best is None else best.trial.number,
        examples=result.examples,
        baseline=None if result.baseline is None else _trial_output(result, result.baseline),
        trials=[_trial_output(result, trial) for trial in result.results],
        failures=[sweep_ranking.failure_output(*failure) for failure in result.failures],
        comparison=(
            None if compared is None or definition.confirm else comparison_output.output(compared)
        ),
        confirmation=confirmation.output(result.confirmation, compared),
    )


def _trial_output(result: SearchResult, trial: TrialResult) -> TrialOutput:
    pairs = zip(result.definition.space.keys, result.values(trial), strict=True)
    return TrialOutput(
        trial=trial.trial.number,
        values=dict(pairs),
        status=_status(trial),
        runs=[str(path) for path in trial.trial.paths[: len(trial.performances)]],
        epochs=[performance.epochs for performance in trial.performances],
        examples=[performance.examples for performance in trial.performances],
        best_validation_accuracy=of_sample(trial.validation),
        test_accuracy=None if result.definition.confirm else of_sample(trial.test),
        optimistic=result.is_optimistic(trial),
    )


def _status(trial: TrialResult) -> Literal["finished", "interrupted", "diverged", "failed"]:
    if trial.score is None:
        return unscored(trial)
    return "finished" if trial.is_complete else "interrupted"

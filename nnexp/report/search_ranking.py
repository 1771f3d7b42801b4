"""A search's trials in order, as text and as a JSON value."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nnexp.analysis.verdicts import ACCURACY
from nnexp.config import dump
from nnexp.report import comparisons, sweep_ranking
from nnexp.report.document import MISSING, as_text
from nnexp.report.study_outputs import SampleOutput, SearchOutput, TrialOutput
from nnexp.report.text import columns, table, wrapped
from nnexp.study import trials

if TYPE_CHECKING:
    from nnexp.analysis.comparison import Comparison
    from nnexp.seeds import Sample
    from nnexp.study.search import SearchResult
    from nnexp.study.trials import TrialResult

GIVEN = "as given"


def text(found: SearchResult, compared: Comparison | None, *, curves: bool) -> str:
    """Return all that is to be said: the trials, then the best ones beside the config as given."""
    blocks = [table(*_trials(found), left=1 + len(found.definition.space.keys))]
    blocks.append(_summary(found))
    if compared is not None:
        blocks.append(as_text(comparisons.document(compared, curves=curves), columns()))
    return "\n\n".join(blocks)


def _trials(found: SearchResult) -> tuple[list[str], list[list[str]]]:
    """Return the trials as a table, the best first; the config as given stands where it ranks."""
    keys = found.definition.space.keys
    header = ["trial", *keys, "epochs", "validation", "test"]
    return header, [_row(found, each) for each in found.ranked]


def _row(found: SearchResult, result: TrialResult) -> list[str]:

    trial = result.trial
    values = found.values(result)
    epochs = sorted({each.epochs for each in result.performances})
    return [
        GIVEN if trial.is_baseline else str(trial.number),
        *(MISSING if value is None else dump.inline(value) for value in values),
        "-".join(map(str, epochs[:: max(1, len(epochs) - 1)])),
        unscored(result) if result.score is None else _cell(result.validation),
        _cell(result.test),
    ]


def unscored(result: TrialResult) -> str:
    """Return why a result has no score."""
    return "diverged" if result.failure is None else "failed"


def _cell(sample: Sample) -> str:

    return f"{comparisons.cell(sample, ACCURACY)} %" if sample.is_whole else MISSING


def _summary(found: SearchResult) -> str:

    definition, best = found.definition, found.best
    count = len(found.results)
    told = f"{count} trial{'s' * (count != 1)} ({definition.method}"
    told += "" if definition.method == "grid" else f", seed {definition.seed}"
    different = len({each.trial.paths for each in found.results})
    told += "" if different == count else f", {different:,} of them different"
    told += f"), {found.examples:,} training examples seen"
    if found.baseline is not None:
        told += f"; the config as given: {trials.examples_seen([found.baseline]):,}"
    lines = [told]
    if best is not None:
        where = best.trial.paths[0] / "config.yaml"
        lines.append(f"best: {definition.space.describe(best.trial.values)}, as in {where}")
        if found.baseline is not None and best.trial.paths == found.baseline.trial.paths:
            lines.append("that is the config as given")
        if not best.is_complete:
            failed = " or failed" if found.failures else ""
            lines.append(
                f"no trial was trained to its end: this one was left behind after epoch "
                f"{best.epoch}, and all that went further diverged{failed}"
            )
        given = found.baseline and found.baseline.score
        if best.is_complete and given is not None and best.score is not None and given > best.score:
            lines.append("the config as given did better than every trial")
    if found.baseline is not None and found.baseline.score is None:
        why = unscored(found.baseline)
        lines.append(f"the config as given {why}, so that nothing is compared with it")
    return wrapped("\n".join(lines), columns())


def output(found: SearchResult, compared: Comparison | None) -> SearchOutput:
    """Return the same as a value for JSON."""
    definition, best = found.definition, found.best
    return SearchOutput(
        config=definition.config,
        method=definition.method,
        seed=definition.seed,
        space={each.key: {each.kind: each.bounds} for each in definition.space.columns},
        exclude=[each.values for each in definition.space.exclusions],
        halving=definition.factor,
        best=None if best is None else best.trial.number,
        examples=found.examples,
        baseline=None if found.baseline is None else _trial_output(found, found.baseline),
        trials=[_trial_output(found, each) for each in found.results],
        failures=[sweep_ranking.failure_output(*each) for each in found.failures],
        comparison=None if compared is None else comparisons.output(compared),
    )


def _trial_output(found: SearchResult, result: TrialResult) -> TrialOutput:
    validation, test = result.validation, result.test
    pairs = zip(found.definition.space.keys, found.values(result), strict=True)
    return TrialOutput(
        trial=result.trial.number,
        values=dict(pairs),
        runs=[str(path) for path in result.trial.paths[: len(result.performances)]],
        epochs=[each.epochs for each in result.performances],
        examples=[each.examples for each in result.performances],
        validation_accuracy=SampleOutput(mean=result.score, values=list(validation.values)),
        test_accuracy=SampleOutput(mean=test.mean, values=list(test.values)),
    )

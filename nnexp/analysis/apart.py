"""Runs to be shown apart: those without an end, and those that lie far from the others.

A rare bad network skews the differences between two methods, and no test of means survives that.
So it is shown by itself, and verdicts are about the other seeds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from nnexp.analysis.metrics import Facts, Metric, RunApart
from nnexp.analysis.statistics import farthest

UNUSUAL = 0.01
"""A run is far from the others if the p of Grubbs's test is below this."""

RARE = 4
"""At most every fourth run can be far from the others; more are no exceptions."""


def unfinished(runs: Sequence[Facts]) -> list[RunApart]:
    """Return the runs that did not finish, if others did; else those that diverged, if not all.

    Args:
        runs: of one experiment.

    Returns: the runs without their values.
    """
    statuses = {facts.status for facts in runs}
    if "finished" in statuses:
        apart = [facts for facts in runs if facts.status != "finished"]
    elif statuses != {"diverged"}:
        apart = [facts for facts in runs if facts.status == "diverged"]
    else:
        apart = []
    return [RunApart(facts, None, ending(facts)) for facts in apart]


def ending(facts: Facts) -> str:
    """Return how a run without a regular end ended, such as ``diverged in epoch 3``."""
    result = facts.run.result
    if result is not None and result.fault is not None:
        return f"diverged in epoch {result.fault.epoch}"
    epochs = facts.history[-1].epoch if facts.history else 0
    return f"{facts.status} after epoch {epochs}"


def far(runs: Sequence[Facts], metric: Metric, examples: int | None) -> list[RunApart]:
    """Return the runs that lie far from the others, by Grubbs's test at 1 %, repeated.

    The farthest value is removed again and again, since two bad networks hide each other. The last
    that is far from those left decides: it, and those removed before it, are apart.

    Args:
        runs: of one experiment.
        metric: the judged one.
        examples: of which it is an accuracy; None for other metrics.

    Source: Rosner (1983), Percentage points for a generalized ESD many-outlier procedure.
    """
    values = {facts: value for facts in runs if (value := metric.of(facts)) is not None}
    if len(values) < len(runs):
        return []
    left, removed, far = list(runs), list[Facts](), 0
    for count in range(1, len(runs) // RARE + 1):
        left_values = [values[facts] for facts in left]
        index, p = farthest(left_values, metric.unit.resolution, examples)
        removed.append(left.pop(index))
        far = count if p < UNUSUAL else far
    apart = removed[:far]
    others = [value for facts, value in values.items() if facts not in apart]
    return [
        RunApart(facts, values[facts], f"far from the others, {_range(others, metric.unit.show)}")
        for facts in apart
    ]


def _range(values: Sequence[float], show: Callable[[float], str]) -> str:
    low, high = show(min(values)), show(max(values))
    return low if low == high else f"{low} to {high}"

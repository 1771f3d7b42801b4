"""Check a learning rate again: the ladder around its threshold, and the validation cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from msgspec.structs import replace

from nnexp.config.model import Config
from nnexp.tune import choice, ladder, learning_rate
from nnexp.tune.data_cost import cost_text, data_cost
from nnexp.tune.decision import Decision
from nnexp.tune.ladder import Rung
from nnexp.tune.trials import JobGroup, Steps, Trials, Update

AT_A_TIME = 2
"""Number of smaller rates that are tried at a time."""

VALIDATION = (
    "Half of the threshold is the most. A smaller rate is chosen only if all larger ones have a "
    f"validation cost that is more than {100 * choice.MARGIN:g} % higher, which is noise between "
    "seeds; while this holds for the smallest rate, two smaller ones are tried. (The cost excludes "
    "the penalty, which grows with the weights, and is that of the epoch with the lowest, among "
    "the best by accuracy and the last two. Accuracies would differ by few images.)"
)
RULE = (
    "The same rule on the training cost including λ, around the earlier threshold: from a "
    "fifth of it, up by factors of 2 to 2.5 while the cost falls steadily, else down. "
    f"{VALIDATION}"
)


class CheckedRates(NamedTuple):
    """Rates tried around an earlier threshold; all of them may fail now."""

    rungs: list[Rung]
    validation_costs: dict[float, float]
    """Without the penalty, by rate; infinite if training diverged."""

    @property
    def best(self) -> float:
        """The largest rate whose validation cost is not higher than the lowest beyond noise."""
        return choice.largest_of_low_cost(self.validation_costs)

    @property
    def learning_rate(self) -> float | None:
        """The rate to choose: at most half of the threshold; None if there is none."""
        threshold = ladder.threshold(self.rungs)
        return None if threshold is None else min(threshold / 2, self.best)

    @property
    def note(self) -> str:
        """The validation costs in words."""
        costs = sorted(self.validation_costs.items())
        listed = ", ".join(f"{cost_text(cost)} with η = {rate:g}" for rate, cost in costs)
        return f"Validation cost without the penalty: {listed}."


def again(config: Config, trials: Trials, before: float, *, lambda_: bool) -> Steps[CheckedRates]:
    """Try rates around an earlier threshold, with λ or without."""
    grid = [float(f"{factor * before:.6g}") for factor in ladder.AROUND]
    base = replace(learning_rate.trial_config(config), monitor=("train", "validation"))
    if lambda_:  # as the trials of λ, one of which is a rung
        base = replace(base, lambda_=config.lambda_, regularizer=config.regularizer)

    def following(rungs: Sequence[Rung]) -> list[tuple[float, int]]:
        rate = ladder.climb(grid, ladder.BELOW, rungs)
        return [] if rate is None else [(rate, config.seed)]

    tried = yield from learning_rate.climb(base, trials, following)
    rungs = [trial.rung for trial in tried]
    costs = {rung.learning_rate: data_cost(t, trials) for rung, t in zip(rungs, tried, strict=True)}
    checked = CheckedRates(rungs, costs)
    while checked.best == min(costs) and (lower := [r for r in grid if r < min(costs)]):
        rates = lower[: -AT_A_TIME - 1 : -1]
        group = [replace(base, learning_rate=rate) for rate in rates]
        for rate, trial in zip(rates, (yield JobGroup(group)), strict=True):
            rungs.append(trial.rung)
            costs[rate] = data_cost(trial, trials)
            own = f"validation cost {cost_text(costs[rate])}"
            trials.tell(Update(f"η = {rate:g}: {own}", f"best with {checked.best:g}"))
    if not lambda_:
        learning_rate.record(config, trials, rungs)
    return checked


def decision(
    checked: CheckedRates, *, stage: int, heading: str, rule: str, before: float | None
) -> Decision:
    """Return the decision on rates that were checked, like ``learning_rate.decision``."""
    made = learning_rate.decision(
        checked.rungs, stage=stage, heading=heading, rule=rule, before=before
    )
    made = made._replace(notes=[checked.note])
    rate, threshold = checked.learning_rate, ladder.threshold(checked.rungs)
    if rate is None or threshold is None or rate == threshold / 2:
        return made
    last = ", and it is the smallest tried" * (rate == min(checked.validation_costs))
    answer = (
        f"η = {rate:g}, below half of the threshold {threshold:g}: with larger rates, the "
        f"validation cost is higher by more than {100 * choice.MARGIN:g} %{last}."
    )
    return made._replace(answer=answer, chose=(("learning_rate", rate),))

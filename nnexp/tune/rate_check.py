"""Check a learning rate again: the ladder around its threshold, and the validation cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from msgspec.structs import replace

from nnexp.config.model import Config
from nnexp.tune import ladder, learning_rate
from nnexp.tune.decision import Decision, number
from nnexp.tune.ladder import Rung
from nnexp.tune.trials import JobGroup, Steps, Trials, Update, train_one

VALIDATION = (
    "Half of the threshold is the most: if a smaller rate has the lowest validation cost (the best "
    "epoch's, as accuracies differ by few images), that one is chosen, and while the smallest rate "
    "has it, a smaller one is tried."
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
    """The lowest of any epoch, by rate."""

    @property
    def lowest(self) -> float:
        """The rate with the lowest validation cost; the larger if several are equal."""
        return min(self.validation_costs, key=lambda rate: (self.validation_costs[rate], -rate))

    @property
    def learning_rate(self) -> float | None:
        """The rate to choose: at most half of the threshold; None if there is none."""
        threshold = ladder.threshold(self.rungs)
        return None if threshold is None else min(threshold / 2, self.lowest)

    @property
    def note(self) -> str:
        """The validation costs in words."""
        costs = sorted(self.validation_costs.items())
        return f"Validation cost: {', '.join(f'{number(c)} with η = {r:g}' for r, c in costs)}."


def again(config: Config, trials: Trials, before: float, *, lambda_: bool) -> Steps[CheckedRates]:
    """Try rates around an earlier threshold, with λ or without."""
    grid = [float(f"{factor * before:.6g}") for factor in ladder.AROUND]
    base = replace(learning_rate.trial_config(config), monitor=("train", "validation"))
    if lambda_:  # as the trials of λ, one of which is a rung
        base = replace(base, lambda_=config.lambda_, regularizer=config.regularizer)

    def following(rungs: Sequence[Rung]) -> list[tuple[float, int]]:
        rate = ladder.climb(grid, ladder.BELOW, rungs)
        return [] if rate is None else [(rate, config.seed)]

    rungs = yield from learning_rate.climb(base, trials, following)
    rates = [rung.learning_rate for rung in rungs]
    tried = yield JobGroup([replace(base, learning_rate=rate) for rate in rates])
    costs = {rate: trial.validation_cost for rate, trial in zip(rates, tried, strict=True)}
    checked = CheckedRates(rungs, costs)
    while checked.lowest == min(costs) and (lower := [r for r in grid if r < min(costs)]):
        trial = yield from train_one(replace(base, learning_rate=max(lower)))
        rungs.append(trial.rung)
        costs[max(lower)] = trial.validation_cost
        own = f"validation cost {number(trial.validation_cost)}"
        trials.tell(Update(f"η = {max(lower):g}: {own}", f"lowest with {checked.lowest:g}"))
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
    answer = f"η = {rate:g}: the lowest validation cost, below half of the threshold {threshold:g}."
    return made._replace(answer=answer, chose=(("learning_rate", rate),))

"""The last stage: train on the full problem, and choose patience and schedule."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from nnexp.analysis import verdicts
from nnexp.analysis.verdicts import ACCURACY as ACCURACIES
from nnexp.config.model import Config
from nnexp.optim.schedules import Constant, HalveOnPlateau
from nnexp.report.text import percent
from nnexp.training.stopping import Accuracy, first_stop
from nnexp.tune import choice, learning_rate, quick_problem, rate_check, weight_decay
from nnexp.tune.choice import CandidateOutput, CandidateStanding, StandingName
from nnexp.tune.decision import ACCURACY, BY_EPOCH, Decision, curve, picture, skipped
from nnexp.tune.state import TuneState
from nnexp.tune.trials import BudgetSpentError, JobGroup, JobResult, Steps, Update

RATE_HEADING, DECAY_HEADING = "η on the full problem", "λ on the full problem"
PATIENCES = (10, 20, 30)
EPOCHS = 100
"""Maximum for a final training, unless the config has more."""
SEEDS = 3
"""Number of further seeds of each schedule, if the first does not suffice."""
LOSS = 0.001
"""Accuracy that a patience may lose, unless a standard error is less."""
Accuracies: TypeAlias = Mapping[int, float]
"""Best validation accuracies by added seed, which is 0 for the first."""
CUTS = HalveOnPlateau(patience=5)
FUTILE = 1.0
"""Standard errors of a difference below which a schedule is not worth further seeds."""
CONSTANT, SCHEDULE = "constant", "halve-on-plateau"

PATIENCE_RULE = (
    "One final training with a patience of 30; its history shows where a patience of 10 or 20 "
    "would have stopped it. The smallest patience is chosen that loses less than {loss:.2f} points "
    "on {n:,} images: a tenth of a point or, if that is less, one standard error."
)
SCHEDULE_RULE = (
    "A falling rate, η halved whenever validation accuracy has not improved for five epochs, down "
    "to 1/128, is compared with a constant η and a patience of {patience}. The schedule is chosen "
    "only if it is better: with the first seed, by more than two standard errors of a difference "
    "on {n:,} images, {noise:.2f} points; or, if it is ahead by one to two standard errors, on "
    "{seeds} further seeds, by a paired t-test. A tie goes to the constant rate, which has nothing "
    "to tune."
)


class PatienceOutput(Struct, frozen=True, kw_only=True, tag_field="tried", tag="patience"):
    """A patience that was tried."""

    patience: int
    epochs: int
    """The epoch in which it ends the training."""
    best_validation_accuracy: float


class ScheduleOutput(CandidateOutput, frozen=True, kw_only=True, tag="schedule"):
    """A schedule that was tried."""

    schedule: str


def rate(state: TuneState) -> Steps[None]:
    """Check η on the full problem, and adjust it.

    If the quick problem is the full one, λ is final, and only the mini-batches are others.
    """
    base, is_final = quick_problem.plain(state.config), state.is_full
    checked = yield from rate_check.again(base, state.trials, state.threshold, lambda_=is_final)
    rule, before = rate_check.RULE if is_final else RATE_RULE, state.config.learning_rate
    state.decisions.append(
        rate_check.decision(checked, stage=6, heading=RATE_HEADING, rule=rule, before=before)
    )
    if checked.learning_rate is not None:
        state.config = replace(state.config, learning_rate=checked.learning_rate)


RATE_RULE = (
    "The ladder's rule with λ = 0, around the threshold found on the quick problem: from a fifth "
    "of it, up by factors of 2 to 2.5 while the training cost falls steadily, else down. (λ is 0 "
    "because with many images a penalized cost soon reaches its plateau, whose noise is "
    f"unrelated to η.) {rate_check.VALIDATION}"
)


def decay(state: TuneState) -> Steps[None]:
    """Check λ on the full problem, and adjust it."""
    base = quick_problem.plain(state.config)
    strength = yield from weight_decay.check(state, base, DECAY_HEADING)
    state.config = replace(state.config, lambda_=strength)


def epochs(config: Config) -> int:
    """Return the maximum epochs of a final training: ``EPOCHS``, or the config's if more."""
    return max(EPOCHS, config.epochs)


def train(state: TuneState) -> Steps[None]:
    """Train on the full problem, then choose the patience and the schedule.

    The schedules' first trainings are both needed in any case, so they are trained together.
    """
    base = replace(quick_problem.plain(state.config), epochs=epochs(state.config))
    constant = replace(base, patience=max(PATIENCES))
    arms = [constant] if learning_rate.why_not(base) is not None else [constant, _cut(constant)]
    try:
        trial = (yield JobGroup(arms))[0]
    except BudgetSpentError:  # the budget may suffice for one of them
        trial = (yield JobGroup([constant]))[0]
    state.trials.tell(Update(f"final training: {100 * trial.accuracy:.2f} %"))
    n = state.validated(base)
    ends = {patience: stop_early(trial, patience) for patience in PATIENCES}
    patience = shortest_patience(ends, n)
    state.decisions.append(_patience_decision(trial, ends, patience, n))
    state.config = with_ending(state.config, patience, base.epochs)
    if (why := learning_rate.why_not(base)) is not None:
        state.decisions.append(skipped(6, "final", "Schedule", why))
    else:
        yield from _schedule(state, constant, patience)


def with_ending(config: Config, patience: int | None, epochs: int) -> Config:
    """Return a config with the patience, or else the schedule, chosen for the final training."""
    monitor = config.monitor if "validation" in config.monitor else (*config.monitor, "validation")
    return replace(
        config,
        patience=patience,
        epochs=epochs,
        schedule=Constant() if patience is not None else CUTS,
        stopping=Accuracy(),
        monitor=monitor,
    )


def stop_early(trial: JobResult, patience: int) -> tuple[int, float]:
    """Return the epoch in which a patience stops a training, and the best accuracy until then.

    The accuracy is 0 if the training diverges before.
    """
    epochs = [row.epoch for row in trial.rows]
    index = first_stop(epochs, trial.accuracies, patience)
    if index is None:
        return (epochs[-1] if epochs else 0), trial.accuracy
    return epochs[index], max(trial.accuracies[: index + 1])


def shortest_patience(ends: Mapping[int, tuple[int, float]], examples: int) -> int:
    """Return the smallest patience that loses less than is allowed to the largest."""
    top = ends[max(ends)][1]
    return next(p for p in sorted(ends) if top - ends[p][1] < allowed_loss(top, examples))


def allowed_loss(accuracy: float, examples: int) -> float:
    """Return how much of an accuracy on a number of examples a patience may lose."""
    return min(LOSS, choice.error(accuracy, examples))


def _patience_decision(
    trial: JobResult, ends: Mapping[int, tuple[int, float]], patience: int, n: int
) -> Decision:
    top = ends[max(ends)][1]
    tried = [
        PatienceOutput(patience=value, epochs=epoch, best_validation_accuracy=best)
        for value, (epoch, best) in ends.items()
    ]
    line = curve(
        f"patience {max(ends)}",
        [row.epoch for row in trial.rows],
        trial.accuracies,
    )
    marks = [
        curve(
            f"end by patience {value}", [epoch], [accuracy], "chosen" if value == patience else ""
        )
        for value, (epoch, accuracy) in ends.items()
    ]
    return Decision(
        stage=6,
        name="final",
        heading="Early stopping",
        answer=f"A patience of {patience}: {_end(trial, ends[patience][0])} with "
        f"{100 * ends[patience][1]:.2f} %; the longest reaches {100 * top:.2f} %.",
        rule=PATIENCE_RULE.format(n=n, loss=100 * allowed_loss(top, n)),
        alternatives=tried,
        header=("patience", "ends in epoch", "best validation"),
        rows=[
            [str(end.patience), str(end.epochs), percent(end.best_validation_accuracy)]
            for end in tried
        ],
        picture=picture("The final training", BY_EPOCH, ACCURACY, [line, *marks]),
        chose=(("patience", patience),),
    )


def _end(trial: JobResult, epoch: int) -> str:
    """Return in words where a patience stops a training."""
    if trial.rows and epoch < trial.rows[-1].epoch:
        return f"it would end in epoch {epoch}"
    return f"the training ends in epoch {epoch}"


def _cut(constant: Config) -> Config:
    """Return the final training with a falling rate instead of a constant one."""
    return replace(constant, schedule=CUTS, patience=None)


def _schedule(state: TuneState, constant: Config, patience: int) -> Steps[None]:
    """Compare a falling rate with a constant one that is stopped by the chosen patience."""
    cut = _cut(constant)
    n, trials = state.validated(constant), dict[tuple[str, int], JobResult]()
    is_better, seeds = None, range(1)
    while is_better is None:
        needed = [(arm, seed) for seed in seeds for arm in (CONSTANT, SCHEDULE)]
        configs = []
        for arm, seed in needed:
            own = constant if seed == 0 else replace(constant, patience=patience)
            configs.append(replace(cut if arm == SCHEDULE else own, seed=constant.seed + seed))
        for (arm, seed), trial in zip(needed, (yield JobGroup(configs)), strict=True):
            trials[arm, seed] = trial
            result = 100 * _result(arm, trial, patience)
            state.trials.tell(Update(f"{arm}, seed {trial.config.seed}: {result:.2f} %"))
        scores = _scores(trials, patience)
        is_better = is_schedule_better(scores[CONSTANT], scores[SCHEDULE], n)
        seeds = range(1, 1 + SEEDS)
    chosen = SCHEDULE if is_better else CONSTANT
    state.decisions.append(_schedule_decision(trials, chosen, patience, n))
    if is_better:
        state.config = with_ending(state.config, None, constant.epochs)


def is_schedule_better(constant: Accuracies, schedule: Accuracies, examples: int) -> bool | None:
    """Return whether a schedule is better beyond the noise; None if further seeds are to decide.

    Args:
        constant: accuracies of the constant rate by added seed, which is 0 for the first.
        schedule: those of the schedule.
        examples: size of the validation data.
    """
    ahead = schedule[0] - constant[0]
    if ahead > choice.noise(schedule[0], examples):
        return True
    if ahead <= choice.noise(schedule[0], examples, FUTILE):
        return False
    if len(schedule) <= SEEDS:
        return None
    return _on_further_seeds(schedule, constant, examples).standing == "worse"


def _on_further_seeds(top: Accuracies, values: Accuracies, examples: int) -> CandidateStanding:
    """Compare values with those ahead at first, by the t-test on pairs of further seeds.

    The first seed named the one ahead. Their number is fixed, so that there is a single look.
    """
    unit = ACCURACIES._replace(resolution=1 / examples)
    pairs = [{seed: value for seed, value in each.items() if seed} for each in (top, values)]
    verdict = verdicts.judge({"it": verdicts.between(pairs[0], pairs[1], unit)}, unit)["it"]
    words = f"{verdict.amount} points over {len(pairs[1])} further seeds"
    if not verdict.differs:
        return CandidateStanding("tie", f"inside the noise: {words}")
    outcome: StandingName = "better" if verdict.difference.difference > 0 else "worse"
    return CandidateStanding(outcome, f"{outcome}: {words}")


def _standings(scores: Mapping[str, Accuracies], examples: int) -> dict[str, CandidateStanding]:
    """Compare each arm with the one that is ahead with the first seed."""
    best, other = CONSTANT, SCHEDULE
    if scores[SCHEDULE][0] > scores[CONSTANT][0]:
        best, other = other, best
    top, values = scores[best], scores[other]
    if len(top) > 1:
        ranks = {best: CandidateStanding("best", "highest with the first seed")}
        ranks[other] = _on_further_seeds(top, values, examples)
    else:
        ranks = {best: CandidateStanding("best", "highest")}
        ranks[other] = choice.beside(top[0], values[0], examples)
    return {arm: ranks[arm] for arm in (CONSTANT, SCHEDULE)}


def _result(candidate: str, trial: JobResult, patience: int) -> float:
    """Return the final accuracy; a constant-rate training is cut off at the patience."""
    return trial.accuracy if candidate == SCHEDULE else stop_early(trial, patience)[1]


def _scores(
    trials: Mapping[tuple[str, int], JobResult], patience: int
) -> dict[str, dict[int, float]]:
    scores: dict[str, dict[int, float]] = {}
    for (candidate, seed), trial in trials.items():
        scores.setdefault(candidate, {})[seed] = _result(candidate, trial, patience)
    return scores


def _schedule_decision(
    trials: Mapping[tuple[str, int], JobResult], chosen: str, patience: int, n: int
) -> Decision:
    scores = _scores(trials, patience)
    ranks = _standings(scores, n)
    constant, schedule = (
        percent(choice.accuracy_output(scores[c]).mean) for c in (CONSTANT, SCHEDULE)
    )
    if chosen == SCHEDULE:
        answer = f"halve-on-plateau: {schedule} validation accuracy, beyond the noise of"
        answer += f" the constant rate's {constant} with a patience of {patience}."
    else:
        is_tie = any(rank.standing == "tie" for rank in ranks.values())
        beside = "inside the noise of that" if is_tie else "no better"
        answer = f"constant: {constant} validation accuracy with a patience of {patience};"
        answer += f" halve-on-plateau's {schedule} is {beside}."
    tried = [
        ScheduleOutput(
            schedule=candidate,
            standing=rank.standing,
            comparison=rank.words,
            best_validation_accuracy=choice.accuracy_output(scores[candidate]),
        )
        for candidate, rank in ranks.items()
    ]
    curves = [
        curve(
            candidate,
            [row.epoch for row in trial.rows],
            trial.accuracies,
            "chosen" if candidate == chosen else "",
        )
        for (candidate, seed), trial in sorted(trials.items())
        if seed == 0
    ]
    return Decision(
        stage=6,
        name="final",
        heading="Schedule",
        answer=answer,
        rule=SCHEDULE_RULE.format(
            patience=patience,
            n=n,
            noise=100 * choice.noise(max(values[0] for values in scores.values()), n),
            seeds=SEEDS,
        ),
        alternatives=tried,
        header=("schedule", *choice.COLUMNS),
        rows=[[schedule.schedule, *schedule.cells] for schedule in tried],
        left=2,
        picture=picture("The final training, first seed", BY_EPOCH, ACCURACY, curves),
        chose=(("schedule", chosen),),
    )

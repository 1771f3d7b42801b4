"""The last stage: train on the full problem, and choose patience and schedule."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct
from msgspec.structs import replace

from nnexp.config.model import Config
from nnexp.optim.schedules import Constant, HalveOnPlateau
from nnexp.report.text import percent
from nnexp.training.stopping import Accuracy, first_stop
from nnexp.tune import choice, learning_rate, quick_problem, rate_check, weight_decay
from nnexp.tune.choice import CandidateOutput, CandidateStanding
from nnexp.tune.decision import ACCURACY, BY_EPOCH, Decision, curve, picture, skipped
from nnexp.tune.state import TuneState
from nnexp.tune.trials import BudgetSpentError, JobGroup, JobResult, Steps, Update

RATE_HEADING, DECAY_HEADING = "η on the full problem", "λ on the full problem"
PATIENCES = (10, 20, 30)
EPOCHS = 100
"""Maximum for a final training, unless the config has more."""
LOSS = 0.001
"""Accuracy that a patience may lose, unless a standard error is less."""
CUTS = HalveOnPlateau(patience=5)
AHEAD = 1.0
"""Standard errors of a difference by which a schedule must be ahead.

On two independent samples of images, one is ahead by more in a sixth of cases. Here, both networks
see the same ones, from the same initial weights: between seeds, the difference varied by 0.1 to 0.3
of it.
"""
CONSTANT, SCHEDULE = "constant", "halve-on-plateau"

PATIENCE_RULE = (
    "One final training with a patience of 30; its history shows where a patience of 10 or 20 "
    "would have stopped it. The smallest patience is chosen that loses less than {loss:.2f} points "
    "on {n:,} images: a tenth of a point or, if that is less, one standard error."
)
SCHEDULE_RULE = (
    "A falling rate, η halved whenever validation accuracy has not improved for five epochs, down "
    "to 1/128, is compared with a constant η and a patience of {patience}. The schedule is chosen "
    "only if it is better by more than a standard error of a difference on {n:,} images, "
    "{noise:.2f} points. (Both are evaluated on the same images, so that a difference by chance is "
    "smaller.) A tie goes to the constant rate, which has nothing to tune."
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

    Both schedules are needed in any case, so they are trained together.
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
    trials = yield JobGroup([constant, _cut(constant)])
    by_name = dict(zip((CONSTANT, SCHEDULE), trials, strict=True))
    n = state.validated(constant)
    scores = {
        CONSTANT: stop_early(by_name[CONSTANT], patience)[1],
        SCHEDULE: by_name[SCHEDULE].accuracy,
    }
    for name, score in scores.items():
        state.trials.tell(Update(f"{name}: {100 * score:.2f} %"))
    chosen = SCHEDULE if is_schedule_better(scores[CONSTANT], scores[SCHEDULE], n) else CONSTANT
    state.decisions.append(_schedule_decision(by_name, scores, chosen, patience, n))
    if chosen == SCHEDULE:
        state.config = with_ending(state.config, None, constant.epochs)


def is_schedule_better(constant: float, schedule: float, examples: int) -> bool:
    """Return whether a schedule's accuracy on a number of examples is better beyond the noise."""
    return schedule - constant > choice.noise(schedule, examples, AHEAD)


def _schedule_decision(
    trials: Mapping[str, JobResult],
    scores: Mapping[str, float],
    chosen: str,
    patience: int,
    n: int,
) -> Decision:
    best = max(scores, key=lambda name: scores[name])  # the constant rate, if they are equal
    top = scores[best]
    ranks = {name: choice.beside(top, score, n, AHEAD) for name, score in scores.items()}
    ranks[best] = CandidateStanding("best", "highest")
    constant, schedule = (percent(scores[name]) for name in (CONSTANT, SCHEDULE))
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
            schedule=name,
            standing=rank.standing,
            comparison=rank.words,
            best_validation_accuracy=scores[name],
        )
        for name, rank in ranks.items()
    ]
    curves = [
        curve(
            name,
            [row.epoch for row in trial.rows],
            trial.accuracies,
            "chosen" if name == chosen else "",
        )
        for name, trial in trials.items()
    ]
    noise = 100 * choice.noise(top, n, AHEAD)
    return Decision(
        stage=6,
        name="final",
        heading="Schedule",
        answer=answer,
        rule=SCHEDULE_RULE.format(patience=patience, n=n, noise=noise),
        alternatives=tried,
        header=("schedule", *choice.COLUMNS),
        rows=[[schedule.schedule, *schedule.cells] for schedule in tried],
        left=2,
        picture=picture("The final training", BY_EPOCH, ACCURACY, curves),
        chose=(("schedule", chosen),),
    )

"""The last stage: back to the full problem, to the final training and its schedule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from nnexp.config.model import Config
from nnexp.optim.schedules import Constant, HalveOnPlateau
from nnexp.training.stopping import Accuracy, first_stop
from nnexp.tune import choice, ladder, learning_rate, quick_problem, weight_decay
from nnexp.tune.choice import MOST_SEEDS
from nnexp.tune.decision import ACCURACY, BY_EPOCH, Decision, curve, picture, skipped
from nnexp.tune.state import TuneState
from nnexp.tune.trials import BudgetSpentError, JobGroup, JobResult, Steps, Update

RATE_HEADING, DECAY_HEADING = "η on the full problem", "λ on the full problem"
PATIENCES = (10, 20, 30)
EPOCHS = 100
"""Of a final training, at most."""
SEEDS = 3
"""Of a schedule, at most."""
CUTS = HalveOnPlateau(patience=5)
CONSTANT, SCHEDULE = 0.0, 1.0

PATIENCE_RULE = (
    "One final training with a patience of 30; by its own record, where a patience of 10 or 20 "
    "would have ended it. The smallest is taken that loses less than one standard error of an "
    "accuracy on {n:,} images, {error:.2f} points."
)
SCHEDULE_RULE = (
    "A larger rate first, a smaller one later: η, halved whenever five epochs bring no better "
    "validation accuracy, until 1/128; against η held constant and ended by the patience of "
    "{patience}. The schedule is taken only if it is better beyond the noise (two standard errors "
    "of a difference on {n:,} images, {noise:.2f} points, else seeds are added, up to {seeds}, and "
    "a paired t-test decides); a tie goes to the constant rate, which has nothing to be tuned."
)


def rate(state: TuneState) -> Steps[None]:
    """Look whether η is still right on the full problem, and set it."""
    base = quick_problem.plain(state.config)
    rungs = yield from learning_rate.again(base, state.trials, state.threshold, lambda_=False)
    before = state.config.learning_rate
    state.decisions.append(
        learning_rate.decision(rungs, stage=6, heading=RATE_HEADING, rule=RATE_RULE, before=before)
    )
    found = ladder.threshold(rungs)
    if found is not None:
        state.config = replace(state.config, learning_rate=found / 2)


RATE_RULE = (
    "The ladder's rule with λ = 0, around the threshold found on the quick problem: from a fifth "
    "of it, up by factors of 2 to 2.5 while the training cost falls steadily, else down. (λ is "
    "left out since with many images a penalized cost is soon on its plateau, whose noise says "
    "nothing of η.)"
)


def decay(state: TuneState) -> Steps[None]:
    """Look whether λ is still right on the full problem, and set it."""
    base = replace(quick_problem.plain(state.config), epochs=weight_decay.EPOCHS)
    found = yield from weight_decay.check(state, base, MOST_SEEDS, DECAY_HEADING)
    state.config = replace(state.config, lambda_=found)


def epochs(config: Config) -> int:
    """Return how many epochs a final training may take: more than usual if a config asks for it."""
    return max(EPOCHS, config.epochs)


def train(state: TuneState) -> Steps[None]:
    """Train on the full problem, choose the patience and then the schedule.

    Both arms of the schedule's choice are sure to be needed, so that they are trained together.
    """
    base = replace(quick_problem.plain(state.config), epochs=epochs(state.config))
    constant = replace(base, patience=max(PATIENCES))
    arms = [constant] if learning_rate.why_not(base) is not None else [constant, _cut(constant)]
    try:
        trial = (yield JobGroup(arms))[0]
    except BudgetSpentError:  # there may be room for one of them
        trial = (yield JobGroup([constant]))[0]
    state.trials.tell(Update(f"final training: {100 * trial.accuracy:.2f} %"))
    n = state.validated(base)
    ends = {patience: stopped(trial, patience) for patience in PATIENCES}
    patience = lenient(ends, n)
    state.decisions.append(_patience_decision(trial, ends, patience, n))
    state.config = ended(state.config, patience, base.epochs)
    if (why := learning_rate.why_not(base)) is not None:
        state.decisions.append(skipped(6, "final", "Schedule", why))
    else:
        yield from _schedule(state, constant, patience)


def ended(config: Config, patience: int | None, epochs: int) -> Config:
    """Return a config that ends as a final training did, whatever ended it before."""
    monitor = config.monitor if "validation" in config.monitor else (*config.monitor, "validation")
    return replace(
        config,
        patience=patience,
        epochs=epochs,
        schedule=Constant() if patience is not None else CUTS,
        stopping=Accuracy(),
        monitor=monitor,
    )


def stopped(trial: JobResult, patience: int) -> tuple[int, float]:
    """Return the epoch in which a patience ends a training, and the best accuracy by then.

    One that diverges before the patience ends it has no result.
    """
    epochs = [row.epoch for row in trial.rows]
    place = first_stop(epochs, trial.accuracies, patience)
    if place is None:
        return (epochs[-1] if epochs else 0), trial.accuracy
    return epochs[place], max(trial.accuracies[: place + 1])


def lenient(ends: Mapping[int, tuple[int, float]], examples: int) -> int:
    """Return the smallest patience that loses nothing to speak of beside the largest."""
    top = ends[max(ends)][1]
    return next(each for each in sorted(ends) if top - ends[each][1] < choice.error(top, examples))


def _patience_decision(
    trial: JobResult, ends: Mapping[int, tuple[int, float]], patience: int, n: int
) -> Decision:
    top = ends[max(ends)][1]
    line = curve(
        f"patience {max(ends)}",
        [row.epoch for row in trial.rows],
        trial.accuracies,
    )
    marks = [
        curve(f"end by patience {each}", [epoch], [accuracy], "chosen" if each == patience else "")
        for each, (epoch, accuracy) in ends.items()
    ]
    return Decision(
        stage=6,
        name="final",
        heading="Early stopping",
        answer=f"A patience of {patience}: {_end(trial, ends[patience][0])} with "
        f"{100 * ends[patience][1]:.2f} %, the longest gets {100 * top:.2f} %.",
        rule=PATIENCE_RULE.format(n=n, error=100 * choice.error(top, n)),
        header=("patience", "ends in epoch", "best validation"),
        rows=[[str(p), str(epoch), f"{100 * best:.2f} %"] for p, (epoch, best) in ends.items()],
        picture=picture("The final training", BY_EPOCH, ACCURACY, [line, *marks]),
        chose=(("patience", patience),),
    )


def _end(trial: JobResult, epoch: int) -> str:
    """Return in words where a patience ends a training."""
    if trial.rows and epoch < trial.rows[-1].epoch:
        return f"it would end in epoch {epoch}"
    return f"the training ends in epoch {epoch}"


def _cut(constant: Config) -> Config:
    """Return the final training with a falling rate in place of a constant one."""
    return replace(constant, schedule=CUTS, patience=None)


def _schedule(state: TuneState, constant: Config, patience: int) -> Steps[None]:
    """Hold a falling rate against the constant one, as the chosen patience ends it."""
    cut = _cut(constant)
    n, trials = state.validated(constant), dict[tuple[float, int], JobResult]()
    wanted: Sequence[tuple[float, int]] = [(CONSTANT, 0), (SCHEDULE, 0)]
    while wanted:
        configs = []
        for arm, seed in wanted:
            own = constant if seed == 0 else replace(constant, patience=patience)
            configs.append(replace(cut if arm == SCHEDULE else own, seed=constant.seed + seed))
        for (arm, seed), trial in zip(wanted, (yield JobGroup(configs)), strict=True):
            trials[arm, seed] = trial
            result = 100 * _result(arm, trial, patience)
            text = f"{_name(arm)}, seed {trial.config.seed}: {result:.2f} %"
            state.trials.tell(Update(text))
        scores = _scores(trials, patience)
        wanted = choice.wanted(scores, (CONSTANT, SCHEDULE), n, SEEDS)
    found = choice.chosen(scores, (CONSTANT, SCHEDULE), n, SEEDS)
    state.decisions.append(_schedule_decision(trials, found, patience, n))
    if found == SCHEDULE:
        state.config = ended(state.config, None, constant.epochs)


def _result(candidate: float, trial: JobResult, patience: int) -> float:
    """Return the accuracy that a training ends with; the constant one's may have gone on longer."""
    return trial.accuracy if candidate == SCHEDULE else stopped(trial, patience)[1]


def _scores(
    trials: Mapping[tuple[float, int], JobResult], patience: int
) -> dict[float, dict[int, float]]:
    scores: dict[float, dict[int, float]] = {}
    for (each, seed), trial in trials.items():
        scores.setdefault(each, {})[seed] = _result(each, trial, patience)
    return scores


def _name(candidate: float) -> str:
    return "constant" if candidate == CONSTANT else "halve-on-plateau"


def _schedule_decision(
    trials: Mapping[tuple[float, int], JobResult], found: float, patience: int, n: int
) -> Decision:
    scores = _scores(trials, patience)
    seen = choice.standings(scores, n, SEEDS)
    constant, schedule = (f"{100 * seen[each].accuracy:.2f} %" for each in (CONSTANT, SCHEDULE))
    if found == SCHEDULE:
        answer = f"halve-on-plateau: {schedule} validation accuracy, beyond the noise of"
        answer += f" the constant rate's {constant} with a patience of {patience}."
    else:
        beside = "inside the noise of that" if choice.best(scores) == SCHEDULE else "no better"
        answer = f"constant: {constant} validation accuracy with a patience of {patience};"
        answer += f" halve-on-plateau's {schedule} is {beside}."
    curves = [
        curve(
            _name(each),
            [row.epoch for row in trial.rows],
            trial.accuracies,
            "chosen" if each == found else "",
        )
        for (each, seed), trial in sorted(trials.items())
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
            noise=100 * choice.noise(seen[choice.best(scores)].accuracy, n),
            seeds=SEEDS,
        ),
        header=("schedule", "beside the best", "validation", "seeds"),
        rows=[
            [_name(each), stands.words, f"{100 * stands.accuracy:.2f} %", str(stands.seeds)]
            for each, stands in seen.items()
        ],
        left=2,
        picture=picture("The final training, first seed", BY_EPOCH, ACCURACY, curves),
        chose=(("schedule", _name(found)),),
    )

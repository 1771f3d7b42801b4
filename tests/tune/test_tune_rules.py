"""Decision rules of tune, on synthetic results whose answer is known."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import pytest
from msgspec.structs import replace

from nnexp.config import load
from nnexp.config.model import Config, PerExample
from nnexp.datasets.dataset import Dataset, Split
from nnexp.datasets.expansion import Shift
from nnexp.datasets.sources import Mnist
from nnexp.errors import UsageError
from nnexp.optim.schedules import Constant, HalveOnPlateau
from nnexp.report import renderer
from nnexp.report.document import as_markdown
from nnexp.report.figure import Axis
from nnexp.report.page import page as html
from nnexp.store.run import Run
from nnexp.training.history import Row
from nnexp.training.stopping import Cost
from nnexp.tune import batch_size, choice, decision, final, ladder, outputs, quick_problem
from nnexp.tune.batch_size import TimedSize
from nnexp.tune.choice import Score
from nnexp.tune.decision import BY_EPOCH, Decision, picture, skipped
from nnexp.tune.ladder import Rung
from nnexp.tune.rate_check import CheckedRates
from nnexp.tune.state import TimingSession, TuneState
from nnexp.tune.trials import JobResult
from tests.tune.planted import finish

if TYPE_CHECKING:
    from nnexp.tune.trials import Trials

ENDS = (1e-4, 1e4)
N = 1000
"""Validation images: two standard errors of a difference are 3 points at 87 %, 2.7 at 90 %."""


def test_what_diverged_is_worth_nothing_however_well_it_began() -> None:
    rows = [Row(epoch=1, learning_rate=1.0, validation_accuracy=0.9)]
    trial = JobResult(Config(), Run(Path("runs/a")), rows, diverged=False, seconds=None)
    assert trial.accuracy == 0.9
    assert trial._replace(diverged=True).accuracy == 0.0


def walked(accuracy: dict[float, float], cost: dict[float, float] | None = None) -> list[float]:
    """Return the λ that the search tries, where accuracies and costs (by default 1) are known."""
    scores: dict[float, Score] = {}
    while strengths := choice.next_strengths(scores, 1.0, N, ENDS):
        scores |= {s: Score(accuracy.get(s, 0.1), (cost or {}).get(s, 1.0)) for s in strengths}
    up, down = ([each for each in scores if sign * each > sign] for sign in (1, -1))
    return [1.0, *up, *down]


def test_lambda_is_looked_for_by_decades_in_both_directions() -> None:
    """With 0.01, the cost is 4 % lower than with 0.1: no more than noise, as 2 points are."""
    costs = {1.0: 0.5, 0.1: 0.4, 0.01: 0.384}
    found = walked({1.0: 0.87, 10.0: 0.80, 0.1: 0.89, 0.01: 0.91}, costs)
    assert found == [1.0, 10.0, 0.1, 0.01]


def test_lambda_goes_down_while_accuracy_rises_beyond_the_noise() -> None:
    """By 5 points, where 2.7 are noise, though costs are alike; then by 1."""
    found = walked({1.0: 0.80, 10.0: 0.5, 0.1: 0.85, 0.01: 0.90, 0.001: 0.91, 1e-4: 0.99})
    assert found == [1.0, 10.0, 0.1, 0.01, 0.001]


def test_lambda_goes_up_while_that_is_not_worse_beyond_the_noise() -> None:
    found = walked({1.0: 0.87, 10.0: 0.86, 100.0: 0.90, 1000.0: 0.5, 0.1: 0.85})
    assert found == [1.0, 10.0, 100.0, 1000.0, 0.1]


def test_lambda_s_search_ends_where_nothing_changes() -> None:
    assert walked(dict.fromkeys([1.0, 0.1, 0.01], 0.9)) == [1.0, 10.0, 0.1]
    assert walked({10.0**power: 0.9 for power in range(-9, 9)})[-2:] == [10000.0, 0.1]


def test_the_noise_is_two_standard_errors_of_a_difference() -> None:
    assert choice.noise(0.9, 1000) == pytest.approx(2 * math.sqrt(2 * 0.9 * 0.1 / 1000))
    assert choice.noise(1.0, 100) > 0
    assert choice.noise(0.0, 1) > 0


def test_finer_candidates_are_those_that_were_not_tried() -> None:
    assert choice.finer([0.1, 1.0, 10.0], 1.0) == [0.3, 3.0]
    assert choice.finer([0.3, 1.0], 1.0) == [3.0]


def curve(size: int, epoch: float, accuracies: list[float]) -> TimedSize:
    seconds = tuple(epoch * (place + 1) for place in range(len(accuracies)))
    return TimedSize(size, 0.1 * size, seconds, tuple(accuracies))


SLOW = curve(1, 1.0, [0.80, 0.90, 0.90])
MIDDLE = curve(10, 0.2, [0.70, 0.80, 0.90])
FAST = curve(100, 0.1, [0.30, 0.40, 0.50])
BROKEN = TimedSize(1000, 100.0, (), ())


def test_the_fastest_to_a_level_that_all_reach_who_come_near_it() -> None:
    timed = [SLOW, MIDDLE, FAST, BROKEN]
    assert batch_size.level(timed) == 0.90  # 0.50 does not set it
    assert batch_size.fastest(timed, own=1) is MIDDLE  # after 0.6 s, not 2
    assert FAST.reaches(0.9) is None
    assert MIDDLE.reaches(0.75) == pytest.approx(0.4)


def test_the_level_is_what_the_slowest_learner_gets_to() -> None:
    assert batch_size.level([SLOW, curve(10, 0.1, [0.6, 0.895])]) == 0.895


def test_the_config_s_own_size_stays_where_clocks_hardly_tell() -> None:
    other = curve(20, 0.19, [0.70, 0.80, 0.90])
    assert batch_size.fastest([MIDDLE, other], own=10) is MIDDLE
    assert batch_size.fastest([MIDDLE, other], own=20) is other
    assert batch_size.fastest([MIDDLE, curve(20, 0.15, [0.7, 0.8, 0.9])], own=10).size == 20


@pytest.mark.parametrize(
    ("own", "examples", "expected"),
    [
        (10, 1000, [5, 10, 20, 50, 100]),
        (32, 100, [5, 10, 20, 32, 50]),
        (10, 4, [10]),
        (10, 1, [10]),
    ],
)
def test_sizes_leave_an_epoch_two_steps(own: int, examples: int, expected: list[int]) -> None:
    assert batch_size.sizes(own, examples) == expected


def test_the_smallest_patience_that_loses_nothing() -> None:
    ends = {10: (20, 0.9599), 20: (45, 0.9605), 30: (70, 0.9607)}
    assert final.shortest_patience(ends, 10_000) == 10
    assert final.shortest_patience(ends | {10: (20, 0.9590)}, 10_000) == 20
    assert final.shortest_patience(ends | {10: (20, 0.95), 20: (45, 0.9590)}, 10_000) == 30
    assert final.shortest_patience({10: (20, 1.0), 20: (30, 1.0), 30: (40, 1.0)}, 10) == 10


def trial(accuracies: list[float], *, diverged: bool = False) -> JobResult:
    rows = [
        Row(epoch=epoch, learning_rate=1.0, validation_accuracy=accuracy)
        for epoch, accuracy in enumerate(accuracies, 1)
    ]
    return JobResult(Config(), Run(Path("runs/a")), rows, diverged=diverged, seconds=None)


def test_where_a_patience_ends_a_training() -> None:
    """The best of epoch 1 stands for ten until epoch 11; that of epoch 12 needs more patience."""
    later = trial([0.9, *[0.8] * 10, 0.95, *[0.8] * 30])
    assert final.stop_early(later, 10) == (11, 0.9)
    assert final.stop_early(later, 20) == (32, 0.95)
    assert final.stop_early(trial([0.9, 0.8]), 10) == (2, 0.9)
    assert final.stop_early(trial([0.9, 0.8], diverged=True), 10) == (2, 0.0)
    assert final.stop_early(trial([0.9, *[0.8] * 15], diverged=True), 10) == (11, 0.9)


class Made:
    """Trials that are not trained: what each comes to follows from its schedule."""

    def __init__(self, constant: list[float], schedule: list[float]) -> None:
        self.accuracies = {False: constant, True: schedule}
        self.asked: list[Config] = []

    def run(self, config: Config) -> JobResult:
        self.asked.append(config)
        halved = isinstance(config.schedule, HalveOnPlateau)
        return trial(self.accuracies[halved])._replace(config=config)

    def timed(self, config: Config) -> JobResult:
        return self.run(config)

    def tell(self, _: str) -> None:
        pass

    def dataset(self, _: Config) -> Dataset:
        return dataset([0, 1] * 50, [0, 1] * 500)


def ended(made: Made) -> TuneState:
    state = TuneState(
        Config(), Config(), cast("Trials", made), 1.0, frozenset({"final"}), TimingSession()
    )
    finish(final.train(state), made)
    return state


def test_a_schedule_is_held_against_what_the_chosen_patience_ends_with() -> None:
    """A patience of 30 comes to 95.05 %, one of 10 to 95.0 %, which is no loss to speak of.

    On 1,000 images a standard error of a difference is 0.886 points at 95.89 %, which is 0.84
    points above the one and 0.89 above the other.
    """
    constant = [0.950, *[0.9] * 12, 0.9505, *[0.9] * 30]
    state = ended(Made(constant, [0.9589]))
    patience, schedule = state.decisions
    assert dict(patience.chose) == {"patience": 10}
    assert dict(schedule.chose) == {"schedule": "halve-on-plateau"}
    assert schedule.answer == (
        "halve-on-plateau: 95.89 % validation accuracy, beyond the noise of the constant rate's "
        "95.00 % with a patience of 10."
    )
    assert isinstance(state.config.schedule, HalveOnPlateau)
    assert state.config.patience is None


@pytest.mark.parametrize(
    ("halved", "beside"),
    [
        (0.92, "92.00 % is no better"),
        (0.949, "94.90 % is inside the noise of that"),
        (0.955, "95.50 % is inside the noise of that"),
        (0.9585, "95.85 % is inside the noise of that"),
    ],
)
def test_a_schedule_that_is_no_better_beyond_the_noise_is_not_taken(
    halved: float, beside: str
) -> None:
    """A standard error of a difference is 0.89 points at 95.85 %."""
    made = Made([0.9499, *[0.9] * 40], [halved])
    state = ended(made)
    assert dict(state.decisions[1].chose) == {"schedule": "constant"}
    assert state.decisions[1].answer == (
        f"constant: 94.99 % validation accuracy with a patience of 10; halve-on-plateau's {beside}."
    )
    assert isinstance(state.config.schedule, Constant)
    assert state.config.patience == 10
    assert {config.seed for config in made.asked} == {0}


def around(limit: float, before: float = 1.0) -> tuple[list[float], float | None]:
    """Return what is tried around a threshold that is now another one, and what is found."""
    grid = [factor * before for factor in ladder.AROUND]
    rungs: list[Rung] = []
    while (rate := ladder.climb(grid, ladder.BELOW, rungs)) is not None:
        rungs.append(Rung(rate, [2.0, 1.0, 0.5] if rate <= limit else [2.0, math.inf]))
    return [rung.learning_rate for rung in rungs], ladder.threshold(rungs)


def test_around_a_threshold_it_is_found_again() -> None:
    assert around(1.0) == ([0.2, 0.5, 1.0, 2.0], 1.0)
    assert around(0.3) == ([0.2, 0.5], 0.2)
    assert around(0.07) == ([0.2, 0.1, 0.05], 0.05)
    assert around(9.0) == ([0.2, 0.5, 1.0, 2.0, 5.0, 10.0], 5.0)
    assert around(0.003)[1] == 0.002
    assert around(0.0001)[1] is None


def rates(**costs: float) -> CheckedRates:
    """Return rates 0.1, 0.2 and 0.5, called a, b and c, whose threshold is 0.5."""
    known = {"a": 0.1, "b": 0.2, "c": 0.5}
    rungs = [Rung(known[name], [2.0, 1.0, 0.5]) for name in costs]
    return CheckedRates(rungs, {known[name]: cost for name, cost in costs.items()})


def test_half_of_the_threshold_stays_unless_a_smaller_rate_is_better_beyond_the_noise() -> None:
    """Costs within 5 % are equal; the largest such rate is the limit."""
    assert rates(a=1.0, b=1.04, c=1.2).learning_rate == 0.2
    assert rates(a=1.0, b=1.04, c=1.05).learning_rate == 0.25
    assert rates(a=1.0, b=1.06, c=1.2).learning_rate == 0.1
    assert rates(a=1.2, b=1.1, c=1.0).learning_rate == 0.25
    assert rates(a=0.0, b=0.0, c=math.inf).learning_rate == 0.2


def dataset(train: list[int], validation: list[int] | None) -> Dataset:
    def split(labels: list[int]) -> Split:
        return Split(np.zeros((len(labels), 4), np.uint8), np.array(labels))

    seen = None if validation is None else split(validation)
    return Dataset(split(train), seen, None, max(train) + 1, 255.0, {})


def test_the_quick_problem_keeps_lambda_per_image() -> None:
    whole = dataset(list(range(10)) * 5000, list(range(10)) * 1000)
    config = Config(hidden=(100, 50), lambda_=5.0, patience=10, schedule=HalveOnPlateau(patience=5))
    small = quick_problem.derive(config, whole, 50_000)
    assert (small.data.train, small.data.validation) == (1000, 1000)
    assert small.hidden == (30,)
    assert small.lambda_ == 0.1
    assert small.patience is None
    assert (
        quick_problem.derive(Config(lambda_=PerExample(1e-4), hidden=()), whole, 50_000).lambda_
        == 0.1
    )
    assert quick_problem.derive(Config(hidden=()), whole, 50_000).hidden == ()


def test_a_small_problem_is_as_quick_as_it_can_be() -> None:
    """With 60 images and 30 neurons it is the problem itself, with all validation images."""
    own = Config(hidden=(30,), lambda_=3.0, data=Mnist(train=60))
    few = dataset([0, 1, 2] * 20, [0, 1, 2] * 1000)
    assert quick_problem.derive(own, few, 60) == quick_problem.plain(own)
    fewer = quick_problem.derive(replace(own, hidden=(31,)), few, 60)
    assert (fewer.data.train, fewer.data.validation, fewer.hidden) == (60, 1000, (30,))
    more = quick_problem.derive(replace(own, data=Mnist(expand=Shift())), few, 300)
    assert (more.data.train, more.data.expand, more.lambda_) == (60, None, 0.6)


def test_two_classes_are_the_first_that_there_are() -> None:
    whole = dataset([3, 3, 5, 7, 5], [3, 5, 7])
    two = quick_problem.two_classes(quick_problem.derive(Config(lambda_=5.0), whole, 5), whole)
    assert two is not None
    assert two.data.classes == (3, 5)
    assert two.lambda_ == 4.0  # of four examples in five
    assert (two.data.train, two.data.validation, two.hidden) == (4, 2, ())
    chosen = Config(data=Mnist(classes=(8, 9, 2)))
    whole = dataset([0, 1, 2], [0, 1, 2])
    two = quick_problem.two_classes(quick_problem.derive(chosen, whole, 3), whole)
    assert two is not None
    assert two.data.classes == (8, 9)
    assert (
        quick_problem.two_classes(quick_problem.derive(Config(), whole, 5), dataset([0, 1, 2], [2]))
        is None
    )


def test_without_validation_data_there_is_nothing_to_choose_by() -> None:
    with pytest.raises(UsageError, match="find-rate chooses a learning rate by the training cost"):
        quick_problem.derive(Config(), dataset([0, 1], None), 2)


def test_lambda_is_scaled_by_all_images_that_are_trained_on() -> None:
    shifted = Config(lambda_=5.0, data=Mnist(expand=Shift()))
    small = quick_problem.derive(shifted, dataset(list(range(10)) * 200, [0, 1]), 10_000)
    assert (small.data.train, small.data.expand, small.lambda_) == (1000, None, 0.5)


@pytest.mark.parametrize("patience", [20, None])
def test_a_tuned_config_can_be_trained_whatever_ended_it_before(patience: int | None) -> None:
    for config in (
        Config(),
        Config(schedule=HalveOnPlateau(), patience=None),
        Config(monitor=("train",), patience=None),
        Config(monitor=("norms",), patience=None, stopping=Cost()),
    ):
        load.check(final.with_ending(config, patience, 100))


@pytest.mark.parametrize(
    "settings",
    [
        [],
        ["data.expand=shift", "hidden=[]"],
        ["data.train=1000", "lambda.per_example=1e-4", "monitor=[validation]"],
        ["optimizer.name=momentum", "optimizer.mu=0.5", "schedule.name=halve-on-plateau"],
    ],
)
def test_a_tuned_config_reads_back_as_what_it_is(settings: list[str]) -> None:
    original = load.parse("{}", "config", settings)
    config = replace(original, learning_rate=0.125, batch_size=20)
    chose = (("learning_rate", 0.125),)
    decision = Decision(2, "eta", "η", "η = 0.125: so\nit is.", "", (), (), chose=chose)
    text = outputs.tuned_yaml(config, original, [decision], "a\nb.yaml")
    assert load.parse(text, "tuned") == config
    assert "# Stage 2: η = 0.125: so it is.\nlearning_rate: 0.125\n" in text
    assert r"from a\nb.yaml;" in text


def test_a_value_that_differs_from_the_decision_s_says_why() -> None:
    decisions = [
        Decision(3, "lambda", "λ", "λ = 0.5: best.", "", (), (), chose=(("lambda", 0.5),)),
        Decision(6, "final", "End", "A patience of 20.", "", (), (), chose=(("patience", 20),)),
    ]
    text = outputs.tuned_yaml(Config(lambda_=25.0, patience=None), Config(), decisions, "a.yaml")
    scaled = "λ = 0.5: best. λ scales with n: converted from the quick problem."
    assert f"# Stage 3: {scaled}\nlambda: 25.0\n" in text
    ended = "A patience of 20. The schedule ends the run itself."
    assert f"# Stage 6: {ended}\npatience: null\n" in text
    same = outputs.tuned_yaml(Config(lambda_=0.5, patience=20), Config(), decisions, "a.yaml")
    assert "# Stage 3: λ = 0.5: best.\nlambda: 0.5\n" in same
    assert "# Stage 6: A patience of 20.\npatience: 20\n" in same


def test_columns_of_words_are_to_the_left_in_both_pages() -> None:
    decision = Decision(
        2, "eta", "η", "η = 1.", "Rule.", ("a", "b", "c"), [["1", "x", "2"]], left=2
    )
    assert "| --- | --- | ---: |" in as_markdown(outputs.document([decision], "t", []))
    assert html(outputs.document([decision], "t", []), "nnexp tune").count("<table") == 1


def test_a_section_without_a_table_has_none() -> None:
    section = skipped(5, "batch-size", "Mini-batch size", "there is none")
    document = outputs.document([section], "t", [])
    plain, page = as_markdown(document), html(document, "nnexp tune")
    assert plain == "# t\n\n## Stage 5: Mini-batch size\n\n**Skipped: there is none.**"
    assert "<table" not in page
    assert "Rule" not in page


def test_a_logarithmic_axis_has_plain_numbers() -> None:
    curves = [decision.curve("cost", [0.01, 0.1, 1.0, 10.0, 100.0], [0.25, 0.3, 0.5, 0.6, 0.7])]
    axes = Axis("λ", scale="log"), Axis("cost", scale="log")
    text = renderer.svg(picture("t", *axes, curves)).decode()
    ticks = re.findall(r"<text [^>]*>([^<]*)</text>", text)
    assert {"0.01", "0.1", "10", "100", "0.3", "0.4", "0.6"} <= set(ticks)
    assert "×" not in text


def test_contents_are_numbered_by_stage() -> None:
    decisions = [skipped(stage, "final", f"h{stage}", "w") for stage in (1, 5, 6, 6)]
    page = html(outputs.document(decisions, "t", []), "nnexp tune")
    assert re.findall(r'<li><a href="#decision-\d">Stage (\d)', page) == ["1", "5", "6", "6"]


def test_a_picture_over_epochs_has_ticks_at_whole_epochs_only() -> None:
    line = decision.curve("cost", [1, 2, 3], [100.0, 200.0, 300.0])
    drawn = renderer.svg(picture("cost", BY_EPOCH, Axis("cost"), [line])).decode()
    labels = re.findall(r">([\d.]+)</text>", drawn)
    assert {"1", "2", "3"} < set(labels)
    assert not any("." in label for label in labels)

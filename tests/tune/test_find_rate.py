"""The ladder of learning rates: its rule on synthetic costs, and the command nnexp find-rate."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from nnexp.config import load
from nnexp.datasets.loading import Data
from nnexp.store import thresholds
from nnexp.tune import ladder
from nnexp.tune.ladder import Rung

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.conftest import Bench

FALLING = [2.0, 1.5, 1.2, 1.0, 0.9, 0.8, 0.75, 0.7, 0.66, 0.63]
SLOW = [2.0, 1.99, 1.98, 1.97, 1.96, 1.95, 1.94, 1.93, 1.92, 1.91]
FLAT = [2.3] * 10
DEAD = [1.2, 1.15, 1.12, 1.11, 1.1, 1.1, 1.1, 1.1, 1.1, 1.1]  # from 20 before the first epoch
OSCILLATING = [2.0, 1.0] * 5
JUMPING = [2.0, 0.9, 2.4, 1.5, 1.3, 1.2, 1.1, 1.0, 1.0, 0.95]  # rises 1.5 of falls 2.55
FAR_ABOVE = [9.0, 7.0, 5.0, 4.0, 3.5, 3.2, 3.0, 2.9, 2.85, 2.8]
DIVERGED = [2.0, math.inf]


def climbed(costs: Callable[[float, int], list[float]], seeds: Sequence[int] = (0,)) -> list[Rung]:
    """Return what the ladder tries where costs are a function of rate and seed."""
    rungs: list[Rung] = []
    while points := ladder.next_trials(rungs, seeds):
        assert not set(points) & {(rung.learning_rate, rung.seed) for rung in rungs}
        assert len(points) == len(set(points))
        rungs += [Rung(rate, costs(rate, seed), seed) for rate, seed in points]
    return rungs


def rates(rungs: Sequence[Rung]) -> list[float]:
    return [rung.learning_rate for rung in rungs]


def test_the_chapter_s_ladder() -> None:
    def costs(rate: float, _: int) -> list[float]:
        return SLOW if rate < 0.1 else FALLING if rate <= 0.5 else DIVERGED

    rungs = climbed(costs)
    assert rates(rungs) == [0.01, 0.1, 1.0, 0.05, 0.2, 0.5]
    assert ladder.threshold(rungs) == 0.5


def test_all_seeds_try_the_rates_around_the_threshold() -> None:
    """The first one climbs and tries two below; then all try the rates beside the threshold."""

    def costs(rate: float, _: int) -> list[float]:
        return SLOW if rate < 0.1 else FALLING if rate <= 0.5 else DIVERGED

    rungs = climbed(costs, [7, 8, 9])
    assert [rung.seed for rung in rungs[:6]] == [7] * 6
    others = {(rung.learning_rate, rung.seed) for rung in rungs[6:]}
    assert others == {(rate, seed) for rate in (0.5, 1.0) for seed in (8, 9)}
    assert ladder.threshold(rungs) == 0.5


def test_all_seeds_follow_the_estimate() -> None:
    """The first seed is steady up to 1, the others up to 0.2 only: so all try 0.2 and 0.5."""

    def costs(rate: float, seed: int) -> list[float]:
        return SLOW if rate < 0.1 else FALLING if rate <= (0.2 if seed else 1.0) else DIVERGED

    rungs = climbed(costs, [0, 1, 2])
    tried = [(rung.learning_rate, rung.seed) for rung in rungs if rung.seed]
    assert tried == [(rate, seed) for rate in (1.0, 2.0, 0.5, 0.2) for seed in (1, 2)]
    assert ladder.threshold(rungs) == 0.2


def test_it_goes_down_where_the_first_rate_is_too_large() -> None:
    def costs(rate: float, _: int) -> list[float]:
        return SLOW if rate < 0.0001 else FALLING if rate <= 0.0003 else DIVERGED

    rungs = climbed(costs)
    assert rates(rungs)[:5] == [0.01, 0.1, 0.001, 0.0001, 0.00001]
    assert rates(rungs)[5:] == [0.00005, 0.0002, 0.0005]
    assert ladder.threshold(rungs) == 0.0002


@pytest.mark.parametrize("decade", ladder.DECADES[:-1])
def test_every_decade_is_refined(decade: float) -> None:
    # 10 times the float 1e-6 is not the float 1e-5: rates of the ladder are looked up, not computed
    limit = ladder.GRID[ladder.GRID.index(decade) + 1]
    rungs = climbed(lambda rate, _: FALLING if rate <= limit else DIVERGED)
    assert {limit, ladder.GRID[ladder.GRID.index(decade) + 2]} <= set(rates(rungs))
    assert ladder.threshold(rungs) == limit


def test_a_flat_cost_asks_for_larger_rates() -> None:
    def costs(rate: float, _: int) -> list[float]:
        return FLAT if rate < 2 else FALLING if rate < 8 else DIVERGED

    rungs = climbed(costs)
    assert rates(rungs) == [0.01, 0.1, 1.0, 10.0, 2.0, 5.0]
    assert ladder.threshold(rungs) == 5.0


def test_a_flat_cost_below_one_that_is_too_large_is_looked_above() -> None:
    rungs = climbed(lambda r, _: DIVERGED if r >= 0.01 else FALLING if r > 0.003 else FLAT)
    assert rates(rungs)[:5] == [0.01, 0.1, 0.001, 0.002, 0.005]
    assert ladder.threshold(rungs) == 0.005


def test_below_a_flat_cost_smaller_rates_are_tried_if_no_larger_one_is_steady() -> None:
    """Dead rates may be flat as well; within the decade above nothing is found either."""

    def costs(rate: float, _: int) -> list[float]:
        alive = SLOW if rate < 0.0001 else FALLING
        return alive if rate <= 0.0005 else FLAT if rate < 1 else DIVERGED

    rungs = climbed(costs)
    assert rates(rungs)[:5] == [0.01, 0.1, 1.0, 0.2, 0.5]
    assert ladder.threshold(rungs) == 0.0006


def test_a_dead_network_is_told_by_a_smaller_rate() -> None:
    """It is dead after the first epoch at 0.01 and above, where its cost falls without a rise."""

    def costs(rate: float, _: int) -> list[float]:
        alive = SLOW if rate < 0.0001 else FALLING
        return alive if rate <= 0.0005 else DEAD if rate < 1 else DIVERGED

    rungs = climbed(costs)
    assert rates(rungs)[:6] == [0.01, 0.1, 1.0, 0.001, 0.0001, 0.00001]
    assert ladder.threshold(rungs) == 0.0006


def test_the_ladder_ends_above() -> None:
    rungs = climbed(lambda rate, _: SLOW if rate < 0.1 else FALLING, [0, 1])
    assert rates(rungs)[:7] == [0.01, 0.1, 1.0, 10.0, 100.0, 1000.0, 10000.0]
    assert {rung.learning_rate for rung in rungs if rung.seed == 1} >= {5000.0, 10000.0}
    assert ladder.threshold(rungs) == max(ladder.GRID)


@pytest.mark.parametrize("costs", [FALLING, FLAT])
def test_the_ladder_has_two_ends(costs: list[float]) -> None:
    tried = rates(climbed(lambda *_: costs))
    assert tried[:7] == [0.01, 0.1, 1.0, 10.0, 100.0, 1000.0, 10000.0]
    assert tried[7:11] == [0.001, 0.0001, 0.00001, 0.000001]


@pytest.mark.parametrize("costs", [OSCILLATING, DIVERGED, [math.nan], list(range(1, 11))])
def test_the_ladder_ends_below(costs: list[float]) -> None:
    rungs = climbed(lambda *_: costs)
    assert rates(rungs) == [0.01, 0.1, 0.001, 0.0001, 0.00001, 0.000001]
    assert ladder.threshold(rungs) is None
    said = ladder.failure(rungs)
    assert said.startswith("no learning rate from 1e-06 to")


def test_a_cost_that_is_flat_everywhere_is_no_matter_of_the_rate() -> None:
    said = ladder.failure([Rung(rate, FLAT) for rate in (0.01, 0.1)])
    assert said.startswith("the training cost stays flat with every learning rate from 0.01 to 0.1")
    assert "nnexp inspect" in said


def test_what_makes_a_rate_too_large() -> None:
    rungs = [Rung(0.1, SLOW), Rung(1.0, JUMPING), Rung(2.0, FAR_ABOVE), Rung(3.0, FLAT)]
    assert [(each.judgement, each.why) for each in ladder.judged(rungs)] == [
        ("steady", "falling"),
        ("too large", "falling, with oscillation"),
        ("too large", "falling, but less than at a smaller rate"),
        ("too large", "flat"),
    ]


def ending(end: float) -> list[float]:
    """Return a cost that falls from 2 and ends there, without a rise."""
    return [2.0, 1.8, 1.6, 1.4, 1.3, 1.2, 1.1, end, end, end]


def test_the_threshold_is_interpolated_between_the_rates() -> None:
    """A cost may end 0.06 higher: by 8 % of the lowest, 0.5, and a hundredth of the first, 2.

    At 1 and 2 the roots of the excess are a half and three halves of that: so 1 at the root of 2.
    """
    rungs = [Rung(0.1, ending(0.5)), Rung(1.0, ending(0.515)), Rung(2.0, ending(0.635))]
    assert [rate.unsteadiness for rate in ladder.judged(rungs)] == pytest.approx([0, 0.25, 2.25])
    assert ladder.crossing(rungs) == pytest.approx(math.sqrt(2))
    assert ladder.threshold(rungs) == 1.5


def test_the_unsteadiness_is_averaged_over_the_seeds() -> None:
    """Rises of 0.9 beside falls of 2.4 with one seed, and none with the other."""
    unsteady = [2.0, 1.0, 1.9, 1.8, 1.7, 1.6, 1.5, 1.4, 1.2, 0.5]
    assert Rung(1.0, unsteady).diagnosis.ratio == pytest.approx(0.9 / 2.4)
    both = [Rung(1.0, unsteady, 0), Rung(1.0, FALLING, 1)]
    assert ladder.judged(both)[0].unsteadiness == pytest.approx(0.9 / 2.4 / 2 / 0.5)
    assert ladder.judged(both)[0].judgement == "steady"


def test_one_diverged_seed_of_three_makes_a_rate_too_large() -> None:
    rungs = [
        Rung(0.1, SLOW),
        *(Rung(1.0, FALLING, seed) for seed in (0, 1)),
        Rung(1.0, DIVERGED, 2),
    ]
    (_, tried) = ladder.judged(rungs)
    assert (tried.judgement, tried.why) == ("too large", "diverged with some seeds")


def test_where_unsteadiness_decreases_neighbours_are_pooled() -> None:
    """1.2 at 1 and 0.42 at 2 are 0.81 at both, so the threshold is above 2; with 1.3, below."""
    ends = {0.1: 0.5, 1.0: 0.5 + 1.2 * 0.06, 2.0: 0.5 + 0.42 * 0.06, 5.0: 0.74}
    rungs = [Rung(rate, ending(end)) for rate, end in ends.items()]
    assert ladder.crossing(rungs) == pytest.approx(2 * 2.5 ** ((1 - 0.9) / (2 - 0.9)))
    rungs[2] = Rung(2.0, ending(0.5 + 1.3 * 0.06))
    assert ladder.crossing(rungs) == pytest.approx(0.1 * 10 ** (1 / math.sqrt(1.2)))


def test_seeds_are_judged_alone_beside_the_rates_that_only_others_tried() -> None:
    rungs = [Rung(0.1, ending(0.5), 0)]
    for seed, end in enumerate((0.515, 0.56, 0.74)):  # 1/4, 1 and 4 times what is allowed
        rungs += [Rung(1.0, ending(end), seed), Rung(2.0, ending(1.04), seed)]  # 9 times
    own = [ladder.threshold_of_seed(rungs, seed) for seed in (0, 1, 2)]
    assert own == [ladder.rounded(2**0.2), 1.0, 0.3]
    assert ladder.threshold(rungs) == ladder.rounded(0.1 * 10 ** (1 / math.sqrt(1.75)))


@pytest.mark.parametrize(
    ("rate", "expected"), [(0.54, 0.5), (0.56, 0.6), (9.2, 10.0), (1.09, 1.0), (0.0011, 0.0012)]
)
def test_thresholds_are_rounded_to_steps_of_a_quarter(rate: float, expected: float) -> None:
    assert ladder.rounded(rate) == expected


def mnist(rate: float, seed: int, draw: int = 0, noise: float = 0.025) -> list[float]:
    """Return a cost like that of MNIST: noise, and the level it ends at, grow with the rate."""
    rng = np.random.default_rng([round(1e6 * rate), seed, draw])
    levels = [0.19 + 0.05 * rate + 0.06 / (rate * epoch) ** 0.8 for epoch in range(1, 11)]
    return [level * (1 + noise * rate**0.5 * rng.standard_normal()) for level in levels]


def test_twenty_disjoint_sets_of_seeds_answer_alike() -> None:
    answers = [
        ladder.threshold(climbed(mnist, range(first, first + 3))) or 0.0
        for first in range(0, 60, 3)
    ]
    middle = float(np.median(answers))
    assert all(middle / 1.5 <= answer <= 1.5 * middle for answer in answers), answers


def old(rungs: Sequence[Rung]) -> float:
    """Return the largest rate below the first one whose rises are a tenth of its falls."""
    steady = {rung.learning_rate: (rung.diagnosis.ratio or 0) < 0.1 for rung in rungs}
    first = min((rate for rate, is_steady in steady.items() if not is_steady), default=math.inf)
    return max(rate for rate in steady if rate < first)


def steps(one: Sequence[Rung], other: Sequence[Rung]) -> int:
    """Return how many steps of the scale of thresholds are between two answers."""
    scale = sorted({float(f"{digit}e{power}") for digit in ladder.SCALE for power in (-1, 0)})
    first, second = map(ladder.threshold, (one, other))
    assert first is not None
    assert second is not None
    return abs(scale.index(first) - scale.index(second))


@pytest.mark.parametrize("count", [1, 3])
def test_what_flips_a_verdict_on_one_curve_hardly_moves_the_threshold(count: int) -> None:
    """Each cost is changed by half a per cent, as other sums of the same numbers may do.

    A verdict moves the answer by a factor of 2 or 2.5; some changes also change what is tried.
    """
    flips = detours = 0
    for first in range(0, 120, 3):

        def other(rate: float, seed: int) -> list[float]:
            noise = np.random.default_rng([round(1e6 * rate), seed, 1]).standard_normal(10)
            changed: list[float] = (np.array(mnist(rate, seed)) * (1 + 0.005 * noise)).tolist()
            return changed

        plain, changed = (climbed(costs, range(first, first + count)) for costs in (mnist, other))
        own, others = ([r for r in rungs if r.seed == first] for rungs in (plain, changed))
        flips += old(own) != old(others)
        detours += rates(plain) != rates(changed)
        assert steps(plain, changed) <= 1
    assert flips > 1
    assert detours > 1


def relapsing(*rises: float) -> list[float]:
    """Return a cost like FALLING that rises after the third and the fifth epoch."""
    third, fifth = rises
    return [2.0, 1.5, 1.2, 1.2 + third, 0.9, 0.9 + fifth, 0.75, 0.7, 0.66, 0.63]


def verdict(rungs: Sequence[Rung]) -> tuple[float, list[str]]:
    """Return what the first seed's curves alone decide: the old rule, and the judgements."""
    own = [rung for rung in rungs if rung.seed == 0 and rung.learning_rate <= 1]
    return old(own), [rate.judgement for rate in ladder.judged(own)]


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize(
    ("at", "below", "above"),
    [
        pytest.param(0.5, relapsing(0, 0.150), relapsing(0, 0.155), id="a tenth of the falls"),
        pytest.param(1.0, relapsing(0, 1.36), relapsing(0, 1.38), id="half of the falls"),
        pytest.param(1.0, relapsing(0.33, 0.33), relapsing(0.34, 0.34), id="an oscillation"),
        pytest.param(1.0, ending(0.732), ending(0.734), id="8 % above the lowest"),
    ],
)
def test_a_cost_beside_a_limit(
    at: float, below: list[float], above: list[float], count: int
) -> None:
    """With the first seed, a verdict flips; the threshold moves by a step at most."""

    def climb(curve: list[float]) -> list[Rung]:
        def costs(rate: float, seed: int) -> list[float]:
            if (rate, seed) == (at, 0):
                return curve
            return SLOW if rate < 0.1 else ending(0.66) if rate <= at else JUMPING

        return climbed(costs, range(count))

    rungs = climb(below), climb(above)
    assert verdict(rungs[0]) != verdict(rungs[1])
    assert steps(*rungs) <= 1


def test_the_book_s_three_curves(book: Path) -> None:
    curves = json.loads((book / "multiple_eta.json").read_text())
    rungs = [
        Rung(rate, curve[2][:10]) for rate, curve in zip((0.025, 0.25, 2.5), curves, strict=True)
    ]
    assert [each.judgement for each in ladder.judged(rungs)] == ["steady", "steady", "too large"]


def test_find_rate_prints_half_of_the_threshold_and_notes_it(bench: Bench) -> None:
    code, out, err = bench("find-rate", "tiny.yaml", "--plot", "rates.svg")
    assert code == 0
    found = json.loads(bench("find-rate", "tiny.yaml", "--json", "-q").out)
    threshold = found["threshold"]
    assert found["learning_rate"] == threshold / 2
    own = [each["learning_rate"] for each in found["seeds"]]
    assert [each["seed"] for each in found["seeds"]] == [0, 1, 2]
    spread = (
        f" ({min(own):g} to {max(own):g} by seed)" if min(own) < max(own) else " with each seed"
    )
    assert out.splitlines()[-1].startswith(
        f"η = {threshold / 2:g}{spread}, half of the threshold {threshold:g}: the training cost "
    )
    assert [line.split(":")[0] for line in err.splitlines()[:2]] == [
        "η = 0.01, seed 0",
        "η = 0.1, seed 0",
    ]
    for seed in (0, 1, 2):
        assert f"cost, seed {seed}" in out.splitlines()[0]
        assert f", seed {seed} -->" in (bench.folder / "rates.svg").read_text("utf-8")
    assert (bench.folder / "rates.svg").read_bytes().count(b"<path") > 3
    config = load.read(bench.folder / "tiny.yaml")
    entry = thresholds.read(bench.folder / "runs", config, Data().content(config.data))
    assert entry is not None
    assert entry.learning_rate == threshold
    too_large = f"learning_rate={40 * threshold:g}"
    assert "40 times the threshold" in bench("train", "tiny.yaml", "--set", too_large).err


def test_a_second_find_rate_trains_nothing_and_says_the_same(bench: Bench) -> None:
    first = bench("find-rate", "tiny.yaml")
    before = {path: path.stat().st_mtime_ns for path in bench.folder.rglob("metrics.jsonl")}
    assert bench("find-rate", "tiny.yaml") == first
    after = {path: path.stat().st_mtime_ns for path in bench.folder.rglob("metrics.jsonl")}
    assert before == after
    assert len(before) >= 4


@pytest.mark.parametrize("rate", ["1e-6", "1e6"])
def test_the_config_s_own_rate_changes_nothing(bench: Bench, rate: str) -> None:
    plain = bench("find-rate", "tiny.yaml", "--json", "-q").out
    wrong = bench("find-rate", "tiny.yaml", "--json", "-q", "--set", f"learning_rate={rate}")
    assert wrong == (0, plain, "")


def test_data_that_teaches_nothing_ends_with_a_sentence(bench: Bench) -> None:
    np.savez(bench.folder / "zeros.npz", x_train=np.zeros((60, 4)), y_train=np.arange(60) % 2)
    keys = {"hidden": [], "batch_size": 60, "bias_initializer": "zeros", "monitor": ["train"]}
    data = {"name": "npz", "file": "zeros.npz", "scale": 1}
    name = bench.config("z.yaml", data=data, patience=None, **keys)
    code, out, err = bench("find-rate", name, "-q")
    assert (code, out) == (1, "")
    warning, said, *_ = err.splitlines()
    assert warning.startswith("warning: all features are 0")
    assert said.startswith("no learning rate from 1e-06 to ")


def test_a_line_search_has_no_rate(bench: Bench) -> None:
    name = bench.config("l.yaml", optimizer="l-bfgs", batch_size="all", dtype="float64")
    code, out, err = bench("find-rate", name)
    assert (code, out) == (2, "")
    assert err == (
        "optimizer l-bfgs chooses its step by a line search: it has no learning rate to choose\n"
    )
    assert not (bench.folder / "runs").exists()


def test_fewer_epochs_than_ten_are_refused(bench: Bench) -> None:
    code, out, err = bench("find-rate", "tiny.yaml", "--epochs", "9")
    assert (code, out) == (2, "")
    assert "--epochs must be a whole number ≥ 10, got '9'" in err
    assert not (bench.folder / "runs").exists()


def test_ten_epochs_are_the_runs_that_they_were(bench: Bench) -> None:
    """A rung's name follows from its config: what was trained before is found again."""
    assert bench("find-rate", "tiny.yaml", "-q").code == 0
    for path in bench.folder.glob("runs/*/run.json"):
        config = json.loads(path.read_text())["config"]
        assert (config["monitor"], config["epochs"]) == (["train"], 10)
    names = {path.parent.name for path in bench.folder.glob("runs/*/run.json")}
    assert "tiny-0b86d980a52b-s0" in names


STEADY = 0.2
"""Up to this rate, training on MNIST makes little more of the last digits than they were.

From 0.5 on, the costs of ten epochs differ between processors as they do between seeds.
"""


@pytest.mark.docs
@pytest.mark.slow
def test_on_mnist_the_rate_is_near_the_book_s_and_the_docs_show_it(bench: Bench) -> None:
    root = Path(__file__).parents[2]
    config = str(root / "configs" / "quickstart.yaml")
    found = json.loads(bench("find-rate", config, "--json", "-q").out)
    assert 0.5 <= found["threshold"] <= 1.2
    assert all(0.4 <= each["threshold"] <= 1.5 for each in found["seeds"])
    ours = {each["learning_rate"]: each for each in found["rungs"]}
    page = (root / "docs" / "tuning.md").read_text("utf-8")
    shown = page.split("<!-- output: find-rate -->")[1].split("<!-- end -->")[0].splitlines()
    rows = [re.split("  +", line.strip()) for line in shown if line.startswith("    ")]
    answer = r"η = (\S+)( with each seed| \(\S+ to \S+ by seed\)), half of the threshold (\S+): .*"
    said = [rows[-1][0], bench("find-rate", config, "-q").out.splitlines()[-1]]
    for line in said:
        matched = re.fullmatch(answer, line)
        assert matched is not None
        assert float(matched[1]) == float(matched[3]) / 2
        assert 0.2 <= float(matched[1]) <= 0.6
    alike = [row for row in rows[1:-1] if float(row[0]) <= STEADY]
    assert {"0.01", "0.1", "0.2"} <= {row[0] for row in alike}
    for rate, judgement, cost, _, *ends in alike:
        each = ours[float(rate)]
        assert (each["judgement"], each["why"]) == (judgement, cost)
        for curve, end in zip(each["curves"], ends, strict=False):
            first, last = map(float, end.split(" to "))
            assert curve["first"] == pytest.approx(first, rel=1e-2)
            assert curve["last"] == pytest.approx(last, rel=5e-2)


def test_more_seeds_add_to_the_runs_of_fewer(bench: Bench) -> None:
    """One seed's runs are among those of two; the spread is said of several seeds only."""
    alone = bench("find-rate", "tiny.yaml", "-q", "--seeds", "1")
    assert re.search(r"^η = \S+, half of the threshold", alone.out, re.MULTILINE)
    assert "seed" not in alone.out.splitlines()[0]
    before = {path.name for path in bench.folder.glob("runs/tiny-*")}
    both = json.loads(bench("find-rate", "tiny.yaml", "-q", "--seeds", "2", "--json").out)
    after = {path.name for path in bench.folder.glob("runs/tiny-*")}
    assert before < after
    assert [each["seed"] for each in both["seeds"]] == [0, 1]
    seeds = {curve["seed"] for each in both["rungs"] for curve in each["curves"]}
    assert seeds == {0, 1}


def test_seeds_are_counted_from_the_config_s_own(bench: Bench) -> None:
    given = ("-q", "--json", "--seeds", "2", "--set", "seed=7")
    found = json.loads(bench("find-rate", "tiny.yaml", *given).out)
    assert [each["seed"] for each in found["seeds"]] == [7, 8]
    assert {path.name[-2:] for path in bench.folder.glob("runs/tiny-*")} == {"s7", "s8"}


def test_no_seed_is_no_number_of_seeds(bench: Bench) -> None:
    code, out, err = bench("find-rate", "tiny.yaml", "--seeds", "0")
    assert (code, out) == (2, "")
    assert "--seeds must be a whole number" in err

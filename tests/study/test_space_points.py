"""Points of a space depend on the seed alone, skip exclusions, and draw integers log-uniformly."""

from __future__ import annotations

import collections
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnexp.errors import ConfigError
from nnexp.report import renderer, study_figures
from nnexp.study import ranges, samplers, search, search_definition, space, sweep_file
from nnexp.study.plan import plan
from nnexp.study.samplers import MethodName
from nnexp.study.space import Space, Values
from tests.study.searches import UNCONFIRMED
from tests.study.spaces import RATE, file, needs_optuna, read

if TYPE_CHECKING:
    from tests.conftest import Bench

METHODS = ["random", "grid", pytest.param("tpe", marks=needs_optuna)]


def refused(*sources: str) -> list[str]:
    return sweep_file.read_space(sources)[1]


def points(found: Space, method: MethodName, count: int, seed: int = 0) -> list[Values]:
    asked = samplers.method(method, found, count, seed)
    made = []
    while (values := asked.ask()) is not None:
        made.append(values)
        asked.tell(len(made) * 0.37 % 1)
    return made


# Whole numbers, uniform in their logarithm.


def test_log_integers_are_the_nearest_of_a_log_uniform_number() -> None:
    """P(1) of [1, 2] is ln(1.5 / 0.5) / ln(2.5 / 0.5) = ln 3 / ln 5 = 0.6826."""
    edge = math.log(3) / math.log(5)
    assert edge == pytest.approx(0.6826, abs=1e-4)
    for u, k in ((0.0, 1), (edge - 1e-9, 1), (edge + 1e-9, 2), (1 - 2**-53, 2)):
        assert ranges.log_integers(1, 2, u) == k


def test_the_middle_of_log_integers_is_the_geometric_mean() -> None:
    """Of [1, 1000]: floor(sqrt(0.5 * 1000.5) + 0.5) = 22."""
    assert ranges.log_integers(1, 1000, 0.5) == 22


@given(st.integers(1, 10**6), st.integers(1, 10**6), st.data())
def test_every_log_integer_has_the_probability_that_is_documented(
    low: int, more: int, data: st.DataObject
) -> None:
    high = low + more
    k = data.draw(st.integers(low, high))
    span = math.log((high + 0.5) / (low - 0.5))
    first, last = (math.log((k + shift) / (low - 0.5)) / span for shift in (-0.5, 0.5))
    middle = (first + last) / 2
    assert last > first
    assert ranges.log_integers(low, high, middle) == k
    assert (
        low <= ranges.log_integers(low, high, data.draw(st.floats(0, 1, exclude_max=True))) <= high
    )


def test_the_largest_range_still_reaches_each_of_its_integers() -> None:
    low, high = 1, ranges.LARGEST
    span = math.log((high + 0.5) / (low - 0.5))
    for k in (1, 2, 10**6, 10**9 + 7, high // 2 + 1, high - 1, high):
        u = (math.log((k - 0.5) / (low - 0.5)) + 0.5 * math.log((k + 0.5) / (k - 0.5))) / span
        assert abs(ranges.log_integers(low, high, u) - k) <= max(1, k * 1e-14 * 40)
    assert math.log1p(1 / high) / span > 2**-53


def test_log_integers_are_drawn_in_proportion_to_one_over_them() -> None:
    found = [each[0] for each in points(read("epochs=log-integers(1, 1000)"), "random", 30_000)]
    counts = collections.Counter(found)
    span = math.log(1000.5 / 0.5)
    for k in (1, 2, 5):
        share = math.log((k + 0.5) / (k - 0.5)) / span
        assert counts[k] / 30_000 == pytest.approx(share, rel=0.1)
    assert sum(each <= 22 for each in found) / 30_000 == pytest.approx(0.5, abs=0.02)


def test_a_grid_of_log_integers_has_equal_ratios_and_none_twice() -> None:
    def levels(low: int, high: int, most: int) -> list[int]:
        found = samplers.grid(read(f"epochs=log-integers({low}, {high})"), most)
        return [each[0] for each in found]

    assert levels(1, 1000, 4) == [1, 10, 100, 1000]
    assert levels(1, 8, 4) == [1, 2, 4, 8]
    assert levels(1, 10, 7) == [1, 2, 3, 5, 7, 10]  # 1.5 is rounded to 1, as is 1
    assert levels(1, 5, 99) == [1, 2, 3, 4, 5]


@needs_optuna
def test_tpe_s_logarithmic_integers_are_optuna_s() -> None:
    found = [each[0] for each in points(read("epochs=log-integers(1, 1000)"), "tpe", 60)]
    assert all(type(each) is int and 1 <= each <= 1000 for each in found)
    assert sum(each <= 31 for each in found[:10]) >= 2  # one in thirty, were they uniform


# Points of a seed stay the same.


def test_points_of_a_seed_are_what_they_were() -> None:
    """As drawn before a search had lists that go together and exclusions."""
    found = read(
        *(RATE, "dropout=uniform(0, 0.5)", "batch_size=integers(5, 50)"),
        *("activation=[tanh, relu]", "hidden=[[30], [100, 50]]"),
    )
    assert points(found, "random", 3) == [
        (0.0354219, 0.257135, 41, "tanh", [100, 50]),
        (7.05769, 0.137749, 12, "relu", [30]),
        (0.0414125, 0.301388, 44, "tanh", [30]),
    ]
    assert points(found, "random", 2, seed=7) == [
        (1.11471, 0.100037, 31, "tanh", [30]),
        (7.16161, 0.287321, 19, "tanh", [100, 50]),
    ]
    assert points(found, "grid", 200)[17] == (0.01, 0.166667, 28, "tanh", [100, 50])


@pytest.mark.usefixtures("bench")
def test_a_key_that_joins_another_leaves_its_draws_alone() -> None:
    alone = points(read("hidden=[[30], [100]]", RATE), "random", 9)
    together = points(
        read(file("zip: {hidden: [[30], [100]], lambda: [1, 5]}\n"), RATE), "random", 9
    )
    assert [(hidden, rate) for hidden, _, rate in together] == alone
    assert {(str(hidden), decay) for hidden, decay, _ in together} == {("[30]", 1), ("[100]", 5)}


# A space with the sections of a sweep file.


SECTIONS = """
learning_rate: log-uniform(0.01, 1)
grid: {batch_size: [5, 10], dropout: {uniform: [0, 0.5]}}
zip: {hidden: [[5], [7]], lambda: [1, 2]}
random: {from: {epochs: {integers: [1, 2]}}}
exclude: [{hidden: [[5]], batch_size: 10}]
seeds: 1-2
"""


@pytest.mark.usefixtures("bench")
def test_a_space_may_be_written_with_the_sections_of_a_sweep_file() -> None:
    found = read(file(SECTIONS))
    assert found.keys == [
        *("learning_rate", "batch_size", "dropout", "hidden", "lambda", "epochs"),
    ]
    assert [each.kind for each in found.dimensions] == [
        *("log-uniform", "choice", "uniform", "zip", "integers"),
    ]
    assert found.seeds is not None
    assert found.seeds.numbers == (1, 2)


@pytest.mark.slow
@pytest.mark.usefixtures("bench")
@pytest.mark.parametrize("method", METHODS)
def test_what_is_excluded_is_skipped_and_the_other_points_are_those_of_the_seed(
    method: MethodName,
) -> None:
    found = read(file(SECTIONS))
    with_them = points(found, method, 64)
    if method != "grid":
        assert len(with_them) == 64
    assert not [each for each in with_them if each[3] == [5] and each[1] == 10]
    assert {(str(each[3]), each[4]) for each in with_them} == {("[5]", 1), ("[7]", 2)}
    assert {each[1] for each in with_them} == {5, 10}
    without = points(found._replace(exclusions=()), method, 64 if method == "grid" else 256)
    left = [each for each in without if not (each[3] == [5] and each[1] == 10)]
    if method != "tpe":  # which goes by the scores of the points before
        assert with_them == left[:64]


@pytest.mark.usefixtures("bench")
@pytest.mark.parametrize("method", METHODS)
def test_exclusions_that_leave_too_little_are_told_before_anything_is_trained(
    bench: Bench, method: str
) -> None:
    file("zip: {hidden: [[5], [7]], lambda: [1, 2]}\nexclude: [{hidden: [[5], [7]]}]\n")
    said = bench("search", "tiny.yaml", "--space", "s.yaml", "--method", method)
    assert (said.code, said.out) == (2, "")
    assert said.err == (
        "s.yaml:2:11: exclude: leaves no point of the grid; exclude fewer points\n"
        if method == "grid"
        else "s.yaml:2:11: exclude: leaves 0 of 2,000 random points, too few for "
        "--trials 20; exclude fewer points\n"
    )
    assert not Path("runs").exists()


@needs_optuna
@pytest.mark.usefixtures("bench")
def test_tpe_goes_on_where_it_insists_on_what_is_excluded() -> None:
    """All good scores are at a point that is excluded with the other key's good value."""
    file("dropout: [0.1, 0.2]\nlambda: [1, 2]\nexclude: [{dropout: 0.1, lambda: 1}]\n")
    asked = samplers.method("tpe", read("s.yaml"), 25, 0)
    made = []
    while (values := asked.ask()) is not None:
        made.append(values)
        asked.tell(1.0 if 0.1 in values or 1 in values else 0.0)
    assert len(made) == 25
    assert (0.1, 1) not in made


def test_points_that_are_excluded_need_not_be_configs(bench: Bench) -> None:
    pairs = "cost: [quadratic, log-likelihood]\noutput: [sigmoid, softmax]\n"
    mixed = [
        {"cost": "quadratic", "output": "softmax"},
        {"cost": "log-likelihood", "output": "sigmoid"},
    ]
    bench.config(cost="quadratic")
    command = (*UNCONFIRMED, "--space", "s.yaml", "--method", "grid", "--json", "-q")
    file(pairs)
    assert bench(*command).code == 2
    file(f"{pairs}exclude: {json.dumps(mixed)}\n")
    found = json.loads(bench(*command).out)
    assert sorted(tuple(each["values"].values()) for each in found["trials"]) == [
        ("log-likelihood", "softmax"),
        ("quadratic", "sigmoid"),
    ]
    assert found["exclude"][0] == {"cost": ["quadratic"], "output": ["softmax"]}


@pytest.mark.usefixtures("bench")
def test_a_search_trains_lists_that_go_together_with_the_space_s_seeds(bench: Bench) -> None:
    file("zip: {hidden: [[5], [7]], lambda: [1, 2]}\nseeds: [3, 5]\n")
    command = (*UNCONFIRMED, "--space", "s.yaml", "--method", "grid")
    found = json.loads(bench(*command, "--json", "-q", "--plot", "a.svg").out)
    assert found["space"] == {"hidden": {"zip": [[5], [7]]}, "lambda": {"zip": [1, 2]}}
    by_number = sorted(found["trials"], key=lambda each: each["trial"])
    assert [each["values"] for each in by_number] == [
        {"hidden": [5], "lambda": 1},
        {"hidden": [7], "lambda": 2},
    ]
    assert [path[-3:] for path in by_number[0]["runs"]] == ["-s3", "-s5"]
    lines = bench(*command).out.splitlines()
    assert lines[0].split() == ["trial", "hidden", "lambda", "epochs", "validation", "test"]
    defined = search_definition.define("tiny.yaml", ["s.yaml"], method="grid")
    panels = renderer.drawing(study_figures.search(search.search(defined, Path("runs")))).axes
    assert [each.get_xlabel() for each in panels] == ["hidden", "lambda"]


@pytest.mark.usefixtures("bench")
def test_a_search_s_seeds_are_those_of_the_option_under_the_same_names(bench: Bench) -> None:
    command = (*UNCONFIRMED, "--space", "lambda=[1]", "--trials", "1", "-q", "--json")
    bench(*command, "--seeds", "1-2")
    file("seeds: 1-2\n")
    names = sorted(Path("runs").iterdir())
    bench(*command, "--space", "s.yaml")
    assert sorted(Path("runs").iterdir()) == names


# Ranges of a sweep.


@pytest.mark.usefixtures("bench")
def test_a_range_of_a_grid_is_drawn_where_the_sweep_draws() -> None:
    sections = "random: {draws: 4, seed: 3, from: {dropout: {uniform: [0, 0.5]}}}\n"
    file(f"config: tiny.yaml\n{sections}")
    grids = ["learning_rate=log-uniform(0.01, 10)", "lambda=0,1"]
    found = plan(sweep_file.read("s.yaml", (), grids))
    assert found.keys == ["dropout", "learning_rate", "lambda"]
    assert len(found.trials) == 4 * 2
    drawn = points(read("dropout=uniform(0, 0.5)", RATE), "random", 4, seed=3)
    assert [trial.values[:2] for trial in found.trials[::2]] == drawn
    file(f"config: tiny.yaml\ngrid:\n  learning_rate: log-uniform(0.01, 10)\n{sections}")
    assert plan(sweep_file.read("s.yaml", (), ["lambda=0,1"])).trials == found.trials
    file("config: tiny.yaml\nrandom: {draws: 4, seed: 3}\n")
    assert len(plan(sweep_file.read("s.yaml", (), grids)).trials) == 8


@pytest.mark.usefixtures("bench")
def test_what_a_sweep_s_option_varies_may_be_excluded_by_its_file() -> None:
    file("config: tiny.yaml\ngrid: {dropout: [0, 0.5]}\nexclude: [{dropout: 0, lambda: 1}]\n")
    found = plan(sweep_file.read("s.yaml", (), ["lambda=0,1"]))
    assert [trial.values for trial in found.trials] == [(0, 0), (0.5, 0), (0.5, 1)]


# What is easily lost in a space.


@pytest.mark.usefixtures("bench")
@pytest.mark.parametrize(
    ("varied", "excluded", "is_idle"),
    [
        ("{uniform: [1, 2]}", "1", False),
        ("{uniform: [1, 2]}", "2", False),
        ("{uniform: [1, 2]}", "2.1", True),
        ("{uniform: [0, 1]}", "true", True),
        ("{uniform: [0, 1]}", "x", True),
        ("[1, 2]", "true", True),
        ("[1, 2]", "1.0", False),
    ],
)
def test_an_exclusion_is_idle_where_no_value_can_be_so(
    varied: str, excluded: str, *, is_idle: bool
) -> None:
    problems = refused(file(f"lambda: {varied}\nexclude: [{{lambda: {excluded}}}]\n"))
    assert problems == is_idle * ["s.yaml:2:11: exclude[0]: excludes nothing: no point matches"]


@pytest.mark.usefixtures("bench")
def test_the_ends_of_a_space_have_every_level_also_where_its_first_point_is_excluded() -> None:
    found = read(
        file("lambda: [1, 2]\ndropout: [0.1, 0.2]\nexclude: [{lambda: 1, dropout: 0.2}]\n")
    )
    assert list(found.ends()) == [(1, 0.1), (2, 0.1), (1, 0.1), (2, 0.2)]


@pytest.mark.usefixtures("bench")
def test_a_setting_replaces_nothing_where_the_values_leave_it_open() -> None:
    whole = "optimizer={name: momentum, a: {b: 1}}"
    for part in ("optimizer.mu=0.1", "optimizer.a.c=1"):
        sweep_file.read("tiny.yaml", (), [whole, part])
    for part in ("optimizer.a=1", "optimizer.a.b=1", "optimizer.a.b.c=1", "optimizer.name=sgd"):
        with pytest.raises(
            ConfigError, match=r": would replace values of optimizer, which is also swept"
        ):
            sweep_file.read("tiny.yaml", (), [whole, part])


def test_a_copy_of_a_value_shares_nothing_with_it() -> None:
    value = {"name": "a", "b": {"c": [1, [2], {"d": 3}]}}
    changed = space.deep_copy(value)
    changed["b"]["c"][1].append(0)
    changed["b"]["c"][2]["d"] = 0
    assert value == {"name": "a", "b": {"c": [1, [2], {"d": 3}]}}

"""What is varied: one grammar for sweep files, --grid and --space; what is drawn, and refused."""

from __future__ import annotations

import collections
import json
import math
import re
import textwrap
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnexp.config import dump
from nnexp.errors import ConfigError, UsageError
from nnexp.report import renderer, study_figures
from nnexp.study import ranges, samplers, search, search_definition, space, sweep_file
from nnexp.study.plan import plan
from nnexp.study.samplers import MethodName
from nnexp.study.space import Dimension, Space, Values

if TYPE_CHECKING:
    from tests.conftest import Bench

needs_optuna = pytest.mark.skipif(find_spec("optuna") is None, reason="Optuna is not installed")
METHODS = ["random", "grid", pytest.param("tpe", marks=needs_optuna)]
RATE = "learning_rate=log-uniform(0.01, 10)"


def read(*sources: str) -> Space:
    found, problems = sweep_file.read_space(sources)
    assert problems == []
    return found


def refused(*sources: str) -> list[str]:
    return sweep_file.read_space(sources)[1]


def meaning(found: Dimension) -> tuple[Any, ...]:
    """Return what is varied, places aside."""
    return found.keys, found.kind, found.levels


def points(found: Space, method: MethodName, count: int, seed: int = 0) -> list[Values]:
    asked = samplers.method(method, found, count, seed)
    made = []
    while (values := asked.ask()) is not None:
        made.append(values)
        asked.tell(len(made) * 0.37 % 1)
    return made


def file(text: str, name: str = "s.yaml") -> str:
    Path(name).write_text(text, encoding="utf-8")
    return name


# The grammar.


@pytest.mark.usefixtures("bench")
@pytest.mark.parametrize(
    ("key", "spellings"),
    [
        (
            "learning_rate",
            ["{log-uniform: [0.001, 1]}", "log-uniform(0.001, 1)", "log-uniform( 1e-3,1 )"],
        ),
        ("dropout", ["{uniform: [0, 0.5]}", "uniform(0, 0.5)", '"uniform(0, 0.5)"']),
        ("batch_size", ["{integers: [5, 50]}", "integers(5, 50)"]),
        ("batch_size", ["{log-integers: [1, 100]}", "log-integers(1, 100)"]),
        ("learning_rate", ["[0.1, 1]", "{choice: [0.1, 1]}", "choice(0.1, 1)"]),
        ("hidden", ["[[30], [100, 50]]", "{choice: [[30], [100, 50]]}", "choice([30], [100, 50])"]),
        (
            "optimizer",
            ["[sgd, {name: momentum, mu: 0.5}]", '"choice(sgd, {name: momentum, mu: 0.5})"'],
        ),
    ],
)
def test_a_value_has_one_grammar_in_files_and_options(key: str, spellings: list[str]) -> None:
    sweep = "config: tiny.yaml\nrandom:\n  draws: 3\n  from:\n    {}: {}\n"
    (wanted,) = map(meaning, read(f"{key}={spellings[0]}").dimensions)
    drawn = space.draw(read(f"{key}={spellings[0]}").dimensions, 3, 0)
    for each in spellings:
        option = each.strip('"')
        for source in (f"{key}={option}", f" {key} = {option}", file(f"{key}: {each}\n")):
            assert [meaning(found) for found in read(source).dimensions] == [wanted]
        assert [meaning(e) for e in read(file(f"grid:\n  {key}: {each}\n")).dimensions] == [wanted]
        (rows,) = sweep_file.read(file(sweep.format(key, each))).space.dimensions
        assert [space.values_of(row) for row in rows.rows] == list(map(space.values_of, drawn))


@pytest.mark.usefixtures("bench")
@pytest.mark.parametrize(
    ("texts", "values"),
    [
        (["0.1, 1", "[0.1, 1]", "choice(0.1, 1)", "{choice: [0.1, 1]}"], [0.1, 1]),
        (["0.1", "[0.1]"], [0.1]),
    ],
)
def test_brackets_around_all_values_of_an_option_may_be_left_out(
    texts: list[str], values: list[Any]
) -> None:
    for text in texts:
        (found,) = sweep_file.read("tiny.yaml", (), [f"learning_rate={text}"]).space.dimensions
        assert found.bounds == values
        assert read(f"learning_rate={text}").dimensions[0].bounds == values


@pytest.mark.usefixtures("bench")
@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("[30],[100,50]", [[30], [100, 50]]),
        ("[[30],[100,50]]", [[30], [100, 50]]),
        ("[30]", [[30]]),
        ("[30, 20]", [[30, 20]]),
        ("[]", [[]]),
        ("[],[30]", [[], [30]]),
        ("[[]]", [[]]),
    ],
)
def test_a_key_that_takes_lists_has_a_list_of_lists(text: str, values: list[Any]) -> None:
    """What can be one value of it is one, as it always was under --grid."""
    (found,) = sweep_file.read("tiny.yaml", (), [f"hidden={text}"]).space.dimensions
    assert found.bounds == values
    assert read(f"hidden={text}").dimensions[0].bounds == values
    trials = plan(sweep_file.read("tiny.yaml", (), [f"hidden={text}"])).trials
    assert [trial.config.hidden for trial in trials] == [tuple(each) for each in values]


@pytest.mark.usefixtures("bench")
def test_a_component_alone_is_a_value_and_no_range() -> None:
    for text in ("lambda={per_example: 0.1}", "optimizer={name: sgd}", "data.classes=[0, 1]"):
        assert len(sweep_file.read("tiny.yaml", (), [text]).space.dimensions[0].rows) == 1
        assert len(read(text).dimensions[0].rows) == 1


SCALARS = st.integers(-9, 9) | st.floats(-9, 9) | st.sampled_from(["sgd", "a b", "1e3", "null"])


@given(st.lists(SCALARS | st.lists(SCALARS, max_size=2), min_size=2, max_size=4))
def test_any_list_is_the_same_with_brackets_and_without(values: list[Any]) -> None:
    whole = dump.inline(values)
    bare, bracketed = (
        [meaning(each) for each in sweep_file.read_space([f"cost={text}"])[0].dimensions]
        for text in (whole[1:-1], whole)
    )
    assert bare == bracketed
    assert bare[0][2] == [(each,) for each in values]


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
    command = ("search", "tiny.yaml", "--space", "s.yaml", "--method", "grid", "--json", "-q")
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
    command = ("search", "tiny.yaml", "--space", "s.yaml", "--method", "grid")
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
    command = ("search", "tiny.yaml", "--space", "lambda=[1]", "--trials", "1", "-q", "--json")
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


# What makes no sense.

RANGES = "uniform, log-uniform, integers, log-integers, choice"


class Refusal(NamedTuple):
    """A sweep file, options --grid of it, and what is said."""

    text: str
    grids: list[str]
    said: str


@pytest.mark.usefixtures("bench")
@pytest.mark.parametrize(
    ("text", "grids", "said"),
    [
        Refusal(
            "",
            ["lambda=uniform(0, 1)"],
            "--grid lambda=uniform(0, 1): lambda: a grid needs a list of values, got uniform(0, "
            "1); for a range, use random in a sweep file, or nnexp search --space "
            "'lambda=uniform(0, 1)'",
        ),
        Refusal(
            "grid: {lambda: {log-uniform: [0.001, 1]}}",
            [],
            "s.yaml:2:16: lambda: a grid needs a list of values, got log-uniform(0.001, 1); for "
            "a range, use random in a sweep file, or nnexp search --space "
            "'lambda=log-uniform(0.001, 1)'",
        ),
        Refusal(
            "random: {draws: 2, from: {dropout: [0, 0.5]}}\nzip: {lambda: {uniform: [0, 1]}}",
            [],
            "s.yaml:3:15: zip.lambda: zip needs lists of values, got the range uniform(0, 1)",
        ),
        Refusal(
            "grid: {hidden: [30, [100, 50]]}",
            [],
            "s.yaml:2:16: hidden: must be a list of lists, such as hidden: [[30], [100, 50]], "
            "got 30",
        ),
        Refusal(
            "",
            ["hidden=30,100"],
            "--grid hidden=30,100: hidden: must be a list of lists, such as "
            "hidden=[[30], [100]], got 30",
        ),
        Refusal(
            "grid:\n  learning_rate: log-unifrom(1, 2)",
            [],
            "s.yaml:3:18: grid.learning_rate: unknown range 'log-unifrom'; did you mean "
            f"'log-uniform'? (known: {RANGES})",
        ),
        Refusal(
            "random:\n  draws: 2\n  from:\n    epochs: log-integers(0, 9)",
            [],
            "s.yaml:5:13: random.from.epochs.log-integers: must be two whole numbers > 0, "
            "got [0, 9]",
        ),
        Refusal(
            "random: {draws: 2, from: {epochs: {log-integers: [1, 9.5]}}}",
            [],
            "s.yaml:2:50: random.from.epochs.log-integers: must be two whole numbers, the smaller "
            "first, got [1, 9.5]",
        ),
        Refusal(
            "random:\n  draws: 2\n  from:\n    epochs: integers(1, 9e9, [)",
            [],
            "s.yaml:5:13: a ',' or the closing ']' is missing before this",
        ),
        Refusal(
            "random: {draws: 2, from: {dropout: uniform(0, 0.5), lambda: [1, 2]}}",
            [],
            f"s.yaml:2:36: random.from.dropout: must be a list of values, or a range of {RANGES}, "
            "got 'uniform(0'; within braces a call needs quotes: \"uniform(0, 1)\"",
        ),
        Refusal(
            "random:\n  draws: 2\n  from:\n    dropout: uniform(0, 0.5",
            [],
            f"s.yaml:5:14: random.from.dropout: must be a list of values, or a range of {RANGES}, "
            "got 'uniform(0, 0.5'; the closing ')' is missing",
        ),
        Refusal(
            "",
            ["lambda={uniforn: [1, 2]}"],
            "--grid lambda={uniforn: [1, 2]}: lambda: unknown range 'uniforn'; did you mean "
            f"'uniform'? (known: {RANGES})",
        ),
        Refusal(
            "",
            ["lambda=log_uniform(1, 2"],
            "--grid lambda=log_uniform(1, 2: lambda: must be a list of values, got "
            "'log_uniform(1, 2'; the closing ')' is missing",
        ),
        Refusal(
            "grid: {lambda: {name: 1}}",
            [],
            "s.yaml:2:16: grid.lambda: must be a list of values, got a mapping",
        ),
        Refusal(
            "grid: {lambda: [1]}\nexclude: [{dropout: 1}]",
            ["epochs=1"],
            "s.yaml:3:12: exclude[0].dropout: dropout is not swept (swept: seed, lambda, epochs)",
        ),
        Refusal(
            "random: 3",
            [],
            "s.yaml:2:9: random: must be a mapping of keys, got 3",
        ),
        Refusal(
            "grid: {epochs: {integers: [1, 2000000000000]}}",
            [],
            "s.yaml:2:27: grid.epochs.integers: must be two whole numbers up to 1e+12, "
            "got [1, 2000000000000]",
        ),
    ],
)
def test_what_makes_no_sense_in_a_sweep_is_refused(text: str, grids: list[str], said: str) -> None:
    file(f"config: tiny.yaml\n{text}")
    with pytest.raises(ConfigError) as caught:
        sweep_file.read("s.yaml", (), grids)
    assert caught.value.problems == [said]


@pytest.mark.usefixtures("bench")
@pytest.mark.parametrize(
    ("text", "options", "said"),
    [
        ("config: tiny.yaml", [], [("s.yaml:1:1: config: this is a sweep file: nnexp sweep s.yaml; "
         "to search it, remove config")]),
        ("set: {lambda: 1}", [], [("s.yaml:1:1: set: is given to nnexp search as --set; remove "
         "it here")]),
        ("random: {draws: 3, seed: 1, from: {dropout: [0, 0.1]}}", [],
         ["s.yaml:1:10: random.draws: is given to nnexp search as --trials; remove it here",
          "s.yaml:1:20: random.seed: is given to nnexp search as --seed; remove it here"]),
        ("random: {form: {dropout: [0, 0.1]}}", [],
         ["s.yaml:1:10: random.form: unknown key 'form'; did you mean 'from'?"]),
        ("zip: {lambda: [1, 2], dropout: [0.1]}", [],
         ["s.yaml:1:6: zip: lists must be equally long, got lambda 2, dropout 1"]),
        ("zip:\n  lambda: uniform(0, 1)\n  dropout: [0.1]", [],
         [("s.yaml:2:11: zip.lambda: zip needs lists of values, got the range uniform(0, 1)")]),
        ("grid: {lambda: [1, 2]}\nlambda: [3]", [],
         [("s.yaml:1:17: lambda: is searched twice, here and at s.yaml:2:10; remove one of the "
           "two")]),
        ("grid: {lamda: [1, 2]}", [],
         ["s.yaml:1:8: lamda: unknown key 'lamda'; did you mean 'lambda'?"]),
        ("zip: {seed: [1, 2]}", [],
         [("s.yaml:1:13: zip.seed: cannot be searched; give the seeds of each trial by --seeds")]),
        ("lambda: [1, 2]\nexclude: [{lambda: 3}]", [],
         ["s.yaml:2:11: exclude[0]: excludes nothing: no point matches"]),
        ("lambda: {uniform: [1, 2]}\nexclude: [{lambda: [0, 3]}]", [],
         ["s.yaml:2:11: exclude[0]: excludes nothing: no point matches"]),
        ("zip: {lambda: [1, 2], dropout: [0.1, 0.2]}\nexclude: [{lambda: 1, dropout: 0.2}]", [],
         ["s.yaml:2:11: exclude[0]: excludes nothing: no point matches"]),
        ("lambda: [1, 2]\nexclude: [{lambda: 1, seed: 0}]", [],
         ["s.yaml:2:23: exclude[0].seed: seed is not searched (searched: lambda)"]),
        ("lambda: [1, 2]\nexclude: {lambda: 1}", [],
         [("s.yaml:2:10: exclude: must be a list of mappings of searched keys to values, got a "
          "mapping")]),
        ("lambda: [1, 2]\nseeds: 3", ["--seeds", "2"],
         ["s.yaml:2:8: seeds are also given by --seeds; remove one of the two"]),
        ("lambda: [1, 2]\nseeds: 3", ["--space", "s.yaml", "--space", "t.yaml"],
         ["s.yaml:1:10: lambda: is searched twice, here and at s.yaml:1:10; remove one of the two",
          "s.yaml:2:8: seeds are also given at s.yaml:2:8; remove one of the two",
          "t.yaml:1:8: seeds are also given at s.yaml:2:8; remove one of the two"]),
        ("lambda: [1, 2]\nseeds: 0-x", [],
         [("s.yaml:2:8: seeds: '0-x' is neither a seed nor a range of seeds; 5 is seeds 0 to 4, "
          "and 0-4,7 is 0, 1, 2, 3, 4, 7")]),
        ("seeds: 0\nlambda: [1, 2]", [],
         [("s.yaml:1:8: seeds: must be at least 1 seed, got 0; 5 is seeds 0 to 4, and 0-0 is "
          "seed 0")]),
        ("lambda: [1, 2]\nseeds: 1-9999999999999999999", [],
         [("s.yaml:2:8: seeds: '1-9999999999999999999' is neither a seed nor a range of seeds; "
          "5 is seeds 0 to 4, and 0-4,7 is 0, 1, 2, 3, 4, 7")]),
        ("zip: {lambda: [1, -2], dropout: [0.1, 0.2]}", [],
         ["s.yaml:1:16: lambda: must be a number ≥ 0 or a mapping with per_example, got -2"]),
    ],
)  # fmt: skip
def test_what_makes_no_sense_in_a_search_is_refused(
    bench: Bench, text: str, options: list[str], said: list[str]
) -> None:
    file("seeds: 1\n", "t.yaml")
    file(f"{text}\n")
    found = bench("search", "tiny.yaml", "--space", "s.yaml", *options)
    assert (found.code, found.out, found.err.splitlines()) == (2, "", said)
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    "text",
    [
        "learning_rate: log-uniform(0.01, 1)\nlambda: [1, 2]",
        "learning_rate: log_uniform(0.01, 1",
        "learning_rate: {log-uniform: [0.01, 1]}",
        "hidden: [[5], [7]]\noptimizer.mu: [0.5, 0.9]",
    ],
)
def test_a_search_space_in_the_place_of_a_sweep_says_so(bench: Bench, text: str) -> None:
    told = (
        "s.yaml:1:1: this is a search space: nnexp search CONFIG --space s.yaml; a sweep file has "
        "its values under grid, and config beside it\n"
    )
    assert bench("sweep", file(text), "--dry-run") == (2, "", told)


def test_a_config_with_a_list_too_many_is_no_search_space(bench: Bench) -> None:
    said = bench("sweep", file("hidden: [5]\nlambda: [1, 2]"), "--dry-run")
    assert said.err.startswith("s.yaml:2:9: lambda: must be a number")


def test_a_sweep_file_in_the_place_of_a_search_s_config_says_so(bench: Bench) -> None:
    said = bench("search", file("config: tiny.yaml\ngrid: {lambda: [1]}"), "--space", RATE)
    assert said == (2, "", "s.yaml:1:1: config: this is a sweep file: nnexp sweep s.yaml\n")


@pytest.mark.usefixtures("bench")
def test_a_space_of_seeds_alone_varies_nothing() -> None:
    with pytest.raises(UsageError, match="a search needs a space, such as --space"):
        read(file("seeds: 3\n"))


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


@pytest.mark.usefixtures("bench")
def test_settings_of_every_point_may_follow_each_other_in_any_order() -> None:
    settings = ["optimizer.mu=0.5", "optimizer=momentum"]
    assert len(plan(sweep_file.read("tiny.yaml", settings, ["lambda=1,2"])).trials) == 2


@pytest.mark.usefixtures("bench")
def test_a_key_that_is_swept_three_times_is_told_with_the_first_place() -> None:
    with pytest.raises(ConfigError) as caught:
        sweep_file.read("tiny.yaml", (), ["lambda=1", "lambda=2", "lambda=3"])
    assert caught.value.problems == [
        f"--grid lambda={n}: lambda: is swept twice, here and at --grid lambda=1; remove one of "
        "the two"
        for n in (2, 3)
    ]


def test_a_copy_of_a_value_shares_nothing_with_it() -> None:
    value = {"name": "a", "b": {"c": [1, [2], {"d": 3}]}}
    changed = space.deep_copy(value)
    changed["b"]["c"][1].append(0)
    changed["b"]["c"][2]["d"] = 0
    assert value == {"name": "a", "b": {"c": [1, [2], {"d": 3}]}}


@pytest.mark.parametrize(
    ("kind", "bounds", "told"),
    [
        ("uniform", [1, 1], "must be two numbers, the smaller first, got [1, 1]"),
        ("integers", [3, 3], "must be two whole numbers, the smaller first, got [3, 3]"),
        ("integers", [True, 3], "must be two whole numbers, the smaller first, got [True, 3]"),
        ("uniform", [1, math.inf], "must be two numbers, the smaller first, got [1, inf]"),
        ("integers", [-2 * 10**12, 1], "must be two whole numbers up to 1e+12, got [-20000000"),
        ("uniform", [-(10**400), 1], "must be two numbers up to 1.79769e+308, got [-1000"),
        ("uniform", [1, 2, 3], "must be two numbers, the smaller first, got [1, 2, 3]"),
    ],
)
def test_ends_that_are_none_are_refused(kind: str, bounds: list[Any], told: str) -> None:
    with pytest.raises(ValueError, match=re.escape(told)):
        ranges.ends(kind, bounds)


@pytest.mark.parametrize("value", [ranges.uniform, ranges.log_uniform])
def test_a_number_that_is_rounded_stays_in_its_range(value: Any) -> None:  # noqa: ANN401 - a function
    low, high = 0.12345678, 0.12345679
    assert all(low <= value(low, high, u) <= high for u in (0, 0.5, 0.999))
    assert value(0.1, 0.7, 1 / 3) == float(f"{value(0.1, 0.7, 1 / 3):.6g}")


# The documentation.

DOCS = Path(__file__).parents[2] / "docs"


def blocks(page: str, after: str) -> list[str]:
    """Return the indented blocks after some words, up to the next paragraph in italics."""
    text = (DOCS / page).read_text("utf-8").split(after)[1].split("\n*")[0]
    return [textwrap.dedent(part) for part in text.split("\n\n") if part.startswith("    ")]


@pytest.mark.usefixtures("bench")
def test_the_documented_spaces_are_spaces(bench: Bench) -> None:
    keys, sections = blocks("tuning.md", "*The space.*")
    assert read(file(keys)).keys == ["learning_rate", "optimizer", "batch_size"]
    found = read(file(sections))
    assert [each.keys for each in found.dimensions] == [
        *(("learning_rate",), ("cost",), ("dropout",), ("hidden", "lambda")),
    ]
    assert found.seeds is not None
    assert found.seeds.numbers == (0, 1, 2)
    said = bench("search", "tiny.yaml", "--space", "s.yaml", "--trials", "2", "--epochs", "1", "-q")
    assert said.code == 0


@pytest.mark.usefixtures("bench")
def test_the_documented_ranges_and_lists_are_all_that_there_are() -> None:
    text = (DOCS / "sweeps.md").read_text("utf-8")
    rows = text.split("| written | means |\n| --- | --- |\n")[1].split("\n\n")[0].splitlines()
    written = [re.findall(r"`([^`]+)`", row.split(" | ")[0]) for row in rows[1:]]
    assert [each[0].split("(")[0] for each in written] == list(ranges.RANGES)
    for row in written:
        sources = [f"epochs={each.replace('LOW', '1').replace('HIGH', '9')}" for each in row]
        first, second = (meaning(read(each).dimensions[0]) for each in sources)
        assert first == second
    for text_ in re.findall(r"`--grid '([^']+)'`", text):
        sweep_file.read("tiny.yaml", (), [text_])

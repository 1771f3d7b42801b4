"""Sweep files, --grid and --space share one grammar of values, lists and ranges."""

from __future__ import annotations

import math
import re
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnexp.config import dump
from nnexp.errors import ConfigError
from nnexp.study import ranges, space, sweep_file
from nnexp.study.plan import plan
from nnexp.study.space import Dimension
from tests.study.searches import UNCONFIRMED
from tests.study.spaces import file, read

if TYPE_CHECKING:
    from tests.conftest import Bench


def meaning(found: Dimension) -> tuple[Any, ...]:
    """Return what is varied, places aside."""
    return found.keys, found.kind, found.levels


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


@pytest.mark.usefixtures("bench")
def test_a_setting_that_a_later_one_replaces_is_refused() -> None:
    settings = ["optimizer=momentum", "optimizer.mu=0.5"]
    assert len(plan(sweep_file.read("tiny.yaml", settings, ["lambda=1,2"])).trials) == 2
    with pytest.raises(ConfigError, match=r"optimizer.mu: has no effect: --set optimizer=momentum"):
        plan(sweep_file.read("tiny.yaml", settings[::-1], ["lambda=1,2"]))
    with pytest.raises(ConfigError, match=r"lambda: has no effect: --grid lambda.per_example"):
        plan(sweep_file.read("tiny.yaml", ["lambda=5"], ["lambda.per_example=1,2"]))


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
    said = bench(*UNCONFIRMED, "--space", "s.yaml", "--trials", "2", "--epochs", "1", "-q")
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

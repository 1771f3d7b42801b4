"""Spaces and sweep files that make no sense are refused with the place of each problem."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from nnexp.errors import ConfigError, UsageError
from nnexp.study import sweep_file
from tests.study.spaces import RATE, file, read

if TYPE_CHECKING:
    from tests.conftest import Bench

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


@pytest.mark.usefixtures("bench")
def test_a_key_that_is_swept_three_times_is_told_with_the_first_place() -> None:
    with pytest.raises(ConfigError) as caught:
        sweep_file.read("tiny.yaml", (), ["lambda=1", "lambda=2", "lambda=3"])
    assert caught.value.problems == [
        f"--grid lambda={n}: lambda: is swept twice, here and at --grid lambda=1; remove one of "
        "the two"
        for n in (2, 3)
    ]

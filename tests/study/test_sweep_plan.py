"""The plan of a sweep: its points, their run names, and errors in grids and sweep files."""

from __future__ import annotations

import json
import math
import random
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from nnexp.config import canonical, load
from nnexp.config.argument import ADVICE
from nnexp.errors import ConfigError, UsageError
from nnexp.study import job_script, sweep_file
from nnexp.study.plan import Plan, plan

if TYPE_CHECKING:
    from tests.conftest import Bench


def planned(config: str, *grids: str, settings: tuple[str, ...] = (), seeds: str = "") -> Plan:
    from nnexp import names  # noqa: PLC0415 - beside its one use

    return plan(sweep_file.read(config, settings, grids, names.seeds(seeds) if seeds else None))


def sheet(bench: Bench, text: str) -> Plan:
    (bench.folder / "sweep.yaml").write_text(text)
    return planned("sweep.yaml")


def told(bench: Bench, text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        sheet(bench, text)
    return caught.value.problems


def values(found: Plan) -> list[tuple[Any, ...]]:
    return [(*trial.values, trial.config.seed) for trial in found.trials]


@pytest.mark.usefixtures("bench")
def test_a_grid_is_every_value_with_every_other_the_seeds_fastest() -> None:
    found = planned("tiny.yaml", "learning_rate=0.1,1", "hidden=[5],[2, 3]", seeds="0-1")
    assert found.keys == ["learning_rate", "hidden"]
    assert values(found) == [
        (rate, hidden, seed) for rate in (0.1, 1) for hidden in ([5], [2, 3]) for seed in (0, 1)
    ]
    assert [trial.experiment for trial in found.trials] == [0, 0, 1, 1, 2, 2, 3, 3]


EVERYTHING = """
config: tiny.yaml
set: {epochs: 2, stopping.k: 3, stopping: average, bias_initializer: zeros}
grid:
  learning_rate: [0.1, 1e-3]
  data.train: [50, 100.0]
  optimizer: [momentum, {name: nesterov}]
zip:
  hidden: [[4], []]
  lambda: [1, {per_example: 1e-4}]
random:
  draws: 3
  from:
    optimizer.mu: {uniform: [0.1, 0.9]}
    batch_size: {integers: [1, 20]}
    activation: {choice: [tanh, relu]}
seeds: [3, 0-1]
"""


def test_every_point_is_the_run_that_train_would_make(bench: Bench) -> None:
    text = EVERYTHING.replace("stopping.k: 3, stopping: average, ", "")
    found = sheet(bench, text)
    assert len(found.trials) == 2 * 2 * 2 * 2 * 3 * 3
    for trial in random.Random(1).sample(found.trials, 30):  # noqa: S311 - which ones does not matter
        config = load.read("tiny.yaml", found.settings(trial))
        assert config == trial.config
        assert canonical.digest(config) == trial.digest


def test_points_of_nested_keys_alone_are_the_runs_that_train_would_make(bench: Bench) -> None:
    ranges = "optimizer.mu: {uniform: [0, 1]}, data.scale: {uniform: [100, 300]}"
    text = f"set: {{optimizer: nesterov}}\nrandom: {{draws: 9, from: {{{ranges}}}}}"
    found = sheet(bench, f"config: tiny.yaml\n{text}")
    for trial in found.trials:
        assert load.read("tiny.yaml", found.settings(trial)) == trial.config
    assert len({trial.config.optimizer for trial in found.trials}) == 9


def test_a_bad_nested_value_among_good_ones_is_told_with_its_place(bench: Bench) -> None:
    grid = "grid: {optimizer.mu: [0.1, 0.5, 7, 0.9], optimizer.my: [1]}"
    problems = told(bench, f"config: tiny.yaml\nset: {{optimizer: momentum}}\n{grid}")
    assert "sweep.yaml:3:33: optimizer.mu: must be a number from 0 to 1, got 7" in problems


@pytest.mark.docs
def test_the_sweep_file_of_the_documentation_is_one(bench: Bench) -> None:
    docs = Path(__file__).parents[2] / "docs" / "sweeps.md"
    (text,) = re.findall(r"```yaml\n(.*?)```", docs.read_text(encoding="utf-8"), re.DOTALL)
    found = sheet(bench, text.replace("configs/quickstart.yaml", "tiny.yaml"))
    assert len(found.trials) + found.excluded == 2 * 2 * 2 * 20 * 5
    assert found.excluded == 2 * 20 * 5 + 3 * 20 * 2


def test_defaults_that_follow_from_a_swept_optimizer_are_train_s(bench: Bench) -> None:
    bench.config("free.yaml", dtype="float64")
    found = planned("free.yaml", "optimizer=sgd,adam,newton,bfgs", "patience=null,5")
    for trial in found.trials:
        assert load.read("free.yaml", found.settings(trial)) == trial.config
    assert [trial.config.learning_rate for trial in found.trials[::2]] == [0.5, 0.001, 1.0, None]


def test_a_base_that_no_point_keeps_need_not_be_sound(bench: Bench) -> None:
    bench.config("base.yaml", cost="log-likelihood", learning_rate=-1)
    with pytest.raises(ConfigError):
        load.read("base.yaml")
    assert len(planned("base.yaml", "output=softmax", "learning_rate=1,2").trials) == 2


@pytest.mark.usefixtures("bench")
def test_points_that_are_the_same_config_are_one() -> None:
    found = planned("tiny.yaml", "epochs=3,3.0,4", "hidden=[5],[6]")
    assert [trial.config.epochs for trial in found.trials] == [3, 3, 4, 4]
    assert found.repeated == 2


def test_draws_are_the_same_ones_again_and_more_begin_with_them(bench: Bench) -> None:
    ranges = (
        "{learning_rate: {log-uniform: [0.001, 1]}, lambda: {uniform: [2, 3]}, "
        "batch_size: {integers: [5, 7]}, activation: {choice: [tanh, relu]}}"
    )
    one, other = (
        values(sheet(bench, f"config: tiny.yaml\nrandom: {{draws: {n}, from: {ranges}}}"))
        for n in (5, 300)
    )
    assert other[:5] == one
    rates, lambdas, batches, activations, _ = zip(*other, strict=True)
    assert 0.001 <= min(rates) < 0.002
    assert 0.7 < max(rates) <= 1
    assert 100 < sum(rate < math.sqrt(0.001) for rate in rates) < 200  # half of them
    assert 2 <= min(lambdas) < 2.05
    assert 2.95 < max(lambdas) <= 3
    assert set(batches) == {5, 6, 7}
    assert set(activations) == {"tanh", "relu"}
    fewer = "config: tiny.yaml\nrandom: {draws: 5, from: {lambda: {uniform: [2, 3]}}}"
    assert [each[0] for each in values(sheet(bench, fewer))] == [each[1] for each in one]
    another = values(sheet(bench, fewer.replace("draws: 5", "draws: 5, seed: 1")))
    assert not set(another) & set(values(sheet(bench, fewer)))


def test_exclusions_leave_out_what_fits_them_whole(bench: Bench) -> None:
    grid = "config: tiny.yaml\ngrid: {learning_rate: [0.1, 1], lambda: [0, 1, 10]}\nseeds: 2\n"
    found = sheet(bench, f"{grid}exclude: [{{learning_rate: 1, lambda: [1, 10]}}, {{seed: 1}}]")
    assert values(found) == [(0.1, 0, 0), (0.1, 1, 0), (0.1, 10, 0), (1, 0, 0)]
    assert found.excluded == 8
    assert told(bench, f"{grid}exclude: [{{learning_rate: 2}}]") == [
        "sweep.yaml:4:11: exclude[0]: excludes nothing: no point matches"
    ]
    with pytest.raises(UsageError, match="exclusions leave nothing"):
        sheet(bench, f"{grid}exclude: [{{seed: [0, 1]}}]")


def test_a_seed_that_is_excluded_is_the_config_s_where_no_seeds_are_given(bench: Bench) -> None:
    bench.config(seed=7)
    grid = "config: tiny.yaml\ngrid: {lambda: [0, 1]}\n"
    found = sheet(bench, f"{grid}exclude: [{{lambda: 1, seed: 7}}]")
    assert values(found) == [(0, 7)]
    assert told(bench, f"{grid}exclude: [{{seed: 0}}]") == [
        "sweep.yaml:3:11: exclude[0]: excludes nothing: no point matches"
    ]
    found = sheet(bench, f"{grid}set: {{seed: 3}}\nexclude: [{{lambda: 0, seed: 3}}]")
    assert values(found) == [(1, 3)]


def test_what_two_exclusions_fit_is_left_out_once_and_idles_neither(bench: Bench) -> None:
    grid = "config: tiny.yaml\ngrid: {lambda: [0, 1], epochs: [2, 3]}\n"
    found = sheet(bench, f"{grid}exclude: [{{lambda: 1}}, {{lambda: 1, epochs: 2}}]")
    assert (values(found), found.excluded) == ([(0, 2, 0), (0, 3, 0)], 2)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("grid: {lambda: [0, 1], seed: [1, 2]}", "2:31"),
        ("zip: {lambda: [0, 1], seed: [1, 2]}", "2:30"),
        ("random: {draws: 2, from: {seed: {integers: [0, 9]}}}", "2:33"),
        ("seeds: 3\ngrid: {seed: [1, 2]}", "3:15"),
    ],
)
def test_seeds_are_no_axis(bench: Bench, text: str, place: str) -> None:
    """A row that says seed 1 would be the mean over all of them."""
    assert told(bench, f"config: tiny.yaml\n{text}") == [
        f"sweep.yaml:{place}: seed: cannot be swept; give --seeds, or seeds in the sweep file"
    ]


@pytest.mark.usefixtures("bench")
def test_seeds_are_no_grid() -> None:
    with pytest.raises(ConfigError, match=r"^--grid seed=1,2: seed: cannot be swept"):
        planned("tiny.yaml", "seed=1,2", "lambda=0,1")


@pytest.mark.usefixtures("bench")
def test_a_part_that_a_later_whole_replaces_is_refused_and_the_other_order_works() -> None:
    parts, wholes = "optimizer.mu=0.1,0.9", "optimizer=momentum,nesterov"
    refused = (
        "optimizer.mu: has no effect: optimizer (--grid {}) is set after it and replaces it; "
        "sweep optimizer first, or put the setting into its values, as in {{name: ..., mu: ...}}"
    )
    with pytest.raises(ConfigError) as caught:
        planned("tiny.yaml", "optimizer=momentum,sgd", settings=("optimizer.mu=0.3",))
    assert caught.value.problems == [
        f"--set optimizer.mu=0.3: {refused.format('optimizer=momentum,sgd')}"
    ]
    with pytest.raises(ConfigError) as caught:
        planned("tiny.yaml", parts, wholes)
    assert caught.value.problems == [f"--grid {parts}: {refused.format(wholes)}"]
    found = planned("tiny.yaml", wholes, parts)
    assert [getattr(trial.config.optimizer, "mu", None) for trial in found.trials] == [
        *(0.1, 0.9, 0.1, 0.9),
    ]
    fixed = planned("tiny.yaml", "optimizer.mu=0.1,0.9", settings=("optimizer=momentum",))
    assert len(fixed.trials) == 2


LOST = (
    "lambda.per_example: would replace values of lambda, which is also swept ({}); remove one "
    "of the two"
)


@pytest.mark.usefixtures("bench")
def test_a_key_that_would_replace_values_of_another_one_is_refused_in_either_order() -> None:
    whole, part = "lambda=1,2", "lambda.per_example=0.001"
    for grids in ((whole, part), (part, whole)):
        with pytest.raises(ConfigError) as caught:
            planned("tiny.yaml", *grids)
        assert caught.value.problems == [f"--grid {part}: {LOST.format(f'--grid {whole}')}"]
    named = "lambda=1,{per_example: 0.1}"
    with pytest.raises(ConfigError, match=r"would replace values of lambda"):
        planned("tiny.yaml", named, part)


@pytest.mark.parametrize(
    ("text", "part", "whole"),
    [
        ("grid: {lambda: [1, 2], lambda.per_example: [0.1]}", "2:44", "2:16"),
        ("zip: {lambda.per_example: [0.1, 0.2], lambda: [1, 2]}", "2:28", "2:48"),
        ("zip: {lambda: [1, 2]}\ngrid: {lambda.per_example: [0.1]}", "3:28", "2:6"),
        ("grid: {lambda.per_example: [0.1]}\nrandom: {draws: 2, from: {lambda: {uniform: [0, 1]}}}",
         "2:28", "3:35"),
        ("grid: {lambda: [1]}\nrandom: {draws: 2, from: {lambda.per_example: {uniform: [0, 1]}}}",
         "3:47", "2:16"),
    ],
)  # fmt: skip
def test_a_sweep_file_s_keys_that_replace_values_of_each_other_are_refused(
    bench: Bench, text: str, part: str, whole: str
) -> None:
    problem = f"sweep.yaml:{part}: {LOST.format(f'sweep.yaml:{whole}')}"
    assert told(bench, f"config: tiny.yaml\n{text}") == [problem]


def test_a_part_in_a_sweep_file_that_a_later_whole_replaces_is_refused(bench: Bench) -> None:
    (problem,) = told(
        bench,
        "config: tiny.yaml\nset: {optimizer.mu: 0.3}\nzip: {optimizer: [momentum], epochs: [2]}",
    )
    assert problem.startswith(
        "sweep.yaml:2:21: optimizer.mu: has no effect: optimizer (sweep.yaml:3:19) is"
    )
    assert "is set after it and replaces it; " in problem


def test_a_sheet_s_problems_are_told_all_at_once_each_with_its_place(bench: Bench) -> None:
    text = """config: tiny.yaml
grid:
  learning_rate: 0.1
  a..b: [1]
zip:
  hidden: [[5], [3]]
  lambda: [1]
random: {draws: 0, sed: 1, from: {dropout: {uniform: [0.5, 0]}, batch_size: {integer: [1, 2]}}}
seeds: 0-x
exclude: [{learning: 1}]
grids: {}
"""
    assert told(bench, text) == [
        "sweep.yaml:11:1: grids: unknown key 'grids'; did you mean 'grid'?",
        "sweep.yaml:4:3: a key must be a name, or names joined by dots, got 'a..b'",
        "sweep.yaml:3:18: grid.learning_rate: must be a list of values, got 0.1",
        "sweep.yaml:6:3: zip: lists must be equally long, got hidden 2, lambda 1",
        "sweep.yaml:8:20: random.sed: unknown key 'sed'; did you mean 'seed'?",
        (
            "sweep.yaml:8:54: random.from.dropout.uniform: must be two numbers, the smaller first, "
            "got [0.5, 0]"
        ),
        (
            "sweep.yaml:8:77: random.from.batch_size: unknown range 'integer'; "
            "did you mean 'integers'? "
            "(known: uniform, log-uniform, integers, log-integers, choice)"
        ),
        "sweep.yaml:8:17: random.draws: must be a whole number from 1 to 1000000, got 0",
        (
            "sweep.yaml:9:8: seeds: '0-x' is neither a seed nor a range of seeds; "
            "5 is seeds 0 to 4, and 0-4,7 is 0, 1, 2, 3, 4, 7"
        ),
        "sweep.yaml:10:12: exclude[0].learning: learning is not swept (swept: seed, a..b)",
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("grid: {}", ("sweep.yaml:1:1: config: a sweep needs 'config', the base config's file, "
         "got null; a search space goes to nnexp search CONFIG --space sweep.yaml")),
        ("config: {hidden: [3]}", ("sweep.yaml:1:9: config: a sweep needs 'config', the base "
         "config's file, got a mapping")),
        ("config: gone.yaml", f"gone.yaml: there is no such file; {ADVICE}"),
        ("config: tiny.yaml\ngrid: [1]", ("sweep.yaml:2:7: grid: must be a mapping of keys, "
         "got a list")),
        ("config: tiny.yaml\nrandom: {draws: 3}",
         "sweep.yaml:2:9: random: needs 'from', a mapping of keys to ranges"),
        ("config: tiny.yaml\nseeds: [0, 0]",
         "sweep.yaml:2:8: seeds: seed 0 is given twice; give each seed once"),
        ("config: tiny.yaml\nseeds: ['5-2']",
         "sweep.yaml:2:8: seeds: the range 5-2 is empty; write 2-5"),
        ("config: tiny.yaml\nseeds: [1, -1]", ("sweep.yaml:2:8: seeds: '-1' is neither a seed nor "
         "a range of seeds; 5 is seeds 0 to 4, and 0-4,7 is 0, 1, 2, 3, 4, 7")),
        ("config: tiny.yaml\nseeds: 1.5",
         "sweep.yaml:2:8: seeds: must be seeds, such as 5, 0-4 or [1, 3], got 1.5"),
        ("config: tiny.yaml\nexclude: {lambda: 1}", ("sweep.yaml:2:10: exclude: must be a list of "
         "mappings of swept keys to values, got a mapping")),
        ("config: tiny.yaml\ngrid: {lambda: [1]}\nzip: {lambda: [2]}",
         ("sweep.yaml:3:16: lambda: is swept twice, here and at sweep.yaml:2:17; remove one of "
          "the two")),
        (("config: tiny.yaml\nzip: {cost: [quadratic]}\n"
         "random: {draws: 2, from: {cost: {choice: [quadratic]}}}"),
         ("sweep.yaml:3:33: cost: is swept twice, here and at sweep.yaml:2:14; remove one of "
          "the two")),
        ("config: tiny.yaml\nset: {lambda: 1}\ngrid: {lambda: [2]}",
         ("sweep.yaml:2:15: lambda: is also swept (sweep.yaml:3:17); remove one of the two")),
        ("config: tiny.yaml\nset: {seed: 1}\nseeds: 2",
         "sweep.yaml:2:13: seeds are also given (sweep.yaml:3:8); remove one of the two"),
        ("config: tiny.yaml\ngrid: {seed: [1, 2]}\nseeds: 2",
         "sweep.yaml:2:15: seed: cannot be swept; give --seeds, or seeds in the sweep file"),
        ("config: tiny.yaml\nset: {epoch: 1}",
         "sweep.yaml:2:14: epoch: unknown key 'epoch'; did you mean 'epochs'?"),
        ("config: tiny.yaml\nrandom: {draws: 2, from: {lambda: {log-uniform: [0, 1]}}}",
         "sweep.yaml:2:49: random.from.lambda.log-uniform: must be two numbers > 0, got [0, 1]"),
        ("config: tiny.yaml\nrandom: {draws: 2, from: {batch_size: {integers: [1, 2.5]}}}",
         ("sweep.yaml:2:50: random.from.batch_size.integers: must be two whole numbers, "
         "the smaller first, got [1, 2.5]")),
        ("config: tiny.yaml\nrandom: {draws: 2, from: {cost: {choice: []}}}",
         "sweep.yaml:2:42: random.from.cost.choice: must be a list of values, got an empty list"),
        ("config: tiny.yaml\nrandom: {draws: 2, from: {lambda: 3}}",
         ("sweep.yaml:2:35: random.from.lambda: must be a list of values, or a range of uniform, "
         "log-uniform, integers, log-integers, choice, got 3")),
    ],
)  # fmt: skip
def test_a_sheet_s_problem_is_told_with_its_place(bench: Bench, text: str, problem: str) -> None:
    assert told(bench, text) == [problem]


@pytest.mark.usefixtures("bench")
def test_a_key_that_is_swept_cannot_be_set_as_well() -> None:
    with pytest.raises(ConfigError) as refused:
        planned("tiny.yaml", "lambda=1,2", settings=("epochs=2", "lambda=3"))
    (problem,) = refused.value.problems
    assert problem.startswith("--set lambda=3: lambda: is also swept (--grid lambda=1,2); remove")


def test_a_key_that_two_options_sweep_is_told_with_both(bench: Bench) -> None:
    (bench.folder / "sweep.yaml").write_text("config: tiny.yaml\ngrid: {lambda: [1]}\n")
    for config, grids, first in (
        ("tiny.yaml", ("lambda=1,2", "lambda=3"), "--grid lambda=1,2"),
        ("sweep.yaml", ("lambda=3",), "sweep.yaml:2:17"),
    ):
        with pytest.raises(ConfigError) as refused:
            planned(config, *grids)
        assert refused.value.problems == [
            f"--grid lambda=3: lambda: is swept twice, here and at {first}; remove one of the two"
        ]
    with pytest.raises(ConfigError) as refused:
        planned("tiny.yaml", settings=("seed=3",), seeds="0-1")
    assert refused.value.problems == [
        "--set seed=3: seeds are also given (--seeds); remove one of the two"
    ]


def test_a_grid_may_sweep_what_the_sweep_file_sets(bench: Bench) -> None:
    (bench.folder / "sweep.yaml").write_text("config: tiny.yaml\nset: {lambda: 3}\n")
    assert [trial.config.lambda_ for trial in planned("sweep.yaml", "lambda=1,2").trials] == [1, 2]


def test_a_bad_value_is_told_once_and_a_bad_combination_with_its_points(bench: Bench) -> None:
    text = """config: tiny.yaml
grid:
  learning_rate: [0.1, fast, -1]
  cost: [log-likelihood, quadratic]
"""
    first, second, clash = told(bench, text)
    assert first == "sweep.yaml:3:24: learning_rate: must be a number > 0 or null, got 'fast'"
    assert second == "sweep.yaml:3:30: learning_rate: must be a number > 0 or null, got -1"
    assert clash.startswith("sweep.yaml:4:10: cost: log-likelihood takes the outputs for one")
    assert clash.endswith("(at learning_rate=0.1 cost=log-likelihood)")


@pytest.mark.usefixtures("bench")
def test_a_clash_of_many_points_names_three_of_them() -> None:
    with pytest.raises(ConfigError) as caught:
        planned("tiny.yaml", "cost=log-likelihood,quadratic", "learning_rate=1,2,3,4,5")
    (clash,) = caught.value.problems
    assert clash.startswith("--grid cost=log-likelihood,quadratic: cost: log-likelihood takes")
    assert clash.endswith("cost=log-likelihood learning_rate=3 and 2 more)")


@pytest.mark.usefixtures("bench")
def test_options_problems_are_told_all_at_once(bench: Bench) -> None:
    grids = ("cost", "a..b=1", "hidden=", "hidden=]")
    code, out, err = bench(
        "sweep", "tiny.yaml", "--set", "x", *(w for g in grids for w in ("--grid", g))
    )
    assert (code, out) == (2, "")
    assert err.splitlines() == [
        "--set x: must have the form KEY=VALUE, such as --set learning_rate=0.5",
        "--grid cost: must have the form KEY=VALUES, such as --grid learning_rate=0.1,1",
        "--grid a..b=1: a key must be a name, or names joined by dots, got 'a..b'",
        "--grid hidden=: must be a list of values, got an empty list",
        "--grid hidden=]: this cannot follow the lines above; a config is one mapping",
    ]
    assert list(bench.folder.glob("runs*")) == []


@pytest.mark.parametrize(
    ("grid", "written"),
    [
        ("data.split_seed=0-4", "0-4; write 0,1,2,3,4"),
        ("batch_size=all,8-6", "8-6; write 6,7,8"),
        ("epochs=1-100", "1-100; write 1,2,3,4,5,6,7,8,9,10,…,100"),
    ],
)
def test_a_range_of_seeds_is_no_list_of_numbers(bench: Bench, grid: str, written: str) -> None:
    fact = f"{grid.partition('=')[0]}: must be numbers separated by commas, got {written}"
    assert bench("sweep", "tiny.yaml", "--grid", grid) == (2, "", f"--grid {grid}: {fact}\n")
    said = bench("search", "tiny.yaml", "--space", grid)
    assert said == (2, "", f"--space {grid}: {fact}\n")


def test_a_value_of_text_may_look_like_a_range(bench: Bench) -> None:
    (bench.folder / "0-4").write_text("a,kind\n")
    said = bench("sweep", "tiny.yaml", "--grid", "data.file=0-4", "--dry-run")
    assert "separated by commas" not in said.err


@pytest.mark.slow
def test_a_sweep_of_too_many_points_is_refused_before_they_are_made(bench: Bench) -> None:
    big = "config: tiny.yaml\nrandom: {draws: 1000000, from: {lambda: {uniform: [0, 1]}}}\nseeds: 2"
    with pytest.raises(UsageError, match="at most 1,000,000 trials, this one 2,000,000"):
        sheet(bench, big)


def test_runs_wait_for_shorter_ones_that_have_the_same_rates_in_all_epochs(bench: Bench) -> None:
    own = ("schedule={name: piecewise, rates: {1: 0.5}}", "learning_rate=null", "patience=null")
    grids = ("schedule.rates={1: 0.5},{1: 0.5, 2: 0.1}", "epochs=4,2")
    bench.config("c.yaml")
    jobs = planned(str(bench.folder / "c.yaml"), *grids, settings=own).jobs(bench.folder)
    paths = [job.run.path for job in jobs]
    assert [job.after for job in jobs] == [(paths[1],), (), (paths[3],), ()]


def test_a_dry_run_tells_states_and_makes_nothing(bench: Bench) -> None:
    bench("train", "tiny.yaml", "-q", "--set", "lambda=1")
    bench("train", "tiny.yaml", "-q", "--set", "lambda=2", "--until", "1")
    code, out, err = bench("sweep", "tiny.yaml", "--grid", "lambda=1,1.0,2,3", "--dry-run")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert [line.split()[1:] for line in lines[:4]] == [
        ["status", "lambda"], ["finished", "1"], ["interrupted", "2"], ["new", "3"],
    ]  # fmt: skip
    assert lines[-1] == "3 runs: 1 finished, 1 interrupted, 1 new, 1 repeated left out"
    assert len(list((bench.folder / "runs").glob("[!.]*"))) == 2
    told = json.loads(
        bench("sweep", "tiny.yaml", "--grid", "lambda=1,3", "--dry-run", "--json").out
    )
    assert [run["status"] for run in told["runs"]] == ["finished", "new"]
    assert told["runs"][1]["values"] == {"lambda": 3}


def test_a_dry_run_tells_what_is_wrong_with_damaged_runs(bench: Bench) -> None:
    for value in "12":
        bench("train", "tiny.yaml", "-q", "--set", f"lambda={value}")
    first, second = sorted((bench.folder / "runs").glob("tiny-*"))
    (first / "metrics.jsonl").write_text("{}")
    (second / "run.json").write_text("{}")
    command = ("sweep", "tiny.yaml", "--grid", "lambda=1,2,3", "--dry-run")
    code, out, err = bench(*command)
    assert code == 1
    assert out.splitlines()[-1] == "3 runs: 2 damaged, 1 new"
    told = sorted(line.split(":")[0] for line in err.splitlines())
    assert told == [f"runs/{first.name}/metrics.jsonl", f"runs/{second.name}/run.json"]
    listed = json.loads(bench(*command, "--json").out)["runs"]
    assert {run["problem"] for run in listed} == {*err.splitlines(), None}


def test_commands_train_the_runs_of_the_sweep(bench: Bench) -> None:
    found = sheet(bench, EVERYTHING.replace("stopping.k: 3, stopping: average, ", ""))
    lines = list(job_script.commands(found, bench.folder / "my runs"))
    assert len(lines) == len(found.trials)
    jobs = found.jobs(bench.folder / "my runs")
    for job, line in list(zip(jobs, lines, strict=True))[:: len(lines) // 3]:
        words = shlex.split(line)
        assert words[0] == "nnexp"
        assert bench(*words[1:]).out == f"{job.run.path}\n"


def test_slurm_has_a_thousand_tasks_at_most(bench: Bench) -> None:
    grid = f"grid: {{lambda: {list(range(500))}}}\nseeds: 5"
    script = job_script.slurm(sheet(bench, f"config: tiny.yaml\n{grid}"), bench.folder)
    assert "#SBATCH --array=0-999\n" in script
    assert "number < 2500; number += 1000" in script
    assert "    2499) exec nnexp train tiny.yaml" in script
    assert job_script.too_long(script) is None
    assert "is 4 MB" in str(job_script.too_long(script * 20))


def test_a_name_that_no_run_can_have_is_refused(bench: Bench) -> None:
    bench.config("my tiny.yaml")
    with pytest.raises(UsageError, match="cannot begin a run's name"):
        planned("my tiny.yaml", "lambda=1,2")


def test_the_plan_leaves_the_folder_alone(bench: Bench, tmp_path: Path) -> None:
    before = sorted(tmp_path.iterdir())
    assert bench("sweep", "tiny.yaml", "--grid", "lambda=1,2", "--emit", "commands").code == 0
    assert sorted(tmp_path.iterdir()) == before

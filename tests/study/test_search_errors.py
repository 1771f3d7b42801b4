"""nnexp search refuses bad options, spaces and data, and says where the problem is."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nnexp.study import search as searches
from nnexp.study import search_definition
from tests.conftest import missing_path_hint
from tests.known import ACTIVATIONS
from tests.study.searches import LAMBDA, search
from tests.study.spaces import RATE, needs_optuna

if TYPE_CHECKING:
    from tests.conftest import Bench

KINDS = "uniform, log-uniform, integers, log-integers, choice"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--space", "lambda=log(1, 2)"], "--space lambda=log(1, 2): lambda: unknown range 'log'"),
        (["--space", "lambda=log_uniform(1, 2)"], "'log_uniform'; did you mean 'log-uniform'?"),
        (["--space", "lambda=log-uniform(1, 2"], "got 'log-uniform(1, 2'; the closing ')' is miss"),
        (["--space", "lambda=loguniform(1"], "got 'loguniform(1'; the closing ')' is missing\n"),
        (
            ["--space", "lambda=uniform(1, 2), 3"],
            "got 'uniform(1, 2), 3'; a range stands alone, as in log-uniform(0.01, 1)\n",
        ),
        (["--space", "lambda=uniform(2, 1)"], "must be two numbers, the smaller first"),
        (["--space", "lambda=log-uniform(0, 1)"], "must be two numbers > 0"),
        (["--space", "lambda=[1, 2"], "the closing ']' is missing"),
        (["--space", "=uniform(1, 2)"], "a key must be a name"),
        (["--space", RATE], f"--space {RATE}: learning_rate: is searched twice"),
        (["--space", f"lambda=log({'1, ' * 500}2)"], "…: lambda: unknown range 'log'"),
        (["--space", "seed=[1, 2]"], "seed: cannot be searched; give the seeds"),
        (["--space", "no.yaml"], "no.yaml: there is no such file"),
        (
            ["--space", "lambda"],
            "--space lambda: this is a key without a range; write lambda=RANGE",
        ),
        (["--space", "lamda=[1, 2]"], "unknown key 'lamda'; did you mean 'lambda'?"),
        (["--space", "dropout=uniform(0, 2)"], "dropout: must be a number ≥ 0 and < 1, got 2"),
        (["--set", "epochs=2", "--epochs", "2"], "--set epochs and --epochs: give one of them"),
        (["--factor", "2"], "--factor needs --halving"),
        (["--halving", "--examples", "9"], "--halving and --examples both limit the search"),
        (
            ["--halving", "--epochs", "2"],
            "are too few to halve; --factor 3 needs at least 3 of both",
        ),
        (["--halving", "--space", "epochs=[2, 3]"], "all trials need the same epochs"),
        (["--halving", "--space", "evaluate_every=[1, 4]"], "evaluate_every cannot be searched"),
        (["--epochs", "2", "--space", "epochs=[2, 3]"], "--epochs and --space epochs: give one"),
        (
            ["--space", LAMBDA, "--space", "lambda.per_example=uniform(0, 1)"],
            "lambda.per_example: would replace values of lambda, which is also searched",
        ),
        (
            ["--space", "optimizer.mu=[0.5]", "--space", "optimizer=[{name: momentum, mu: 0.9}]"],
            "optimizer.mu: would replace values of optimizer, which is",
        ),
        (
            ["--space", "optimizer.name=[sgd, adam]", "--space", "optimizer=[momentum]"],
            "optimizer.name: would replace values of optimizer, which is",
        ),
        (
            ["--space", "optimizer=[momentum, sgd]", "--space", "optimizer.mu=[0.5]"],
            "optimizer.mu: unknown key 'mu'; it is a setting of momentum",
        ),
        (
            ["--space", "optimizer=[momentum]", "--set", "optimizer.mu=0.5"],
            "--set optimizer.mu=0.5: optimizer.mu: optimizer is searched and replaces this",
        ),
        (
            ["--space", "hidden=[10, [30, 20]]"],
            "hidden: must be a list of lists, such as hidden=[[10], [30, 20]], got 10\n",
        ),
        (
            ["--space", "hidden=integers(10, 50)"],
            "hidden: must be a list of lists, such as hidden=[[10], [50]], got 10\n",
        ),
        (["--space", "data.train=[30, 9999]"], "data.train asks for 9999 examples"),
        (
            ["--space", "monitor=[[train, validation], [train]]", "--set", "patience=null"],
            "--space monitor=[[train, validation], [train]]: monitor: a search ranks by",
        ),
        (["--set", "monitor=[train]", "--set", "patience=null"], "monitor: a search ranks by"),
        (["--method", "grid", "--trials", "1"], "the smallest grid has 2 points"),
        (["--plot", "a.txt"], "a picture's name ends in"),
        (["--trials", "0"], "--trials must be a whole number ≥ 1, got '0'"),
        (["--seeds", "x"], "'x' is neither a seed nor a range of seeds"),
        pytest.param(["--method", "tpe", "--halving"], "--halving needs --method random or grid"),
    ],
)
def test_usage_errors_create_nothing(bench: Bench, arguments: list[str], message: str) -> None:
    said = search(bench, *arguments)
    assert (said.code, said.out) == (2, "")
    assert message in said.err
    assert not (bench.folder / "runs").exists()


def test_a_space_file_s_problems_are_told_together_with_their_places(bench: Bench) -> None:
    (bench.folder / "s.yaml").write_text(
        "learning_rate: {log: [1, 2]}\nlambda: 5\nhidden: []\nmonitor: [train]\nseed: [1, 2]\n"
    )
    said = bench("search", "tiny.yaml", "--space", "s.yaml")
    assert said.code == 2
    assert said.err.splitlines() == [
        f"s.yaml:1:16: learning_rate: unknown range 'log' (known: {KINDS})",
        f"s.yaml:2:9: lambda: must be a list of values, or a range of {KINDS}, got 5",
        "s.yaml:3:9: hidden: must be a list of values, got an empty list",
        "s.yaml:4:10: monitor: must be a list of lists, such as monitor: [[train]], got 'train'",
        "s.yaml:5:7: seed: cannot be searched; give the seeds of each trial by --seeds",
    ]


def test_a_value_that_no_config_has_is_told_where_the_space_says_it(bench: Bench) -> None:
    (bench.folder / "s.yaml").write_text("activation: [tanh,\n  foo]\ndropout: {uniform: [0, 1]}\n")
    said = bench("search", "tiny.yaml", "--space", "s.yaml")
    assert (said.code, said.err.splitlines()) == (
        2,
        [
            f"s.yaml:1:13: activation: unknown activation 'foo' (known: {ACTIVATIONS})",
            "s.yaml:3:10: dropout: must be a number ≥ 0 and < 1, got 1",
        ],
    )


def test_unknown_keys_and_what_is_no_range_are_told_at_once(bench: Bench) -> None:
    (bench.folder / "s.yaml").write_text(
        "lamda: [1, 2]\nlearning_rate: {log: [1, 2]}\nrate: {log: [1, 2]}\ndropout: [2]\n"
        "optimizer.name: [sgd]\n"
    )
    place = "--space hiden=uniform(2, 1)"
    settings = ["hiden=uniform(2, 1)", "dropout=[0]", "batch_size=[-1]"]
    remove = "remove one of the two"
    said = bench("search", "tiny.yaml", *(f"--space={each}" for each in ["s.yaml", *settings]))
    assert (said.code, said.out) == (2, "")
    assert [line.partition(" (known")[0] for line in said.err.splitlines()] == [
        "s.yaml:1:1: lamda: unknown key 'lamda'; did you mean 'lambda'?",
        "s.yaml:2:16: learning_rate: unknown range 'log'",
        "s.yaml:3:1: rate: unknown key 'rate'",
        "s.yaml:3:7: rate: unknown range 'log'",
        f"{place}: hiden: unknown key 'hiden'; did you mean 'hidden'?",
        f"{place}: hiden.uniform: must be two numbers, the smaller first, got [2, 1]",
        f"--space dropout=[0]: dropout: is searched twice, here and at s.yaml:4:11; {remove}",
        "s.yaml:4:10: dropout: must be a number ≥ 0 and < 1, got 2",
        "--space batch_size=[-1]: batch_size: must be a whole number ≥ 1 or all, got -1",
    ]


def test_what_could_not_be_read_is_told_once(bench: Bench) -> None:
    (bench.folder / "s.yaml").write_text("lambda: [*a, 2]\nhidden: *b\ndropout: {log: [1, 2]}\n")
    said = bench("search", "tiny.yaml", "--space", "s.yaml")
    assert [line.split(": ")[0] for line in said.err.splitlines()] == [
        "s.yaml:1:10",
        "s.yaml:2:9",
        "s.yaml:3:10",
    ]


@needs_optuna
def test_the_ends_of_tpe_s_ranges_are_held_against_the_data(bench: Bench) -> None:
    space_ = "data.train=integers(30, 9999)"
    said = bench("search", "tiny.yaml", "--space", space_, "--method", "tpe", "-q")
    assert (said.code, said.out) == (2, "")
    assert "data.train asks for 9999 examples" in said.err
    assert not (bench.folder / "runs").exists()


def test_data_that_the_config_as_given_has_not_is_no_matter_where_it_is_not_trained(
    bench: Bench,
) -> None:
    bench.config(data={"name": "npz", "file": "tiny.npz", "train": 9999})
    defined = search_definition.define(
        "tiny.yaml", ["data.train=[30, 40]"], method="grid", has_baseline=False
    )
    found = searches.search(defined, Path("runs"))
    assert [each.trial.config.data.train for each in found.results] != []


def test_a_finished_search_needs_its_data_to_know_its_runs(bench: Bench) -> None:
    command = ("search", "tiny.yaml", "--space", "data.train=[30, 40]", "--method", "grid")
    first = bench(*command)
    assert (bench(*command).out, first.code) == (first.out, 0)
    (bench.folder / "tiny.npz").unlink()
    assert bench(*command) == (
        2,
        "",
        f"tiny.npz: No such file or directory{missing_path_hint(bench.folder)}\n",
    )


def test_values_that_are_bad_alike_are_told_once(bench: Bench) -> None:
    bench.config("tiny.yaml")
    said = bench("search", "tiny.yaml", "--space", "batch_size=uniform(1, 4)")
    assert (said.code, said.err.count("must be a whole number"), len(said.err.splitlines())) == (
        2,
        1,
        1,
    )


@pytest.mark.parametrize(("rates", "is_told"), [("[1e-9, 1e-8]", True), ("[0.1, 0.5]", False)])
def test_a_config_that_beats_every_trial_is_told(
    bench: Bench, rates: str, *, is_told: bool
) -> None:
    space = f"learning_rate={rates}"
    said = bench("search", "tiny.yaml", "--space", space, "--epochs", "3", "--method", "grid")
    assert ("the config as given did better than every trial" in said.out) is is_told


@pytest.mark.parametrize(
    ("epochs", "best", "tie"),
    [
        (
            "[3]",
            "the config as given; as good: patience=3",
            "1 trial ties with the config as given",
        ),
        (
            "[4, 3]",
            "the config as given; as good: patience=4",
            "2 trials tie with the config as given",
        ),
        ("[9, 3]", "patience=9", "2 trials tie"),
    ],
)
def test_a_tie_goes_to_the_config_as_given(bench: Bench, epochs: str, best: str, tie: str) -> None:
    """The patience of nine is the given one; no patience changes a run of so few epochs."""
    space = ("--space", f"patience={epochs}", "--method", "grid", "--confirm", "0")
    out = bench("search", "tiny.yaml", "--set", "patience=9", *space, "-q").out
    assert f"\nbest: {best}, as in runs/" in out
    reason = "the 60 validation examples cannot rank them: one example is 1.7 points"
    assert f"\n{tie} at the best validation accuracy; {reason}\n" in out


def test_a_single_best_trial_does_not_tie(bench: Bench) -> None:
    space = ("--space", "learning_rate=[1e-9]", "--method", "grid", "--confirm", "0", "-q")
    assert " tie" not in bench("search", "tiny.yaml", "--epochs", "3", *space).out


def test_without_optuna_tpe_says_how_to_get_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    said = search(bench, "--method", "tpe")
    assert (said.code, said.err) == (
        2,
        "--method tpe needs Optuna: pip install 'nnexp[optuna]'; random and grid do not\n",
    )
    assert not (bench.folder / "runs").exists()

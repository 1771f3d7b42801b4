"""nnexp runs as an answer: experiments over their seeds, conditions, orders, progress."""

from __future__ import annotations

import json
import operator
import re
import signal
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from nnexp.analysis import query
from nnexp.analysis.watch import left
from nnexp.cli import watch
from nnexp.config import canonical, keys, load
from nnexp.config.messages import ranges
from nnexp.errors import UsageError
from nnexp.store import listing, lock, metrics, records
from nnexp.store.metrics import Timing
from nnexp.store.records import DataRecord, Result, RunRecord, Versions
from nnexp.store.run import Run
from nnexp.training.history import Row
from tests.conftest import commit

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

    from tests.conftest import Bench, Said

VERSIONS = Versions(nnexp="0", python="3", numpy="2", scipy="1")
DATA = DataRecord(sha256={}, train=1, validation=1, test=1, features=1, classes=2)


def make(
    name: str,
    *settings: str,
    validation: float | None = 0.9,
    test: float = 0.8,
    ended: bool = True,
    without: tuple[str, ...] = (),
) -> Run:
    """Write what a listing reads of a run that was trained for two epochs."""
    config = load.parse("", "c", settings)
    run = Run(Path("runs") / name)
    tree = canonical.to_builtins(config)
    record = RunRecord(
        name=name,
        config={key: value for key, value in tree.items() if key not in without},
        config_sha256=canonical.digest(config),
        data=DATA,
        versions=VERSIONS,
        numerics="0" * 64,
    )
    accuracy = UNSET if validation is None else validation
    row = Row(epoch=2, learning_rate=0.5, validation_accuracy=accuracy)
    (run.path / "checkpoints").mkdir(parents=True)
    (run.path / "LOCK").touch()
    (run.path / "metrics.jsonl").write_bytes(metrics.encode(row))
    (run.path / "run.json").write_bytes(records.seal(record))
    commit(run.path)
    if ended:
        result = Result(
            status="finished",
            reason="epochs",
            epochs=2,
            best=row,
            final=row,
            test_cost=1.0,
            test_accuracy=test,
            fault=None,
            files={},
        )
        (run.path / "result.json").write_bytes(records.seal(result))
    return run


def seeds(name: str, accuracies: dict[int, float], *settings: str) -> None:
    for seed, accuracy in accuracies.items():
        make(f"{name}-s{seed}", *settings, f"seed={seed}", validation=accuracy)


def names(said: Said) -> list[str]:
    """Return the first word of each line of a table."""
    assert (said.code, said.err) == (0, "")
    return [line.split()[0] for line in said.out.splitlines()[1:]]


# Experiments


def test_runs_that_differ_in_the_seed_alone_are_one_line(bench: Bench) -> None:
    # By hand: the deviations of 0.90, 0.92, 0.94 are -2, 0, 2 points; sqrt(8 / 2) = 2.
    seeds("wide", {0: 0.90, 1: 0.92, 2: 0.94, 7: 0.92}, "learning_rate=0.1")
    make("slow-s3", "learning_rate=0.01", "seed=3", validation=0.5, test=0.25)
    (bench.folder / "runs/wide-s7/result.json").unlink()
    assert bench("runs") == (
        0,
        (
            "experiment  status                     seeds  epochs  learning_rate"
            "      validation            test\n"
            "slow-s3     finished                       3       2           0.01"
            "         50.00 %         25.00 %\n"
            "wide        3 finished, 1 interrupted  0-2,7       2            0.1"
            "  92.00 ± 2.00 %  80.00 ± 0.00 %\n"
        ),
        "",
    )


def test_once_a_run_is_finished_only_finished_ones_count(bench: Bench) -> None:
    make("a-s0", validation=0.9)
    make("a-s1", "seed=1", validation=0.1, ended=False)
    assert "  90.00 %  " in bench("runs").out
    (bench.folder / "runs/a-s0/result.json").unlink()
    assert "  50.00 ± 56.57 %  " in bench("runs").out


def test_a_seed_that_was_run_twice_counts_once(bench: Bench) -> None:
    seeds("a", {0: 0.90, 1: 0.94})
    make("again-s1", "seed=1", validation=0.94)
    (found,) = json.loads(bench("runs", "--json").out)
    spread = found["best_validation_accuracy"]
    assert spread["seeds"] == 2
    assert spread["mean"] == pytest.approx(0.92)
    assert spread["sd"] == pytest.approx(0.02 * 2**0.5)


def test_runs_of_one_experiment_under_unrelated_names_are_one_line(bench: Bench) -> None:
    seeds("main", {0: 0.9, 1: 0.9})
    make("first", "seed=2")
    code, out, _ = bench("runs")
    assert (code, out.splitlines()[1][:21]) == (0, "main (+ first)  3 fin")
    assert bench("runs", "-q") == (
        0,
        "runs/main\n",
        "runs/main: first has the same config but for the seed; this name leaves it out\n",
    )
    make("second", "seed=3")
    assert "main (+ 2 other names)" in bench("runs").out


def test_experiments_as_json(bench: Bench) -> None:
    seeds("wide", {0: 0.90, 1: 0.94}, "learning_rate=0.1")
    (found,) = json.loads(bench("runs", "--json").out)
    runs, config = found.pop("runs"), found.pop("config")
    assert [run["path"] for run in runs] == ["runs/wide-s0", "runs/wide-s1"]
    assert [run["seed"] for run in runs] == [0, 1]
    assert (config["learning_rate"], config["data"], "seed" in config) == (0.1, "mnist", False)
    assert found == {
        "name": "wide",
        "path": "runs/wide",
        "other_names": [],
        "seeds": [0, 1],
        "statuses": {"finished": 2},
        "best_validation_accuracy": {
            "mean": pytest.approx(0.92),
            "sd": pytest.approx(0.02 * 2**0.5),
            "seeds": 2,
        },
        "test_accuracy": {"mean": 0.8, "sd": 0.0, "seeds": 2},
    }


def test_seeds_are_told_as_they_are_given() -> None:
    assert ranges([]) == ""
    assert ranges([3]) == "3"
    assert ranges([0, 1, 2, 4, 5, 9]) == "0-2,4-5,9"


# Columns


def header(said: Said) -> list[str]:
    assert (said.code, said.err) == (0, "")
    return re.split("  +", said.out.splitlines()[0])


@pytest.mark.parametrize(
    ("settings", "columns"),
    [
        (["learning_rate=0.1", "learning_rate=0.1"], []),
        (["learning_rate=0.1", "seed=4"], ["learning_rate"]),
        (["optimizer=sgd", "optimizer=momentum"], ["optimizer"]),
        (
            ["optimizer={name: momentum, mu: 0.5}", "optimizer={name: momentum, mu: 0.7}"],
            ["optimizer.mu"],
        ),
        (["data.train=10", "data=mnist"], ["data.train"]),
        (["lambda=1", "lambda={per_example: 0.1}"], ["lambda"]),
        (["epochs=3", "epochs=4"], ["config.epochs"]),
    ],
)
def test_keys_that_differ_have_columns(
    bench: Bench, settings: list[str], columns: list[str]
) -> None:
    for number, setting in enumerate(settings):
        make(f"n{number}", setting)
    plain = {"run", "experiment", "seeds", "status", "epochs", "validation", "at", "test"}
    assert [name for name in header(bench("runs")) if name not in plain] == columns


def test_a_key_that_an_older_nnexp_did_not_know_is_no_difference(bench: Bench) -> None:
    make("new", "learning_rate=0.1")
    make("old", without=("dropout", "rng"))
    found = header(bench("runs"))
    assert "learning_rate" in found
    assert not {"dropout", "rng"} & set(found)


def test_a_mapping_is_shown_where_another_run_has_a_number(bench: Bench) -> None:
    make("a", "lambda=1")
    make("b", "lambda={per_example: 0.1}")
    assert '  {"per_example": 0.1}  ' in bench("runs").out


def test_each_run_shows_its_seed_where_seeds_differ(bench: Bench) -> None:
    seeds("a", {0: 0.9, 1: 0.8})
    assert header(bench("runs", "--each")) == [
        *("run", "status", "epochs", "seed", "validation", "at", "test")
    ]


def test_a_terminal_s_width_is_for_what_tells_most(bench: Bench) -> None:
    for number, (rate, drop) in enumerate([(0.1, 0.0), (0.2, 0.0), (0.3, 0.5)]):
        make(f"n{number}", f"dropout={drop}", f"learning_rate={rate}")
    wide = bench.on_a_terminal("runs", columns=120, NO_COLOR="1").splitlines()
    assert wide[0].split() == [
        *("run", "status", "epochs", "learning_rate", "dropout", "validation", "at", "test")
    ]
    assert len(wide) == 4
    narrow = bench.on_a_terminal("runs", columns=50, NO_COLOR="1").splitlines()
    assert narrow[0].split() == ["run", "status", "learning_rate", "validation", "test"]
    assert max(map(len, narrow[:4])) <= 50
    assert narrow[4] == (
        "no room for epochs, dropout, at; a wider terminal, a pipe or --json has them"
    )


# Conditions


@pytest.fixture
def four(bench: Bench) -> Bench:
    """Runs that conditions tell apart."""
    make("a", "learning_rate=0.25", "epochs=30", validation=0.91, test=0.5)
    make("b", "optimizer={name: momentum, mu: 0.5}", "learning_rate=1", validation=0.93, test=0.7)
    make("c", "batch_size=100", "hidden=[30, 10]", "patience=", "learning_rate=2", "seed=5")
    make("d", "lambda={per_example: 0.1}", ended=False, validation=None)
    return bench


@pytest.mark.parametrize(
    ("condition", "fitting"),
    [
        ("learning_rate<1", "ad"),
        ("learning_rate <= 1.0", "abd"),
        ("learning_rate=1e0", "b"),
        ("learning_rate==0x1", "b"),
        ("learning_rate!=1", "acd"),
        ("learning_rate<1 and optimizer=sgd", "ad"),
        ("optimizer=momentum or seed=5", "bc"),
        ("optimizer=sgd and seed=5 or name=a", "ac"),
        ("optimizer=sgd and (seed=5 or name=b)", "c"),
        ("(optimizer.mu>0.1)", "b"),
        ("optimizer.mu!=0.5", ""),
        ("optimizer.beta1<1", ""),
        ("hidden=[30, 10]", "c"),
        ("hidden!=[30]", "c"),
        ("patience=null", "c"),
        ("patience!=null", "abd"),
        ("lambda.per_example>0", "d"),
        ("lambda>=0", "abc"),
        ("validation>0.92", "b"),
        ("validation>=91%", "ab"),
        ("validation=null", "d"),
        ("test<=50.0%", "a"),
        ("test<=1", "abc"),
        ("test<=100% and test>=0", "abc"),
        (20 * "(" + "name=a" + 20 * ")", "a"),
        ("status=interrupted", "d"),
        ("status!='finished'", "d"),
        ('name="a"', "a"),
        ("epochs=2", "abcd"),
        ("config.epochs=30 and config.learning_rate<1", "ad"),
        ("best-epoch=2", "abc"),
        ("seed=true", ""),
        ("dropout=false", ""),
        ("optimizer<1", ""),
        ("(learning_rate<1)and(optimizer=sgd)", "ad"),
        ("learning_rate<1 and optimizer=sgd or learning_rate=2", "acd"),
        ("learning_rate=2 or learning_rate<1 and optimizer=sgd", "acd"),
        ("name=or or name = and or name=a", "a"),
    ],
)
def test_conditions(four: Bench, condition: str, fitting: str) -> None:
    code, out, err = four("runs", "--where", condition)
    assert [line[0] for line in out.splitlines()[1:]] == list(fitting)
    assert (code, err) == (0, "" if fitting else "no runs in runs fit\n")


@pytest.mark.parametrize(
    ("condition", "told"),
    [
        ("learing_rate<1", "unknown key 'learing_rate'; did you mean 'learning_rate'? (known: "),
        ("optimizer.nu=1", "unknown key 'optimizer.nu'; did you mean 'optimizer.mu'? (known: "),
        ("best_epoch=1", "unknown key 'best_epoch'; did you mean 'best-epoch'? (known: name, "),
        ("test_accuracy>0", "unknown key 'test_accuracy'; did you mean 'test'? (known: name, "),
        ("best_validation_accuracy>0", "did you mean 'validation'? (known: name, "),
        ("validation_accuracy>0", "did you mean 'validation'? (known: name, "),
        ("config.test=1", "unknown key 'test'; did you mean "),
        ("learning_rate<fast", "'<' compares numbers, got 'fast' for learning_rate"),
        ("learning_rate<true", "'<' compares numbers, got true for learning_rate"),
        ("test>90", "test is a fraction from 0 to 1, got 90; write 0.95 or 95%"),
        ("status=finnished", "unknown status 'finnished'; did you mean 'finished'? (known: "),
        ("", "expected KEY OP VALUE, such as learning_rate<1, at character 1, got the end"),
        ("seed", "expected KEY OP VALUE, such as learning_rate<1, at character 1, got 'seed'"),
        ("seed=", "expected KEY OP VALUE, such as learning_rate<1, at character 1, got 'seed='"),
        ("seed=1 and", "expected a comparison after 'and' at character 11, got the end"),
        ("seed=1 AND seed=2", "got 'AND seed=2'; write 'and' in lower case"),
        ("(seed=1 Or seed=2)", "got 'Or seed=2)'; write 'or' in lower case"),
        ("seed=>1", "unknown comparison '=>' at character 5; did you mean '>='? (known: =, ==,"),
        ("seed<>1", "unknown comparison '<>' at character 5; did you mean '!='? (known: =, ==,"),
        ("seed=1 test=1", "expected 'and', 'or' or the end at character 8, got 'test=1'"),
        ("(seed=1", "expected ')', 'and' or 'or' at character 8, got the end"),
        ("seed=1)", "expected 'and', 'or' or the end at character 7, got ')'"),
        ("name='a", "expected KEY OP VALUE, such as learning_rate<1, at character 1"),
        ('name="\\q"', "this escape after '\\' is unknown"),
        ("seed=" + 500 * "9", "a number of 500 digits is too long"),
        (1000 * "(", "brackets are nested more than 20 deep"),
        ("__import__('os')", "expected KEY OP VALUE"),
        ("seed=1'a'", "expected 'and', 'or' or the end at character 7, got \"'a'\""),
        ("1=seed", "expected KEY OP VALUE, such as learning_rate<1, at character 1, got '1=seed'"),
        (
            "seed=1 or or",
            "expected KEY OP VALUE, such as learning_rate<1, at character 11, got 'or",
        ),
        ("test<%", "'<' compares numbers, got '%' for test"),
    ],
)
def test_wrong_conditions(four: Bench, condition: str, told: str) -> None:
    code, out, err = four("runs", "--where", condition)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("--where")
    assert told in err


def test_a_pattern_is_a_name_with_the_seed_or_without(bench: Bench) -> None:
    make("a-s0", validation=0.9)
    make("a-s1", "seed=1", validation=0.9)
    make("ab-s0", "lambda=1", validation=0.9)
    for pattern, named in (("a", 2), ("runs/a", 2), ("a-s1", 1), ("?", 2), ("a*", 3), ("s1", 0)):
        assert len(bench("runs", "--each", "--quiet", pattern).out.splitlines()) == named


def test_a_key_is_known_where_no_run_has_it(bench: Bench) -> None:
    assert bench("runs", "--where", "optimizer.mu=1") == (0, "", "no runs in runs fit\n")
    assert bench("runs", "--where", "mu=1").code == 2
    assert bench("runs", "--watch", "--where", "mu=1").code == 2


def test_all_keys_are_known() -> None:
    known = set(keys.known())
    assert {
        "lambda",
        "lambda.per_example",
        "optimizer.mu",
        "data.file",
        "schedule.patience",
    } <= known
    for path in sorted((Path(__file__).parents[2] / "configs").rglob("*.yaml")):
        assert set(keys.flat(canonical.to_builtins(load.read(path)))) <= known


NUMBERS = st.integers(-(10**9), 10**9) | st.floats(-1e9, 1e9)
SIGNS = {
    "=": operator.eq,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


@given(NUMBERS, st.sampled_from(sorted(SIGNS)), NUMBERS)
def test_a_comparison_is_python_s(found: float, sign: str, wanted: float) -> None:
    condition = query.parse(f"key {sign} {wanted!r}")
    assert condition.keys == ("key",)
    assert condition.fits(lambda _: found) == SIGNS[sign](found, wanted)


@given(st.text("()andor seb=<>!'\"[]{}.1%#&*\n\\") | st.text())
def test_any_text_is_a_condition_or_a_usage_error(text: str) -> None:
    try:
        fits = query.parse(text).fits(lambda _: 1)
    except UsageError:
        return
    assert isinstance(fits, bool)


NAMES = {"x": True, "y": False}
TREES = st.recursive(
    st.sampled_from(sorted(NAMES)),
    lambda inner: st.tuples(st.sampled_from(["and", "or"]), inner, inner),
    max_leaves=12,
)


def written(tree: Any, *, above: str = "or") -> str:  # noqa: ANN401 - a nest of tuples
    """Return a tree as a query, in brackets where they are needed."""
    if isinstance(tree, str):
        return f"{tree}=true"
    joined = f" {tree[0]} ".join(written(each, above=tree[0]) for each in tree[1:])
    return f"({joined})" if (above, tree[0]) == ("and", "or") else joined


@given(TREES)
def test_and_binds_closer_than_or_as_in_python(tree: Any) -> None:  # noqa: ANN401 - as above
    text = written(tree)
    expected = eval(text.replace("=true", ""), {}, NAMES)  # noqa: S307 - our own names
    assert query.parse(text).fits(NAMES.__getitem__) == expected


# Order


@pytest.mark.parametrize(
    ("arguments", "order"),
    [
        (["--sort", "learning_rate"], "adbc"),
        (["--sort", "learning_rate", "--reverse"], "cbda"),
        (["--sort", "optimizer.mu"], "bacd"),
        (["--sort", "optimizer"], "bacd"),
        (["--sort", "config.epochs"], "abcd"),
        (["--sort", "seed", "--reverse"], "cdba"),
        (["--sort", "validation"], "cabd"),
        (["--sort", "validation", "--reverse"], "bacd"),
        (["--best", "2"], "ba"),
        (["--best", "9"], "bac"),
        (["--best"], "b"),
        (["--best", "2", "--reverse"], "ab"),
        (["--best", "2", "--sort", "learning_rate"], "ab"),
        (["--best", "1", "--where", "learning_rate<1"], "a"),
    ],
)
def test_the_order(four: Bench, arguments: list[str], order: str) -> None:
    assert names(four("runs", *arguments)) == list(order)


def test_numbers_come_before_words(bench: Bench) -> None:
    for name, size in (("a", "all"), ("b", "9"), ("c", "10")):
        make(name, f"batch_size={size}")
    assert names(bench("runs", "--sort", "batch_size")) == ["b", "c", "a"]


def test_experiments_are_ordered_by_their_mean(bench: Bench) -> None:
    seeds("low", {0: 0.99, 1: 0.01}, "learning_rate=1")
    seeds("high", {0: 0.6, 1: 0.6}, "learning_rate=2")
    assert names(bench("runs", "--sort", "validation")) == ["low", "high"]
    assert bench("runs", "--best", "1", "-q") == (0, "runs/high\n", "")
    assert bench("runs", "--best", "1", "-q", "--each") == (0, "runs/low-s0\n", "")
    assert bench("runs", "-q", "--where", "seed=0", "--each").out == "runs/high-s0\nruns/low-s0\n"


def test_an_unknown_key_to_sort_by(four: Bench) -> None:
    code, out, err = four("runs", "--sort", "learn_rate")
    assert (code, out) == (2, "")
    assert err.startswith("--sort: unknown key 'learn_rate'; did you mean 'learning_rate'?")


# Damage


def test_a_damaged_run_is_told_whatever_is_asked(four: Bench) -> None:
    (four.folder / "runs/a/run.json").write_text("{}")
    told = "runs/a/run.json: is damaged: its checksum does not match its content\n"
    everything = four("runs")
    assert (everything.code, everything.err) == (1, told)
    assert [line.split()[:2] for line in everything.out.splitlines()[1:3]] == [
        ["a", "damaged"],
        ["b", "finished"],
    ]
    assert four("runs", "--where", "learning_rate>1", "-q") == (1, "runs/c\n", told)
    assert four("runs", "--where", "epochs<1").out == ""
    assert "a    damaged" in four("runs", "--where", "status=damaged and name=a").out
    assert four("runs", "--best", "1", "-q") == (1, "runs/b\n", told)
    assert four("runs", "-q") == (1, "runs/b\nruns/c\nruns/d\n", told)
    assert names(four("runs", "b")) == ["b"]


@pytest.mark.parametrize("kind", ["mapping", "list", "both"])
def test_a_config_nested_beyond_reason_is_damage(bench: Bench, kind: str) -> None:
    run = make("deep")
    inner: Any = 0
    for level in range(200):
        is_list = kind == "list" or (kind == "both" and level % 2)
        inner = [inner] if is_list else {"a": inner}
    path = run.path / "run.json"
    tree = json.loads(path.read_bytes())
    tree["config"]["data"] = inner
    del tree["checksum"]
    tree["checksum"] = records._checksum(tree)  # noqa: SLF001 - who can write can also hash
    path.write_text(json.dumps(tree))
    make("sound")
    said = bench("runs")
    told = "runs/deep/run.json: is damaged: values are nested more than 20 deep\n"
    assert (said.code, said.err) == (1, told)
    assert "sound" in said.out


# Progress


def test_the_time_left_is_what_the_latest_epochs_took() -> None:
    rows = [Timing(1, 100.0, 0.0), *(Timing(epoch, 1.5, 0.5) for epoch in range(2, 14))]
    assert left(rows, 10, age=0.0) == 20.0
    assert left(rows, 10, age=0.5) == 19.5
    assert left(rows, 10, age=60.0) == 18.0, "a pause is not counted as work"
    assert left(rows, 10, age=-5.0) == 20.0, "nor is a clock that was put back"
    assert left(rows, 0, age=1.0) == 0.0
    slow = [Timing(epoch, 100.0, 0.0) for epoch in range(1, 31)]
    fast = [Timing(epoch, 1.0, 0.0) for epoch in range(31, 41)]
    assert left([*slow, *fast], 5, age=0.0) == 5.0
    every_third = [Timing(3, 5.0, 1.0), Timing(6, 5.0, 1.0)]
    assert left(every_third, 4, age=1.0) == 7.0


def test_timing_is_read_as_far_as_it_can_be(tmp_path: Path) -> None:
    path = tmp_path / "timing.jsonl"
    assert metrics.read_timings(path) == []
    row = '{"epoch":%d,"train_seconds":%d,"evaluate_seconds":0.5}\n'
    path.write_text(row % (1, 1) + row % (2, 1) + "\0\0\n[]\n" + row % (2, 3) + row[:9])
    assert metrics.read_timings(path) == [Timing(1, 1, 0.5), Timing(2, 3, 0.5)]


def test_a_watch_without_a_terminal_tells_each_change(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Time stands still but for the run's own steps: one at each pause of the watch."""
    run = make("n", "epochs=30", ended=False)
    make("other", ended=False)
    make("old")
    held = lock.Lock(run.path / "LOCK")
    held.acquire()
    row = metrics.encode(Row(epoch=4, learning_rate=1.0, validation_accuracy=0.5))
    rows = (run.path / "metrics.jsonl").read_bytes() + row

    steps = iter(
        [
            lambda: None,
            lambda: (run.path / "metrics.jsonl").write_bytes(rows),
            lambda: commit(run.path),
            held.release,
        ]
    )
    now = iter(range(100))
    monkeypatch.setattr(time, "sleep", lambda _: next(steps, lambda: None)())
    monkeypatch.setattr(time, "monotonic", lambda: next(now))
    said = bench("runs", "--watch")
    assert (said.code, said.err) == (0, "")
    assert said.out == (
        "runs/n: running, epoch 2/30, validation 90.00 %, best 90.00 %\n"
        "runs/n: running, epoch 4/30, validation 50.00 %, best 90.00 %\n"
        "runs/n: interrupted, epoch 4/30, validation 50.00 %, best 90.00 %\n"
    )


def test_a_watch_of_nothing_says_so(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "PATIENCE", 0)
    make("a")
    make("b", ended=False)
    assert bench("runs", "--watch") == (0, "", "nothing is running in runs\n")
    assert bench("runs", "--watch", "x*").code == 0


def test_a_run_that_is_damaged_under_watch_is_told(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make("n", ended=False)
    held = lock.Lock(run.path / "LOCK")
    held.acquire()
    monkeypatch.setattr(watch, "PATIENCE", 0.01)
    monkeypatch.setattr(watch, "INTERVAL", 0.02)
    looked = listing.entry

    def spoil(seen: Run) -> listing.Entry | None:
        entry = looked(seen)
        (run.path / "run.json").write_text("{}")
        return entry

    monkeypatch.setattr(listing, "entry", spoil)
    code, out, err = bench("runs", "--watch")
    held.release()
    assert (code, out.splitlines()[-1]) == (1, "runs/n: damaged, epoch 0/?")
    assert err == "runs/n/run.json: is damaged: its checksum does not match its content\n"


ENDLESS = ("--set", "epochs=100000")
LONG = ("--set", "epochs=200", "--set", "batch_size=1", "--set", "patience=", "--name", "long")


@contextmanager
def started(bench: Bench, *settings: str) -> Iterator[subprocess.Popen[str]]:
    """Train while the context lasts, and until the end if it waits for that."""
    process = bench.start("train", "tiny.yaml", "-q", *LONG, *settings)
    try:
        while not (bench.folder / "runs/long/metrics.jsonl").exists():
            assert process.poll() is None
            time.sleep(0.01)
        yield process
    finally:
        process.terminate()  # nothing, if it has ended
        process.communicate()


def test_a_training_is_watched_on_a_terminal_to_its_end(bench: Bench) -> None:
    with started(bench) as training:
        text = bench.on_a_terminal("runs", "--watch", NO_COLOR="1", TERM="xterm")
        assert training.wait(timeout=60) == 0
    screens = text.replace("\r\n", "\n").split("\x1b[2A\x1b[J")
    assert len(screens) > 1
    for screen in screens:
        assert re.match("run +epoch +validation +best +time left\n", screen)
    assert re.search(r"^long +\d+/200  .* \d+:\d\d$", screens[0], re.MULTILINE)
    assert re.search(r"^long +200/200  .* finished$", screens[-1], re.MULTILINE)


def test_ctrl_c_ends_a_watch_and_not_the_training(bench: Bench) -> None:
    with started(bench, *ENDLESS) as training:
        with bench.start("runs", "--watch") as watching:
            assert watching.stdout is not None
            assert watching.stdout.readline().startswith("runs/long: running, epoch ")
            watching.send_signal(signal.SIGINT)
            _, err = watching.communicate(timeout=20)
        assert (watching.returncode, err) == (130, "\n")
        assert training.poll() is None
    assert training.returncode == 128 + signal.SIGTERM


def test_a_watch_ends_when_nobody_reads_it(bench: Bench) -> None:
    with started(bench, *ENDLESS) as training:
        with bench.start("runs", "--watch") as watching:
            assert watching.stdout is not None
            watching.stdout.readline()
            watching.stdout.close()
            assert watching.wait(timeout=20) == 0
        assert training.poll() is None


@pytest.mark.parametrize("option", ["--json", "-q", "--each", "--best=1", "--sort=name"])
def test_what_does_not_go_with_watch(bench: Bench, option: str) -> None:
    code, out, err = bench("runs", "--watch", option)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "--watch shows what is running" in err

"""nnexp runs selects runs by conditions, sorts them, and reports damaged ones."""

from __future__ import annotations

import json
import operator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnexp.analysis import query
from nnexp.config import canonical, keys, load
from nnexp.errors import UsageError
from nnexp.store import records
from tests.analysis.listings import make, seeds

if TYPE_CHECKING:
    from tests.conftest import Bench, Said


def names(said: Said) -> list[str]:
    """Return the first word of each line of a table."""
    assert (said.code, said.err) == (0, "")
    return [line.split()[0] for line in said.out.splitlines()[1:]]


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
        ("best-epoch=2", "abcd"),
        ("best_epoch=2", "abcd"),
        ("best_validation_accuracy>0.92", "b"),
        ("validation_accuracy>=91%", "ab"),
        ("test_accuracy<=50%", "a"),
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
    assert (code, err) == (0, "" if fitting else "no matching runs in runs; nnexp runs lists all\n")


@pytest.mark.parametrize(
    ("condition", "told"),
    [
        ("learing_rate<1", "unknown key 'learing_rate'; did you mean 'learning_rate'? (known: "),
        ("optimizer.nu=1", "unknown key 'optimizer.nu'; did you mean 'optimizer.mu'? (known: "),
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
    (bench.folder / "runs").mkdir()
    assert bench("runs", "--where", "optimizer.mu=1") == (
        0,
        "",
        "no matching runs in runs; nnexp runs lists all\n",
    )
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
        assert all(map(keys.is_known, keys.flat(canonical.to_builtins(load.read(path)))))
    assert keys.is_known("schedule.rates.16")
    assert not any(map(keys.is_known, ("schedule.rates.a", "schedule.16", "seed.1", "1", "")))


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
        (["--sort", "best_validation_accuracy"], "cabd"),
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

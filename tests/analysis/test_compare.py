"""nnexp compare: what differs and nothing else, what came of it, whether it is real, pictures."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pytest
from scipy.stats import binomtest

from nnexp.analysis import comparison
from nnexp.analysis.metrics import METRICS, Metric
from nnexp.analysis.verdicts import ACCURACY
from nnexp.report import document
from nnexp.store.lock import Lock
from nnexp.store.records import RunRecord, seal, unseal

if TYPE_CHECKING:
    from tests.conftest import Bench

ROWS_A = [(0.25, 0.90), (0.2, 0.9499), (0.15, 0.93), (0.125, 0.976)]
ROWS_B = [(0.5, 0.5), (0.25, 0.95), (0.2, 0.95)]


def history(rows: list[tuple[float, float]]) -> bytes:
    """Return metrics of (cost, accuracy) on the validation data, and twice the cost in training."""
    lines = [
        {"epoch": epoch, "learning_rate": 0.5}
        | {"train_cost": 2 * cost, "train_accuracy": 1.0}
        | {"validation_cost": cost, "validation_accuracy": accuracy}
        for epoch, (cost, accuracy) in enumerate(rows, 1)
    ]
    return b"".join(msgspec.json.encode(line) + b"\n" for line in lines)


@pytest.fixture
def two(bench: Bench) -> Bench:
    """Two interrupted runs with curves that were made up, so that the answers are known."""
    for name, rows, *settings in (
        ("a", ROWS_A),
        ("b", ROWS_B, "learning_rate=1", "lambda=5", "data.train=100", "patience=null"),
    ):
        given = [argument for each in settings for argument in ("--set", str(each))]
        bench("train", "tiny.yaml", *given, "--name", name, "--until", "1", "-q")
        (bench.folder / f"runs/{name}/metrics.jsonl").write_bytes(history(rows))
        bench.commit(f"runs/{name}")
    return bench


def test_the_whole_text(two: Bench) -> None:
    assert two("compare", "runs/a", "runs/b") == (
        0,
        """\
   run     seeds  status
A  runs/a  0      interrupted
B  runs/b  0      interrupted

config           A    B
data.train       -  100
learning_rate  0.5  1.0
lambda         0.0  5.0
patience        10    -

result (accuracies in %)          A       B   B - A
best validation accuracy      97.60   95.00   -2.60
  at epoch                        4       2       -
first validation accuracy     90.00   50.00  -40.00
last train accuracy          100.00  100.00   +0.00
last train cost              0.2500  0.4000   +0.15
last validation accuracy      97.60   95.00   -2.60
last validation cost         0.1250  0.2000  +0.075
epochs to 90 % validation         1       2      +1
epochs to 93 % validation         2       2      +0
epochs to 95 % validation         4       2      -2
epochs to 96 % validation         4       -       -
epochs to 97 % validation         4       -       -
epochs to 97.5 % validation       4       -       -
epochs run                        4       3       -

note: A: 1 of 1 is interrupted
note: B: 1 of 1 is interrupted
note: the verdict is on best validation accuracy: not every run has a test accuracy

best validation accuracy: too few seeds: -2.60 points with 1; 5 would do

to know, train more seeds:
  nnexp train runs/a/config.yaml --name a --seeds 5
  nnexp train runs/b/config.yaml --name b --seeds 5
""",
        "",
    )


def test_json_says_the_same(two: Bench) -> None:
    code, out, err = two("compare", "runs/a", "runs/b", "--json")
    assert (code, out.count("\n"), err) == (0, 1, "")
    told = json.loads(out)
    assert told["config"] == {
        "data.train": {"A": None, "B": 100},
        "learning_rate": {"A": 0.5, "B": 1.0},
        "lambda": {"A": 0.0, "B": 5.0},
        "patience": {"A": 10, "B": None},
    }
    assert told["judged"] == "validation_accuracy"
    reached = {key: each["A"]["mean"] for key, each in told["metrics"].items() if "_to_" in key}
    assert list(reached.values()) == [1, 2, 4, 4, 4, 4, None]
    (numerics,) = told["experiments"]["A"].pop("numerics")
    assert [turn["since"] for turn in numerics] == [1]
    assert told["experiments"]["A"] == {
        "place": "runs/a",
        "runs": ["runs/a"],
        "seeds": [0],
        "statuses": {"interrupted": 1},
    }
    assert told["metrics"]["best_epoch"]["B"]["mean"] == 2
    assert told["metrics"]["test_accuracy"]["B"]["values"] == [None]
    assert told["verdicts"] == {"B": "too few seeds: -2.60 points with 1; 5 would do"}


def test_equal_configs_are_called_the_same(bench: Bench) -> None:
    bench("train", "tiny.yaml", "--name", "a", "-q")
    bench("train", "tiny.yaml", "--name", "b", "-q", "--set", "learning_rate=0.50")
    code, out, _ = bench("compare", "runs/a/", "./runs/b")
    result = json.loads((bench.folder / "runs/a/result.json").read_text())
    assert code == 0
    assert "\n\nThe configs are the same.\n\n" in out
    test = f"{100 * result['test_accuracy']:.2f}"
    line = next(line for line in out.splitlines() if line.startswith("test accuracy, best"))
    assert line.split()[4:7] == [test, test, "+0.00"]
    assert "identical: B equals A (1 seed, 40 examples)" in out


# Experiments

Curve = list[tuple[float, float]]


def seeds(bench: Bench, name: str, curves: dict[int, Curve], *settings: str) -> None:
    """Make interrupted runs over seeds, with curves that were made up."""
    given = [argument for each in settings for argument in ("--set", each)]
    for seed, rows in curves.items():
        own = (*given, "--set", f"seed={seed}", "--name", f"{name}-s{seed}", "--until", "1", "-q")
        assert bench("train", "tiny.yaml", *own).code == 0
        (bench.folder / f"runs/{name}-s{seed}/metrics.jsonl").write_bytes(history(rows))
        bench.commit(f"runs/{name}-s{seed}")


def ending(*accuracies: float) -> dict[int, Curve]:
    """Return a curve for each seed: one epoch, of a cost and an accuracy."""
    return {seed: [(1.0, accuracy)] for seed, accuracy in enumerate(accuracies)}


@pytest.fixture
def many(bench: Bench) -> Bench:
    """Three experiments: b beats a by 1 to 3 points at every seed, c is a with noise."""
    seeds(bench, "a", ending(0.90, 0.91, 0.92, 0.90, 0.91))
    seeds(bench, "b", ending(0.91, 0.93, 0.94, 0.93, 0.93), "learning_rate=1")
    seeds(bench, "c", ending(0.91, 0.90, 0.92, 0.91, 0.90), "learning_rate=0.1")
    return bench


def verdict(bench: Bench, *arguments: str) -> str:
    """Return what is said last."""
    code, out, err = bench("compare", *arguments)
    assert (code, err) == (0, "")
    return out.splitlines()[-1]


PAIRED = "B is better: +2.00 ± 0.88 points (5 seeds, p = 0.003)"
# Differences 1, 2, 2, 3, 2: mean 2, sd 0.7071, t = 2 / (0.7071 / √5) = 6.325 on 4 degrees of
# freedom; p = 0.0032; 2.7764 · 0.3162 = 0.878.


def test_an_experiment_is_named_without_its_seed(many: Bench) -> None:
    assert verdict(many, "runs/a", "runs/b").endswith(PAIRED)


def test_an_experiment_is_named_by_a_pattern(many: Bench) -> None:
    assert verdict(many, "runs/a-s*", "runs/b-s[0-9]").endswith(PAIRED)
    assert verdict(many, "runs/[ab]-*").endswith(PAIRED)


def test_runs_as_a_shell_lists_them_are_taken_together(many: Bench) -> None:
    listed = [f"runs/{name}-s{seed}" for name in "ab" for seed in range(5)]
    assert verdict(many, *listed).endswith(PAIRED)


def test_runs_of_one_experiment_are_compared_one_by_one(many: Bench) -> None:
    out = many("compare", "runs/a-s0", "runs/a-s1").out
    assert "config  A  B\nseed    0  1\n" in out
    assert "train more seeds" not in out


def test_seeds_are_paired_by_their_number(many: Bench) -> None:
    """A seed that only one side has takes no part: b's mean without it is what counts."""
    assert "common seeds" not in many("compare", "runs/a", "runs/b").out
    seeds(many, "b", {7: [(1.0, 0.10)]}, "learning_rate=1")
    assert verdict(many, "runs/a", "runs/b").endswith(PAIRED)
    told = "note: B is paired with A on their common seeds, 0-4; means are over all seeds\n"
    assert told in many("compare", "runs/a", "runs/b").out


def test_no_common_seeds_are_compared_by_welch(bench: Bench) -> None:
    seeds(bench, "a", ending(0.90, 0.91, 0.92))
    other = {seed + 10: curve for seed, curve in ending(0.94, 0.95, 0.96).items()}
    seeds(bench, "b", other, "learning_rate=1")
    # Means 4 apart, both variances 1: t = 4 / √(2/3) = 4.899 on 4 degrees of freedom.
    assert "B is better: +4.00 ± 2.27 points (3 seeds each, p = 0.008)" in verdict(
        bench, "runs/a", "runs/b"
    )


def test_noise_is_called_noise_and_how_many_seeds_would_tell(many: Bench) -> None:
    said = verdict(many, "runs/a", "runs/c")
    assert "~ inside the noise: +0.00 ± 1.24 points; " in said
    assert said.endswith("seeds would detect it")


def test_several_are_corrected_by_holm(many: Bench) -> None:
    out = many("compare", "runs/a", "runs/b", "runs/c").out
    assert "B is better: +2.00 ± 0.88 points (5 seeds, p = 0.006 after Holm)" in out
    assert "C: ~ inside the noise: +0.00 ± 1.24 points (5 seeds, p = 1.000 after Holm)" in out
    row = next(line for line in out.splitlines() if line.startswith("best validation"))
    assert " ".join(row.split()[3:]) == "90.80 ± 0.84 92.80 ± 1.10 + 90.80 ± 0.84 ~"


def test_what_was_not_tested_has_no_mark_beside_several(many: Bench) -> None:
    out = many("compare", "runs/a-s0", "runs/b-s0", "runs/c-s0").out
    row = next(line for line in out.splitlines() if line.startswith("best validation"))
    assert row.split()[3:] == ["90.00", "91.00", "91.00"]


def test_what_is_identical_has_its_mark_beside_several(many: Bench) -> None:
    out = many("compare", "runs/a", "runs/b", "runs/c").out
    row = next(line for line in out.splitlines() if line.startswith("last validation cost"))
    assert " ".join(row.split()[3:]) == "1.0000 ± 0.0000 1.0000 ± 0.0000 = 1.0000 ± 0.0000 ="


def test_a_level_that_not_all_reach_has_no_verdict(many: Bench) -> None:
    out = many("compare", "runs/a", "runs/b").out
    row = next(line for line in out.splitlines() if line.startswith("epochs to 93 %"))
    assert row.split()[5:] == ["-", "reached", "by", "4", "of", "5", "-"]


def test_another_metric_can_be_judged(many: Bench) -> None:
    said = verdict(many, "runs/a", "runs/b", "--metric", "last_validation_cost")
    assert said == "last validation cost: identical: B equals A (5 seeds)"


def test_mcnemar_compares_two_nets_on_the_same_images(bench: Bench) -> None:
    bench("train", "tiny.yaml", "--name", "a", "-q")
    bench("train", "tiny.yaml", "--name", "b", "-q", "--set", "learning_rate=1e-6")
    out = bench("compare", "runs/a", "runs/b").out
    right = []
    for name in "ab":
        with np.load(bench.folder / f"runs/{name}/predictions.npz") as each:
            right.append(each["test_predicted"] == each["test_true"])
    lost, won = int((right[0] & ~right[1]).sum()), int((right[1] & ~right[0]).sum())
    p = binomtest(won, won + lost).pvalue
    assert lost > won
    assert f"(1 seed, 40 examples, p {'< 0.001' if p < 0.0005 else f'= {p:.3f}'})" in out
    assert "these two nets, not the methods" in out
    assert "nnexp train runs/a/config.yaml --name a --seeds 5" in out


def test_the_commands_that_train_more_seeds_do(bench: Bench) -> None:
    bench("train", "tiny.yaml", "--seeds", "1", "-q")
    bench("train", "tiny.yaml", "--seeds", "1", "-q", "--set", "learning_rate=3")
    runs = sorted(str(path.relative_to(bench.folder)) for path in bench.folder.glob("runs/*"))
    out = bench("compare", *runs).out
    commands = [line.split()[1:] for line in out.splitlines() if line.startswith("  nnexp train")]
    assert len(commands) == 2
    for command in commands:
        assert bench(*command, "-q").code == 0
    assert "(5 seeds" in bench("compare", *(run.removesuffix("-s0") for run in runs)).out


def test_more_seeds_are_named_as_those_that_there_are(bench: Bench) -> None:
    """A name may itself end like a seed's, and runs of one config need not share one."""
    seeds(bench, "a-s0", ending(0.90, 0.91))
    seeds(bench, "x", {0: [(1.0, 0.91)]}, "learning_rate=1")
    seeds(bench, "y", {1: [(1.0, 0.93)]}, "learning_rate=1")
    out = bench("compare", "runs/a-s0", "runs/x-s0", "runs/y-s1").out
    lines = [line for line in out.splitlines() if line.startswith("  nnexp train")]
    assert [line.split()[4] for line in lines] == ["a-s0", "x"]


def test_no_seeds_are_advised_where_no_number_would_do(bench: Bench) -> None:
    seeds(bench, "a", ending(0.9000, 0.9000))
    seeds(bench, "b", ending(0.9500, 0.8501), "learning_rate=1")
    out = bench("compare", "runs/a", "runs/b").out
    assert "more than 10,000 would do; the difference is too small for a reasonable" in out
    assert "train more seeds" not in out


def test_no_seeds_are_advised_where_it_would_take_too_many(bench: Bench) -> None:
    """Two pairs that differ by 1 and -0.6 points: a standard deviation of 1.13 around 0.2."""
    seeds(bench, "a", ending(0.9000, 0.9000))
    seeds(bench, "b", ending(0.9100, 0.8940), "learning_rate=1")
    words = "too few seeds: +0.20 points with 2; about 260 would do"
    assert verdict(bench, "runs/a", "runs/b") == (
        f"best validation accuracy: {words}; the difference is too small for a reasonable number "
        "of seeds to tell"
    )
    found = json.loads(bench("compare", "runs/a", "runs/b", "--json").out)
    assert found["verdicts"] == {"B": words}
    seeds(bench, "c", ending(0.9200, 0.9300), "learning_rate=2")
    out = bench("compare", "runs/a", "runs/b", "runs/c").out
    commands = [line.split()[-1] for line in out.splitlines() if "nnexp train" in line]
    assert commands == 3 * ["5"]  # those that C needs


def test_seconds_are_shown_where_every_epoch_has_its_time(bench: Bench) -> None:
    for name in ("a", "b"):
        bench("train", "tiny.yaml", "--name", name, "-q")
    row = '{"epoch":%d,"train_seconds":%s,"evaluate_seconds":9}\n'
    timing = [bench.folder / f"runs/{name}/timing.jsonl" for name in "ab"]
    timing[0].write_text(row % (1, 7) + row % (1, 0.5) + row % (2, 1) + row % (3, 1))
    timing[1].write_text(row % (1, 0.5) + "torn" + row % (3, 1))
    out = bench("compare", "runs/a", "runs/b").out
    line = next(line for line in out.splitlines() if line.startswith("seconds of training"))
    assert line.split()[3:] == ["2.5", "-", "-"]


@pytest.mark.parametrize(
    ("key", "content", "told"),
    [
        ("numerics", "0" * 64, "A and B were trained with different numerics"),
        ("versions", None, "A and B were trained with different version of nnexp"),
    ],
)
def test_what_the_numbers_were_made_with_is_said_where_it_differs(
    bench: Bench, key: str, content: str | None, told: str
) -> None:
    for name in ("a", "b"):
        bench("train", "tiny.yaml", "--name", name, "-q")
    path = bench.folder / "runs/b/run.json"
    record = unseal(path, path.read_bytes(), RunRecord)
    versions = msgspec.structs.replace(record.versions, nnexp="0.0.1")
    path.write_bytes(seal(msgspec.structs.replace(record, **{key: content or versions})))
    assert f"note: {told}" in bench("compare", "runs/a", "runs/b").out


def test_other_data_is_said(bench: Bench) -> None:
    bench("train", "tiny.yaml", "--name", "a", "-q")
    bench.data(seed=1)
    bench("train", "tiny.yaml", "--name", "b", "-q")
    out = bench("compare", "runs/a", "runs/b").out
    assert "note: A and B were trained with different data\n" in out
    assert "examples" not in out  # other images: McNemar's test has no pairs


# Claims


@pytest.mark.parametrize(
    ("claim", "code"),
    [
        ("B.validation_accuracy >= A.validation_accuracy", 0),
        ("B.validation_accuracy - A.validation_accuracy > 0.0199", 0),
        ("B.validation_accuracy>A.validation_accuracy+0.0201", 7),
        ("B.validation_accuracy - A.validation_accuracy > 1.99%", 0),
        ("B.validation_accuracy - A.validation_accuracy > 2.01 %", 7),
        ("2*A.epochs == 2", 0),
        ("A.epochs_to_90 + 1 <= -1 + 3e0", 0),
        ("A.epochs_to_97.5 >= 0", 7),  # nobody reached it
        ("0 <= A.test_accuracy", 7),  # nobody has one
    ],
)
def test_a_claim_holds_or_exits_7(many: Bench, claim: str, code: int) -> None:
    said = many("compare", "runs/a", "runs/b", "--check", claim)
    assert said.code == code
    assert (claim in said.err) == (code == 7)
    assert said.out.endswith(f"{PAIRED}\n")


TRUE, FALSE = "B.epochs = 1", "B.epochs != 1"


@pytest.mark.parametrize(
    ("claim", "code"),
    [
        ("2*A.epochs = 2", 0),
        ("2*A.epochs=3", 7),
        (f"{TRUE} and {FALSE}", 7),
        (f"{FALSE} or {TRUE}", 0),
        (f"{TRUE} or {FALSE} and {FALSE}", 0),  # and binds closer than or
        (f"({TRUE} or {FALSE}) and {FALSE}", 7),
        (f"((({TRUE})))", 0),
        (TRUE.rjust(1000), 0),
        (20 * "(" + TRUE + 20 * ")", 0),
        (f"({TRUE})and({TRUE})", 0),
        (("(B.validation_accuracy > A.validation_accuracy + 1.9% or B.epochs < A.epochs) and "
         "A.epochs - 1 = 0"), 0),
        ("A.epochs_to_97.5 >= 0 or B.validation_accuracy > .9", 0),  # nobody reached it
        ("A.epochs_to_97.5 >= 0 and B.validation_accuracy > .9", 7),
    ],
)  # fmt: skip
def test_comparisons_are_joined_with_and_or_and_brackets(
    many: Bench, claim: str, code: int
) -> None:
    said = many("compare", "runs/a", "runs/b", "--check", claim)
    assert said.code == code
    assert (claim in said.err) == (code == 7)


def test_a_claim_of_several_comparisons_says_which_of_them_fail(many: Bench) -> None:
    claim = "(B.epochs > 1 or A.epochs_to_97.5 < 3) and B.epochs = 1"
    said = many("compare", "runs/a", "runs/b", "--check", claim)
    assert said.err == (
        f"does not hold: {claim} (B.epochs > 1: 1 against 1; "
        "A.epochs_to_97.5 < 3: no value against 3)\n"
    )


def test_json_has_a_claim_and_each_comparison_of_one_that_joins_several(many: Bench) -> None:
    joined = "B.epochs = 1 and (A.epochs_to_97.5 < 3 or 2*B.epochs <= 2)"
    checks = ("--check", "A.epochs == 1", "--check", joined)
    assert json.loads(many("compare", "runs/a", "runs/b", "--json", *checks).out)["checks"] == [
        {"claim": "A.epochs == 1", "holds": True, "left": 1, "right": 1},
        {
            "claim": joined,
            "holds": True,
            "left": None,
            "right": None,
            "comparisons": [
                {"claim": "B.epochs = 1", "holds": True, "left": 1, "right": 1},
                {"claim": "A.epochs_to_97.5 < 3", "holds": False, "left": None, "right": 3},
                {"claim": "2*B.epochs <= 2", "holds": True, "left": 2, "right": 2},
            ],
        },
    ]


def test_the_documented_claims_are_claims(many: Bench) -> None:
    page = (Path(__file__).parents[2] / "docs" / "comparing.md").read_text("utf-8")
    found = re.findall(r"--check '([^']+)'`", page)
    assert len(found) == 2
    for claim in found:
        assert many("compare", "runs/a", "runs/b", "--check", claim).code == 7  # no test accuracy


def test_a_claim_on_what_nobody_has_says_so(many: Bench) -> None:
    said = many("compare", "runs/a", "runs/b", "--check", "A.epochs_to_97.5 < 3")
    assert said.err == "does not hold: A.epochs_to_97.5 < 3 (no value against 3)\n"
    said = many("compare", "runs/a", "runs/b", "--check", "( A.epochs_to_97.5 < 3)")
    assert said.err == "does not hold: ( A.epochs_to_97.5 < 3) (no value against 3)\n"


SUM = "a sum, such as A.test_accuracy - 0.2%"


@pytest.mark.parametrize(
    ("claim", "told"),
    [
        ("B.test_accuracy", "expected one of = == != < <= > >= at character 16, got the end"),
        ("1 < 2 < 3", "expected 'and', 'or' or the end at character 7, got '< 3'"),
        ("B.test_acuracy > 0", "did you mean 'test_accuracy'?"),
        ("C.test_accuracy > 0", "there is no C, only A, B"),
        ("B.epochs 3 > 0", "cannot parse '3'; write a sum such as A.test_accuracy - 0.2%"),
        ("B.epochs > A.epochs * 2", "cannot parse '* 2'"),
        ("__import__('os') > 0", "cannot parse"),
        ("> 0", f"expected {SUM}, at character 1, got '> 0'"),
        ("1 * > 0", "cannot parse"),
        ("2 A.epochs > 0", "cannot parse"),
        ("2% A.epochs > 0", "cannot parse"),
        ("A.epochs% > 0", "cannot parse '%'"),
        ("B.best_validation_accuracy > 0", "did you mean 'validation_accuracy'?"),
        ("", f"expected {SUM}, at character 1, got the end"),
        ("1 < 2 and", "expected a comparison after 'and' at character 10, got the end"),
        ("1 < 2 and 3", "expected one of = == != < <= > >= at character 12, got the end"),
        ("1 < 2 = 3", "expected 'and', 'or' or the end at character 7, got '= 3'"),
        ("1 <", f"expected {SUM}, at character 4, got the end"),
        ("1 < and 2 < 3", f"expected {SUM}, at character 5, got 'and 2 < 3'"),
        ("(1 < 2", "expected ')', 'and' or 'or' at character 7, got the end"),
        ("1 < 2)", "expected 'and', 'or' or the end at character 6, got ')'"),
        ("1 < 2 ! 3", "unknown comparison '!' at character 7 (known: =, ==, !=, <, <=, >, >=)"),
        ("A.epochs => 3", "unknown comparison '=>' at character 10; did you mean '>='? (known: "),
        ("A.epochs = 3 or ", "expected a comparison after 'or' at character 17, got the end"),
        ("(", "expected a comparison after '(' at character 2, got the end"),
        (
            "A.epochs = 3 OR B.epochs = 3",
            "the end at character 14, got 'OR B.epochs = 3'; write 'or' in lower case\n",
        ),
        ("(A.epochs = 3 And 1 < 2)", "got 'And 1 < 2)'; write 'and' in lower case"),
        ("A.epochs (2) < 3", "brackets group comparisons, not sums"),
        ("(A.epochs + 1) > 2", "brackets group comparisons, not sums: write the sum without them"),
        ("2 > (A.epochs + 1)", "brackets group comparisons, not sums: write the sum without them"),
        ("A.seed = 0", "there is no metric 'seed'"),
        ("A.epochs = 'x'", "cannot parse \"'x'\""),
        (21 * "(" + "1 < 2" + 21 * ")", "brackets are nested more than 20 deep"),
        (1000 * " " + "1 < 2", "…': must have at most 1,000 characters, got 1,005"),
    ],
)
def test_a_claim_that_is_none_exits_2_before_anything_is_said(
    many: Bench, claim: str, told: str
) -> None:
    code, out, err = many("compare", "runs/a", "runs/b", "--check", claim)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert told in err


@pytest.mark.parametrize(
    ("claim", "number"),
    [
        ("A.test_accuracy > 70", "70"),
        ("70 < A.test_accuracy", "70"),
        ("A.validation_accuracy < 95.5", "95.5"),
        ("A.test_accuracy > 150%", "1.5"),
        ("A.test_accuracy > B.test_accuracy + 2", "2"),
        ("A.last_train_accuracy - A.test_accuracy - 2 < 0", "2"),
        ("1 < 2 and A.test_accuracy > 70", "70"),
    ],
)
def test_an_accuracy_against_a_percentage_without_its_sign_is_refused(
    many: Bench, claim: str, number: str
) -> None:
    code, out, err = many("compare", "runs/a", "runs/b", "--check", claim)
    assert (code, out) == (2, "")
    assert err.endswith(f"_accuracy is a fraction from 0 to 1, got {number}; write 0.95 or 95%\n")


@pytest.mark.parametrize(
    "claim",
    [
        "A.validation_accuracy <= 1",
        "A.validation_accuracy > -0.9",
        "2*A.validation_accuracy > 1.5",
        "2*A.validation_accuracy - 2 > -1.5",
        "A.validation_accuracy + B.validation_accuracy < 2",
        "A.validation_accuracy - 100*B.last_validation_cost < 70",
        "A.validation_accuracy > 90 %",
    ],
)
def test_a_sum_of_accuracies_may_be_over_one(many: Bench, claim: str) -> None:
    assert many("compare", "runs/a", "runs/b", "--check", claim).code == 0


# Other forms


def test_csv_has_a_row_for_each_experiment_and_metric(many: Bench) -> None:
    rows = list(csv.DictReader(many("compare", "runs/a", "runs/b", "--csv").out.splitlines()))
    assert len(rows) == 2 * len(METRICS)
    row = next(r for r in rows if (r["experiment"], r["metric"]) == ("B", "validation_accuracy"))
    assert (row["runs"], row["values"], row["of"]) == ("runs/b", "5", "5")
    assert float(row["mean"]) == pytest.approx(0.928)
    assert float(row["difference"]) == pytest.approx(0.02)
    assert float(row["low"]) == pytest.approx(0.02 - 0.00878, abs=1e-5)
    assert (row["test"], row["verdict"]) == ("paired t", "better")


def test_markdown_has_the_tables(many: Bench) -> None:
    out = many("compare", "runs/a", "runs/b", "--markdown").out
    assert out.startswith("|  | run | seeds | status |\n| --- | --- | --- | --- |\n| A | runs/a |")
    assert "| config | A | B |\n| --- | ---: | ---: |\n| learning\\_rate | 0.5 | 1.0 |\n" in out
    assert (
        "| best validation accuracy | 90.80 ± 0.84 | 92.80 ± 1.10 | +2.00 ± 0.88 | better |" in out
    )
    assert document.escaped("~&lt;b>`\x1b") == "\\~\\&lt;b\\>\\`\\\\x1b"


def test_one_form_at_a_time(many: Bench) -> None:
    for forms in (("--csv", "--json"), ("--curves", "--markdown")):
        code, out, err = many("compare", "runs/a", "runs/b", *forms)
        told = "--csv, --markdown, --json and --curves: choose one of them\n"
        assert (code, out, err) == (2, "", told)


def test_curves_in_the_terminal_fit_into_80_columns(two: Bench) -> None:
    plain = two("compare", "runs/a", "runs/b").out
    drawn = two("compare", "runs/a", "runs/b", "--curves").out
    lines = [line for line in drawn.splitlines() if line not in plain.splitlines()]
    assert {"training cost", "validation accuracy"} <= {line.strip() for line in lines}
    assert sum("⠤" in line or "⣀" in line for line in lines) > 3
    assert max(map(len, lines)) <= 80


def test_a_running_run_can_be_compared(two: Bench) -> None:
    held = Lock(two.folder / "runs/a/LOCK")
    held.acquire()
    code, out, _ = two("compare", "runs/a", "runs/b")
    held.release()
    assert (code, out.splitlines()[1]) == (0, "A  runs/a  0      running")


def test_the_verdict_is_on_what_all_runs_have(bench: Bench) -> None:
    for name, monitor in (("a", "[train, test]"), ("b", "[train]"), ("c", "[]")):
        given = ("--set", f"monitor={monitor}", "--set", "patience=", "--name", name)
        bench("train", "tiny.yaml", *given, "--until", "1", "-q")
    assert verdict(bench, "runs/a", "runs/b").startswith("  nnexp train")
    assert "the verdict is on last train accuracy" in bench("compare", "runs/a", "runs/b").out
    assert verdict(bench, "runs/b", "runs/c") == (
        "no verdict: not every run has a value of test accuracy, best epoch"
    )


def test_a_run_without_epochs_can_be_compared(bench: Bench) -> None:
    bench("train", "tiny.yaml", "--name", "a", "-q")
    bench("train", "tiny.yaml", "--name", "b", "--set", "learning_rate=1e30", "-q")
    code, out, _ = bench("compare", "runs/a", "runs/b", "--plot", "c.png")
    assert (code, out.splitlines()[2]) == (0, "B  runs/b  0      diverged")
    assert (bench.folder / "c.png").exists()


# Pictures


def colours(path: Path) -> set[tuple[int, ...]]:
    """Return the colours that are in a picture."""
    from matplotlib import image  # noqa: PLC0415 - slow to import

    pixels = (255 * image.imread(path)[..., :3]).round().astype(int)
    return set(map(tuple, np.unique(pixels.reshape(-1, 3), axis=0).tolist()))


def test_the_picture_shows_a_curve_of_each_run(two: Bench) -> None:
    code, out, err = two("compare", "runs/a", "runs/b", "--plot", "curves.png")
    assert (code, err) == (0, "")
    assert out == two("compare", "runs/a", "runs/b").out
    blue, vermilion = (0x00, 0x72, 0xB2), (0xD5, 0x5E, 0x00)
    assert {blue, vermilion} <= colours(two.folder / "curves.png")


@pytest.mark.parametrize(("ending", "head"), [("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_other_formats_of_the_picture(two: Bench, ending: str, head: bytes) -> None:
    assert two("compare", "runs/a", "runs/b", "--plot", f"c.{ending}").code == 0
    assert (two.folder / f"c.{ending}").read_bytes().startswith(head)


@pytest.mark.parametrize(
    ("picture", "code", "told"),
    [
        ("c.gif", 2, "c.gif: a picture's name ends in .png, .svg, .pdf\n"),
        ("c", 2, "c: a picture's name ends in .png, .svg, .pdf\n"),
        ("nix/c.png", 74, "nix/c.png: no such file or directory\n"),
    ],
)
def test_a_picture_that_cannot_be_is_all_that_is_said(
    two: Bench, picture: str, code: int, told: str
) -> None:
    assert two("compare", "runs/a", "runs/b", "--plot", picture) == (code, "", told)


# What goes wrong


@pytest.mark.parametrize(
    ("places", "told"),
    [
        (
            ("runs/a", "runs/x"),
            "runs/x: there is no such run, with or without -s and a seed",
        ),
        (
            ("runs/a", "tiny.yaml"),
            "tiny.yaml: there is no such run, with or without -s and a seed",
        ),
        (
            ("b", "runs/a"),
            ("b: there is no such run, with or without -s and a seed; did you mean runs/b?"),
        ),
        (("runs/a", "runs/x*"), "runs/x*: no run matches"),
        (("runs/a", "runs/b", "./runs/a"), "runs/a: is named twice"),
        (("runs/a",), "runs/a: is one experiment; name another to compare it with"),
    ],
)
def test_what_names_no_comparison_exits_2(two: Bench, places: tuple[str, ...], told: str) -> None:
    assert two("compare", *places) == (2, "", f"{told}\n")


def test_the_same_seed_twice_is_no_second_result(bench: Bench) -> None:
    for name in ("a-s0", "a-s1", "b"):
        rate = ("--set", "learning_rate=1") if name == "b" else ()
        bench("train", "tiny.yaml", "--name", name, "-q", *rate)
    code, out, err = bench("compare", "runs/a", "runs/b")
    assert (code, out) == (2, "")
    assert err.startswith("runs/a-s0 and runs/a-s1 have the same config and seed")


def test_a_name_of_different_configs_is_no_experiment(bench: Bench) -> None:
    bench("train", "tiny.yaml", "--name", "a-s0", "-q")
    bench("train", "tiny.yaml", "--name", "a-s1", "-q", "--set", "seed=1", "--set", "lambda=1")
    code, _, err = bench("compare", "runs/a", "runs/a-s0")
    assert code == 2
    assert err == "runs/a: its runs have different configs; name them one by one\n"


def test_every_accuracy_says_which_split_it_counts_and_a_key_need_not(
    many: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert all((m.split is not None) == (m.unit == ACCURACY) for m in METRICS.values())
    added = Metric("gain", ACCURACY, lambda _: 0.5, "validation")
    monkeypatch.setattr(comparison, "METRICS", {**METRICS, "gain": added})
    code, out, _ = many("compare", "runs/a", "runs/b", "--metric", "gain")
    assert (code, "gain" in out) == (0, True)


def test_a_metric_that_is_none_exits_2(two: Bench) -> None:
    code, _, err = two("compare", "runs/a", "runs/b", "--metric", "epochs_to_94")
    assert (code, "there is no metric 'epochs_to_94'; did you mean 'epochs_to_9" in err) == (
        2,
        True,
    )
    code, _, err = two("compare", "runs/a", "runs/b", "--metric", "seconds")
    assert (code, err) == (2, "'seconds' has no verdict\n")


def test_a_folder_that_is_no_run_exits_5(two: Bench) -> None:
    assert two("compare", "runs/a", "runs") == (
        5,
        "",
        "runs: is not a run: it has no run.json\n",
    )


@pytest.mark.parametrize("file", ["run.json", "metrics.jsonl", "result.json"])
def test_a_damaged_run_exits_5_and_names_the_file(bench: Bench, file: str) -> None:
    for name in ("a", "b"):
        bench("train", "tiny.yaml", "--name", name, "-q")
    path = bench.folder / "runs/a" / file
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    code, out, err = bench("compare", "runs/a", "runs/b")
    assert (code, out, err.count("\n")) == (5, "", 1)
    assert err.startswith(f"runs/a/{file}: is damaged: ")


def test_broken_lines_of_a_stopped_run_exit_5(two: Bench) -> None:
    (two.folder / "runs/b/metrics.jsonl").write_text("{}\n")
    code, _, err = two("compare", "runs/a", "runs/b")
    assert (code, err.endswith("rows in metrics.jsonl are damaged\n")) == (5, True)

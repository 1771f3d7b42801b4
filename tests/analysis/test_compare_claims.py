"""nnexp compare --check exits with 7 unless a claim on the metrics holds."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.analysis.histories import LOOKED, PAIRED

if TYPE_CHECKING:
    from tests.conftest import Bench


@pytest.mark.parametrize(
    ("claim", "code"),
    [
        ("B.validation_accuracy >= A.validation_accuracy", 0),
        ("B.validation_accuracy = B.best_validation_accuracy", 0),
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
    assert said.out.endswith(f"{PAIRED}\n{LOOKED}\n")


def test_a_claim_is_judged_on_a_single_experiment(many: Bench) -> None:
    said = many("compare", "runs/a", "--check", "A.validation >= 90%")
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith("   run     seeds  status\nA  runs/a  ")
    assert said.out.partition("\n\n")[2].startswith("result (accuracies in %)")
    assert "configs are the same" not in said.out
    assert "no verdict" not in said.out
    said = many("compare", "runs/a", "--check", "A.best_validation_accuracy >= 99%", "--json")
    assert said.code == 7
    assert said.err.startswith("does not hold: A.best_validation_accuracy >= 99% (0.9")
    result = json.loads(said.out)
    assert (list(result["experiments"]), result["checks"][0]["holds"]) == (["A"], False)


@pytest.mark.parametrize(
    "name",
    ["test", "test_accuracy", "validation", "validation_accuracy", "best_validation_accuracy"],
)
def test_accuracies_have_the_same_names_in_where_and_check(bench: Bench, name: str) -> None:
    bench("train", "tiny.yaml", "-q", "--name", "a", "--set", "data.test=2")
    claim = f"{name} >= 0%"
    assert bench("compare", "runs/a", "--check", f"A.{claim}").err == ""
    assert bench("runs", "--where", claim).out.splitlines()[1].startswith("a-s0 ")


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
        ("B.epochs_run > 0", "did you mean 'epochs'?"),
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
        ("A.seed = 0", "unknown metric 'seed'"),
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

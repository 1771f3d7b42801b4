"""Ranking the experiments of a sweep against the best, by hand and with compare's verdicts."""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING

import pytest

from nnexp.report import sweep_ranking
from nnexp.report.document import as_text
from nnexp.study import sweep_file
from nnexp.study.job import Outcome
from nnexp.study.plan import Plan, plan
from nnexp.study.ranking import Ranking, rank, verdicts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nnexp.analysis.verdicts import Verdict
    from tests.conftest import Bench

EXAMPLES = 1000


def text(plan: Plan, ranking: Ranking, verdicts: Mapping[int, Verdict]) -> str:
    return as_text(sweep_ranking.document(plan, ranking, verdicts))


def planned(rates: str, seeds: int) -> Plan:
    return plan(sweep_file.read("tiny.yaml", (), [f"learning_rate={rates}"], list(range(seeds))))


def outcomes(*accuracies: float | None) -> list[Outcome | None]:
    """Return what came of trials: a validation accuracy each, or nothing."""
    return [
        None if each is None else Outcome(epochs=1, accuracies={"validation": each})
        for each in accuracies
    ]


def test_verdicts_against_the_best_by_hand(bench: Bench) -> None:
    """Three pairs: t = mean / (sd / sqrt 3) on 2 degrees of freedom.

    There, p = 1 - t / sqrt(t^2 + 2). Differences of -1, -2 and -3 points give t = -sqrt 12 and
    p = 0.074; of -10, -11 and -12 points t = -sqrt 363, p = 0.0027. Both are doubled, as one of
    two comparisons, and intervals are those at 97.5 %.
    """
    assert bench.folder.exists()
    trials = planned("1,2,3", 3)
    best, near, far = (0.90, 0.91, 0.92), (0.89, 0.89, 0.89), (0.80, 0.80, 0.80)
    found = outcomes(*far, *best, *near)
    ranking = rank(trials, found)
    assert [each.values for each in ranking.standings] == [(2,), (3,), (1,)]
    second, third = verdicts(trials, found, ranking, EXAMPLES).items()
    assert (second[0], third[0]) == (1, 2)
    assert (second[1].outcome, third[1].outcome) == ("noise", "worse")
    assert second[1].p == pytest.approx(2 * (1 - math.sqrt(12 / 14)))
    assert third[1].p == pytest.approx(2 * (1 - math.sqrt(363 / 365)))
    assert second[1].difference.difference == pytest.approx(-0.02)
    # Student's t at 98.75 % with 2 degrees of freedom is 6.205; sd / sqrt 3 is 0.577 points.
    assert second[1].half_width == pytest.approx(0.0358, abs=1e-4)
    table = text(trials, ranking, dict([second, third])).splitlines()
    assert "to the best" in table[0]
    assert "  -  " in table[1]
    assert "  ~ -2.00 ± 3.58  " in table[2]
    assert "  worse -11.00 ± 3.58  " in table[3]
    assert sweep_ranking.advice(dict([second, third])) is None


def test_an_example_more_or_less_on_every_seed_is_no_infinitely_sure_difference(
    bench: Bench,
) -> None:
    """Equal differences have the variance of rounding to one example: d^2 / 6.

    So t = d / sqrt(d^2 / 18) = sqrt 18 whatever d is, and p = 1 - sqrt(18 / 20).
    """
    assert bench.folder.exists()
    trials = planned("1,2", 3)
    found = outcomes(0.5, 0.6, 0.7, 0.499, 0.599, 0.699)
    (verdict,) = verdicts(trials, found, rank(trials, found), EXAMPLES).values()
    assert verdict.outcome == "noise"
    assert verdict.p == pytest.approx(1 - math.sqrt(18 / 20))


def test_what_lacks_a_seed_ranks_behind_what_does_not_and_has_no_verdict(bench: Bench) -> None:
    """Over the seeds that both have the first is better by 10 points, all its mean says or not."""
    assert bench.folder.exists()
    trials = planned("1,2,3", 4)
    found = outcomes(0.95, 0.90, 0.91, None, 0.85, 0.80, 0.81, 0.99, 0.80, 0.80, 0.80, 0.80)
    ranking = rank(trials, found)
    assert [each.values for each in ranking.standings] == [(2,), (3,), (1,)]
    judged = verdicts(trials, found, ranking, EXAMPLES)
    assert list(judged) == [1]
    assert judged[1].difference.kind == "paired t"
    assert judged[1].difference.difference == pytest.approx(-0.0625)
    assert judged[1].difference.sizes == (4, 4)
    judged = dict.fromkeys(judged, judged[1]._replace(outcome="noise"))
    rows = [line.split() for line in text(trials, ranking, judged).splitlines()[1:]]
    assert [row[6] for row in rows] == ["-", "~", "-"]
    assert rows[2][-3:] == ["3", "of", "4"]


def test_what_lacks_the_same_seed_as_the_best_is_judged_as_it_ranks(bench: Bench) -> None:
    assert bench.folder.exists()
    trials = planned("1,2,3", 4)
    found = outcomes(0.8, 0.8, 0.8, None, 0.9, 0.9, 0.9, None, 0.7, 0.7, None, 0.7)
    ranking = rank(trials, found)
    assert [each.values for each in ranking.standings] == [(2,), (1,), (3,)]
    assert list(verdicts(trials, found, ranking, EXAMPLES)) == [1]


def test_what_diverged_is_not_judged_against_what_was_killed_with_the_same_seed(
    bench: Bench,
) -> None:
    assert bench.folder.exists()
    trials = planned("1,2", 4)
    found = outcomes(0.9, 0.9, 0.9, None, 0.8, 0.8, 0.8, None)
    found[3], found[7] = Outcome(code=3, reason="diverged"), Outcome(code=137, reason="killed")
    ranking = rank(trials, found)
    assert [each.values for each in ranking.standings] == [(2,), (1,)]
    assert verdicts(trials, found, ranking, EXAMPLES) == {}


def test_what_diverged_with_a_seed_ranks_behind_what_did_not(bench: Bench) -> None:
    assert bench.folder.exists()
    trials = planned("1,2,3,4", 2)
    diverged, killed = Outcome(code=3, reason="diverged"), Outcome(code=137, reason="killed")
    found = outcomes(0.99, None, 0.5, 0.6, 0.8, None, None, None)
    found[1], found[5], found[6] = diverged, killed, diverged
    ranking = rank(trials, found)
    assert [each.values for each in ranking.standings] == [(2,), (3,), (1,), (4,)]
    header, *rows = text(trials, ranking, {}).splitlines()
    assert [row.split()[0] for row in rows] == ["1", "2", "3", "-"]
    assert "to the best" in header
    assert [re.split("  +", row)[3] for row in rows] == [
        *("-", "-"),
        *("diverged with 1 of 2 seeds", "diverged with 1 of 2 seeds"),
    ]
    assert rows[2].split()[-4:] == ["-", "1", "of", "2"]
    output = sweep_ranking.output(trials, trials.jobs(bench.folder), ranking, found, {})
    assert [each.diverged for each in output.ranking] == [0, 0, 1, 1]


def test_what_diverged_with_a_seed_is_not_better_than_the_best(bench: Bench) -> None:
    """Over the seeds that are left it would be; and p is adjusted for what is compared alone."""
    assert bench.folder.exists()
    trials = planned("1,2,3", 4)
    found = outcomes(0.5, 0.51, 0.52, 0.53, 0.9, 0.91, 0.92, None, 0.4, 0.39, 0.38, 0.41)
    found[7] = Outcome(code=3, reason="diverged")
    ranking = rank(trials, found)
    assert [each.values for each in ranking.standings] == [(1,), (3,), (2,)]
    without = planned("1,3", 4)
    both = found[:4] + found[8:]
    (verdict,) = verdicts(without, both, rank(without, both), EXAMPLES).values()
    assert verdicts(trials, found, ranking, EXAMPLES) == {1: verdict}
    table = text(trials, ranking, {1: verdict}).splitlines()
    assert f"  worse {verdict.amount}  " in table[2]
    assert "  diverged with 1 of 4 seeds  " in table[3]


def test_what_has_no_result_has_no_verdict(bench: Bench) -> None:
    assert bench.folder.exists()
    trials = planned("1,2", 1)
    for found in (outcomes(0.5, None), outcomes(None, None)):
        assert verdicts(trials, found, rank(trials, found), EXAMPLES) == {}


def test_done_without_an_accuracy_that_all_share_is_no_failure(bench: Bench) -> None:
    assert bench.folder.exists()
    trials = planned("1,2", 1)
    said = "no ranking: no accuracy was monitored that all runs share"
    for accuracies in ({}, {"train": 0.5}):
        found: list[Outcome | None] = [*outcomes(0.5), Outcome(epochs=1, accuracies=accuracies)]
        assert text(trials, rank(trials, found), {}) == said
    assert text(trials, rank(trials, [None, None]), {}) == "no trial has a result"


def test_one_seed_gives_no_verdict_but_says_what_would(bench: Bench) -> None:
    arguments = ("sweep", "tiny.yaml", "--grid", "learning_rate=0.01,1")
    _, out, err = bench.process(*arguments)
    assert "to the best" not in out
    assert err.splitlines()[-1] == (
        "no verdict: too few seeds to tell a difference from noise; train more with --seeds 5"
    )
    _, out, err = bench.process(*arguments, "-q", "--json")
    assert err == ""
    best, other = json.loads(out)["ranking"]
    assert best["against_best"] is None
    told = other["against_best"]
    assert (told["verdict"], told["test"], told["p"]) == ("too few", "none", None)


@pytest.mark.slow
def test_a_sweep_says_of_a_difference_what_compare_says(bench: Bench) -> None:
    arguments = ("sweep", "tiny.yaml", "--grid", "learning_rate=0.01,1", "--seeds", "4", "--json")
    code, out, _ = bench.process(*arguments)
    best, other = json.loads(out)["ranking"]
    assert code == 0
    places = [each["runs"][0].removesuffix("-s0") for each in (best, other)]
    compared = json.loads(
        bench.process("compare", *places, "--metric", "validation_accuracy", "--json").out
    )
    measured = compared["metrics"]["best_validation_accuracy"]["B"]
    told = other["against_best"]
    assert told == {key: measured[key] for key in told}
    assert told["verdict"] == "worse"

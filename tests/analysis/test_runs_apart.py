"""Runs that diverged, did not finish or lie far from the others are shown apart."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pytest

from nnexp.analysis import apart
from nnexp.analysis.metrics import Metric
from nnexp.analysis.verdicts import ACCURACY
from tests.analysis.histories import ending, seeds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nnexp.analysis.metrics import Facts
    from tests.conftest import Bench

A = (0.900, 0.910, 0.920, 0.900, 0.910)
B = (0.910, 0.930, 0.940, 0.930, 0.100)


def lines(bench: Bench, *arguments: str) -> list[str]:
    code, out, err = bench("compare", *arguments)
    assert (code, err) == (0, "")
    return out.splitlines()


def test_a_bad_network_is_shown_apart_and_the_verdict_is_on_the_others(bench: Bench) -> None:
    """Of the other four, the differences are 1, 2, 2 and 3: mean 2, sd 0.8165, t = 4.899."""
    seeds(bench, "a", ending(*A))
    seeds(bench, "b", ending(*B), "learning_rate=1")
    said = lines(bench, "runs/a", "runs/b")
    at = next(n for n, line in enumerate(said) if "seed  best validation accuracy  why" in line)
    assert said[at + 1].split() == (
        ["B", "runs/b-s4", "4", "10.00", "far", "from", "the", "others,", "91.00", "to", "94.00"]
    )
    row = next(line for line in said if line.startswith("best validation accuracy "))
    assert " ".join(row.split()[3:]) == "90.80 ± 0.84 92.75 ± 1.26 +2.00 ± 1.30 better"
    assert "note: means, tests and curves of B are without the run that is shown apart" in said
    told = "B is better: +2.00 ± 1.30 points (4 seeds, p = 0.016); without what is shown apart"
    assert f"best validation accuracy: {told}" in said
    found = json.loads(bench("compare", "runs/a", "runs/b", "--json").out)
    (run,) = found["experiments"]["B"]["apart"]
    assert (run["run"], run["seed"], run["value"]) == ("runs/b-s4", 4, 0.1)
    assert len(found["metrics"]["best_validation_accuracy"]["B"]["values"]) == 4


def test_a_claim_counts_the_runs_that_are_shown_apart(bench: Bench) -> None:
    """Else it could hold because a bad network was left out."""
    seeds(bench, "a", ending(*A))
    seeds(bench, "b", ending(*B), "learning_rate=1")
    claim = ("--check", "B.validation > A.validation")
    code, _, err = bench("compare", "runs/a", "runs/b", *claim)
    assert code == 7
    assert "0.762 against 0.908" in err


@pytest.mark.parametrize("diverging", ["a", "b"])
def test_where_a_run_diverged_there_is_no_verdict(bench: Bench, diverging: str) -> None:
    for name, rate in (("a", "0.5"), ("b", "0.4")):
        given = ("--name", name, "--set", f"learning_rate={rate}", "--seeds", "4", "-q")
        assert bench("train", "tiny.yaml", *given).code == 0
    own = ("--name", "x", "--set", "seed=9", "--set", "learning_rate=1e30", "-q")
    assert bench("train", "tiny.yaml", *own).code == 3
    run = bench.folder / f"runs/{diverging}-s3"
    for name in ("result.json", "metrics.jsonl", "predictions.npz"):
        file = bench.folder / "runs/x-s9" / name
        (run / name).unlink()
        if file.exists():
            (run / name).write_bytes(file.read_bytes())
    said = lines(bench, "runs/a", "runs/b")
    assert any("runs/" + run.name in line and "diverged in epoch 1" in line for line in said)
    letter = diverging.upper()
    scope = "any experiment" if letter == "A" else "B"
    assert f"no verdict on {scope}: 1 of 4 runs of {letter} diverged" in said
    row = next(line for line in said if line.startswith("test accuracy"))
    assert row.split()[-1] == "-"  # neither difference nor word
    assert "±" in row  # of the others


def test_unfinished_runs_are_apart_from_finished_ones_only(bench: Bench) -> None:
    bench("train", "tiny.yaml", "--name", "a", "--seeds", "3", "-q")
    bench("train", "tiny.yaml", "--name", "b", "--seeds", "3", "-q", "--set", "learning_rate=1")
    more = ("--name", "b", "--set", "seed=3", "--set", "learning_rate=1", "--until", "1", "-q")
    bench("train", "tiny.yaml", *more)
    said = lines(bench, "runs/a", "runs/b")
    assert any("runs/b-s3" in line and "interrupted after epoch 1" in line for line in said)
    row = next(line for line in said if line.startswith("epochs run"))
    assert row.split()[2:] == ["3.0", "±", "0.0", "3.0", "±", "0.0", "not", "judged"]
    assert not any(line.startswith("apart") for line in lines(bench, "runs/a-s0", "runs/b-s3"))


class Value(NamedTuple):
    """A run by its value alone."""

    place: int
    value: float


def apart_from(values: Sequence[float], examples: int | None) -> list[int]:
    """Return the places of the values that are far from the others."""

    def of(run: Facts) -> float:
        assert isinstance(run, Value)
        return run.value

    unit = ACCURACY._replace(resolution=1 / (examples or 100))
    runs = [Value(*pair) for pair in enumerate(values)]
    found = apart.far(runs, Metric("", unit, of), examples)  # type: ignore[arg-type]
    return sorted(run.facts.place for run in found)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.9, 0.91, 0.92, 0.1], [3]),
        ([0.9, 0.91, 0.1], []),  # two do not show how far values usually lie apart
        ([0.9, 0.91, 0.92, 0.90, 0.91, 0.92, 0.91, 0.1, 0.12], [7, 8]),
        ([0.9, 0.91, 0.92, 0.90, 0.91, 0.92, 0.91, 0.1, 0.5], [7, 8]),
        ([0.9, 0.91, 0.92, 0.93, 0.94], []),
        ([0.9] * 4 + [0.92], []),  # two images of a hundred: rounding
        ([0.9] * 4 + [0.98], [4]),
    ],
)
def test_which_values_are_far_from_the_others(values: list[float], expected: list[int]) -> None:
    assert apart_from(values, None) == expected


def test_an_accuracy_on_few_examples_is_only_as_far_as_chance_does_not_take_it() -> None:
    """By hand, for 27 of 30 right: (27 + 1) / 32 = 0.875, and √(0.875 · 0.125 / 30) = 0.060.

    24 of 30 are then t = 0.1 / (0.060 √(1 + 1/4)) = 1.48 away, and 3 of 30 t = 11.9.
    """
    assert apart_from([0.9] * 4 + [0.8], None) == [4]
    assert apart_from([0.9] * 4 + [0.8], 30) == []
    assert apart_from([0.9] * 4 + [0.1], 30) == [4]
    assert apart_from([1.0] * 19 + [29 / 30], 30) == []
    assert apart_from([0.9] * 4 + [0.8], 10_000) == [4]


@pytest.mark.parametrize("seeds", [10, 20])
def test_of_equal_configs_few_runs_are_apart_where_examples_are_few(seeds: int) -> None:
    """On 30 examples of unequal difficulty; without the variance of drawing them, 5 to 9 %."""
    rng = np.random.default_rng(17)
    count = 0
    for _ in range(300):
        chances = rng.beta(0.9, 0.1, size=30)
        sides = [(rng.random((seeds, 30)) < chances).mean(axis=1) for _ in "AB"]
        count += any(apart_from(side.tolist(), 30) for side in sides)
    assert count <= 0.02 * 300

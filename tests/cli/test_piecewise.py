"""Learning rates by epoch as commands take and show them: sweeps, searches, tuning, listings."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import Bench

RATES = {1: 0.5, 3: 0.1}


@pytest.fixture
def piecewise(bench: Bench) -> Bench:
    """Write the small config with learning rates by epoch."""
    bench.config(epochs=4, learning_rate=None, schedule={"name": "piecewise", "rates": RATES})
    return bench


@pytest.mark.parametrize(
    ("grid", "shown"),
    [
        ("schedule.rates={1: 0.5, 3: 0.1},{1: 0.5}", ["{1: 0.5, 3: 0.1}", "{1: 0.5}"]),
        ("schedule.rates={1: 0.5}", ["{1: 0.5}"]),
        ("schedule.rates.3=0.1,0.2", ["0.1", "0.2"]),
    ],
)
def test_a_sweep_varies_all_rates_or_one(piecewise: Bench, grid: str, shown: list[str]) -> None:
    code, out, _ = piecewise("sweep", "tiny.yaml", "--grid", grid, "--dry-run")
    assert code == 0
    head, *rows = out.splitlines()[: len(shown) + 1]
    assert head.split()[-1] == grid.partition("=")[0]
    assert [row.split(maxsplit=2)[2] for row in rows] == shown


def test_a_search_varies_one_rate_and_shows_those_of_the_config(piecewise: Bench) -> None:
    common = ("search", "tiny.yaml", "--trials", "1", "--confirm", "0", "-q", "--space")
    code, out, _ = piecewise(*common, "schedule.rates.3=log-uniform(0.01, 0.2)")
    assert code == 0
    assert "\nas given  0.1 " in out
    code, out, _ = piecewise(*common, "schedule.rates={1: 0.2, 3: 0.1}")
    assert code == 0
    assert "\nas given  {1: 0.5, 3: 0.1} " in out
    code, _, err = piecewise(*common, "schedule.rate.3=uniform(0.01, 0.2)")
    assert (code, err.count("\n")) == (2, 1)
    assert "unknown key 'schedule.rate.3'; did you mean 'schedule.rates'?" in err


def test_find_rate_ignores_the_rates(piecewise: Bench) -> None:
    code, out, _ = piecewise("find-rate", "tiny.yaml", "--epochs", "10", "-q", "--json")
    assert code == 0
    constant = ("--set", "schedule=constant", "--set", "learning_rate=3", "--runs", "other")
    found = piecewise("find-rate", "tiny.yaml", "--epochs", "10", "-q", "--json", *constant)
    assert json.loads(out)["learning_rate"] == json.loads(found.out)["learning_rate"] > 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("only", "tuned"),
    [
        ("lambda", "learning_rate: null\n# As in tiny.yaml.\nschedule:\n  name: piecewise\n"),
        ("eta", "\n# Follows from the decisions.\nschedule: constant\n"),
    ],
)
def test_tune_keeps_the_rates_unless_it_chooses_one(
    piecewise: Bench, only: str, tuned: str
) -> None:
    assert piecewise("tune", "tiny.yaml", "--only", only, "-q").code == 0
    assert tuned in (piecewise.folder / "tiny-tuned" / "tuned.yaml").read_text("utf-8")
    assert piecewise("train", "tiny-tuned/tuned.yaml", "-q").code == 0


def test_listings_filter_by_one_rate_and_compare_shows_those_that_differ(piecewise: Bench) -> None:
    first = piecewise("train", "tiny.yaml", "-q").out.strip()
    other = piecewise("train", "tiny.yaml", "-q", "--set", "schedule.rates.3=0.2").out.strip()
    assert piecewise("runs", "--where", "schedule.rates.3<0.15", "-q").out.strip() == first
    assert piecewise("runs", "--where", "schedule.rates.4=1", "-q") == (0, "", "")
    code, out, _ = piecewise("compare", first, other)
    assert code == 0
    assert [line.split() for line in out.splitlines() if "schedule" in line] == [
        ["schedule.rates.3", "0.1", "0.2"]
    ]


def test_a_method_with_a_line_search_has_no_rates(piecewise: Bench) -> None:
    settings = [f"--set={key}" for key in ("optimizer=l-bfgs", "dtype=float64", "batch_size=all")]
    assert piecewise("train", "tiny.yaml", *settings) == (
        2,
        "",
        (
            "tiny.yaml:5:11: schedule: l-bfgs has no learning rate for a schedule to change; "
            "leave it out\n"
        ),
    )

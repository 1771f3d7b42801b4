"""tune --json has the numbers of its decisions: their rules, alternatives and notes as values."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema  # type: ignore[import-untyped]
import msgspec
import pytest

from nnexp.report import renderer
from nnexp.report.text import as_json
from nnexp.tune import outputs
from nnexp.tune.choice import Score
from nnexp.tune.protocol import TuningResult
from nnexp.tune.weight_decay import StrengthScores, figure
from tests.tune.planted import World, tuned

if TYPE_CHECKING:
    from nnexp.config.model import Config

FILES = {name: Path(name) for name in ("tuned", "markdown", "html")}


def tree(folder: Path, world: World | None = None) -> dict[str, Any]:
    """Return the JSON of a tuning with planted results."""
    found = tuned(folder, world)
    result = TuningResult(found.config, found.state.decisions, ["6: λ again"], unchecked=True)
    text: dict[str, Any] = json.loads(as_json(outputs.output(result, FILES, found.state.trials)))
    return text


def test_every_stage_has_its_rule_and_numbers(tmp_path: Path) -> None:
    made = tree(tmp_path)
    jsonschema.validate(made, msgspec.json.schema(outputs.TuneOutput))
    assert made["epochs"] < made["examples"] / 100 < 50 * made["epochs"]  # 100 to 5,000 images each
    by_name = {(each["stage"], each["name"]): each for each in made["decisions"]}
    first = by_name[1, "chance"]["alternatives"][-1]
    assert (first["problem"], first["learning_rate"]) == ("a quick problem with all classes", 3.0)
    assert (first["better"], first["chance"]) == (True, 0.6)
    rates = by_name[2, "eta"]["alternatives"]
    assert [each["learning_rate"] for each in rates] == sorted(e["learning_rate"] for e in rates)
    steady = [each for each in rates if each["judgement"] == "steady"]
    curves = [curve for each in steady for curve in each["curves"]]
    assert {curve["seed"] for curve in curves} == {0}
    assert all(curve["ratio"] == 0 and curve["first"] > curve["last"] > 0 for curve in curves)
    strengths = by_name[3, "lambda"]["alternatives"]
    (best,) = (each for each in strengths if each["standing"] == "best")
    assert {each["epochs"] for each in strengths} == {10}
    assert best["best_validation_accuracy"] == pytest.approx(0.9, abs=0.1)
    assert {each["validation_cost"] > 0 for each in strengths} == {True}
    chosen = by_name[5, "batch-size"]["chose"]["batch_size"]
    sizes = {each["batch_size"]: each for each in by_name[5, "batch-size"]["alternatives"]}
    assert (sizes[chosen]["seconds_to_level"], sizes[chosen]["seconds_per_epoch"]) == (2.0, 0.5)
    assert sizes[100]["seconds_to_level"] is None  # its best is below the level
    patience, schedule = (each for each in made["decisions"] if each["name"] == "final")
    assert [each["patience"] for each in patience["alternatives"]] == [10, 20, 30]
    names = [each["schedule"] for each in schedule["alternatives"]]
    assert names == ["constant", "halve-on-plateau"]
    assert all(each["rule"] for each in made["decisions"])


def test_a_size_that_diverges_has_no_numbers(tmp_path: Path) -> None:
    def diverges(config: Config) -> bool:
        return (config.batch_size, config.seed) == (20, 1)

    made = tree(tmp_path, World(diverges=diverges))
    (decision,) = (each for each in made["decisions"] if each["name"] == "batch-size")
    (size,) = (each for each in decision["alternatives"] if each["batch_size"] == 20)
    keys = ("seconds_to_level", "seconds_per_epoch", "best_validation_accuracy")
    assert [size[key] for key in keys] == [None, None, None]


def test_what_the_budget_left_out_is_noted(tmp_path: Path) -> None:
    made = tree(tmp_path)
    assert made["unfinished"] == ["6: λ again"]
    assert made["notes"] == [
        "The budget was too small for stage 6: λ again.",
        "The values from the quick problem are not checked on the full one.",
    ]


@pytest.mark.parametrize("costs", [(0.5, 0.25), (0.5, 0.0), (math.inf, 0.0), (math.inf, math.inf)])
def test_lambda_s_costs_are_drawn_without_a_warning(costs: tuple[float, float]) -> None:
    """A logarithmic axis has no place for 0; what diverged is left out."""
    short = {c: Score(0.9, cost) for c, cost in zip((0.1, 1.0), costs, strict=True)}
    drawn = figure(StrengthScores(short, {}, 1000, lambda _: True))
    assert drawn.panels[1].y.scale == ("linear" if 0.0 in costs else "log")
    assert renderer.svg(drawn).startswith(b"<?xml")

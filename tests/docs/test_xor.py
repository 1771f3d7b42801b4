"""Claims of the example of Newton's method hold, and its tables and picture are produced."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from types import ModuleType

pytestmark = pytest.mark.docs

EXAMPLE = Path(__file__).parents[2] / "benchmarks" / "xor.py"


@pytest.fixture(scope="module")
def xor() -> ModuleType:
    spec = importlib.util.spec_from_file_location("xor", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def ways(xor: Any) -> dict[str, Any]:  # noqa: ANN401 - a module
    return {name: xor.descend(*method) for name, method in xor.METHODS.items()}


def test_newton_needs_a_dozen_iterations_where_sgd_needs_thousands(ways: dict[str, Any]) -> None:
    assert all(way.gradient_norms[-1] < 1e-8 for way in ways.values())
    assert len(ways["Newton"].costs) <= 25
    assert len(ways["SGD, η = 10"].costs) > 2000
    assert all(way.costs[-1] == pytest.approx(0.05534644, abs=1e-7) for way in ways.values())


def test_newton_learns_xor_with_damping_first_and_none_last(
    xor: Any,  # noqa: ANN401 - a module
    ways: dict[str, Any],
) -> None:
    newton = ways["Newton"]
    assert newton.dampings[0] > 0
    assert newton.dampings[-3:] == [0, 0, 0]
    assert xor.solves(newton.theta)
    assert not xor.solves(0 * newton.theta)


def test_newton_needs_at_most_25_iterations_from_all_twenty_seeds(xor: Any) -> None:  # noqa: ANN401
    found = [xor.descend(*xor.METHODS["Newton"], seed) for seed in range(20)]
    assert max(len(way.costs) for way in found) <= 25
    assert sum(xor.solves(way.theta) for way in found) == 17


def test_the_example_prints_its_tables_and_draws_its_picture(
    xor: Any,  # noqa: ANN401 - a module
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    xor.main(tmp_path / "xor.png")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "iteration        cost  gradient norm   damping"
    assert lines[-1] == "Newton, 20 seeds: 20 within 25 iterations, 17 solve XOR"
    assert (tmp_path / "xor.png").read_bytes().startswith(b"\x89PNG")

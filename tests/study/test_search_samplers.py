"""Samplers propose points of a space that depend on the seed and the scores alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nnexp.config.model import PerExample
from nnexp.optim import sgd
from nnexp.study import samplers, search_definition, space, sweep_file, trials
from nnexp.study import search as searches
from nnexp.study.job import Job, Outcome, Performance
from tests.study.searches import LAMBDA
from tests.study.spaces import RATE, needs_optuna

if TYPE_CHECKING:
    from tests.conftest import Bench

TPE = pytest.param("tpe", marks=needs_optuna)


def read(sources: list[str]) -> space.Space:
    found, problems = sweep_file.read_space(sources)
    assert problems == []
    return found


def points(method: str, count: int, scores: list[float] | None = None) -> list[space.Values]:
    """Return what a method asks for when the points come to these scores."""
    found = read([RATE, "hidden=[[5], [7]]", "batch_size=integers(5, 20)"])
    asked: samplers.Method = samplers.method(method, found, count, seed=3)  # type: ignore[arg-type]
    told = iter(scores or [0.5] * count)
    made = []
    while (values := asked.ask()) is not None:
        made.append(values)
        asked.tell(next(told))
    return made


@pytest.mark.parametrize("method", ["random", "grid", TPE])
def test_points_follow_from_the_seed_and_the_scores_alone(method: str) -> None:
    scores = [place * 0.37 % 1 for place in range(16)]
    assert points(method, 16, scores) == points(method, 16, scores)
    assert len({str(values) for values in points(method, 16, scores)}) > 10


@pytest.mark.parametrize("method", ["random", TPE])
def test_more_trials_begin_with_the_same_ones(method: str) -> None:
    assert points(method, 16)[:12] == points(method, 12)


@pytest.mark.usefixtures("bench")
def test_random_draws_what_a_sweep_s_random_section_draws() -> None:
    Path("sweep.yaml").write_text(
        "config: tiny.yaml\nrandom: {draws: 5, seed: 7, from: {"
        "learning_rate: {log-uniform: [0.01, 10]}, lambda: {uniform: [0, 2]}}}\n"
    )
    (drawn,) = sweep_file.read("sweep.yaml").space.dimensions
    found = samplers.random_points(read([RATE, LAMBDA]), 5, 7)
    assert found == [tuple(choice.value for choice in row) for row in drawn.rows]
    assert all(0.01 <= rate <= 10 and 0 <= decay <= 2 for rate, decay in found)


@needs_optuna
def test_tpe_goes_by_the_scores_once_it_has_ten() -> None:
    rising, falling = ([0.05 * s for s in order] for order in (range(16), range(16, 0, -1)))
    one, other = points("tpe", 16, rising), points("tpe", 16, falling)
    assert one[:10] == other[:10]
    assert one[10:] != other[10:]


@needs_optuna
def test_tpe_takes_a_key_with_one_value() -> None:
    asked = samplers.method("tpe", read(["hidden=[[5]]", LAMBDA]), 12, 0)
    while (values := asked.ask()) is not None:
        assert values[0] == [5]
        asked.tell(values[1])


@needs_optuna
def test_tpe_takes_what_diverged_for_the_worst() -> None:
    asked = samplers.method("tpe", read([RATE]), 40, 0)
    rates = []
    while (values := asked.ask()) is not None:
        rates.append(values[0])
        asked.tell(None if values[0] > 0.1 else 0.0)  # 0.0 is the worst accuracy there is
    assert sum(rate > 0.1 for rate in rates[:10]) > 3
    assert sum(rate <= 0.1 for rate in rates[20:]) > 13


def test_a_grid_has_the_ends_and_equal_steps_in_between() -> None:
    found = read(["learning_rate=log-uniform(0.01, 1)", "batch_size=integers(5, 9)"])
    rates, sizes = [0.01, 0.1, 1.0], [5, 7, 9]
    assert samplers.grid(found, 9) == [(rate, size) for rate in rates for size in sizes]
    assert samplers.grid(found, 11) == samplers.grid(found, 9)
    assert samplers.grid(found, 4) == [(rate, size) for rate in (0.01, 1.0) for size in (5, 9)]


def test_a_grid_has_every_choice_and_no_more_levels_than_there_are_integers() -> None:
    found = read(["hidden=[[5], [7, 3]]", "batch_size=integers(5, 6)"])
    assert samplers.grid(found, 1000) == [([5], 5), ([5], 6), ([7, 3], 5), ([7, 3], 6)]


@pytest.mark.parametrize(
    ("count", "epochs", "factor", "expected"),
    [
        (27, 27, 3, [(27, 1), (9, 3), (3, 9), (1, 27)]),
        (20, 30, 3, [(20, 4), (6, 10), (2, 30)]),
        (8, 3, 2, [(8, 2), (4, 3)]),
        (1, 30, 3, [(1, 30)]),
        (9, 1, 3, [(9, 1)]),
    ],
)
def test_rungs(count: int, epochs: int, factor: int, expected: list[tuple[int, int]]) -> None:
    assert samplers.rungs(count, epochs, factor) == expected


def test_a_range_on_the_command_line_is_one_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "space.yaml"
    file.write_text(
        "learning_rate: {log-uniform: [1e-3, 10]}\noptimizer.mu: {uniform: [0, 0.9]}\n"
        "batch_size: {integers: [5, 50]}\nactivation: [tanh, relu]\nhidden: {choice: [[5], []]}\n"
    )
    settings = [
        "learning_rate = log-uniform(1e-3, 10)",
        "optimizer.mu=uniform( 0, 0.9 )",
        "batch_size={integers: [5, 50]}",
        "activation=[tanh, relu]",
        "hidden=choice([5], [])",
    ]
    found = [
        [(each.key, each.kind, each.bounds) for each in read(sources).dimensions]
        for sources in ([str(file)], settings)
    ]
    assert found[0] == found[1]
    assert found[0][0] == ("learning_rate", "log-uniform", [0.001, 10])


def test_a_grid_has_a_value_that_is_named_twice_once() -> None:
    found = read(["dropout=[0.5, 0.1, 0.5]", "batch_size=integers(5, 9)"])
    sizes = [5, 7, 9]
    assert samplers.grid(found, 6) == [(each, size) for each in (0.5, 0.1) for size in sizes]


def test_a_component_s_settings_are_put_into_it_wherever_they_stand(bench: Bench) -> None:
    sources = ["optimizer.mu=[0.1, 0.2]", "optimizer=[nesterov, {name: momentum}]"]
    defined = search_definition.define(bench.config(), sources, method="grid")
    made = [defined.configs(values)[0].optimizer for values in samplers.grid(defined.space, 4)]
    assert made == [sgd.Nesterov(0.1), sgd.Momentum(0.1), sgd.Nesterov(0.2), sgd.Momentum(0.2)]


def test_a_setting_of_a_searched_key_is_of_the_config_as_given(bench: Bench) -> None:
    for key in ("lambda", "lambda.per_example"):
        defined = search_definition.define(bench.config(), [f"{key}=[1, 2]"], ["lambda=3"])
        found = [defined.configs(values)[0].lambda_ for values in ((1,), None)]
        assert found == [1 if key == "lambda" else PerExample(1), 3]


def test_a_method_learns_that_a_trial_failed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    method = Lagging(6)
    defined = search_definition.define(bench.config(), [RATE], trials=6, has_baseline=False)
    monkeypatch.setattr(search_definition.Definition, "new_method", lambda _: method)
    asked = searches.Search(defined, bench.folder / "runs")
    killed = Outcome(code=137, reason="took 2 MB of memory, more than 1 MB", is_over_limit=True)
    assert not searches.is_fatal(killed)
    while (job := asked.ask()) is not None:
        asked.tell(job, killed)
    assert method.scores == [None] * 3  # those before the last four that it might ask for
    assert asked.result.failures == [(each.trial.paths[0], killed) for each in asked.result.results]


class Lagging:
    """A method that notes how many scores it knows whenever it is asked for a point."""

    lag = 4.0

    def __init__(self, count: int) -> None:
        self.known: list[int] = []
        self.scores: list[float | None] = []
        self._left = count

    def ask(self) -> space.Values | None:
        if not self._left:
            return None
        self._left -= 1
        self.known.append(len(self.scores))
        return (0.1 + len(self.known),)

    def tell(self, score: float | None) -> None:
        self.scores.append(score)


@pytest.mark.parametrize("last_first", [False, True])
def test_a_trial_is_asked_for_once_those_four_before_it_have_scores_and_no_more(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, *, last_first: bool
) -> None:
    """Whichever of four trials ends first; and at most four are under way."""
    method = Lagging(9)
    defined = search_definition.define(bench.config(), [RATE], trials=9, has_baseline=False)
    monkeypatch.setattr(search_definition.Definition, "new_method", lambda _: method)
    asked = searches.Search(defined, bench.folder / "runs")

    def reached(job: Job, _: int) -> Performance:
        assert isinstance(job.config.learning_rate, float)
        return Performance([], 3, 600, None, {"validation": job.config.learning_rate / 100})

    monkeypatch.setattr(trials, "performance", reached)
    running: list[Job] = []
    while True:
        while (job := asked.ask()) is not None:
            running.append(job)
        assert len(running) <= 4
        if not running:
            break
        asked.tell(running.pop(-1 if last_first else 0), Outcome())
    assert method.known == [0, 0, 0, 0, 1, 2, 3, 4, 5]
    assert samplers.Tpe.lag == method.lag
    assert method.scores[:5] == pytest.approx([0.011, 0.021, 0.031, 0.041, 0.051])

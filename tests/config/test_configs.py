"""Each example config explains itself, loads and trains."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, get_args

import pytest

from nnexp.config import canonical, load
from nnexp.datasets import loading
from nnexp.datasets.idx import read_mnist
from nnexp.datasets.sources import Mnist
from nnexp.nn.activations import ACTIVATIONS
from nnexp.nn.costs import COSTS
from nnexp.nn.penalties import REGULARIZERS
from nnexp.optim.optimizers import Optimizer
from nnexp.optim.schedules import Schedule
from nnexp.runner import train
from nnexp.training.stopping import Stopping

if TYPE_CHECKING:
    from nnexp.datasets.selection import Part, Parts

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
FILES = sorted(CONFIGS.rglob("*.yaml"))
OF_MNIST = [path for path in FILES if path.parent.name != "data"]
"""All but configs/data, whose own tests make or find their data."""

each_file = pytest.mark.parametrize(
    "path", FILES, ids=lambda path: path.relative_to(CONFIGS).as_posix()
)


@pytest.fixture(scope="session")
def few() -> Parts:
    """MNIST with fewer examples to evaluate, read once."""
    parts = read_mnist(Mnist())
    return parts._replace(
        train=first(parts.train, 2200),
        held_out=200,
        test=parts.test and first(parts.test, 200),
    )


def first(part: Part, n: int) -> Part:
    return part._replace(features=part.features[:n], labels=part.labels[:n])


@each_file
def test_a_config_begins_with_what_it_shows(path: Path) -> None:
    head = path.read_text("utf-8").splitlines()[0]
    assert head.startswith("# ")
    assert len(head) > 30


@pytest.mark.parametrize("path", OF_MNIST, ids=lambda path: path.relative_to(CONFIGS).as_posix())
def test_a_config_loads_and_an_epoch_of_it_trains(
    path: Path, tmp_path: Path, few: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "READERS", {Mnist: lambda _: few})
    config = load.read(path, ["data.train=200", "epochs=1"])
    run = train.train(config, tmp_path)
    assert [row.epoch for row in run.history()] == [1]
    assert run.status == "finished"


def test_every_technique_has_an_example() -> None:
    configs = [load.read(path) for path in FILES]
    for field, union in (("optimizer", Optimizer), ("schedule", Schedule), ("stopping", Stopping)):
        assert {type(getattr(config, field)) for config in configs} == set(get_args(union))
    for field, table in (("activation", ACTIVATIONS), ("regularizer", REGULARIZERS)):
        assert {getattr(config, field) for config in configs} == set(table)
    pairs = {(config.cost, config.output) for config in configs}
    assert pairs == {(cost, output) for cost, outputs in COSTS.items() for output in outputs}
    expansions = {type(config.data.expand).__name__ for config in configs}
    assert expansions == {"NoneType", "Shift", "Rotate"}
    assert any(config.dropout for config in configs)
    watched = {what for config in configs for what in config.monitor}
    assert watched == {"train", "validation", "test", "saturation", "norms", "running_cost"}


def test_no_two_techniques_are_the_same_experiment() -> None:
    digests = [canonical.digest(load.read(path)) for path in (CONFIGS / "techniques").iterdir()]
    assert len(set(digests)) == len(digests) > 20

"""Dropout: statistics of the masks, and the layers and passes in which they apply."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
import pytest

from nnexp.config.model import Config
from nnexp.datasets.dataset import Dataset, Split
from nnexp.datasets.sources import Npz
from nnexp.nn.network import Network
from nnexp.nn.objective import BatchObjective
from nnexp.nn.penalties import Penalty
from nnexp.nn.propagation import Propagation
from nnexp.runner import train
from nnexp.runner.assembly import Assembly
from nnexp.training.dropout import Dropout, by_layer

if TYPE_CHECKING:
    from pathlib import Path

    from nnexp.nn.arrays import Array
    from nnexp.nn.propagation import Masks


def drawn(share: float, count: int, epoch: int = 1, seed: int = 0) -> list[Masks]:
    masks = Dropout(share, (50, 20), seed, "float64").masks(epoch)(count)
    return [mask for mask in islice(by_layer(masks, (50, 20)), count) if mask is not None]


def test_masks_are_the_same_however_many_are_drawn_at_once() -> None:
    draw = Dropout(0.5, (50, 20), 0, "float64").masks(1)
    one_by_one = [draw(1), draw(1), draw(3)]
    assert np.vstack([masks for masks in one_by_one if masks is not None]).tolist() == [
        np.hstack(mask).tolist() for mask in drawn(0.5, 5)
    ]


@pytest.mark.parametrize("share", [0.1, 0.5, 0.8])
def test_a_share_of_the_neurons_is_left_out_and_the_others_scaled_to_the_same_mean(
    share: float,
) -> None:
    """Over 2,000 masks of 50 neurons the share's standard error is below 0.0016."""
    first = np.array([mask[0] for mask in drawn(share, 2000)])
    assert set(np.unique(first)) == {0.0, 1 / (1 - share)}
    assert np.mean(first == 0) == pytest.approx(share, abs=0.008)
    assert first.mean() == pytest.approx(1, abs=0.04)
    assert np.std(np.mean(first == 0, axis=0)) < 0.03, "no neuron is left out more than others"


def test_every_mini_batch_layer_epoch_and_seed_has_masks_of_its_own_and_they_repeat() -> None:
    one, other = drawn(0.5, 2)
    assert [mask.shape for mask in one] == [(50,), (20,)]
    assert (one[0] != other[0]).any()
    assert (one[0][:20] != one[1]).any()
    assert (one[0] != drawn(0.5, 1, epoch=2)[0][0]).any()
    assert (one[0] != drawn(0.5, 1, seed=1)[0][0]).any()
    again = drawn(0.5, 2)
    assert all((a == b).all() for a, b in zip(again[1], other, strict=True))


def test_wide_layers_draw_fewer_masks_at_once() -> None:
    assert Dropout(0.5, (60_000,), 0, "float32").batches_at_once == 16
    assert Dropout(0.5, (10**7,), 0, "float32").batches_at_once == 1
    assert Dropout(0.0, (60_000,), 0, "float32").batches_at_once >= 10**6


def test_without_dropout_there_are_no_masks() -> None:
    masks = Dropout(0.0, (5,), 0, "float32").masks(1)(3)
    assert masks is None
    assert list(islice(by_layer(masks, (5,)), 3)) == [None] * 3


def test_a_neuron_that_is_left_out_is_so_for_a_whole_mini_batch() -> None:
    """Worked out by hand: what is left of a 2-2-1 net of linear outputs when one neuron stays."""
    network = Network((2, 2, 1), "tanh", "linear", "quadratic")
    theta: Array = np.zeros(network.size)
    first, second = network.weights(theta)
    first[...] = [[1.0, 2.0], [3.0, 4.0]]
    second[...] = [[5.0], [6.0]]
    inputs = np.array([[0.1, 0.2, 1.0], [0.3, -0.1, 1.0], [0.0, 0.5, 1.0]])
    propagation = Propagation(network, 3, "float64")
    propagation.forward(theta, inputs, [np.array([0.0, 2.0])])
    # z of the second neuron: 0.1·2 + 0.2·4 = 1, 0.3·2 - 0.1·4 = 0.2, 0.5·4 = 2
    assert propagation.outputs[:, 0] == pytest.approx(6 * 2 * np.tanh([1.0, 0.2, 2.0]))


def test_the_weights_of_a_neuron_that_is_left_out_have_no_gradient() -> None:
    network = Network((3, 4, 2))
    objective = BatchObjective(network, Penalty(network, "l2", 0.0, "float64"), "float64")
    rng = np.random.default_rng(0)
    theta = rng.standard_normal(network.size)
    inputs, targets = np.hstack([rng.random((5, 3)), np.ones((5, 1))]), np.eye(2)[[0, 1, 1, 0, 1]]
    objective.use(5, lambda: [(inputs, targets)], [np.array([2.0, 0.0, 2.0, 0.0])])
    gradient = objective.gradient(theta)
    first, second = network.weights(gradient)
    assert (first[:, [1, 3]] == 0).all()
    assert (second[[1, 3]] == 0).all()
    assert (first[:, [0, 2]] != 0).all()
    assert (second[[0, 2]] != 0).all()


def test_evaluation_uses_all_neurons() -> None:
    rng = np.random.default_rng(0)
    split = Split(rng.random((20, 3)), rng.integers(0, 2, 20))
    dataset = Dataset(split, split, None, 2, 1.0, {})
    costs, outputs = [], []
    for share in (0.0, 0.5):
        assembly = Assembly(Config(hidden=(4,), dropout=share, dtype="float64"), dataset)
        theta = assembly.initial().parameters
        costs.append(assembly.evaluate(theta, "validation").cost)
        outputs.append(assembly.outputs(theta, "validation"))
    assert costs[0] == costs[1]
    assert (outputs[0] == outputs[1]).all()


def config(folder: Path, share: float = 0.5) -> Config:
    rng = np.random.default_rng(0)
    file = folder / "a.npz"
    if not file.exists():
        x, y = rng.random((60, 4)), rng.integers(0, 3, 60)
        np.savez(file, x_train=x, y_train=y, x_validation=x[:20], y_validation=y[:20])
    return Config(
        data=Npz(file=str(file), scale=1), hidden=(6, 5), dropout=share, epochs=6, patience=None
    )


def test_training_is_another_one_and_interrupted_comes_to_the_same_bytes(tmp_path: Path) -> None:
    whole = train.train(config(tmp_path), tmp_path / "whole")
    for until in (2, 3, 6):
        parts = train.train(config(tmp_path), tmp_path / "parts", until=until)
    for file in ("metrics.jsonl", "result.json", "checkpoints/epoch-000006.npz"):
        assert (whole.path / file).read_bytes() == (parts.path / file).read_bytes()
    without = train.train(config(tmp_path, 0.0), tmp_path / "without")
    assert [row.train_cost for row in without.history()] != [
        row.train_cost for row in whole.history()
    ]

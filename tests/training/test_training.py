"""Training epochs: steps, progress, measurements, divergence and early stopping."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from nnexp.datasets.dataset import Split
from nnexp.nn.activations import ACTIVATIONS, ActivationName
from nnexp.nn.initializers import (
    BIAS_INITIALIZERS,
    INITIALIZERS,
    lecun_normal,
    standard_normal,
)
from nnexp.nn.network import Network
from nnexp.nn.penalties import Penalty
from nnexp.nn.propagation import Propagation, Propagations
from nnexp.optim.adam import Adam
from nnexp.optim.sgd import Momentum, Sgd
from nnexp.streams import Pcg64
from nnexp.training.dropout import Dropout
from nnexp.training.evaluation import evaluate
from nnexp.training.feed import CHUNK, Feed
from nnexp.training.history import Row, best_row
from nnexp.training.numpy_backend import NumpyBackend
from nnexp.training.state import NotFiniteError, TrainingState
from nnexp.training.stopping import Accuracy, stops
from nnexp.training.trainer import Trainer

if TYPE_CHECKING:
    from nnexp.nn.arrays import Array
    from nnexp.streams import Order, Orders

SCALE = 4.0


def split(examples: int, features: int = 3, classes: int = 2) -> Split:
    rng = np.random.default_rng(8)
    return Split(rng.normal(0, SCALE, (examples, features)), rng.integers(0, classes, examples))


def trainer(
    network: Network,
    data: Split,
    batch_size: int,
    decay: float = 0.0,
    dtype: str = "float64",
    orders: Orders | None = None,
) -> Trainer:
    """Return an SGD trainer that visits the examples as they stand unless told otherwise."""
    return Trainer(
        Sgd(),
        NumpyBackend(network, Penalty(network, "l2", decay, dtype), {"train": data}, SCALE, dtype),
        orders or (lambda _: np.arange(len(data.labels))),
        batch_size,
        Dropout(0.0, network.sizes[1:-1], 0, dtype),
    )


def logistic(z: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-z)))


def trained_example_by_example(
    theta: Array, data: Split, order: Order, batch_size: int, rate: float, decay: float
) -> Array:
    """Return theta after an epoch of a network without hidden layers, as network2 would do it."""
    layer = theta.reshape(2, -1).copy()
    for start in range(0, len(order), batch_size):
        batch = order[start : start + batch_size]
        step = np.zeros_like(layer)
        for example in batch:
            x = np.append(data.features[example] / SCALE, 1.0)
            target = [float(data.labels[example] == label) for label in range(2)]
            step += np.outer(logistic(layer @ x) - target, x)
        layer[:, :-1] *= 1 - rate * decay
        layer -= rate * step / len(batch)
    return layer.ravel()


@pytest.mark.parametrize(
    ("examples", "batch_size"),
    [
        pytest.param(23, 5, id="a last batch of 3"),
        pytest.param(23, 1, id="single examples"),
        pytest.param(23, 23, id="all at once"),
        pytest.param(CHUNK + 501, 600, id="batches that do not fill a chunk"),
        pytest.param(2 * CHUNK + 500, CHUNK + 700, id="a batch and a last batch, in pieces"),
        pytest.param(2 * CHUNK + 500, 2 * CHUNK + 500, id="all at once, in pieces"),
    ],
)
def test_an_epoch_takes_every_example_in_order(examples: int, batch_size: int) -> None:
    data, network = split(examples), Network((3, 2))
    order = np.random.default_rng(1).permutation(examples)
    theta = np.random.default_rng(2).standard_normal(network.size)
    expected = trained_example_by_example(theta, data, order, batch_size, 0.5, 0.01)
    school = trainer(network, data, batch_size, 0.01, orders=lambda _: order)
    for _ in school.epoch(school.start(theta), 1, 0.5):
        pass
    np.testing.assert_allclose(theta, expected, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize(
    ("examples", "batch_size", "pulses"),
    [
        (6000, 10, [2000, 4000, 6000]),
        (5000, 1, [2000, 4000, 5000]),
        (5000, 300, [1800, 3600, 5000]),
        (500, 10, [500]),
        (5000, 2500, [2500, 5000]),
        (4500, 4500, [4500]),
    ],
)
def test_an_epoch_reports_about_every_2000_examples(
    examples: int, batch_size: int, pulses: list[int]
) -> None:
    network = Network((3, 2))
    school = trainer(network, split(examples), batch_size)
    state = school.start(np.zeros(network.size))
    assert list(school.epoch(state, 1, 0.1)) == pulses


@pytest.mark.parametrize("examples", [1, 3, 500, 501, 1234, 2 * CHUNK + 1])
def test_evaluation_measures_every_example(examples: int) -> None:
    data = split(examples, features=4, classes=3)
    network = Network((4, 5, 3), "tanh", "softmax", "log-likelihood")
    theta = np.random.default_rng(0).standard_normal(network.size)
    penalty = Penalty(network, "l2", 0.2, "float64")
    measured = evaluate(
        theta, Feed(data, SCALE, network, "float64"), Propagations(network, "float64"), penalty
    )
    (first, second), biases = network.weights(theta), network.biases(theta)
    z = np.tanh(data.features / SCALE @ first + biases[0]) @ second + biases[1]
    likelihoods = (np.exp(z) / np.exp(z).sum(axis=1, keepdims=True))[
        np.arange(examples), data.labels
    ]
    squares = (first**2).sum() + (second**2).sum()
    assert measured.cost == pytest.approx(-np.log(likelihoods).mean() + 0.1 * squares, rel=1e-12)
    assert measured.predicted.tolist() == z.argmax(axis=1).tolist()
    assert measured.accuracy == np.mean(z.argmax(axis=1) == data.labels)


def test_the_first_class_wins_a_tie() -> None:
    network = Network((3, 4))
    data = split(10, classes=4)
    penalty = Penalty(network, "l2", 0.0, "float32")
    measured = evaluate(
        np.zeros(network.size, "float32"),
        Feed(data, SCALE, network, "float32"),
        Propagations(network, "float32"),
        penalty,
    )
    assert measured.predicted.tolist() == [0] * 10
    assert measured.cost == pytest.approx(4 * np.log(2))


def test_bytes_become_floats_by_division() -> None:
    """In float32 a product with 1/255 would be off in the last bit for some pixels."""
    pixels = np.arange(256, dtype="uint8").reshape(-1, 1)
    feed = Feed(Split(pixels, np.zeros(256, "int64")), 255.0, Network((1, 1)), "float32")
    (batch,) = feed.batches(np.arange(256), 256)
    assert batch.inputs.dtype == np.float32
    assert batch.inputs[:, 0].tolist() == [float(np.float32(k / 255)) for k in range(256)]
    assert batch.inputs[:, 1].tolist() == [1.0] * 256


def test_a_target_is_the_own_class_s_and_the_others() -> None:
    feed = Feed(split(5), SCALE, Network((3, 2)), "float64")
    ((_, targets),) = feed.batches(np.arange(5), 5)
    assert targets.tolist() == [[1.0 - label, 1.0 * label] for label in feed.labels]


def test_the_first_bad_batch_is_found_by_going_through_again() -> None:
    """Example 3,455 has features of 1e25; a gradient of 1e50 is beyond float32, a bias's is not."""
    data, network = split(4000), Network((3, 2), output="linear", cost="quadratic")
    data.features[3455] = 1e25 * SCALE
    school = trainer(network, data, 10, dtype="float32")
    state = school.start(np.zeros(network.size, "float32"))
    with np.errstate(all="ignore"):
        epoch = school.epoch(state, 1, 0.1)
        assert next(epoch) == 2000
        with pytest.raises(NotFiniteError, match="6 of 8 parameters are not finite") as caught:
            next(epoch)
    assert caught.value.batch == 346


def test_a_learning_rate_of_1e30_is_found_in_the_first_batches() -> None:
    data, network = split(200), Network((3, 4, 2), "relu", "linear", "quadratic")
    school = trainer(network, data, 10, dtype="float32")
    theta = np.random.default_rng(0).standard_normal(network.size).astype("float32")
    with np.errstate(all="ignore"), pytest.raises(NotFiniteError) as caught:
        next(school.epoch(school.start(theta), 1, 1e30))
    assert caught.value.batch in {1, 2, 3}
    assert caught.value.found.endswith("parameters are not finite")


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_a_fault_says_how_many_parameters_are_not_finite(wrong: float) -> None:
    state = TrainingState(np.zeros(7), {}, {})
    assert state.fault() is None
    state.parameters[[2, 4]] = wrong
    assert state.fault() == "2 of 7 parameters are not finite"


@pytest.mark.parametrize("optimizer", [Adam(), Momentum()], ids=["adam", "momentum"])
def test_weights_of_a_dead_input_decay_to_0_and_not_to_denormals(
    optimizer: Adam | Momentum,
) -> None:
    """Denormal weights made an evaluation 80 times as slow."""
    data = split(40)
    data.features[:, 1] = 0.0
    network = Network((3, 2))
    backend = NumpyBackend(
        network, Penalty(network, "l2", 200.0, "float32"), {"train": data}, SCALE, "float32"
    )
    trained = Trainer(
        optimizer, backend, lambda _: np.arange(40), 4, Dropout(0.0, (), 0, "float32")
    )
    state = trained.start(np.full(network.size, 0.5, np.float32))
    tiny = np.finfo(np.float32).smallest_normal
    for epoch in range(1, 301):
        list(trained.epoch(state, epoch, 0.01))
        for array in (state.parameters, *state.slots.values()):
            assert not ((array != 0) & (np.abs(array) < tiny)).any(), epoch
    (layer,) = network.layers(state.parameters)
    assert (layer[:, 1] == 0).all()
    assert (layer[:, [0, 2]] != 0).all()


def test_a_copied_state_stays_as_it_was() -> None:
    state = TrainingState(np.zeros(3), {"velocity": np.zeros(3)}, {"step_norm": 0.0})
    copied = state.copy()
    state.parameters[0] = state.slots["velocity"][0] = state.measures["step_norm"] = 1
    assert copied.parameters.tolist() == copied.slots["velocity"].tolist() == [0, 0, 0]
    assert copied.measures == {"step_norm": 0.0}


def history(*accuracies: float, every: int = 1) -> list[Row]:
    return [
        Row(epoch=every * k, learning_rate=0.5, validation_accuracy=accuracy)
        for k, accuracy in enumerate(accuracies, 1)
    ]


def stopped_after(rows: list[Row], patience: int) -> int | None:
    """Return the first epoch after which training ends."""
    return next(
        (
            rows[k - 1].epoch
            for k in range(1, len(rows) + 1)
            if stops(Accuracy(), rows[:k], patience)
        ),
        None,
    )


@pytest.mark.parametrize(
    ("accuracies", "patience", "epoch"),
    [
        ([0.5, 0.6, 0.7, 0.8], 1, None),
        ([0.5, 0.6, 0.6, 0.7], 1, 3),  # as good is no improvement
        ([0.5, 0.4, 0.3, 0.6, 0.5, 0.4, 0.3], 3, 7),  # best at 4
        ([0.5, 0.4, 0.3, 0.2], 3, 4),
        ([0.5, 0.4, 0.3], 3, None),
        ([0.6, 0.5, 0.6, 0.6, 0.6], 4, 5),  # a tie does not start the count anew
        ([0.6], 1, None),
    ],
)
def test_no_improvement_in_n_stops(
    accuracies: list[float], patience: int, epoch: int | None
) -> None:
    assert stopped_after(history(*accuracies), patience) == epoch


@pytest.mark.parametrize(("patience", "epoch"), [(1, 10), (5, 10), (6, 15), (10, 15), (11, None)])
def test_patience_counts_epochs_not_evaluations(patience: int, epoch: int | None) -> None:
    assert stopped_after(history(0.6, 0.5, 0.4, every=5), patience) == epoch


def test_the_best_row_is_the_earliest_of_the_highest() -> None:
    assert best_row(history(0.5, 0.7, 0.6, 0.7, 0.1)).epoch == 2
    assert best_row(history(0.5)).epoch == 1
    assert best_row(history(0.0, 0.0, 0.0)).epoch == 1


def test_without_validation_the_last_row_is_the_best() -> None:
    rows = [Row(epoch=k, learning_rate=0.5, train_accuracy=1.0 - k / 10) for k in (1, 2, 3)]
    assert best_row(rows).epoch == 3


def accuracy_after(data: Split, network: Network, epochs: int) -> float:
    """Return the accuracy on the training examples after training in float32."""
    theta = network.initial(
        Pcg64().parameters(0, redrawn=0),
        INITIALIZERS["lecun-normal"],
        BIAS_INITIALIZERS["standard-normal"],
        "float32",
    )
    orders = Pcg64().orders(0, len(data.labels))
    school = trainer(network, data, 10, dtype="float32", orders=orders)
    state = school.start(theta)
    for epoch in range(1, epochs + 1):
        for _ in school.epoch(state, epoch, 0.5):
            pass
    feed = Feed(data, SCALE, network, "float32")
    penalty = Penalty(network, "l2", 0.0, "float32")
    return evaluate(theta, feed, Propagations(network, "float32"), penalty).accuracy


def test_a_separable_problem_is_learned_without_hidden_neurons() -> None:
    features = split(200, features=2).features
    features += 2.0 * np.sign(features)
    labels = (features.sum(axis=1) > 0).astype("int64")
    wide = np.abs(features.sum(axis=1)) > 1
    assert accuracy_after(Split(features[wide], labels[wide]), Network((2, 2)), 50) == 1.0


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_exclusive_or_is_learned_with_hidden_neurons_only(activation: ActivationName) -> None:
    features = split(400, features=2).features
    features += 2.0 * np.sign(features)
    data = Split(features, ((features > 0).sum(axis=1) == 1).astype("int64"))
    assert accuracy_after(data, Network((2, 2)), 50) < 0.8
    assert accuracy_after(data, Network((2, 8, 2), activation), 100) == 1.0


def test_a_wide_layer_multiplied_in_blocks_gives_the_same_outputs() -> None:
    """300 neurons, 784 inputs and ten examples are beyond OpenBLAS's small products; one is not."""
    network = Network((784, 300, 10))
    theta = network.initial(
        np.random.default_rng(7), lecun_normal, standard_normal, np.dtype(np.float64)
    )
    inputs = np.ones((10, 785))
    inputs[:, :784] = np.random.default_rng(8).random((10, 784))
    together, alone = Propagation(network, 10, np.float64), Propagation(network, 1, np.float64)
    together.forward(theta, inputs)
    for row in range(10):
        alone.forward(theta, inputs[row : row + 1])
        assert together.outputs[row] == pytest.approx(alone.outputs[0], rel=1e-12)

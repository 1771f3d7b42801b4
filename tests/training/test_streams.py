"""Random streams depend on seed, purpose and epoch alone."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnexp.nn.initializers import BIAS_INITIALIZERS, INITIALIZERS
from nnexp.nn.network import Network
from nnexp.streams import Network2, Pcg64, Purpose, Rng, generator

RNGS: list[Rng] = [Pcg64(), Network2()]
every_rng = pytest.mark.parametrize("rng", RNGS, ids=lambda rng: type(rng).__name__)


@given(st.sampled_from(RNGS), st.integers(0, 2**63 - 1), st.integers(1, 5), st.integers(1, 50))
def test_an_order_visits_every_example_once(rng: Rng, seed: int, epoch: int, examples: int) -> None:
    order = rng.orders(seed, examples)(epoch)
    assert order.dtype == np.int64
    assert sorted(order) == list(range(examples))


@every_rng
def test_orders_differ_by_epoch_and_by_seed(rng: Rng) -> None:
    orders = [rng.orders(seed, 100)(epoch) for seed in range(4) for epoch in range(1, 5)]
    assert all((one != other).any() for one, other in combinations(orders, 2))


@every_rng
def test_an_epoch_s_order_is_the_same_however_it_is_reached(rng: Rng) -> None:
    through = rng.orders(7, 50)
    orders = {epoch: through(epoch) for epoch in range(1, 6)}
    jumping, kept = rng.orders(7, 50), orders[5].copy()
    for epoch in (5, 5, 2, 4, 1, 3, 5):  # at once, again, back, on
        np.testing.assert_array_equal(jumping(epoch), orders[epoch])
    jumping(1)
    np.testing.assert_array_equal(orders[5], kept)


@every_rng
def test_initial_parameters_differ_by_seed_alone(rng: Rng) -> None:
    first, again, other = (
        rng.parameters(seed, redrawn=0).standard_normal((4, 3)) for seed in (5, 5, 6)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).all()


def test_no_two_streams_begin_alike() -> None:
    """As default_rng([1]) and default_rng([1, 0]) do, and seeds that only differ above 2^32."""
    keys = product([0, 1, 2, 2**32, 2**32 + 1, 2**63 - 1], Purpose, [0, 1, 2, 50])
    starts = {generator(*key).bit_generator.random_raw() for key in keys}
    assert len(starts) == 6 * len(Purpose) * 4


def test_a_stream_is_numpy_s_of_the_documented_key() -> None:
    """Purposes are part of every run, by number: renumbered, no old run would go on."""
    assert [purpose.name for purpose in Purpose][:2] == ["PARAMETERS", "ORDER"]
    assert [purpose.value for purpose in Purpose] == list(range(len(Purpose)))
    sequence = np.random.SeedSequence(entropy=9, spawn_key=(1, 3))
    expected = np.random.PCG64(sequence).random_raw(5)
    np.testing.assert_array_equal(
        generator(9, Purpose.ORDER, 3).bit_generator.random_raw(5), expected
    )


def test_network2_shuffles_as_python_2_does() -> None:
    """By hand: random.seed(1) is followed by .1344, .8474, .7638, .2551, .4954, .4495.

    From i = 3 down to 1, element i is swapped with element j = int(random() * (i + 1)).
    Epoch 1, from 0 1 2 3:  j = int(.54) = 0: 3 1 2 0;  int(2.54) = 2: same;  int(1.53) = 1: same.
    Epoch 2, from 3 1 2 0:  j = int(1.02) = 1: 3 0 2 1;  int(1.49) = 1: 3 2 0 1;
    int(.90) = 0: 2 3 0 1.
    """
    orders = Network2().orders(1, 4)
    assert orders(1).tolist() == [3, 1, 2, 0]
    assert orders(2).tolist() == [2, 3, 0, 1]


def test_network2_draws_biases_then_weights_a_row_a_neuron() -> None:
    """NumPy's legacy generator of seed 1 is known to begin 1.6243, -0.6118, -0.5282, …"""
    network = Network((2, 2))
    theta = network.initial(
        Network2().parameters(1, redrawn=0),
        INITIALIZERS["lecun-normal"],
        BIAS_INITIALIZERS["standard-normal"],
        "float64",
    )
    assert network.biases(theta)[0] == pytest.approx([1.6243, -0.6118], abs=5e-5)
    into_first, into_second = network.weights(theta)[0].T * np.sqrt(2)
    assert into_first == pytest.approx([-0.5282, -1.0730], abs=5e-5)
    assert into_second == pytest.approx([0.8654, -2.3015], abs=5e-5)
    uniform = Network2().parameters(1, redrawn=0).uniform(-1, 1, (2, 1))
    assert (uniform.ravel() + 1) / 2 == pytest.approx([0.4170, 0.7203], abs=5e-5)


def test_network2_draws_anew_what_making_the_net_drew_in_vain() -> None:
    """The first two of seed 1 are skipped: its third and fourth are -0.5282 and -1.0730."""
    draws = Network2().parameters(1, redrawn=2).standard_normal((1, 2))
    assert draws.ravel() == pytest.approx([-0.5282, -1.0730], abs=5e-5)

"""Known answers: worked out by hand in the comments, or published in the chapter."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from nnexp.datasets.loading import load
from nnexp.datasets.sources import Mnist
from nnexp.nn.costs import CostName
from nnexp.nn.initializers import BIAS_INITIALIZERS, INITIALIZERS, InitializerName
from nnexp.nn.network import Network
from nnexp.nn.objective import BatchObjective
from nnexp.nn.outputs import OUTPUTS, OutputName
from nnexp.nn.penalties import Penalty
from nnexp.nn.propagation import Propagation
from nnexp.optim.sgd import Sgd

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nnexp.nn.arrays import Array

LN3 = np.log(3.0)  # s(ln 3) = 3/4, s(-ln 3) = 1/4, where s is the sigmoid


def batch(
    network: Network,
    inputs: Sequence[Sequence[float]],
    targets: Sequence[Sequence[float]],
    decay: float = 0.0,
) -> BatchObjective:
    """Return the objective of these examples; decay is λ/n."""
    rows = np.hstack([np.array(inputs, "float64"), np.ones((len(inputs), 1))])
    objective = BatchObjective(network, Penalty(network, "l2", decay, "float64"), "float64")
    objective.use(len(rows), lambda: [(rows, np.array(targets, "float64"))])
    return objective


# A 2-2-1 network of sigmoid neurons (s is the sigmoid), one example: x = (1, 0.5), y = 1.
#
#   hidden 1: weights 0.2, -0.4, bias  0.1    z = 0.2 - 0.2 + 0.1 = 0.1   s = .524979
#   hidden 2: weights 0.6,  0.4, bias -0.5    z = 0.6 + 0.2 - 0.5 = 0.3   s = .574443
#   output:   weights 1,    -2,  bias  0.5    z = .524979 - 1.148885 + 0.5 = -.123906
#                                             a = 1 / (1 + e^.123906) = .469063
#
# λ/n = 0.1, so the penalty is 0.05 Σw² = 0.05 (.04 + .16 + .36 + .16 + 1 + 4) = .286.
# s'(z) = s (1 - s): hidden .249376 and .244458, output .249043.
THETA = (0.2, -0.4, 0.1, 0.6, 0.4, -0.5, 1.0, -2.0, 0.5)
X, Y, DECAY = [[1.0, 0.5]], [[1.0]], 0.1

# Cross-entropy: C = -ln .469063 = .757018.
#   output δ = a - y = -.530937; its gradient: δ (.524979, .574443, 1)
#     = -.278731, -.304993, -.530937
#   hidden δ = .249376 · 1 · -.530937 = -.132403 and .244458 · -2 · -.530937 = .259584;
#   gradients δ (1, 0.5, 1): -.132403, -.066201, -.132403 and .259584, .129792, .259584
# The penalty's gradient is 0.1 w: .02, -.04, 0; .06, .04, 0; .1, -.2, 0.
CROSS_ENTROPY = [
    *(-0.112403, -0.106201, -0.132403),
    *(0.319584, 0.169792, 0.259584),
    *(-0.178731, -0.504993, -0.530937),
]

# Quadratic: C = .530937² / 2 = .140947.
#   output δ = -.530937 · .249043 = -.132226; its gradient: -.069416, -.075956, -.132226
#   hidden δ = .249376 · 1 · -.132226 = -.032974 and .244458 · -2 · -.132226 = .064648;
#   gradients: -.032974, -.016487, -.032974 and .064648, .032324, .064648
QUADRATIC = [
    *(-0.012974, -0.056487, -0.032974),
    *(0.124648, 0.072324, 0.064648),
    *(0.030584, -0.275956, -0.132226),
]

# One step of η = 0.5: (1 - ηλ/n) w = 0.95 w, less half of the cost's own gradient; biases do
# not decay. With cross-entropy: 0.95 · 0.2 + .132403 / 2 = .190000 + .066201 = .256201;
# -.38 + .033101 = -.346899; 0.1 + .066201 = .166201; .57 - .129792 = .440208;
# .38 - .064896 = .315104; -0.5 - .129792 = -.629792; .95 + .139365 = 1.089365;
# -1.9 + .152496 = -1.747504; 0.5 + .265468 = .765468.
AFTER_CROSS_ENTROPY = [
    *(0.256201, -0.346899, 0.166201),
    *(0.440208, 0.315104, -0.629792),
    *(1.089365, -1.747504, 0.765468),
]
# With quadratic: .19 + .016487; -.38 + .008244; 0.1 + .016487; .57 - .032324; .38 - .016162;
# -0.5 - .032324; .95 + .034708; -1.9 + .037978; 0.5 + .066113.
AFTER_QUADRATIC = [
    *(0.206487, -0.371756, 0.116487),
    *(0.537676, 0.363838, -0.532324),
    *(0.984708, -1.862022, 0.566113),
]


def test_forward_pass_of_the_network_worked_by_hand() -> None:
    network = Network((2, 2, 1))
    theta = np.array(THETA)
    propagation = Propagation(network, 1, "float64")
    propagation.forward(theta, np.array([[1.0, 0.5, 1.0]]))
    assert propagation.outputs.tolist() == [[pytest.approx(0.469063, abs=5e-7)]]
    assert network.weights(theta)[0].tolist() == [[0.2, 0.6], [-0.4, 0.4]]  # (fan_in, fan_out)
    assert network.biases(theta)[0].tolist() == [0.1, -0.5]
    assert network.weights(theta)[1].tolist() == [[1.0], [-2.0]]


@pytest.mark.parametrize(
    ("cost", "value", "gradient", "after"),
    [
        ("cross-entropy", 0.757018, CROSS_ENTROPY, AFTER_CROSS_ENTROPY),
        ("quadratic", 0.140947, QUADRATIC, AFTER_QUADRATIC),
    ],
)
def test_cost_gradient_and_step_of_the_network_worked_by_hand(
    cost: CostName, value: float, gradient: list[float], after: list[float]
) -> None:
    network, theta = Network((2, 2, 1), cost=cost), np.array(THETA)
    assert batch(network, X, Y).value(theta) == pytest.approx(value, abs=5e-7)
    objective = batch(network, X, Y, DECAY)
    assert objective.value(theta) == pytest.approx(value + 0.286, abs=5e-7)
    np.testing.assert_allclose(objective.gradient(theta), gradient, rtol=0, atol=1.1e-6)
    Sgd().step(theta, objective, Sgd().start(theta), 0.5)
    np.testing.assert_allclose(theta, after, rtol=0, atol=1.1e-6)


def test_a_mini_batch_steps_by_the_mean_of_its_examples() -> None:
    """Two inputs, one sigmoid neuron, w = (ln 3, -ln 3), b = 0; η = 2, λ/n = 0.

    x = (1, 0), y = 1: a = 3/4, δ = -1/4, gradient (-1/4, 0, -1/4), cost ln 4/3
    x = (0, 1), y = 1: a = 1/4, δ = -3/4, gradient (0, -3/4, -3/4), cost ln 4
    x = (1, 1), y = 0: a = 1/2, δ = 1/2,  gradient (1/2, 1/2, 1/2), cost ln 2
    mean: (1/12, -1/12, -1/6); cost ln(32/3) / 3; the step adds (-1/6, 1/6, 1/3).
    """
    network, theta = Network((2, 1)), np.array([LN3, -LN3, 0.0])
    objective = batch(network, [[1, 0], [0, 1], [1, 1]], [[1], [1], [0]])
    assert objective.value(theta) == pytest.approx(np.log(32 / 3) / 3, rel=1e-14)
    Sgd().step(theta, objective, {}, 2.0)
    assert theta.tolist() == pytest.approx([LN3 - 1 / 6, -LN3 + 1 / 6, 1 / 3], rel=1e-14)


def test_l2_is_half_lambda_over_n_times_squares_and_spares_biases() -> None:
    """λ = 5, n = 50: λ/2n = 0.05; weights 3 and 4, bias 7: 0.05 · 25 = 1.25."""
    network, theta = Network((2, 1)), np.array([3.0, 4.0, 7.0])
    penalty = Penalty(network, "l2", 5 / 50, "float64")
    assert penalty.total(theta) == pytest.approx(1.25, rel=1e-15)
    gradient = np.zeros(3)
    penalty.add_gradient(theta, 1.0, gradient)
    assert gradient.tolist() == pytest.approx([0.3, 0.4, 0.0], rel=1e-15)
    penalty.descend(theta, 2.0)  # 1 - ηλ/n = 0.8
    assert theta.tolist() == pytest.approx([2.4, 3.2, 7.0], rel=1e-15)


def test_l1_is_lambda_over_n_times_absolute_values_and_spares_biases() -> None:
    """λ/n = 0.1; weights 3, -4 and 0, bias -7: 0.1 · 7 = 0.7; sgn = 1, -1, 0."""
    network, theta = Network((3, 1)), np.array([3.0, -4.0, 0.0, -7.0])
    penalty = Penalty(network, "l1", 0.1, "float64")
    assert penalty.total(theta) == pytest.approx(0.7, rel=1e-15)
    gradient = np.zeros(4)
    penalty.add_gradient(theta, 1.0, gradient)
    assert gradient.tolist() == pytest.approx([0.1, -0.1, 0.0, 0.0], rel=1e-15)
    penalty.descend(theta, 2.0)
    assert theta.tolist() == pytest.approx([2.8, -3.8, 0.0, -7.0], rel=1e-15)


def test_tanh_outputs_aim_at_minus_one_and_one() -> None:
    """tanh(ln 2) = (2 - 1/2) / (2 + 1/2) = 0.6; targets 1 and -1: (0.4² + 0.4²) / 2 = 0.16."""
    network = Network((1, 2), output="tanh", cost="quadratic")
    targets = network.targets(np.array([0]), "float64")
    assert targets.tolist() == [[1.0, -1.0]]
    theta = np.array([0.0, np.log(2), 0.0, -np.log(2)])
    objective = batch(network, [[1]], targets.tolist())
    assert objective.value(theta) == pytest.approx(0.16, rel=1e-14)
    slopes = objective.gradient(theta).reshape(2, 2)[:, 1]  # (a - y)(1 - a²) = -0.4 · 0.64
    assert slopes.tolist() == pytest.approx([-0.256, 0.256], rel=1e-14)


def test_a_saturated_neuron_learns_from_cross_entropy_and_not_from_the_quadratic_cost() -> None:
    """The chapter's toy: w = b = 2, x = 1, y = 0, so a = s(4) = .982014.

    s' = a (1 - a) = .017663; quadratic: .982014 · .017663 = .017345, cross-entropy: .982014 itself.
    """
    theta = np.array([2.0, 2.0])
    quadratic, cross_entropy = (
        batch(Network((1, 1), cost=cost), [[1]], [[0]]).gradient(theta)
        for cost in ("quadratic", "cross-entropy")
    )
    assert quadratic.tolist() == pytest.approx([0.017345, 0.017345], abs=5e-7)
    assert cross_entropy.tolist() == pytest.approx([0.982014, 0.982014], abs=5e-7)


def outputs(name: OutputName, logits: list[float]) -> list[float]:
    z = np.array([logits])
    a = np.empty_like(z)
    OUTPUTS[name].apply(z, a)
    return [float(value) for value in a[0]]


def test_softmax_of_logarithms_is_their_proportions() -> None:
    """e^ln k = k: 1, 2 and 5 of 8."""
    logits = [np.log(1), np.log(2), np.log(5)]
    assert outputs("softmax", logits) == pytest.approx([1 / 8, 1 / 4, 5 / 8], rel=1e-15)
    assert outputs("softmax", [7.0, 7.0, 7.0, 7.0]) == [0.25] * 4
    theta = np.array([0.0, logits[0], 0.0, logits[1], 0.0, logits[2]])
    objective = batch(Network((1, 3), "sigmoid", "softmax", "log-likelihood"), [[1]], [[0, 1, 0]])
    assert objective.value(theta) == pytest.approx(np.log(4), rel=1e-14)  # -ln 1/4
    gradient = objective.gradient(theta)  # a - y
    assert gradient.reshape(3, 2)[:, 1].tolist() == pytest.approx([1 / 8, -3 / 4, 5 / 8])


def test_sigmoid_of_a_logarithm_of_odds_is_the_probability() -> None:
    logits = [LN3, -LN3, 0.0, np.log(99)]
    assert outputs("sigmoid", logits) == pytest.approx([0.75, 0.25, 0.5, 0.99], rel=1e-15)
    assert outputs("linear", [-3.0, 0.0, 2.5]) == [-3.0, 0.0, 2.5]


def test_cross_entropy_adds_up_the_output_neurons() -> None:
    """a = (3/4, 1/2), y = (1, 0): -ln 3/4 - ln(1 - 1/2) = ln 8/3."""
    theta = np.array([0.0, LN3, 0.0, 0.0])
    value = batch(Network((1, 2)), [[1]], [[1, 0]]).value(theta)
    assert value == pytest.approx(np.log(8 / 3), rel=1e-14)


def test_quadratic_cost_of_a_linear_output() -> None:
    """z = 2x + 1 at x = 1 and 3 for y = 0 and 5: (3² + 2²) / (2 · 2) = 3.25.

    The gradient's mean: (3 · 1 + 2 · 3) / 2 = 4.5 for the weight, (3 + 2) / 2 for the bias.
    """
    network, theta = Network((1, 1), output="linear", cost="quadratic"), np.array([2.0, 1.0])
    objective = batch(network, [[1], [3]], [[0], [5]])
    assert objective.value(theta) == 3.25
    assert objective.gradient(theta).tolist() == [4.5, 2.5]


def logits(name: InitializerName, inputs: Array, seed: int, neurons: int = 2000) -> Array:
    """Return z of many newly drawn neurons, biases from N(0, 1), for rows of inputs."""
    network = Network((inputs.shape[1], neurons))
    theta = network.initial(
        np.random.default_rng(seed),
        INITIALIZERS[name],
        BIAS_INITIALIZERS["standard-normal"],
        "float64",
    )
    return np.asarray(inputs @ network.weights(theta)[0] + network.biases(theta)[0])


@pytest.mark.parametrize(
    ("name", "variance", "shown"),
    [("standard-normal", 501.0, "22.4"), ("lecun-normal", 1.5, "1.22")],
)
def test_spread_of_z_where_500_of_1000_inputs_are_1(
    name: InitializerName, variance: float, shown: str
) -> None:
    """Var z = 500 Var w + Var b: 500 + 1 under the old rule, 500/1000 + 1 under the new one.

    10,000 draws measure a standard deviation to 1/√20,000 = 0.7 %; the bound is four times that.
    """
    assert f"{np.sqrt(variance):.3g}" == shown
    inputs = np.repeat([[1.0, 0.0]], 500, axis=0).reshape(1, -1)
    z = np.concatenate([logits(name, inputs, seed)[0] for seed in range(5)])
    assert z.mean() == pytest.approx(0, abs=4 * np.sqrt(variance / z.size))
    assert z.std() == pytest.approx(np.sqrt(variance), rel=4 / np.sqrt(2 * z.size))


def test_spread_of_z_on_mnist() -> None:
    """Pixels in [0, 1] of mean .1307 and deviation .3081: √(784 (.1307² + .3081²) + 1) = 9.42.

    √(784/784 (.1307² + .3081²) + 1) = 1.05 under the new rule. It is measured on 1,000 images
    and 2,000 neurons: each image's share is strongly alike, so that is good to 0.7 % only.
    """
    dataset = load(Mnist())
    assert dataset.validation is not None
    blocks = [*np.array_split(dataset.train.features, 50), dataset.validation.features]
    counts = sum(np.bincount(block.ravel(), minlength=256) for block in blocks)
    levels = np.arange(256) / 255
    mean, square = (float(np.average(power, weights=counts)) for power in (levels, levels**2))
    assert mean == pytest.approx(0.1307, abs=5e-5)
    assert np.sqrt(square - mean**2) == pytest.approx(0.3081, abs=5e-5)
    # A step of 50 would take one of MNIST's two alternating sources, which differ in ink.
    images = dataset.train.features[::49] / 255
    rules: list[tuple[InitializerName, float, float]] = [
        ("standard-normal", 784.0, 9.42),
        ("lecun-normal", 1.0, 1.05),
    ]
    for name, variance, published in rules:
        assert np.sqrt(variance * square + 1) == pytest.approx(published, abs=5e-3)
        assert logits(name, images, seed=1).std() == pytest.approx(published, rel=0.03)

"""What second-order methods reach beside SciPy's with the same number of evaluations.

    python -m benchmarks.second_order
    python -m benchmarks.second_order --methods l-bfgs --problems wine digits --costs --memory 20

Six classification problems with at most 1,000 examples are each solved from two starts:
*saturated*, where weights of N(0, 3²) drive the neurons to their limits, and *badly scaled*, where
features are multiplied by random factors from 0.01 to 100, and weights are of N(0, 1/fan-in).
A network with sigmoid neurons, cross-entropy and L2 (λ/n = 10⁻⁴) in float64 is the cost that both
sides minimize. BFGS and Newton, which need matrices, get four smaller problems, among them MNIST's
zeros and ones at 7 x 7 pixels, each with three draws of factors and weights.

Both sides call one objective that counts as the metric `evaluations` does: a point at which the
cost, its gradient or both are needed is an evaluation, and so is a product of the Hessian with a
vector. The lowest costs that the two sides have seen within a budget are compared. "At or below"
allows a part in 10⁹ for rounding. The budgets are 50, 100, 200 and 400 evaluations; Newton and
trust-exact, which evaluate whole Hessians, get 5, 10, 20 and 40 Hessians instead.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import minimize
from sklearn.datasets import load_breast_cancer, load_digits, load_wine

from nnexp.datasets.dataset import Labels
from nnexp.datasets.loading import load
from nnexp.datasets.sources import Idx, Mnist, Source
from nnexp.nn.arrays import Array
from nnexp.nn.network import Network
from nnexp.nn.objective import BatchObjective
from nnexp.nn.penalties import Penalty
from nnexp.optim.conjugate_gradient import ConjugateGradient
from nnexp.optim.hessian_free import HessianFree
from nnexp.optim.newton import Newton
from nnexp.optim.objective import CachedObjective, CurvedObjective
from nnexp.optim.quasi_newton import Bfgs, LBfgs

FASHION = "/usr/share/datasets/fashion-mnist"
"""Where Debian's package dataset-fashion-mnist puts it."""
DECAY = 1e-4
SATURATION = 3.0
SCALES = 0.01, 100.0
ROUNDING = 1e-9
SHARE = 5 / 6
"""The share of starts with a cost at or below SciPy's that each method should reach by budget."""
BUDGETS = 50, 100, 200, 400
HESSIANS = 5, 10, 20, 40
SIDE = 28

Examples = tuple[Array, Labels]
"""Features (examples, features) and labels (examples,)."""


class Problem(NamedTuple):
    """Examples and the hidden layers of the network that is to classify them."""

    read: Callable[[str], Examples]
    hidden: tuple[int, ...]


class Method(NamedTuple):
    """An optimizer, SciPy's counterpart, and the problems that both get."""

    optimizer: Any
    peer: str
    options: dict[str, float]
    problems: dict[str, Problem]
    seeds: range


class Costs(NamedTuple):
    """The lowest costs of both sides by budget."""

    own: list[float]
    scipy: list[float]

    def wins(self) -> list[bool]:
        """Return for each budget whether the own cost is at or below SciPy's."""
        return [
            own <= peer + ROUNDING * abs(peer)
            for own, peer in zip(self.own, self.scipy, strict=True)
        ]


class SpentError(Exception):
    """The budget is spent."""


class Counter(CachedObjective):
    """An objective that counts its evaluations, up to a budget.

    Args:
        objective: evaluates.
        budget: of evaluations.
    """

    def __init__(self, objective: CurvedObjective, budget: int) -> None:
        super().__init__(objective)
        self._budget = budget
        self._values: list[tuple[int, float]] = []

    def value(self, theta: Array) -> float:
        """Return the cost at theta."""
        value = super().value(theta)
        self._check_budget()
        self._values.append((self.evaluations, value))
        return value

    def gradient(self, theta: Array, scale: float = 1.0) -> Array:
        """Return scale times the cost's gradient at theta."""
        gradient = super().gradient(theta, scale)
        self._check_budget()
        return gradient

    def hessian_product(self, theta: Array, v: Array, *, gauss_newton: bool = False) -> Array:
        """Return the Hessian at theta, or its Gauss-Newton part, times v or each row of v."""
        product = super().hessian_product(theta, v, gauss_newton=gauss_newton)
        self._check_budget()
        return product

    def lowest(self, budget: int) -> float:
        """Return the lowest cost seen within so many evaluations."""
        return min((value for at, value in self._values if at <= budget), default=math.inf)

    def _check_budget(self) -> None:
        if self.evaluations > self._budget:
            raise SpentError


def images(source: Source, *, binary: bool = False) -> Examples:
    """Return training images with pixels between 0 and 1; if binary, as 7 x 7 mean pixels."""
    split = load(source).train
    pixels = split.features.astype(np.float64) / 255
    if binary:
        blocks = pixels.reshape(-1, SIDE // 4, 4, SIDE // 4, 4)
        pixels = blocks.mean(axis=(2, 4)).reshape(len(pixels), -1)
    return pixels, split.labels


def mnist(_: str) -> Examples:
    """Return 500 images of MNIST."""
    return images(Mnist(train=500))


def mnist_1000(_: str) -> Examples:
    """Return 1,000 images of MNIST."""
    return images(Mnist(train=1000))


def fashion(folder: str) -> Examples:
    """Return 1,000 images of Fashion-MNIST."""
    return images(Idx(directory=folder, train=1000))


def zeros_and_ones(_: str) -> Examples:
    """Return 500 zeros and ones of MNIST at 7 x 7 pixels."""
    return images(Mnist(train=500, classes=(0, 1)), binary=True)


def digits(_: str) -> Examples:
    """Return 1,000 of scikit-learn's digits."""
    table = load_digits()
    return table.data[:1000] / 16, table.target[:1000]


def breast_cancer(_: str) -> Examples:
    """Return the 569 tumours of scikit-learn's breast cancer data, standardized."""
    return standardized(load_breast_cancer())


def wine(_: str) -> Examples:
    """Return the 178 wines of scikit-learn's data, standardized."""
    return standardized(load_wine())


def standardized(table: Any) -> Examples:  # noqa: ANN401 - scikit-learn's Bunch
    """Return a table's features with mean 0 and deviation 1, and its labels."""
    features = table.data - table.data.mean(axis=0)
    return features / features.std(axis=0), table.target


PROBLEMS = {
    "mnist": Problem(mnist, (30, 30)),
    "n-1000": Problem(mnist_1000, (30,)),
    "fashion": Problem(fashion, (30,)),
    "digits": Problem(digits, (20,)),
    "breast-cancer": Problem(breast_cancer, (10,)),
    "wine": Problem(wine, (10,)),
}
SMALL = {
    "digits": Problem(digits, (5,)),
    "breast-cancer": Problem(breast_cancer, (5,)),
    "wine": Problem(wine, (5,)),
    "zeros-and-ones": Problem(zeros_and_ones, (5,)),
}
STARTS = "saturated", "badly scaled"
ENDLESS = {"maxiter": 10**6}
LARGE = PROBLEMS, range(1)
MATRICES = SMALL, range(3)
METHODS = {
    "l-bfgs": Method(
        LBfgs(), "L-BFGS-B", ENDLESS | {"maxfun": 10**6, "ftol": 0, "gtol": 1e-10}, *LARGE
    ),
    "conjugate-gradient": Method(ConjugateGradient(), "CG", ENDLESS | {"gtol": 1e-10}, *LARGE),
    "hessian-free": Method(HessianFree(), "Newton-CG", ENDLESS | {"xtol": 1e-14}, *LARGE),
    "bfgs": Method(Bfgs(), "BFGS", ENDLESS | {"gtol": 1e-10}, *MATRICES),
    "newton": Method(Newton(), "trust-exact", ENDLESS | {"gtol": 1e-10}, *MATRICES),
}


@cache
def read(problem: Problem, fashion: str) -> Examples:
    """Return a problem's examples, read once."""
    return problem.read(fashion)


def pose(problem: Problem, start: str, seed: int, fashion: str) -> tuple[BatchObjective, Array]:
    """Return a problem's cost and the first theta."""
    features, labels = read(problem, fashion)
    classes = int(labels.max()) + 1
    network = Network((features.shape[1], *problem.hidden, classes))
    rng = np.random.default_rng(seed)
    if start == "badly scaled":
        low, high = np.log(SCALES)
        features = features * np.exp(rng.uniform(low, high, features.shape[1]))

    def weights(rng: Any, fan_in: int, fan_out: int) -> Array:  # noqa: ANN401 - Draws
        deviation = SATURATION if start == "saturated" else 1 / math.sqrt(fan_in)
        normal: Array = rng.standard_normal((fan_in, fan_out))
        return deviation * normal

    theta = network.initial(rng, weights, weights, np.float64)
    inputs = np.hstack([features, np.ones((len(features), 1))])
    targets = network.targets(labels, np.float64)
    objective = BatchObjective(network, Penalty(network, "l2", DECAY, np.float64), np.float64)
    objective.use(len(inputs), lambda: [(inputs, targets)])
    return objective, theta


def descend(method: Method, objective: Counter, theta: Array) -> None:
    """Minimize with nnexp's method until it has converged, has stalled or the budget is spent."""
    theta, optimizer = theta.copy(), method.optimizer
    slots = optimizer.start(theta)
    try:
        while True:
            objective.begin(theta)
            measures = optimizer.step(theta, objective, slots, optimizer.default_learning_rate)
            if measures["gradient_norm"] < optimizer.tolerance or not measures["step_norm"]:
                return
    except SpentError:
        return


def descend_by_scipy(method: Method, objective: Counter, theta: Array) -> None:
    """Minimize with SciPy's method until it stops or the budget is spent."""
    curvature: dict[str, Any] = {}
    if method.peer == "Newton-CG":
        curvature["hessp"] = objective.hessian_product
    if method.peer == "trust-exact":
        curvature["hess"] = lambda theta: objective.hessian_product(theta, np.eye(theta.size))
    untyped: Any = minimize
    try:
        untyped(
            objective.value,
            theta,
            jac=objective.gradient,
            method=method.peer,
            options=method.options,
            **curvature,
        )
    except SpentError:
        return


def compare(method: Method, problem: str, start: str, seed: int, fashion: str) -> Costs:
    """Return the lowest costs of both sides."""
    objective, theta = pose(method.problems[problem], start, seed, fashion)
    budgets: Sequence[int] = BUDGETS
    if isinstance(method.optimizer, Newton):
        budgets = [hessians * (theta.size + 1) for hessians in HESSIANS]
    sides = []
    for minimizer in (descend, descend_by_scipy):
        counter = Counter(objective, max(budgets))
        counter.begin(theta)
        with np.errstate(over="ignore"):
            minimizer(method, counter, theta)
        sides.append([counter.lowest(budget) for budget in budgets])
    return Costs(*sides)


def measure(options: argparse.Namespace) -> Iterator[bool]:
    """Print the table, and where a share is too small; yield for each method whether none is."""
    print(f"| method | beside | starts | {' | '.join(map(str, BUDGETS))} | all |")
    print("| --- | --- | ---: |" + " ---: |" * (len(BUDGETS) + 1))
    remarks = []
    for name in options.methods:
        method, wins = with_memory(METHODS[name], options.memory), []
        chosen = [problem for problem in method.problems if problem in options.problems]
        for problem, start, seed in product(chosen, options.starts, method.seeds):
            costs = compare(method, problem, start, seed, options.fashion)
            wins.append(costs.wins())
            if options.costs:
                print(detail((name, problem, start, seed), costs), file=sys.stderr, flush=True)
        won = [sum(at_budget) for at_budget in zip(*wins, strict=True)]
        share = f"{100 * sum(won) / (len(wins) * len(BUDGETS)):.0f} %"
        cells = [f"`{name}`", method.peer, *map(str, [len(wins), *won]), share]
        print(f"| {' | '.join(cells)} |", flush=True)
        pairs = zip(won, BUDGETS, strict=True)
        short = [str(budget) for number, budget in pairs if number < SHARE * len(wins)]
        where = f"below 5/6 at {', '.join(short)}" if short else "5/6 or more at every budget"
        remarks.append(f"{name}: {where}")
        yield not short
    print("", *remarks, sep="\n")


def with_memory(method: Method, memory: int | None) -> Method:
    """Return the method with the same memory on both sides, if it has one and one is given."""
    if memory is None or not isinstance(method.optimizer, LBfgs):
        return method
    options = method.options | {"maxcor": memory}
    return method._replace(optimizer=LBfgs(memory=memory), options=options)


def detail(start: tuple[object, ...], costs: Costs) -> str:
    """Return a line of the table of costs."""
    pairs = zip(costs.own, costs.scipy, costs.wins(), strict=True)
    cells = [f"{own:.6g} {'<=' if won else '> '} {peer:.6g}" for own, peer, won in pairs]
    return f"| {' | '.join([*map(str, start), *cells])} |"


def main() -> None:
    """Minimize and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    names = list(PROBLEMS | SMALL)
    parser.add_argument("--problems", nargs="+", choices=names, default=names)
    parser.add_argument("--starts", nargs="+", choices=STARTS, default=list(STARTS))
    parser.add_argument("--fashion", default=FASHION, help="directory of Fashion-MNIST")
    parser.add_argument("--memory", type=int, help="steps that L-BFGS and L-BFGS-B keep")
    parser.add_argument("--costs", action="store_true", help="print each problem's costs")
    options = parser.parse_args()
    results = list(measure(options))
    if not all(results):
        raise SystemExit(1)


if __name__ == "__main__":
    main()

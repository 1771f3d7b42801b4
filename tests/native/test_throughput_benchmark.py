"""The throughput benchmark's lower bounds and ratios, which its numbers depend on."""

import os
import shutil

import numpy as np
import pytest

from benchmarks.limits import CoreRates, Demand, Limit, Limits
from benchmarks.throughput import Cell, Measured, describe
from nnexp.native import availability


def test_a_step_needs_products_of_all_nonzeros_and_the_rows_that_a_batch_touches() -> None:
    nonzero = np.array(
        [
            [True, False, False],
            [True, True, False],  # batch 1: rows 0 and 1
            [False, False, True],
            [False, False, False],  # batch 2: row 2
        ]
    )

    demand = Demand.of_step((3, 4, 2), nonzero, 2)

    # First layer, a batch: 2 nonzeros on average x 4 neurons, forward and gradient, 2 operations
    # each. Second layer: 2 examples x 4 x 2 weights, forward, gradient and deltas.
    assert demand.operations == 2 * 2 * (2 * 4) + 2 * 3 * (2 * 4 * 2)
    # 1.5 rows of 4 weights, 4 x 2 weights and 4 + 2 biases of 4 bytes.
    assert demand.weights == 4 * (1.5 * 4 + 4 * 2 + 4 + 2)


@pytest.mark.parametrize(
    ("demand", "limit"),
    [
        (Demand(operations=600, weights=10), Limit(6.0, "FMA")),
        (Demand(operations=100, weights=40), Limit(40 / 20 + 40 / 10, "cache")),
    ],
)
def test_the_larger_bound_on_the_time_is_the_limit(demand: Demand, limit: Limit) -> None:
    assert CoreRates(peak=100, reading=20, updating=10).limit(demand) == limit


def test_the_limits_program_measures_this_processor() -> None:
    if shutil.which(os.environ.get("CC", "cc")) is None:
        pytest.skip("there is no C compiler")
    if availability.why_unavailable() is not None:
        pytest.skip("the native kernels are not available")
    limits = Limits(availability.kernels(), os.environ)
    try:
        rates = limits.measure(100_000)
    finally:
        limits.close()
    assert min(rates) > 1e7


def test_ratios_are_to_the_fastest_peer_and_the_share_is_of_the_limit() -> None:
    rates = {"nnexp": 300.0, "NumPy": 600.0, "JAX": 200.0, "PyTorch": 100.0}
    core = CoreRates(1e9, 1e9, 1e9)
    measured = Measured(Cell((3, 4, 2), 10), rates, core, Limit(0.01, "FMA"))

    assert measured.best_ratio == 300 / 200  # NumPy is no peer
    assert measured.share == pytest.approx(300 / (10 / 0.01))


def test_cells_below_the_least_ratio_are_named() -> None:
    sentence = describe("the best peer", {"a:1": 4.0, "b:1": 0.25}, 1.0)

    assert sentence == (
        "Relative to the best peer: geometric mean 1.00, smallest 0.25 (b:1); at least 1 in 1 of 2 "
        "cells; below it: b:1 (0.25)."
    )

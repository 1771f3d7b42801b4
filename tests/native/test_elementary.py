"""The kernels' elementary functions: errors in ulp over all floats, and special values."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pytest

from tests.native.requirements import require_extension

require_extension()

from nnexp.native import _kernels  # noqa: E402 - see above

Floats = npt.NDArray[np.float32]
CHUNK = 1 << 20


class Function(NamedTuple):
    exact: Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]]
    ranges: tuple[tuple[float, float], ...]  # where the error is bounded
    ulp: float


def sigmoid(z: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.exp(-np.logaddexp(0.0, -z))


EVERYWHERE = ((-np.inf, -0.0), (0.0, np.inf))
FUNCTIONS = {
    "exp": Function(np.exp, EVERYWHERE, 1.02),
    "log": Function(np.log, ((0.0, np.inf),), 0.84),
    "log1p": Function(np.log1p, ((0.0, 1.0),), 1.24),
    "sigmoid": Function(sigmoid, ((-86.5, -0.0), (0.0, np.inf)), 2.5),
    "tanh": Function(np.tanh, EVERYWHERE, 1.34),
}


def apply(name: str, values: Floats) -> Floats:
    padded = np.zeros(-(-len(values) // 16) * 16, np.float32)
    padded[: len(values)] = values
    out = np.empty_like(padded)
    _kernels.apply(name, padded, out)
    return out[: len(values)]


def floats(low: float, high: float, step: int) -> Iterator[Floats]:
    """Yield every step-th float from low to high, which have the same sign, in chunks."""
    bits = np.sort(np.array([low, high], np.float32).view(np.uint32)).astype(np.int64)
    for start in range(bits[0], bits[1] + 1, CHUNK * step):
        chunk = np.arange(start, min(start + CHUNK * step, bits[1] + 1), step)
        yield chunk.astype(np.uint32).view(np.float32)


def worst_ulp(name: str, step: int) -> float:
    """Return the largest error in units of the last place of the exact result."""
    function, worst = FUNCTIONS[name], 0.0
    for bounds in function.ranges:
        for values in floats(*bounds, step):
            with np.errstate(all="ignore"):
                exact = function.exact(values.astype(np.float64))
                rounded = exact.astype(np.float32)
                actual = apply(name, values)
                unit = np.spacing(np.minimum(np.abs(rounded), np.finfo(np.float32).max))
                error = np.abs(actual.astype(np.float64) - exact) / unit.astype(np.float64)
            finite = np.isfinite(rounded)
            np.testing.assert_array_equal(actual[~finite], rounded[~finite])
            worst = max(worst, float(error[finite].max(initial=0.0)))
    return worst


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_error_is_bounded(name: str) -> None:
    assert worst_ulp(name, step=4099) <= FUNCTIONS[name].ulp


@pytest.mark.slow
@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_error_is_bounded_for_every_float(name: str) -> None:
    """The bound is tight: the worst float comes near it."""
    worst = worst_ulp(name, step=1)
    print(f"{name}: {worst:.4f} ulp")  # noqa: T201 - shown by pytest -s
    assert FUNCTIONS[name].ulp - 0.1 <= worst <= FUNCTIONS[name].ulp


@pytest.mark.parametrize("name", FUNCTIONS)
def test_nan_stays_nan(name: str) -> None:
    values = np.array([0x7FC00000, 0xFFC00000, 0x7F800001, 0x7FFFFFFF], np.uint32)
    assert np.isnan(apply(name, values.view(np.float32))).all()


TINY = float(np.finfo(np.float32).smallest_subnormal)
LOG_TINY = float(np.float32(-103.27893))  # ln 2^-149
SPECIAL = {
    "exp": [
        (np.inf, np.inf),
        (-np.inf, 0),
        (0.0, 1),
        (-0.0, 1),
        (TINY, 1),
        (89, np.inf),
        (-104, 0),
    ],
    "log": [(np.inf, np.inf), (0.0, -np.inf), (-0.0, -np.inf), (1, 0), (TINY, LOG_TINY)],
    "log1p": [(0.0, 0), (TINY, TINY), (1, float(np.float32(np.log(2))))],
    "sigmoid": [(np.inf, 1), (0.0, 0.5), (-0.0, 0.5), (TINY, 0.5), (20, 1)],
    "tanh": [(np.inf, 1), (-np.inf, -1), (0.0, 0), (TINY, TINY), (-TINY, -TINY), (10, 1)],
}


@pytest.mark.parametrize("name", SPECIAL)
def test_special_values_are_exact(name: str) -> None:
    values, expected = np.array(SPECIAL[name], np.float32).T
    np.testing.assert_array_equal(apply(name, values), expected)


def test_logarithms_of_negative_numbers_are_nan() -> None:
    assert np.isnan(apply("log", np.array([-TINY, -1, -np.inf], np.float32))).all()


def test_the_sigmoid_of_very_negative_logits_is_small_but_normal() -> None:
    values = apply("sigmoid", np.array([-87, -100, -np.inf], np.float32))
    assert (values >= np.finfo(np.float32).smallest_normal).all()
    assert (values < 2e-38).all()


def test_tanh_is_odd() -> None:
    values = np.concatenate(list(floats(0.0, np.inf, 65537)))
    np.testing.assert_array_equal(apply("tanh", -values), -apply("tanh", values))

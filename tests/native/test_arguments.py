"""Arguments that do not fit raise errors that name them; none crashes the process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tests.native.problems import KINDS, NativeExamples, NativeNetwork, Problem

SIZES = (5, 4, 3)
Call = Callable[..., Any]
Array = npt.NDArray[Any]

WRONG_PARAMETERS: list[tuple[Callable[[Any], Any], type[Exception], str]] = [
    (lambda p: p[:-1], ValueError, "parameters must have 176 elements, got 175"),
    (lambda p: np.append(p, p), ValueError, "parameters must have 176 elements, got 352"),
    (lambda p: np.repeat(p, 2)[::2], ValueError, "C-contiguous"),
    (lambda p: p.astype(np.float64), TypeError, "parameters must have .* format 'f', got 'd'"),
    (lambda p: p.astype(">f4"), TypeError, "format 'f', got '>f'"),
    (lambda p: p.view(np.int32), TypeError, "format 'f', got 'i'"),
    (lambda p: p.astype(object), TypeError, "format 'f', got 'O'"),
    (lambda _: None, TypeError, "bytes-like object"),
    (lambda _: [1.0], TypeError, "bytes-like object"),
]


def calls(problem: Problem) -> dict[str, Call]:
    """Return the methods, as functions of parameters and order."""
    native, examples = problem.native, problem.examples
    out = np.zeros_like(problem.parameters)
    return {
        "outputs": lambda p, o: native.outputs(p, examples, o),
        "evaluate": lambda p, _: native.evaluate(p, examples),
        "cost": lambda p, o: native.cost(p, examples, o),
        "gradient": lambda p, o: native.gradient(p, examples, o, out),
        "descend": lambda p, o: native.descend(p, examples, o, 2, 0.1),
        "unpack": lambda p, _: native.unpack(p),
    }


@pytest.mark.parametrize("method", calls(Problem(SIZES)))
@pytest.mark.parametrize(("change", "error", "message"), WRONG_PARAMETERS)
def test_parameters_are_checked(
    method: str, change: Callable[[Any], Any], error: type[Exception], message: str
) -> None:
    problem = Problem(SIZES)
    with pytest.raises(error, match=message):
        calls(problem)[method](change(problem.parameters), problem.order(4))


@pytest.mark.parametrize("method", ["outputs", "cost", "gradient", "descend"])
@pytest.mark.parametrize(
    ("order", "error", "message"),
    [
        (np.array([0, 200]), ValueError, r"order\[1\] is 200, but there are 200 examples"),
        (np.array([-1]), ValueError, r"order\[0\] is -1"),
        (np.array([0, 1], np.int32), TypeError, "order must have .* format 'q', got 'i'"),
        (np.array([0.0, 1.0]), TypeError, "order must have .* format 'q', got 'd'"),
        (np.arange(8)[::2], ValueError, "order must be C-contiguous"),
    ],
)
def test_the_order_is_checked(
    method: str, order: Array, error: type[Exception], message: str
) -> None:
    problem = Problem(SIZES)
    before = problem.parameters.copy()
    with pytest.raises(error, match=message):
        calls(problem)[method](problem.parameters, order)
    np.testing.assert_array_equal(problem.parameters, before)


def test_arrays_to_write_must_be_writable() -> None:
    problem = Problem(SIZES)
    problem.parameters.flags.writeable = False
    with pytest.raises(ValueError, match="parameters must be C-contiguous and writable"):
        problem.native.descend(problem.parameters, problem.examples, problem.order(4), 2, 0.1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"masks": np.zeros(3, np.float32)}, "masks must have 8 elements, got 3"),
        ({"masks": np.zeros((3, 4), np.float32)}, "masks must have 8 elements, got 12"),
        ({"costs": np.zeros(1)}, "costs must have 2 elements, got 1"),
    ],
)
def test_masks_and_costs_have_a_row_for_each_step(arguments: dict[str, Any], message: str) -> None:
    problem = Problem(SIZES)
    with pytest.raises(ValueError, match=message):
        problem.native.descend(
            problem.parameters, problem.examples, problem.order(3), 2, 0.1, **arguments
        )


def test_the_gradients_masks_and_target_are_checked() -> None:
    problem = Problem(SIZES)
    native, parameters, examples = problem.native, problem.parameters, problem.examples
    out = np.zeros_like(parameters)
    with pytest.raises(ValueError, match="masks must have 4 elements, got 5"):
        native.gradient(parameters, examples, None, out, masks=np.zeros(5, np.float32))
    with pytest.raises(ValueError, match="out must have 176 elements, got 175"):
        native.gradient(parameters, examples, None, out[:-1])


@pytest.mark.parametrize("size", [0, -1])
def test_a_batch_has_at_least_one_example(size: int) -> None:
    problem = Problem(SIZES)
    with pytest.raises(ValueError, match=f"batch_size must be at least 1, got {size}"):
        problem.native.descend(problem.parameters, problem.examples, problem.order(4), size, 0.1)


def test_no_examples_are_no_steps() -> None:
    problem = Problem(SIZES)
    before = problem.parameters.copy()
    nobody = np.empty(0, np.int64)
    problem.native.descend(problem.parameters, problem.examples, nobody, 10, 0.1)
    np.testing.assert_array_equal(problem.parameters, before)
    assert problem.native.cost(problem.parameters, problem.examples, nobody) == 0


@pytest.mark.parametrize(
    ("sizes", "error", "message"),
    [
        ((5,), ValueError, "must have 2 to 256 sizes, got 1"),
        ((5,) * 257, ValueError, "must have 2 to 256 sizes, got 257"),
        ((5, 0), ValueError, r"sizes\[1\] must be from 1 to 1048576, got 0"),
        ((2**40, 3), ValueError, r"sizes\[0\] must be from 1 to 1048576"),
        ((2**80, 3), OverflowError, "int too large"),
        ((2.5, 3), TypeError, "integer"),
    ],
)
def test_sizes_are_checked(sizes: tuple[int, ...], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        NativeNetwork(sizes)


def test_later_changes_of_the_labels_have_no_effect() -> None:
    problem = Problem(SIZES)
    cost = problem.native.cost(problem.parameters, problem.examples)
    problem.labels[:] = 2**40
    assert problem.native.cost(problem.parameters, problem.examples) == cost


@pytest.mark.parametrize("field", ["activation", "output", "cost"])
def test_names_are_checked(field: str) -> None:
    arguments: dict[str, Any] = {**KINDS[0]._asdict(), field: "cubic"}
    with pytest.raises(ValueError, match=f"unknown {field} 'cubic'"):
        NativeNetwork((5, 3), **arguments)


LABELS = np.zeros(4, np.int64)
FEATURES = np.zeros((4, 5), np.uint8)


@pytest.mark.parametrize(
    ("features", "labels", "error", "message"),
    [
        (FEATURES[0], LABELS, ValueError, r"features must have shape \(examples, features\)"),
        (FEATURES[:0], LABELS[:0], ValueError, "features must have shape"),
        (FEATURES, LABELS[:3], ValueError, "labels must have 4 elements, got 3"),
        (FEATURES, LABELS - 1, ValueError, r"labels\[0\] is negative"),
        (FEATURES, LABELS.astype(np.int32), TypeError, "labels must have .* format 'q', got 'i'"),
    ],
)
def test_examples_are_checked(
    features: Array, labels: Array, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        NativeExamples(features, 1.0, labels)


@pytest.mark.parametrize(
    ("features", "labels", "message"),
    [
        (FEATURES[:, :4], LABELS, "the network has 5 inputs, but examples have 4 features"),
        (FEATURES, LABELS + 3, "the network has 3 outputs, but a label is 3"),
        (FEATURES, LABELS + 2**40, "the network has 3 outputs, but a label is 1099511627776"),
    ],
)
def test_examples_must_suit_the_network(features: Array, labels: Array, message: str) -> None:
    problem = Problem(SIZES)
    with pytest.raises(ValueError, match=message):
        problem.native.evaluate(problem.parameters, NativeExamples(features, 1.0, labels))


def test_examples_keep_their_arrays_alive() -> None:
    examples = NativeExamples(np.ones((300, 5), np.uint8), 1.0, np.zeros(300, np.int64))
    problem = Problem(SIZES)
    outputs = problem.native.outputs(problem.parameters, examples)
    np.testing.assert_array_equal(outputs, np.broadcast_to(outputs[0], outputs.shape))


def test_examples_cannot_be_resized_meanwhile() -> None:
    features = bytearray(20)
    array = np.frombuffer(features, np.uint8).reshape(4, 5)
    examples = NativeExamples(array, 1.0, LABELS)
    with pytest.raises(BufferError):
        features.append(0)
    assert len(examples) == 4


@pytest.mark.parametrize(
    ("name", "told"),
    [("mmx", "this processor has no kernels named 'mmx'; they are avx512, avx2"), ("", "None")],
)
def test_kernels_that_do_not_exist_are_refused(name: str, told: str) -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "from nnexp.native import availability as a; print(a.why_unavailable())",
        ],
        env={**os.environ, "NNEXP_NATIVE_KERNELS": name},
        capture_output=True,
        text=True,
        check=True,
    )
    assert told in done.stdout

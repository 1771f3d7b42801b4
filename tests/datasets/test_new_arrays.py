"""Which arrays and data frames are new examples, and what is said of others."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest

from nnexp.datasets.inputs import Inputs
from nnexp.datasets.new_arrays import features
from nnexp.datasets.sources import Csv, Mnist, Npz
from nnexp.errors import DataError

MNIST = Inputs(Mnist(), 784, (28, 28), is_mnist=True)
WIDE = Inputs(Npz(file="a.npz"), 6, (2, 3), is_mnist=False)
NAMES = ("length", "width")
TABLE = Inputs(Csv(train_file="a.csv"), 2, None, is_mnist=False, feature_names=NAMES)
SINGLE = Inputs(Npz(file="a.npz"), 1, (1, 1), is_mnist=False)
UNNAMED = Inputs(Csv(train_file="a.csv"), 2, None, is_mnist=False)
SIX = np.arange(6)


class Frame(NamedTuple):
    """What data frames of pandas and polars have in common."""

    data: dict[str, Any]

    @property
    def columns(self) -> list[str]:
        return list(self.data)

    def __getitem__(self, name: Any) -> Any:  # noqa: ANN401 - as in a data frame
        return self.data[name]


@pytest.mark.parametrize(
    ("x", "inputs", "rows"),
    [
        (np.tile(SIX, (4, 1)), WIDE, 4),
        (np.tile(SIX.reshape(2, 3), (4, 1, 1)), WIDE, 4),
        (np.tile(SIX.reshape(2, 3, 1), (4, 1, 1, 1)), WIDE, 4),
        (SIX, WIDE, 1),
        (SIX.reshape(2, 3), WIDE, 1),
        (SIX.reshape(2, 3, 1), WIDE, 1),
        (SIX.tolist(), WIDE, 1),
        ([SIX.tolist()], WIDE, 1),
        (np.tile(SIX, (8, 1))[::2], WIDE, 4),
        (np.asfortranarray(np.tile(SIX, (4, 1))), WIDE, 4),
        (np.tile(SIX, (4, 1)).astype(">f4"), WIDE, 4),
        (np.tile(SIX, (4, 1)).astype(np.longdouble), WIDE, 4),
        (np.tile(SIX, (4, 1)).astype(np.float16), WIDE, 4),
    ],
)
def test_an_array_has_rows_of_features(x: Any, inputs: Inputs, rows: int) -> None:  # noqa: ANN401
    taken = features(x, inputs)
    assert np.array_equal(taken, np.tile(SIX, (rows, 1)))
    assert taken.flags.c_contiguous
    assert taken.dtype in (np.uint8, np.float32, np.float64)


def test_bytes_stay_bytes() -> None:
    images = np.full((2, 28, 28), 7, np.uint8)
    assert features(images, MNIST).dtype == np.uint8
    assert not features(np.zeros((1, 784)), MNIST).any()


@pytest.mark.parametrize("of", [dict, Frame])
def test_columns_are_found_by_name(of: Any) -> None:  # noqa: ANN401 - a kind of table
    table = of({"width": [3, 4], "kind": ["a", "b"], "length": np.array([1.5, 2.5])})
    assert features(table, TABLE).tolist() == [[1.5, 3.0], [2.5, 4.0]]
    assert features([[1.5, 3], [2.5, 4]], TABLE).tolist() == [[1.5, 3.0], [2.5, 4.0]]


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_data_frames_are_taken(library: str) -> None:
    frame = pytest.importorskip(library).DataFrame
    table = frame({"width": [3, 4], "kind": ["a", "b"], "length": [1.5, 2.5]})
    assert features(table, TABLE).tolist() == [[1.5, 3.0], [2.5, 4.0]]
    unnamed = frame({str(k): [k, k + 1] for k in range(6)})
    assert features(unnamed, WIDE).tolist() == [[*range(6)], [*range(1, 7)]]
    assert features(np.array([[1, 2]]), UNNAMED).tolist() == [[1, 2]]
    with pytest.raises(DataError, match="earlier version of nnexp trained the run and did not"):
        features(table, UNNAMED)
    with pytest.raises(DataError, match="has no column 'length'"):
        features(frame({"width": [1]}), TABLE)
    with pytest.raises(DataError, match="column 'width' of x must contain numbers"):
        features(frame({"width": ["a"], "length": [1]}), TABLE)
    if library == "pandas":
        assert features(table.iloc[1], TABLE).tolist() == [[2.5, 4.0]]
        assert features(table.iloc[[1]], TABLE).tolist() == [[2.5, 4.0]]


class Row(NamedTuple):
    """What a row has, a Series of pandas."""

    data: list[tuple[Any, Any]]

    @property
    def index(self) -> list[Any]:  # type: ignore[override]
        return [name for name, _ in self.data]

    def items(self) -> list[tuple[Any, Any]]:
        return self.data

    def __array__(self, *_: object, **__: object) -> Any:  # noqa: ANN401 - NumPy's protocol
        return np.array([value for _, value in self.data])


def test_a_row_s_values_are_found_by_name() -> None:
    row = Row([("width", 3), ("kind", "a"), ("length", 1.5)])
    assert features(row, TABLE).tolist() == [[1.5, 3.0]]
    assert features(Row([(0, 1.5), (1, 3)]), TABLE).tolist() == [[1.5, 3.0]]
    assert features(Row([(str(k), k) for k in range(6)]), WIDE).tolist() == [[*range(6)]]
    with pytest.raises(DataError, match="x has no column 'length'"):
        features(Row([("a", 1), ("b", 2)]), TABLE)
    with pytest.raises(DataError, match="one value in each row of each column"):
        features(Row([("width", 1), ("width", 2), ("length", 2)]), TABLE)
    with pytest.raises(DataError, match="earlier version"):
        features(Row([("width", 1), ("length", 2)]), UNNAMED)


@pytest.mark.parametrize("library", ["pandas"])
def test_a_series_is_a_row(library: str) -> None:
    series = pytest.importorskip(library).Series
    assert features(series({"width": 3.0, "length": 1.5}), TABLE).tolist() == [[1.5, 3.0]]
    assert features(series([1.5, 3.0]), TABLE).tolist() == [[1.5, 3.0]]


@pytest.mark.parametrize(
    ("x", "inputs", "message"),
    [
        (np.zeros((3, 5)), WIDE, "shape (3, 5), but the run takes (examples, 6) or (examples, 2,"),
        (np.zeros((3, 3, 2)), WIDE, "shape (3, 3, 2), but the run takes (examples, 6) or "),
        (np.zeros(5), WIDE, "x has shape (5,), but"),
        (np.float64(3), WIDE, "x has shape (), but"),
        (np.zeros((0, 6)), WIDE, "x has no examples"),
        (np.zeros((3, 3)), TABLE, "x has shape (3, 3), but the run takes (examples, 2)"),
        (np.zeros(3), SINGLE, "(examples, 1) or (examples, 1, 1); use x.reshape(-1, 1)"),
        ("six", WIDE, "x must contain numbers, got text"),
        ([None] * 6, WIDE, "x must contain numbers, got objects"),
        (np.zeros(6, complex), WIDE, "x must contain numbers, got complex128"),
        ([[1, 2], [3]], WIDE, "x is no array: "),
        ([0, 1, 2, np.nan, 4, 5], WIDE, "a value that is not finite, nan at [0, 3]"),
        ({"width": [1]}, TABLE, "x has no column 'length', which the run was trained with; its "),
        ({}, TABLE, "its columns are none"),
        ({"width": [1], "length": ["a"]}, TABLE, "column 'length' of x must contain numbers, got"),
        ({"width": [1], "length": [1, 2]}, TABLE, "x must have one value in each row of each "),
        ({"width": 1, "length": [2]}, TABLE, "x must have one value in each row of each column"),
        ({"width": 1, "length": 2}, TABLE, "for one example, write {'length': [2], …}"),
        (Frame({"width": 1, "length": 2.5}), TABLE, "x must have lists as columns, got single "),
        ({"width": [1], "Length": [2]}, TABLE, "'width', 'Length': rename 'Length' to 'length'"),
        ({"width": [1], "LENGTH ": [2]}, TABLE, "rename 'LENGTH ' to 'length'"),
        ({"width": [1], "widths": [2]}, TABLE, "'width', 'widths': add it"),
        ({"width": [1]}, WIDE, "x has named columns, but the run's data has none; pass an array"),
        (np.full((1, 784), 0.5), MNIST, "from 0.5 to 0.5, but the run was trained on pixels from"),
        (np.ones((1, 784), bool), MNIST, "pixels from 0 to 255; multiply them by 255"),
        (np.full((1, 784), 256), MNIST, "x has values from 256 to 256"),
        (-np.eye(28), MNIST, "x has values from -1 to 0, but the run was trained on pixels"),
    ],
)
def test_what_is_no_example_is_refused(x: Any, inputs: Inputs, message: str) -> None:  # noqa: ANN401
    with pytest.raises(DataError) as refused:
        features(x, inputs)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)

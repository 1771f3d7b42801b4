"""CSV files need a header, numbers and the label last; errors name the line."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnexp.datasets import csv_file
from nnexp.datasets.loading import load
from nnexp.datasets.sources import Csv
from nnexp.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path


def test_a_file_a_split_becomes_a_dataset(tmp_path: Path) -> None:
    train, test = tmp_path / "train.csv", tmp_path / "test.csv"
    train.write_text("a,b,label\n1,0.5,0\n-2,1e-3,1\n\n3,4,2\n")
    test.write_text("a,b,label\r\n7,8,1\r\n")
    dataset = load(Csv(train_file=str(train), test_file=str(test)))
    assert dataset.train.features.tolist() == [[1, 0.5], [-2, 0.001], [3, 4]]
    assert dataset.train.features.dtype == np.float64
    assert dataset.train.labels.tolist() == [0, 1, 2]
    assert dataset.validation is None
    assert dataset.test is not None
    assert dataset.test.features.dtype == np.uint8
    assert dataset.classes == 3
    assert dataset.sha256 == {
        "train_file": hashlib.sha256(train.read_bytes()).hexdigest(),
        "test_file": hashlib.sha256(test.read_bytes()).hexdigest(),
    }


@given(
    table=st.lists(st.tuples(st.integers(0, 255), st.integers(0, 255)), min_size=1),
    rows=st.integers(1, 5),
)
def test_pixels_stay_bytes_however_many_rows_are_parsed_at_a_time(
    tmp_path_factory: pytest.TempPathFactory, table: list[tuple[int, int]], rows: int
) -> None:
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    path.write_text("pixel,label\n" + "".join(f"{x},{y}\n" for x, y in table))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_file, "BLOCK_ROWS", rows)
        features, labels, _ = csv_file.read(path)
    assert features.dtype == np.uint8
    assert features[:, 0].tolist() == [x for x, _ in table]
    assert labels.tolist() == [y for _, y in table]


def test_one_fraction_makes_all_features_floats(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_file, "BLOCK_ROWS", 1)
    path = tmp_path / "a.csv"
    path.write_text("a,label\n255,0\n0.1,1\n256,1\n")
    features = csv_file.read(path).features
    assert (features.dtype, features[:, 0].tolist()) == (np.dtype(np.float64), [255, 0.1, 256])


MALFORMED = {
    "empty": (b"", "is empty; its first line must name the columns"),
    "header only": (b"a,label\n", "contains a header but no examples"),
    "no header": (b"1,2\n3,4\n", "line 1: must be a header that names the columns, got data"),
    "no header behind a byte-order mark": (
        b"\xef\xbb\xbf1,2\n",
        "line 1: must be a header that names",
    ),
    "one column": (b"label\n1\n", "line 1: must have two or more columns, got 'label'"),
    "label first": (
        b"label,pixel0,pixel1\n1,0,0\n",
        "line 1: the label must be the last column, but is column 1 of 3",
    ),
    "ragged": (b"a,b,c\n1,2,0\n\n1,0\n", "line 4: 2 columns, but the header names 3"),
    "all shorter": (b"a,b,c\n1,0\n1,1\n", "line 2: 2 columns, but the header names 3"),
    "text": (b"a,b\n1,0\nx\x1b[2J,1\n", r"line 3, column 1: not a number, got 'x\x1b[2J'"),
    "gap": (b"a,b\n1,0\n,1\n", "line 3, column 1: not a number, got ''"),
    "underscore": (b"a,b\n1_0,0\n", "line 2, column 1: not a number, got '1_0'"),
    "comment": (b"a,b\n#1,0\n", "line 2, column 1: not a number, got '#1'"),
    "quoted": (b'a,b\n"1",0\n', "line 2, column 1: not a number, got '\"1\"'"),
    "semicolons": (b"a;b\n1;0\n", "line 1: must have two or more columns, got 'a;b'"),
    "NaN": (b"a,b\n1,0\nnan,1\n", "line 3: a feature is not a finite number, got 'nan,1'"),
    "infinity": (b"a,b\n1e999,0\n", "line 2: a feature is not a finite number, got '1e999,0'"),
    "negative label": (b"a,b\n1,-1\n", "line 2: the label, in the last column, must be a whole"),
    "label's fraction": (b"a,b\n1,0\n1,0.5\n", "line 3: the label, in the last column, must be"),
    "label NaN": (b"a,b\n1,nan\n", "line 2: the label, in the last column, must be a whole number"),
    "huge label": (b"a,b\n1,1e300\n", "line 2: the label, in the last column, must be a whole"),
    "latin-1": (b"a,b\n1,0\n\xe9,0\n", "line 3: not UTF-8 text"),
    "binary": (bytes(range(256)), "line 1: "),
    "endless line": (b"a,b\n" + b"1" * (1 << 25), "line 2: longer than 1048576 bytes"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_file_is_refused_with_its_line(tmp_path: Path, name: str) -> None:
    content, message = MALFORMED[name]
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        csv_file.read(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < len(str(path)) + 200


def test_a_fault_far_down_is_found_by_its_line(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("a,label\n" + "1,0\n" * 2500 + "1,x\n")
    with pytest.raises(DataError, match="line 2502, column 2: not a number, got 'x'"):
        csv_file.read(path)

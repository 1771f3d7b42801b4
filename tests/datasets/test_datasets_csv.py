"""CSV files need a header, numbers and the label last; errors name the line."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnexp.datasets import csv_file, csv_lines
from nnexp.datasets.loading import load
from nnexp.datasets.sources import Csv
from nnexp.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path


def test_a_file_a_split_becomes_a_dataset(tmp_path: Path) -> None:
    train, test = tmp_path / "train.csv", tmp_path / "test.csv"
    train.write_text("a,b,label\n1,0.5,0\n-2,1e-3,1\n\n3,4,2\n" + "3,4,2\n" * 3)
    test.write_text("a,b,label\r\n7,8,1\r\n")
    dataset = load(Csv(train_file=str(train), test_file=str(test)))
    assert dataset.train.features.tolist() == [[1, 0.5], [-2, 0.001], *[[3, 4]] * 4]
    assert dataset.train.features.dtype == np.float64
    assert dataset.train.labels.tolist() == [0, 1, *[2] * 4]
    assert dataset.validation is None
    assert dataset.test is not None
    assert dataset.test.features.dtype == np.uint8
    assert dataset.classes == 3
    assert dataset.sha256 == {
        "train_file": hashlib.sha256(train.read_bytes()).hexdigest(),
        "test_file": hashlib.sha256(test.read_bytes()).hexdigest(),
    }


@given(
    pairs=st.lists(st.tuples(st.integers(0, 255), st.integers(0, 255)), min_size=1),
    rows=st.integers(1, 5),
)
def test_pixels_stay_bytes_however_many_rows_are_parsed_at_a_time(
    tmp_path_factory: pytest.TempPathFactory, pairs: list[tuple[int, int]], rows: int
) -> None:
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    path.write_text("pixel,label\n" + "".join(f"{x},{y}\n" for x, y in pairs))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_lines, "BLOCK_ROWS", rows)
        table = csv_file.read(path, Csv(train_file=""))
    assert table.features.dtype == np.uint8
    assert table.features[:, 0].tolist() == [x for x, _ in pairs]
    assert [int(table.labels.names[code]) for code in table.labels.codes] == [y for _, y in pairs]


def test_one_fraction_makes_all_features_floats(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_lines, "BLOCK_ROWS", 1)
    path = tmp_path / "a.csv"
    path.write_text("a,label\n255,0\n0.1,1\n256,1\n")
    features = csv_file.read(path, Csv(train_file="")).features
    assert (features.dtype, features[:, 0].tolist()) == (np.dtype(np.float64), [255, 0.1, 256])


MALFORMED = {
    "empty": (b"", "is empty; its first line must name the columns"),
    "header only": (b"a,label\n", "contains a header but no examples"),
    "no header": (b"1.5,2\n3,4\n", "line 1: must be a header that names the columns, got data"),
    "no header behind a byte-order mark": (
        b"\xef\xbb\xbf1,2\n",
        "line 1: must be a header that names",
    ),
    "one column": (b"label\n1\n", "line 1: must have two or more columns, got 'label'"),
    "label first": (
        b"label,pixel0,pixel1\n1,0,0\n",
        "line 1: the label must be the last column, but is column 1 of 3; set data.label: label",
    ),
    "ragged": (b"a,b,c\n1,2,0\n\n1,0\n", "line 4: 2 columns, but the header names 3"),
    "all shorter": (b"a,b,c\n1,0\n1,1\n", "line 2: 2 columns, but the header names 3"),
    "wider": (b"a,b\n1,2,0\n", "line 2: 3 columns, but the header names 2; give row names a name"),
    "text": (
        b"a,b\n1,0\nx\x1b[2J,1\n",
        r"line 3, column 1 ('a'): not a number, got 'x\x1b[2J'; features are numbers",
    ),
    "gap": (b"a,b\n1,0\n,1\n", "line 3, column 1 ('a'): a missing value, ''; fill it in, or"),
    "question mark": (b"a,b\n?,0\n", "line 2, column 1 ('a'): a missing value, '?'"),
    "underscore": (b"a,b\n1_0,0\n", "line 2, column 1 ('a'): not a number, got '1_0'"),
    "comment": (b"a,b\n#1,0\n", "line 2, column 1 ('a'): not a number, got '#1'"),
    "a decimal comma beside commas": (b'a,b\n"1,5",0\n', "not a number, got '1,5'"),
    "an open quote": (b'a,b\n"1,0\n2,1\n', "line 2: a quote opens here and is not closed"),
    "an open quote far above the end": (
        b"a,b\n" + b"1,0\n" * 5 + b'1,"0\n' + b"2,1\n" * 5,
        "line 7: a quote opens here and is not closed; close it",
    ),
    "a quote that the next one closes": (
        b'a,b\n1,"0\n2,1\n3,"x"\n',
        "line 2: not CSV: ',' expected",
    ),
    "a line break in the header": (
        b'"a\nb",label\n1,x\n',
        "line 1: a quote opens here and is not closed; close it; names of columns need to be on",
    ),
    "a carriage return": (b"a,b\n1,0\r2,1\n", "line 2: contains a line end of another kind"),
    "NaN": (b"a,b\n1,0\nnan,1\n", "line 3, column 1 ('a'): a missing value, 'nan'"),
    "infinity": (b"a,b\n1e999,0\n", "line 2, column 1 ('a'): not a finite number, got '1e999'"),
    "no label": (b"a,b\n1,0\n1,\n", "line 3, column 2 ('b'): a missing label, ''"),
    "label NaN": (b"a,b\n1,nan\n", "line 2, column 2 ('b'): a missing label, 'nan'"),
    "a long label": (b"a,b\n1," + b"x" * 101 + b"\n", "line 2, column 2 ('b'): a label of 101"),
    "latin-1": (b"a,b\n1,0\n\xe9,0\n", "line 3: not UTF-8 text, byte 0xe9"),
    "binary": (bytes(range(256)), "line 2: not UTF-8 text, byte 0x80"),
    "endless line": (b"a,b\n" + b"1" * (1 << 25), "line 2: longer than 1048576 bytes"),
    "no name": (b",a,label\n0,1,0\n", "line 1, column 1: has no name (an index?); drop it by"),
    "pandas' index": (b"Unnamed: 0,a,label\n0,1,0\n", 'data.drop: ["Unnamed: 0"]'),
    "a name twice": (b"a,a,label\n0,1,0\n", "column 2: the name 'a' is also that of column 1"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_file_is_refused_with_its_line(tmp_path: Path, name: str) -> None:
    content, message = MALFORMED[name]
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        csv_file.read(path, Csv(train_file=""))
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < len(str(path)) + 250


def test_a_fault_far_down_is_found_by_its_line(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("a,label\n" + "1,0\n" * 2500 + "x,1\n")
    with pytest.raises(DataError, match=r"line 2502, column 1 \('a'\): not a number, got 'x'"):
        csv_file.read(path, Csv(train_file=""))

"""Tables as spreadsheets, pandas and Kaggle write them: no example or digit is lost in silence."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pytest

from nnexp.config import load as load_config
from nnexp.datasets import csv_file, csv_lines
from nnexp.datasets.data_warnings import data_warnings
from nnexp.datasets.loading import load
from nnexp.datasets.name_lists import listed, yaml_list, yaml_name
from nnexp.datasets.sources import Csv
from nnexp.errors import ConfigError, DataError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from nnexp.datasets.dataset import Dataset


def read(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    train: str,
    test: str | None = None,
    keys: str = "",
) -> Dataset:
    """Write a training and a test file, and load them with more keys of data."""
    (folder / "d.csv").write_bytes(train.encode())
    files = "train_file: d.csv"
    if test is not None:
        (folder / "t.csv").write_bytes(test.encode())
        files += ", test_file: t.csv"
    monkeypatch.chdir(folder)
    data = f"{{name: csv, {files}{keys and ', '}{keys}}}"
    return load(load_config.parse(f"data: {data}\n", "c.yaml").data)


def table(*rows: str, times: int = 1) -> str:
    """Return a header and rows, the rows several times."""
    return "".join(f"{row}\n" for row in (rows[0], *rows[1:] * times))


IRIS = ("5.1,3.5,1.4,0.2,setosa", "6.4,3.2,4.5,1.5,versicolor")


class Refused(NamedTuple):
    """A table that is refused: the fact and the advice of the message."""

    train: str
    fact: str
    advice: str
    keys: str = ""
    test: str | None = None


REFUSED = {
    "UCI's iris without a header": Refused(
        table(*IRIS, times=3),
        "d.csv: line 1: must be a header that names the columns, got data, '5.1,3.5,1.4,",
        "add a line of names above it",
    ),
    "no header, the label in front": Refused(
        table("M,17.99,10.38", "B,13.5,14.4"), "line 1: must be a header", "above it", "label: M"
    ),
    "no header, a text and a label": Refused(
        table("7,3.5,Rome,2,x", "8,3,Paris,2,y"), "line 1: must be a header", "above it"
    ),
    "no header, numbers that could be names": Refused(
        table("0,1,2,x", *("3,1,2,x", "4,1,2,y") * 2), "line 1: must be a header", "above it"
    ),
    "no header, few numbers": Refused(
        table("39,Gov,7,Bach,x", *("3,Gov,2,Bach,x", "4,Self,2,Bach,y") * 2),
        "line 1: must be a header",
        "above it",
        "drop: [Gov, Bach]",
    ),
    "a test file without a header": Refused(
        table("a,b,c,d,kind", *IRIS),
        "t.csv: line 1: must be a header",
        "add a line of names above it",
        test=table(*IRIS),
    ),
    "a test file of whole numbers without a header": Refused(
        table("a,b,c,kind", "1,5,7,x", "2,5,8,y", times=3),
        "t.csv: line 1: must be a header that names the columns, got data, '1,5,7,x'",
        "add a line of names above it",
        test=table("1,5,7,x", "2,5,8,y", "3,5,9,x"),
    ),
    "pandas' numbers of columns": Refused(
        table("0,1,2,3,4", *IRIS),
        "got their numbers, '0,1,2,3,4'",
        "replace the line by a line of names or, if it is an example, add the names above it",
    ),
    "pandas' numbers of columns and of rows": Refused(
        table(",0,1,2,3", "0,5.1,3.5,1,x"), "got their numbers, ',0,1,2,3'", "replace the line"
    ),
    "thousands with a comma": Refused(
        table("a;b;kind", "1.64;1,007;x"),
        "line 2, column 2 ('b'): '1,007' has a decimal comma, but '1.64' in line 2 has a decimal",
        "remove thousands separators, or use one decimal sign in the whole file",
    ),
    "thousands with a point": Refused(
        table("a;b;kind", "1,64;2;x", "1,5;1.007;x"),
        "line 3, column 2 ('b'): '1.007' has a decimal point, but '1,64' in line 2 has a decimal c",
        "remove thousands separators",
    ),
    "points and commas in one column": Refused(
        table("a;kind", "1.234;x", "2,5;y"), "line 3, column 1 ('a'): '2,5' has", "thousands"
    ),
    "a decimal comma beside tabs": Refused(
        table("a\tkind", "1,5\tx"),
        "line 2, column 1 ('a'): not a number, got '1,5' (commas are decimal signs beside ; only)",
        "write decimal points, and no thousands separators",
    ),
    "a decimal comma beside bars": Refused(
        table("a|kind", "1,500|x"), "not a number, got '1,500'", "write decimal points"
    ),
    "an unknown test label beside 1.0": Refused(
        table("a,kind", "1,1", "2,2", "3,4", times=2),
        "t.csv: column 'kind' (the last one): label 'unknown' in line 3 does not occur",
        "(known: 1, 2, 4); correct it, or choose classes by data.classes",
        test=table("a,kind", "1,1.0", "2,unknown", "3,2"),
    ),
    "a test label with a fraction": Refused(
        table("a,kind", "1,1", "2,2", times=3),
        "label '1.5' in line 2 does not occur",
        "choose classes",
        test=table("a,kind", "1,1.5"),
    ),
    "a measurement as the label beside text": Refused(
        table("a,b,kind", "1001,2,x", "1.5,3,y"),
        "d.csv: column 'a' is '1.5' in line 3: numbers with fractions are a regression target",
        "and nnexp classifies; set data.label: kind",
        "label: a",
    ),
    "a column without a name, and one to drop that is missing": Refused(
        table(",a,kind", "1,2,x"), "column 1: has no name", 'drop: [a, ""], or', "drop: [id, a]"
    ),
    "a column to drop in other letters": Refused(
        table("id,a,kind", "1,2,x"), "no column 'ID'", "did you mean 'id'?", "drop: [ID]"
    ),
    "a column that is called 1": Refused(
        table("a,1,kind", "1,x,p"),
        "line 2, column 2 ('1'): not a number",
        'set data.label: "1"; or drop text columns by data.drop: ["1"]',
    ),
    "a name with a comma, and a column that is dropped already": Refused(
        table('"Length, cm",id,kind', "p,1,x"),
        "line 2, column 1 ('Length, cm'): not a number",
        'data.drop: [id, "Length, cm"]',
        "drop: [id]",
    ),
    "a test file with a column more": Refused(
        table("a,kind", "1,x"),
        "t.csv: line 1: has a column '2' that the training file lacks",
        'drop it by data.drop: ["2"]',
        test=table("a,2,kind", "1,2,x"),
    ),
    "a delimiter that stands in no line": Refused(
        table("a,b,kind", "1,2,x"),
        "line 1: must have two or more columns, got 'a,b,kind'; the delimiter is ';'",
        "correct data.delimiter, or leave it out",
        'delimiter: ";"',
    ),
    "an unclear delimiter": Refused(
        table("Length, cm;Width, cm;kind", "1;2"),
        "line 2: 1 columns, but the header names 3",
        "or set data.delimiter if it is not ','",
    ),
    "a row of tabs and a label": Refused(
        table("a\tb\tkind", "1\t2\tx", "\t\ty"),
        "line 3, column 1 ('a'): a missing value, ''",
        "fill it in",
    ),
    "a price, missing in words": Refused(
        table("a,price", *(f"1,{p}" for p in ("n/a", "3", "2.25", "4")), times=3),
        "column 'price' (the last one) is '2.25' in line 4: numbers with fractions are a regr",
        "name the labels' column by data.label (others: a)",
    ),
    "a price with a decimal comma, missing in words": Refused(
        table("a;price", "1;unknown", "1;1,5", times=3), "is '1,5' in line 3", "name the labels'"
    ),
    "a fraction beyond the digits of a float": Refused(
        table("a,price", "1,x", "1,0.99999999999999999999", times=3),
        "is '0.99999999999999999999' in line 3: numbers with fractions",
        "name the labels'",
    ),
    "text that identifies the examples": Refused(
        table("a,kind", *(f"1,n{i}" for i in range(60))),
        "has 60 different labels in 60 examples: these are identifiers, not classes",
        "name the labels' column by data.label (others: a)",
    ),
    "prices without fractions, missing in words": Refused(
        table("a,price", *(f"1,{i}" for i in range(10)), "1,n/a"),
        "11 different labels in 11 examples: that is a regression target",
        "name the labels'",
    ),
    **{
        f"the usual name {name} in column {column}": Refused(
            table(header, "1,2,3", "2,3,4"),
            f"line 1: the label must be the last column, but is column {column} of 3",
            f"set data.label: {name}, or data.label: {last}",
        )
        for header, column, name, last in (
            ("class,x,y", 1, "class", '"y"'),
            ("target,x,y", 1, "target", '"y"'),
            ("x,labels,y", 2, "labels", '"y"'),
            ("Species,a,b", 1, "Species", "b"),
            ("a,CLASS,b", 2, "CLASS", "b"),
            ("y,x1,x2", 1, '"y"', "x2"),
        )
    },
    "names that are numbers, without a label's name": Refused(
        table("400,500,620", "1,2,0", "2,3,1", times=3),
        "must be a header that names the columns, got data, '400,500,620'",
        "if these are names, write them as w400, w500",
    ),
    "no header, a label that recurs": Refused(
        table("1,5,7,x", "2,5,8,y", "3,4,9,x"), "got data, '1,5,7,x'", "write them as w1, w5"
    ),
    "no header, a label that recurs far down": Refused(
        table("1,5,7,x", *("2,5,8,y",) * 9, "3,4,9,x"), "got data, '1,5,7,x'", "names above it"
    ),
    "sep= that is wrong": Refused(
        "sep=,\n" + table("a;b;kind", "1;2;x"),
        "line 2: must have two or more columns, got 'a;b;kind'; the delimiter is ','",
        "correct or remove line 1, 'sep=,'",
    ),
    "sep= that is wrong above decimal commas": Refused(
        "sep=,\n" + table("a;b;kind", "1,5;2,5;x", times=3),
        "got 'a;b;kind'; the delimiter is ','",
        "correct or remove line 1, 'sep=,'",
    ),
    "sep= that is wrong beside names with units": Refused(
        "sep=,\n" + table("Length, cm;Width, cm;kind", "1;2;x"),
        "line 3: 1 columns, but the header names 3",
        "or correct or remove line 1, 'sep=,'",
    ),
    "a delimiter at the end of each row": Refused(
        table("a,b,kind", "1,2,x,", "2,3,y,"),
        "line 2: 4 columns, but the header names 3",
        "remove the last delimiter of each line",
    ),
    "several delimiters at the end of each row": Refused(
        table("a;b;kind", "1;2;x; ;", "2;3;y;;"),
        "line 2: 5 columns, but the header names 3",
        "remove the last 2 delimiters of each line",
    ),
    **{
        f"a title line, {title!r}": Refused(
            table(title, "a,b,kind", "1,2,x", "2,3,y"),
            fact,
            "if the line is a title, remove it",
            keys,
        )
        for title, fact, keys in (
            ("Measurements 2024,,", "line 1: most columns have no name, got 'Measurements", ""),
            ("Measurements 2024,,", "line 1: most columns have no name", 'drop: [""]'),
            ("Measurements,Unnamed: 1,Unnamed: 2", "most columns have no name", ""),
            ("Measurements 2024", "line 1: must have two or more columns, got 'Meas", ""),
            ("Measured 2024", "must have two or more columns", 'delimiter: ","'),
        )
    },
    "a label before the last column": Refused(
        table("kind,a,source", "versicolor,1,lab"),
        "line 2, column 1 ('kind'): not a number, got 'versicolor'; the label is the last column, "
        "'source'",
        "if it is 'kind', set data.label: kind; or drop text columns by data.drop: [kind]",
    ),
    "several columns of text": Refused(
        table("kind,city,source", "versicolor,Rome,lab"),
        "the label is the last column, 'source'",
        "if it is one of the text columns, name that by data.label; or drop",
    ),
    "a unit in a number": Refused(
        table("a,kind", "3kg,x", "2,y"), "got '3kg'; features are numbers", "correct it, or drop"
    ),
    "text far down": Refused(
        table("a,kind", "1,x", "2O,y"),
        "line 3, column 1 ('a'): not a number, got '2O'",
        "correct it",
    ),
    "a test file without labels": Refused(
        table("id,a,kind", "1,1,x", "2,2,y"),
        "t.csv: line 1: has no column 'kind', which holds the labels in the training file",
        "add it, or leave the file out of the config",
        "drop: [id]",
        table("id,a", "1,2"),
    ),
    "a test file whose label has another name": Refused(
        table("a,kind", "1,x", "2,y"),
        "t.csv: line 1: has no column 'kind' of the training file and has a column 'Kind'",
        "rename one of them or, if the file has no labels, leave it out",
        test=table("a,Kind", "1,x"),
    ),
    "a comment": Refused(
        table("# measured, in 1936", "a,b,kind", *("1,2,x",) * 3),
        "line 1: is a comment, got '# measured, in 1936'",
        "remove the line",
    ),
    "columns aligned by blanks": Refused(
        table("a    b   kind", "1    2   x"),
        "got 'a    b   kind': they are separated by blanks",
        "save the file with commas",
    ),
    "many columns": Refused(
        table(",".join(f"c{i}" for i in range(12)), ",".join("1" * 12)),
        "column 'c11' (the last one): only one class, '1'",
        "(others: c0, c1, c2, c3, c4, c5, c6, c7, …)",
    ),
    "a fault behind sep=": Refused(
        table("sep=;", "a;kind", "1,5;x", "q;y"), "line 4, column 1 ('a'): not a number", "correct"
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_table_is_refused_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    case = REFUSED[name]
    with pytest.raises(DataError) as caught:
        read(tmp_path, monkeypatch, case.train, case.test, case.keys)
    message = str(caught.value)
    assert case.fact in message
    assert case.advice in message[len(message) // 3 :]
    assert len(message) < 300


class Understood(NamedTuple):
    """A table that becomes examples: the first one's features, and all classes."""

    train: str
    first: list[float]
    classes: list[str]
    keys: str = ""


UNDERSTOOD = {
    "Excel's first line": Understood(
        "sep=;\n" + table("a;b;kind", "1,5;2;x", "2;3;y", times=2), [1.5, 2], ["x", "y"]
    ),
    "names with units": Understood(
        table("Length, cm;Width, cm;kind", "1,5;2;x", "2;3,5;y", times=2), [1.5, 2], ["x", "y"]
    ),
    "names with units, and a comma in every field": Understood(
        table("Length, cm;Width, cm;kind", "1,5;2,5;x", "2,1;3,5;y", times=2),
        [1.5, 2.5],
        ["x", "y"],
    ),
    "dots outside of the features": Understood(
        table("a;b;kind", "1,5;2;v.1", "2;3;v.2", times=2), [1.5, 2], ["v.1", "v.2"]
    ),
    "quotes beside decimal commas": Understood(
        table("a;b;kind", '"1,5";2;"x;y"', "2;3,5;z", times=2), [1.5, 2], ["x;y", "z"]
    ),
    "carriage returns": Understood(
        table("a,b,kind", "1,2,x", "2,3,y", times=2).replace("\n", "\r"), [1, 2], ["x", "y"]
    ),
    "labels that are missing elsewhere": Understood(
        table("a,kind", "1,none", "2,-", "3,n/a", "4,null", "5,Na", times=2),
        [1],
        ["-", "Na", "n/a", "none", "null"],
    ),
    "codes with leading zeros": Understood(
        table("a,kind", "1,01", "2,1", times=2), [1], ["01", "1"]
    ),
    "whole numbers with fractions and exponents": Understood(
        table("a,kind", "1,1.0", "2,2e0", "3,1", "4,2", times=2), [1], ["1", "2"]
    ),
    "whole numbers beside a name": Understood(
        table("a,kind", "1,1.0", "2,1", "3,none", times=2), [1], ["1", "none"]
    ),
    "numbered features": Understood(
        table("0,1,2,3,kind", *IRIS, times=2), [5.1, 3.5, 1.4, 0.2], ["setosa", "versicolor"]
    ),
    "wavelengths as names": Understood(
        table("400.5,401,402,404,406,407,408,409,kind", "1,2,3,4,5,6,7,8,x", "8,2,3,4,5,6,7,8,y"),
        [1, 2, 3, 4, 5, 6, 7, 8],
        ["x", "y"],
    ),
    **{
        f"empty fields as rows, by {delimiter!r}": Understood(
            (",,\n" + table("a,b,kind", ",,", "1,2,x", " , ,", "2,3,y", times=2)).replace(
                ",", delimiter
            ),
            [1, 2],
            ["x", "y"],
        )
        for delimiter in (",", ";", "\t", "|")
    },
    "empty fields as rows, in quotes": Understood(
        table("a,b,kind", '"1","2","x"', '"","",""', "2,3,y", times=2), [1, 2], ["x", "y"]
    ),
    "empty fields as rows behind quotes in quotes": Understood(
        table("a,b,kind", '1,2,"x ""y"""', '"",,', "2,3,y", times=2), [1, 2], ['x "y"', "y"]
    ),
    "an empty line of delimiters in quotes": Understood(
        table("a,kind", '1,"x\n,\ny"', "2,z", times=2), [1], ["x , y", "z"]
    ),
    "neighbours beyond the digits of a float": Understood(
        table(
            "a,kind",
            *("1,9007199254740992", "2,9007199254740993", "3,9007199254740993.0"),
            times=3,
        ),
        [1],
        ["9007199254740992", "9007199254740993", "9007199254740993.0"],
    ),
    "an exponent of many digits": Understood(
        table("a,kind", "1,1e-99999999999999999999", "2,1e99999999999999999999", times=2),
        [1],
        ["1e-99999999999999999999", "1e99999999999999999999"],
    ),
    **{
        f"names that are numbers, {header}": Understood(
            table(header, row, row.replace("x", "y"), times=2),
            [1, *[2] * (row.count(",") - 1)],
            ["x", "y"],
        )
        for header, row in (
            ("400,500,label", "1,2,x"),
            ("2010,2011,2015,label", "1,2,2,x"),
            ("450,532,650,k", "1,2,2,x"),
            ("650,450,532,k", "1,2,2,x"),
            ("400.5,401.25,499,kind", "1,2,2,x"),
        )
    },
    "coordinates x and y": Understood(
        table("x,y,kind", "1,2,p", "2,3,q", times=2), [1, 2], ["p", "q"]
    ),
    "two usual names of labels": Understood(
        table("class,a,target", "1,2,p", "2,3,q", times=2), [1, 2], ["p", "q"]
    ),
    "columns without names that are dropped": Understood(
        table("a,kind,,,", "1,x,,,", "2,y,,,", times=2), [1], ["x", "y"], 'drop: [""]'
    ),
    "a blank line of blanks": Understood(table("a,kind", "1,x", "   ", "2,y"), [1], ["x", "y"]),
}


@pytest.mark.parametrize("name", UNDERSTOOD)
def test_a_table_is_understood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    case = UNDERSTOOD[name]
    dataset = read(tmp_path, monkeypatch, case.train, keys=case.keys)
    assert dataset.train.features[0].tolist() == case.first
    assert list(dataset.class_names) == case.classes


def test_names_that_are_numbers_are_matched_in_another_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train = table("400,500,label", "1,2,x", "3,4,y", times=3)
    dataset = read(tmp_path, monkeypatch, train, table("label,500,400", "y,4,3"))
    assert dataset.test is not None
    assert dataset.test.features.tolist() == [[3, 4]]


@pytest.mark.parametrize("rows", [1, 2, 1000])
def test_decimal_signs_are_compared_between_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    monkeypatch.setattr(csv_lines, "BLOCK_ROWS", rows)
    path = tmp_path / "d.csv"
    path.write_text("a;kind\n1;x\n2,5;y\n3;x\n4;y\n1.007;x\n")
    with pytest.raises(DataError, match=r"line 6, .*'1.007' has .* but '2,5' in line 3 has"):
        csv_file.read(path, Csv(train_file=""))


def test_carriage_returns_are_understood_in_any_chunks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_lines, "MAX_LINE_BYTES", 7)
    path = tmp_path / "d.csv"
    path.write_text("a,kind\r" + "1,x\r22,yy\r" * 9, newline="")
    labels = csv_file.read(path, Csv(train_file="")).labels
    assert labels.codes.tolist() == [0, 1] * 9
    path.write_text("a,kind\r" + "1,x\r22222,yy\r" * 9, newline="")
    with pytest.raises(DataError, match="line 3: longer than 7 bytes"):
        csv_file.read(path, Csv(train_file=""))


def test_classes_drops_unknown_test_labels_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train = table("a,kind", "1,1", "2,2", "3,3", times=2)
    test = table("a,kind", "1,1.0", "2,unknown", "3,2", "4,0.5", "5,99999999999999999999")
    dataset = read(tmp_path, monkeypatch, train, test, "classes: [2, 1]")
    assert dataset.test is not None
    assert dataset.test.labels.tolist() == [1, 0]
    assert dataset.test.features[:, 0].tolist() == [1, 3]


@pytest.mark.parametrize(
    ("name", "value", "fact"),
    [
        ("n", lambda i: i, "numbers the examples"),
        ("no", lambda i: i + 1, "numbers the examples"),
        ("n", lambda i: i ^ (4 < i < 8), ""),
        ("n", lambda i: 9000 + 7 * i, "numbers the examples"),
        ("n", lambda i: 60 - 5 * i, "numbers the examples"),
        ("n", lambda i: 0.5 * i, ""),
        ("n", lambda i: i * i, ""),
        ("id", lambda i: 7 * i % 13, "identifier"),
        ("patient_id", lambda i: 7 * i % 13, "identifier"),
        ("Patient ID (clinic 2)", lambda i: 7 * i % 13, "identifier"),
        ("patientId", lambda i: 7 * i % 13, "identifier"),
        ("NR", lambda i: 7 * i % 13, "identifier"),
        ("order no.", lambda i: 7 * i % 13, "identifier"),
        ("index", lambda i: 7 * i % 13, "identifier"),
        ("customer number", lambda i: 7 * i % 13, "identifier"),
        ("id", lambda i: 7 * i % 11, ""),
        ("id", lambda i: 7 * i % 13 + 0.5, ""),
        ("number of rooms", lambda i: 7 * i % 13, ""),
        ("humidity", lambda i: 7 * i % 13, ""),
        ("idée", lambda i: 7 * i % 13, ""),
    ],
)
def test_columns_that_number_or_identify_the_examples_cause_a_warning(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    value: Callable[[int], float],
    fact: str,
) -> None:
    rows = [f"{value(i)},{i % 5},{'xy'[i % 2]}" for i in range(12)]
    dataset = read(
        tmp_path, monkeypatch, table(f"{name},a,kind", *rows), keys="standardize: true, test: 4"
    )
    warnings = data_warnings(dataset)
    assert len(warnings) == bool(fact)
    for warning in warnings:
        assert fact in warning
        assert repr(name) in warning
        assert warning.endswith(f"drop it by data.drop: {yaml_list([name])}")


def test_many_rare_whole_numbers_cause_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def warnings(classes: int, examples: int, prefix: str = "") -> list[str]:
        rows = [f"{i % 7},{prefix}{i % classes}" for i in range(classes * examples)]
        dataset = read(tmp_path, monkeypatch, table("a,kind", *rows))
        return [text for text in data_warnings(dataset) if "a regression target" in text]

    assert len(warnings(31, 4)) == 1
    assert "the labels are 31 different whole numbers, 31 of them with" in warnings(31, 4)[0]
    assert warnings(30, 4) == warnings(31, 5) == warnings(31, 4, "x") == []


NAMES = [
    "id",
    "1",
    "",
    "Length, cm",
    "no",
    "a: b",
    'a"b',
    "ä b",
    "[x]",
    "#1",
    "1e3",
    "-",
    " a",
    "~",
]


def test_proposed_lists_are_read_as_the_same_names() -> None:
    config = load_config.parse(
        f"data: {{name: csv, train_file: d.csv, drop: {yaml_list(NAMES)}}}\n", "c.yaml"
    )
    assert isinstance(config.data, Csv)
    assert list(config.data.drop) == NAMES
    assert [yaml_name(name) for name in ("id", "sepal length", "")] == ["id", "sepal length", '""']


def test_lists_of_names_end_in_an_ellipsis_if_there_are_more() -> None:
    assert listed(["a", "b", "c"], 3) == "a, b, c"
    assert listed(["a", "b", "c"], 2) == "a, b, …"


@pytest.mark.parametrize("delimiter", ["\\n", "\\r", '\\"', "x", "1", "-", "."])
def test_a_delimiter_that_cannot_divide_numbers_is_refused(delimiter: str) -> None:
    text = f'data: {{name: csv, train_file: d.csv, delimiter: "{delimiter}"}}\n'
    with pytest.raises(ConfigError, match=r"data\.delimiter: must be no line end, quote, letter"):
        load_config.parse(text, "c.yaml")


@pytest.mark.parametrize("delimiter", [" ", ":", "#", "\x1f"])
def test_any_other_delimiter_divides(tmp_path: Path, delimiter: str) -> None:
    path = tmp_path / "d.csv"
    path.write_text("a,b,kind\n1,2,x\n3,4,y\n".replace(",", delimiter))
    features = csv_file.read(path, Csv(train_file="", delimiter=delimiter)).features
    np.testing.assert_array_equal(features, [[1, 2], [3, 4]])

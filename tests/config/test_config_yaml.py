"""The strict YAML reader accepts a subset, and reports the position of each error."""

from __future__ import annotations

import contextlib
import math
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnexp.config import load, reader, scalars
from nnexp.config.problem import Place
from nnexp.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path


def root(text: str) -> object:
    document = reader.read(text, Place("a.yaml"))
    assert document.problems == []
    return document.root


def refusal(content: str | bytes) -> str:
    with pytest.raises(ConfigError) as caught:
        load.parse(content, "a.yaml")
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("1E3", 1000.0),
        ("+.5", 0.5),
        ("3.", 3.0),
        ("-7", -7),
        ("007", 7),
        ("0o17", 15),
        ("0x1F", 31),
        ("no", "no"),
        ("on", "on"),
        ("yes", "yes"),
        ("12:30", "12:30"),
        ("1_000", "1_000"),
        ("0b1", "0b1"),
        ("2024-01-01", "2024-01-01"),
        ("=", "="),
        ("~", None),
        ("", None),
        ("Null", None),
        ("True", True),
        ("false", False),
        (".inf", math.inf),
        ("-.INF", -math.inf),
        ("'1'", "1"),
        ('"null"', "null"),
        ("'no'", "no"),
        ('"\\x41\\u00e9"', "Aé"),
        ("[30, 2e1, [no]]", [30, 20.0, ["no"]]),
        ("{a: 1, b: {c: ~}}", {"a": 1, "b": {"c": None}}),
        ("٣", "٣"),  # a digit, but no YAML number
    ],
)
def test_scalars_follow_yaml_1_2_and_not_1_1(text: str, value: object) -> None:
    assert root(text) == value
    assert type(root(text)) is type(value)


def test_nan_is_read_as_nan() -> None:
    assert math.isnan(float(str(root(".nan"))))


def test_every_key_and_value_knows_where_it_stands() -> None:
    document = reader.read("a: 1\nb:\n  - x\n  - {c: 2}\n", Place("f"))
    assert str(document.values["a",]) == "f:1:4"
    assert str(document.values["b", 1, "c"]) == "f:4:9"
    assert str(document.keys["b", 1, "c"]) == "f:4:6"


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "\ufeff", "{}", "~"])
def test_an_empty_file_is_the_default_config(text: str) -> None:
    assert load.parse(text, "a.yaml") == load.parse("seed: 0", "a.yaml")


def test_all_that_is_refused_is_reported_at_once_and_in_order() -> None:
    text = (
        "seed: 1\n"
        "epochs: &e 2\n"
        "seed: 3\n"
        "<<: {dtype: float64}\n"
        "hidden: !!seq [30]\n"
        "data: {name: mnist, name: idx}\n"
        "learning_rate: *e\n"
        "1.0: 2\n"
        "? [a, b]\n"
        ": 3\n"
        "seed: 4\n"
    )
    assert refusal(text).splitlines() == [
        "a.yaml:2:9: epochs: anchors (&) are not allowed",
        "a.yaml:3:1: seed: duplicate key 'seed'; it is already on line 1",
        "a.yaml:4:1: merge keys (<<) are not allowed; write the keys out",
        "a.yaml:5:9: hidden: tags (!) are not allowed",
        "a.yaml:6:21: data.name: duplicate key 'name'; it is already on line 6",
        "a.yaml:7:16: learning_rate: aliases (*) are not allowed; write the value again",
        "a.yaml:8:1: a key must be a name, got 1.0",
        "a.yaml:9:3: a key must be a name, not a list, mapping or alias",
        "a.yaml:11:1: seed: duplicate key 'seed'; it is already on line 1",
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a:\n\tb: 1", "a.yaml:2:1: a tab is not allowed here; indent with spaces"),
        (
            "hidden: [30\nseed: 2",
            "a.yaml:2:5: a ',' or the closing ']' is missing before this (begun on line 1)",
        ),
        (
            "data: 'x\nseed: 1",
            "a.yaml:2:8: a quoted value is not closed before the end (begun on line 1)",
        ),
        (
            "epochs: 3: 4",
            (
                "a.yaml:1:10: a ':' is not allowed here; check the indentation above, "
                "or put the value in quotes"
            ),
        ),
        (
            "data: @here",
            "a.yaml:1:7: a value cannot begin with this character; put it in quotes",
        ),
        ("- 1", "a.yaml:1:1: must be a mapping of keys to values, got a list"),
        ("hello", "a.yaml:1:1: must be a mapping of keys to values, got 'hello'"),
        (
            "seed: 1\n---\nseed: 2",
            "a.yaml:2:1: a second document starts here; a config must be one document",
        ),
        ("seed: 1\r\nrng: \x00", "a.yaml:2:6: the character U+0000 is not allowed"),
        ('rng: "\\ud800"', "a.yaml:1:6: rng: the character U+D800 is not allowed"),
        ('rng: "\\UFFFFFFFF"', "a.yaml:1:1: an escape or a version after this is out of range"),
        (b"seed: 1\nrng: \xff", "a.yaml:2:6: not UTF-8 text (byte 0xff)"),
        ("seed: " + "9" * 5000, "a.yaml:1:7: seed: a number of 5000 digits is too long"),
        ("seed: 1 #" + "x" * 65536, "a.yaml: a config has at most 65536 bytes"),
        (
            "hidden: [" + "1," * 5000 + "]",
            "a.yaml:1:10000: a config has at most 5000 keys and values",
        ),
        (
            "hidden: [*a, 1]",
            "a.yaml:1:10: hidden[0]: aliases (*) are not allowed; write the value again",
        ),
        ("hidden: " + "[" * 30, "a.yaml:1:29: values are nested more than 20 deep"),
    ],
)
def test_a_refused_text_is_one_line_in_plain_words(content: str | bytes, message: str) -> None:
    assert refusal(content) == message


@pytest.mark.parametrize(
    "text",
    [
        "hidden: [" + "1," * 30000 + "]",
        "a: 1\n" * 12000,
        "".join(f"learning_ratee{i:04}: x\n" for i in range(3000)),
        "[" * 60000,
        "{a: " * 15000,
        "- " * 30000,
        '"' + "\\x41" * 16000,
    ],
)
def test_a_hostile_text_is_refused_quickly_and_briefly(text: str) -> None:
    start = time.process_time()
    with pytest.raises(ConfigError) as caught:
        load.parse(text, "a.yaml")
    assert len(caught.value.problems) <= 51
    assert time.process_time() - start < 10.0  # quadratic time would be minutes


@settings(deadline=None)
@given(
    st.text(alphabet=st.sampled_from("ab:,-?*&!|>%@`'\"[]{}#\n\t \\0x1.~<=\r\u2028é"), max_size=30)
)
def test_any_text_is_a_config_or_a_config_error(text: str) -> None:
    with contextlib.suppress(ConfigError):
        load.parse(text, "a.yaml", [text, f"data={text}"])


@settings(deadline=None)
@given(st.one_of(st.text(), st.integers(), st.floats(), st.booleans(), st.none()))
def test_a_scalar_written_is_read_as_the_same_scalar(scalar: scalars.Scalar) -> None:
    if isinstance(scalar, str) and reader.UNWRITABLE.search(scalar):
        return
    read = root(scalars.text(scalar))
    assert type(read) is type(scalar)
    assert read == scalar or (read != read and scalar != scalar)  # noqa: PLR0124 - nan


@pytest.mark.parametrize(
    "scalar",
    [
        "1e3",
        "no",
        "0o17",
        "null",
        "~",
        "",
        "true",
        ".inf",
        "0x1",
        " a",
        "a: b",
        "# c",
        "'",
        "\n",
        "\u2028",
        "\x85",
        "😀",
        "-",
    ],
)
def test_a_string_that_looks_like_something_else_stays_a_string(scalar: str) -> None:
    assert root(scalars.text(scalar)) == scalar


def test_a_missing_file_and_a_file_of_another_kind_exit_2_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nnexp.config.argument.WAIT", 0.1)
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    for path, reason in [
        (tmp_path / "none.yaml", "there is no such file"),
        (tmp_path, "is neither a file nor a run"),
        (fifo, "nothing was written to this pipe"),
    ]:
        with pytest.raises(ConfigError) as caught:
            load.read(path)
        assert str(caught.value).startswith(f"{path}: {reason}")
        assert caught.value.exit_code == 2


def test_messages_name_the_file_as_it_was_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "b.yaml").write_text("seed: x\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"^\./b\.yaml:1:7: seed: "):
        load.read("./b.yaml")


def test_a_syntax_error_is_told_without_numpy() -> None:
    program = (
        "import sys\n"
        "from nnexp.config import load\n"
        "from nnexp.errors import ConfigError\n"
        "try: load.parse('a: [', 'a.yaml', ['b'])\n"
        "except ConfigError as error: print(len(error.problems), 'numpy' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "2 False\n"

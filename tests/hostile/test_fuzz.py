"""Fuzzing: readers reject random bytes and slightly wrong files with a proper error.

The inputs are fixed, so that every machine tries the same ones; benchmarks/fuzz.py tries longer
and random ones.
"""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nnexp.config import dump, load
from nnexp.datasets import csv_file, idx, npz
from nnexp.datasets.files import MalformedError
from nnexp.datasets.sources import Csv
from nnexp.errors import CorruptError, NnexpError, UsageError, one_line, printable
from nnexp.names import is_run_name
from nnexp.store import checkpoint, metrics, records, run
from nnexp.store.meta import Meta
from nnexp.store.records import DataRecord, Fault, Result, RunRecord, Versions
from nnexp.training.history import Row

T = TypeVar("T")

few = settings(
    max_examples=150,
    derandomize=True,
    database=None,
    deadline=5000,
    suppress_health_check=[HealthCheck.too_slow],
)


def survived(reader: Callable[[], T], *allowed: type[Exception]) -> T | None:
    """Return what a reader makes of its input; of an error, only its words are looked at."""
    try:
        return reader()
    except allowed as error:
        told = error
    if isinstance(told, NnexpError | MalformedError):  # what is no user's error is not shown
        assert all(line.isprintable() for line in str(told).split("\n")), ascii(str(told))
    return None


@st.composite
def damaged(draw: st.DrawFn, wholes: list[bytes]) -> bytes:
    """Return one of some sound files, cut, repeated, overwritten and patched here and there."""
    content = bytearray(draw(st.sampled_from(wholes)))
    telling = st.sampled_from([b"", b"\0", b"\xff" * 4, b"-1", b"1e999", b"\x1b[31m", b"{", b'"'])
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(content)))
        end = draw(st.integers(at, min(len(content), at + 16)))
        content[at:end] = draw(st.one_of(st.binary(max_size=8), telling, st.just(content[:at])))
    return bytes(content)


# Configs

SOUND = dump.to_yaml(load.parse("", "c")).encode()
PIECES = st.lists(
    st.sampled_from(
        [
            *("hidden", "data", "optimizer", "name", "sgd", "idx", "lambda", ": ", "\n", "\n  "),
            *("- ", "[", "]", "{", "}", ", ", "&a ", "*a", "!!", "!x ", "? ", "| \n", ">\n", "'"),
            *('"', "\\x", "\\u", "#", "%YAML", "---", "...", "<<", "~", "1e3", ".nan", "-", "0x"),
            *("9" * 30, "\t", "\0", "\x1b", "\u202e", "\ufeff", "ä"),
        ]
    )
).map("".join)


@few
@given(st.one_of(st.binary(max_size=200), damaged([SOUND]), PIECES.map(str.encode)))
def test_any_bytes_are_a_config_or_a_list_of_problems(content: bytes) -> None:
    config = survived(lambda: load.parse(content, "c.yaml"), NnexpError)
    if config is not None:
        assert load.parse(dump.to_yaml(config), "again") == config


@few
@given(st.one_of(PIECES, st.text(max_size=50)), st.one_of(PIECES, st.text(max_size=50)))
def test_any_words_are_a_setting_or_a_problem(key: str, value: str) -> None:
    survived(lambda: load.parse("", "c.yaml", [f"{key}={value}"]), NnexpError)


# Data

ENDLESS = b"\0\0\x08\x03" + b"\xff" * 8 + bytes(4)
"""A header that atheris came upon: no values, in a shape that NumPy cannot count."""
IMAGES = b"\0\0\x08\x03" + b"".join(n.to_bytes(4, "big") for n in (3, 2, 2)) + bytes(12)


@few
@given(
    st.one_of(st.binary(max_size=100), damaged([IMAGES, ENDLESS, gzip.compress(IMAGES, mtime=0)]))
)
def test_any_bytes_are_images_or_malformed(content: bytes) -> None:
    read = survived(lambda: idx.parse(io.BytesIO(content), idx.IMAGES), MalformedError)
    if read is not None:
        assert read.array.size <= 1032 * len(content)


def archived(*, compressed: bool) -> bytes:
    written = io.BytesIO()
    save = np.savez_compressed if compressed else np.savez
    save(written, x_train=np.arange(6.0).reshape(3, 2), y_train=np.arange(3))
    return written.getvalue()


@few
@given(damaged([archived(compressed=False), archived(compressed=True)]))
def test_any_archive_is_arrays_or_malformed(content: bytes) -> None:
    survived(lambda: npz.parse(io.BytesIO(content), lambda _: None), MalformedError)


CELLS = st.sampled_from(
    [*("1", "0", "-1", "2.5", "nan", "1e999", "", "a", "٣", '"1"', "\0", "\u202e", "1_0"), "label"]
)
TABLES = st.lists(st.lists(CELLS, max_size=4).map(",".join), max_size=6).map("\n".join)


@few
@given(
    st.one_of(
        st.binary(max_size=200),
        TABLES.map(str.encode),
        TABLES.map("a,label\n".__add__).map(str.encode),
    )
)
def test_any_text_is_a_table_or_malformed(content: bytes) -> None:
    table = survived(
        lambda: csv_file.parse(io.BytesIO(content), Csv(train_file="")), MalformedError
    )
    if table is not None:
        assert len(table.features) == len(table.labels.codes)
        assert np.isfinite(table.features).all()


# Runs

RECORD = RunRecord(
    name="n",
    config={"hidden": [30], "data": {"name": "npz", "file": "ä.npz"}},
    config_sha256="c" * 64,
    data=DataRecord(sha256={"x": "d"}, train=5, validation=0, test=0, features=3, classes=2),
    versions=Versions(**dict.fromkeys(Versions.__struct_fields__, "1")),
    numerics="f",
)
ROWS = [Row(epoch=1, learning_rate=0.5, train_cost=0.1), Row(epoch=2, learning_rate=None)]
RESULT = Result(
    status="diverged",
    reason="diverged",
    epochs=2,
    best=ROWS[0],
    final=ROWS[1],
    test_cost=None,
    test_accuracy=None,
    fault=Fault(epoch=2, batch=1, found="x"),
    files={"metrics.jsonl": "e"},
)
JSON = st.recursive(
    st.one_of(
        *(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)),
        st.sampled_from([2**63, -(2**70), 10**400, 999]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["schema", "epoch", "data", "checksum", "\x1b"]), inner),
    ),
    max_leaves=8,
)


@few
@given(
    st.one_of(
        *(st.binary(max_size=100), JSON.map(json.dumps).map(str.encode)),
        damaged([records.seal(RECORD), records.seal(RESULT)]),
    ),
    st.sampled_from([RunRecord, Result]),
)
def test_any_bytes_are_the_sealed_record_or_damaged(content: bytes, kind: type) -> None:
    found = survived(lambda: records.unseal(Path("r.json"), content, kind), CorruptError)
    assert found in (None, RECORD, RESULT)


@few
@given(st.dictionaries(st.text(max_size=5), JSON, max_size=3))
def test_any_sealed_json_is_a_record_or_damaged(tree: dict[str, object]) -> None:
    """Whoever can write a file can also give it a checksum that fits."""
    whole = {"schema": 1, **tree}
    try:
        whole["checksum"] = records._checksum(whole)  # noqa: SLF001 - as a forger would
    except (OverflowError, ValueError):
        whole["checksum"] = "?"
    content = json.dumps(whole).encode()
    assert (
        survived(lambda: records.unseal(Path("r.json"), content, RunRecord), CorruptError) is None
    )


LINES = b"".join(map(metrics.encode, ROWS))


@few
@given(st.one_of(st.binary(max_size=100), damaged([LINES]), JSON.map(json.dumps).map(str.encode)))
def test_any_lines_are_rows_or_malformed(content: bytes) -> None:
    rows = survived(lambda: metrics.decode(content + b"\n"), ValueError)
    if rows is not None:
        epochs = [row.epoch for row in rows]
        assert epochs == sorted(set(epochs))


ARRAYS: checkpoint.Arrays = {"weights_1": np.ones((2, 3), np.float32), "slot_v": np.zeros(4)}
HEADERS = {name: npz.Header(array.dtype, array.shape) for name, array in ARRAYS.items()}
META = Meta(
    epoch=1,
    config_sha256="c",
    metrics_length=5,
    metrics_sha256="d",
    arrays_sha256=checkpoint.digest(ARRAYS),
)


@few
@given(damaged([checkpoint.encode(META, ARRAYS)]))
def test_any_bytes_are_the_checkpoint_or_damaged(content: bytes) -> None:
    found = survived(lambda: checkpoint.decode("c.npz", content, HEADERS), CorruptError)
    if found is not None:
        assert checkpoint.digest(found[1]) == checkpoint.digest(ARRAYS)


# Names and words

CHARACTERS = st.text(st.sampled_from("aZ0._-/~ \n\0\x1b\u202eä\udcff"), max_size=110)


@few
@given(st.one_of(st.text(max_size=110), CHARACTERS))
def test_any_name_is_a_file_of_its_folder_or_refused(name: str) -> None:
    found = survived(lambda: run.named(Path("runs"), name), UsageError)
    assert (found is not None) == is_run_name(name)
    if found is not None:
        assert (found.path.parent, found.path.name, found.path.parts) == (
            Path("runs"),
            name,
            ("runs", name),
        )
        assert not name.startswith((".", "-"))
        assert name.isascii()


@few
@given(st.text(max_size=2000))
def test_any_words_become_a_line(text: str) -> None:
    assert printable(text).isprintable()
    assert one_line(text).isprintable()
    assert len(one_line(text)) <= 1010
    assert str(NnexpError(text)) == one_line(text)
    if text.isprintable():
        assert printable(text) == text


@pytest.mark.parametrize(
    "character", ["\x1b", "\x9b", "\r", "\n", "\0", "\u202e", "\u2066", "\u2028"]
)
def test_what_steers_a_terminal_is_spelled_out(character: str) -> None:
    assert printable(f"a{character}b").startswith("a\\")
    assert printable("Zürich λ = 3 µm…") == "Zürich λ = 3 µm…"

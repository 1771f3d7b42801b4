"""A file of data in the place of a config is recognized, and the key that names it is shown."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import pytest

from nnexp.config import load
from nnexp.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Bench

IDX = bytes.fromhex("00000803 00000001 00000001 00000001 00")
NEXT = "not a config; write a config with nnexp init, and name"


@pytest.mark.parametrize(
    ("name", "content", "kind", "setting"),
    [
        ("d.csv", b"a,kind\n1,x\n", "a table", "it there by data.name: csv and data.train_file"),
        (
            "D.TSV",
            b"a\tb\n" * 40_000,
            "a table",
            "it there by data.name: csv and data.train_file: ",
        ),
        ("d.npz", b"PK\x03\x04", "an archive", "it there by data.name: npz and data.file: "),
        ("d.png", b"\x89PNG\r\n", "a picture", "its folder there by data.name: images and "),
        ("d.jpg", b"\xff\xd8\xff\xe0", "a picture", "its folder there by data.name: images and "),
        ("d", IDX, "an IDX file", "its folder there by data.name: idx and data.directory: "),
        (
            "d.gz",
            gzip.compress(IDX, mtime=0),
            "an IDX file",
            "its folder there by data.name: idx and ",
        ),
    ],
)
def test_a_file_of_data_is_no_config(
    tmp_path: Path, name: str, content: bytes, kind: str, setting: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ConfigError) as error:
        load.read(path)
    named = path if "file" in setting else tmp_path
    assert str(error.value).startswith(f"{path}: is {kind}, {NEXT} {setting}")
    assert str(error.value).endswith(f": {named}")


def test_the_whole_message(bench: Bench) -> None:
    (bench.folder / "plants.csv").write_text("leaf,plant\n1,x\n")
    advice = "it there by data.name: csv and data.train_file: plants.csv"
    message = f"plants.csv: is a table, {NEXT} {advice}\n"
    assert bench("train", "plants.csv") == (2, "", message)
    assert bench("sweep", "plants.csv") == (2, "", message)


@pytest.mark.parametrize(
    "content", [b"", b"seed: 1\n", gzip.compress(b"seed: 1", mtime=0), b"\x1f\x8b"]
)
def test_other_files_are_read_as_configs(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(content)
    if content[:1] == b"\x1f":
        with pytest.raises(ConfigError, match="not UTF-8 text"):
            load.read(path)
    else:
        assert load.read(path).seed == len(content) // 8

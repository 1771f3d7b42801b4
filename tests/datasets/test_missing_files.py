"""A missing file's message proposes the path that was probably meant."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from nnexp.datasets import data_root
from nnexp.datasets.loading import Data, load
from nnexp.datasets.sources import Csv, Idx, Images, Npz, Source
from nnexp.errors import DataError
from tests.conftest import missing_path_hint

PROPOSED = {
    "a file in a subfolder": (["data/d.csv"], Csv(train_file="d.csv"), "data/d.csv"),
    "a misspelt name": (["iris.csv"], Csv(train_file="irsi.csv"), "iris.csv"),
    "capitals": (["Iris.CSV"], Csv(train_file="iris.csv"), "Iris.CSV"),
    "another ending": (["data/mydata.npz"], Npz(file="data/mydata.np"), "data/mydata.npz"),
    "a misspelt folder": (["data/d.csv"], Csv(train_file="dat/d.csv"), "data/d.csv"),
    "a folder of images in a subfolder": (
        ["data/pics/cat/1.png"],
        Images(directory="pics"),
        "data/pics",
    ),
    "a misspelt folder of IDX files": (["fashion/x"], Idx(directory="fashoin"), "fashion"),
    "the nearest of which exists": (
        ["data/x", "dataa/d.csv"],
        Csv(train_file="dat/d.csv"),
        "dataa/d.csv",
    ),
}


def message(folder: Path, monkeypatch: pytest.MonkeyPatch, names: list[str], source: Source) -> str:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")
    monkeypatch.chdir(folder)
    with pytest.raises(DataError) as caught:
        load(source)
    return str(caught.value)


@pytest.mark.parametrize("name", PROPOSED)
def test_an_existing_path_is_proposed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    names, source, expected = PROPOSED[name]
    text = message(tmp_path, monkeypatch, names, source)
    proposal = f"did you mean {expected!r}?"
    assert text.endswith(f": No such file or directory; {proposal}{missing_path_hint(tmp_path)}")


def test_absolute_paths_are_corrected_in_their_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = Csv(train_file=str(tmp_path / "dd.csv"))
    text = message(tmp_path, monkeypatch, ["ddd.csv", "data/dd.csv"], source)
    assert text.endswith(f"did you mean '{tmp_path}/ddd.csv'?")


@pytest.mark.parametrize(
    "names",
    [
        [],
        ["one/d.csv", "two/d.csv"],
        ["data/deep/d.csv"],
        ["quite-another-table.txt"],
        ["d.yaml"],
        ["t.csv"],
    ],
)
def test_nothing_is_proposed_if_nothing_or_too_much_is_like_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, names: list[str]
) -> None:
    text = message(tmp_path, monkeypatch, names, Csv(train_file="d.csv"))
    assert text == f"d.csv: No such file or directory{missing_path_hint(tmp_path)}"


INSTEAD = {
    "a table for a folder of images": (
        Images(directory="rare.csv"),
        (
            "rare.csv: Not a directory; name a folder or, to read a table, set data.name: csv and "
            "data.train_file: rare.csv"
        ),
    ),
    "a table for a folder of IDX files": (
        Idx(directory="imb.TSV"),
        (
            "imb.TSV: Not a directory; name a folder or, to read a table, set data.name: csv and "
            "data.train_file: imb.TSV"
        ),
    ),
    "an archive of arrays": (
        Images(directory="d.npz"),
        (
            "d.npz: Not a directory; name a folder or, to read an archive, set data.name: npz and "
            "data.file: d.npz"
        ),
    ),
    "a packed folder": (
        Images(directory="pics.zip"),
        "pics.zip: Not a directory; unpack it, and name the folder",
    ),
    "an image": (
        Images(directory="1.png"),
        "1.png: Not a directory; name the folder that contains it",
    ),
    "a file in a file": (
        Csv(train_file="d.npz/x"),
        "d.npz/x: Not a directory; 'd.npz' is a file: correct the path",
    ),
    "a folder for a table": (
        Csv(train_file="data"),
        (
            "data: is a directory; a data file is needed or, to read a folder of images, "
            "data.name: images and data.directory"
        ),
    ),
}


@pytest.mark.parametrize("name", INSTEAD)
def test_a_file_for_a_folder_is_refused_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    source, expected = INSTEAD[name]
    names = ["rare.csv", "imb.TSV", "d.npz", "pics.zip", "1.png", "data/d.csv"]
    assert message(tmp_path, monkeypatch, names, source) == expected


def test_a_link_to_nowhere_is_not_proposed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "d.csv").symlink_to("nowhere")
    text = message(tmp_path, monkeypatch, [], Csv(train_file="d.csv"))
    assert "did you mean" not in text


def test_relative_paths_start_from_the_data_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of files and folders of every source; absolute paths stay as they are."""
    (tmp_path / "root").mkdir()
    (tmp_path / "root/t.csv").write_text("a,label\n" + "1,x\n2,y\n" * 3)
    (tmp_path / "v.csv").write_text("a,label\n1,x\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(data_root.VARIABLE, "root")
    dataset = load(Csv(train_file="t.csv", validation_file=str(tmp_path / "v.csv")))
    assert len(dataset.train.labels) == 6
    data = Data()
    assert data.content(Csv(train_file="t.csv"))
    (tmp_path / "root/t.csv").write_text("a,label\n" + "1,x\n2,z\n" * 3)
    assert data.changed_files() == [Path("root/t.csv")]
    for missing in (Npz(file="d.npz"), Idx(directory="idx"), Images(directory="pics")):
        with pytest.raises(DataError) as caught:
            load(missing)
        assert str(caught.value).startswith("root/")
        assert str(caught.value).endswith(
            f" (NNEXP_DATA_ROOT or --data-root is root; the working directory {tmp_path})"
        )


@pytest.mark.parametrize("source", [Csv, Idx, Images, Npz])
def test_every_path_of_a_source_starts_there(
    source: type[Source], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A field that takes a file or folder is one of ``path_fields``."""
    named = {
        field
        for field in source.__struct_fields__
        if re.search(r"(^|_)(file|directory|images|labels)$", field)
    }
    assert {*source.path_fields} == named
    monkeypatch.setenv(data_root.VARIABLE, "root")
    values: dict[str, Any] = dict.fromkeys(named, "x")
    located = data_root.located(source(**values))
    assert {getattr(located, field) for field in named} == {"root/x"}

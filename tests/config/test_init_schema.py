"""nnexp init writes a starter config, and nnexp schema prints the JSON Schema."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from nnexp.config import load
from nnexp.config.model import Config

if TYPE_CHECKING:
    from tests.conftest import Bench


def test_init_writes_a_config_of_all_defaults(bench: Bench) -> None:
    assert bench("init", "my.yaml") == (0, "my.yaml\n", "")
    text = (bench.folder / "my.yaml").read_text(encoding="utf-8")
    assert text.startswith("# yaml-language-server: $schema=./nnexp.schema.json\n")
    assert load.read(bench.folder / "my.yaml") == Config()
    for field in Config.__struct_encode_fields__:
        assert f"\n{field}:" in text


def test_init_names_the_file_itself(bench: Bench) -> None:
    assert bench("init") == (0, "config.yaml\n", "")
    assert (bench.folder / "config.yaml").exists()


def test_what_init_wrote_trains(bench: Bench) -> None:
    bench("init", "my.yaml")
    small = ("data.train=100", "data.validation=50", "data.test=50", "epochs=1")
    given = [argument for each in small for argument in ("--set", each)]
    code, out, _ = bench("train", "my.yaml", *given, "-q")
    assert (code, out.startswith("runs/my-")) == (0, True)


def test_init_leaves_a_file_alone_that_is_there(bench: Bench) -> None:
    before = (bench.folder / "tiny.yaml").read_text()
    assert bench("init", "tiny.yaml") == (
        2,
        "",
        "tiny.yaml: already exists; choose another name\n",
    )
    assert (bench.folder / "tiny.yaml").read_text() == before
    (bench.folder / "link.yaml").symlink_to("nowhere.yaml")
    assert bench("init", "link.yaml").code == 2
    assert not (bench.folder / "nowhere.yaml").exists()


def test_init_where_nothing_can_be_written_exits_74(bench: Bench) -> None:
    told = "nix/my.yaml: there is no folder nix; mkdir -p nix makes it\n"
    assert bench("init", "nix/my.yaml") == (74, "", told)


def test_init_into_a_directory_exits_2(bench: Bench) -> None:
    (bench.folder / "folder").mkdir()
    code, out, err = bench("init", "folder")
    assert (code, out) == (2, "")
    assert "folder" in err


def test_schema_is_json_that_knows_every_key(bench: Bench) -> None:
    code, out, err = bench("schema")
    told = json.loads(out)
    assert (code, err) == (0, "")
    assert told["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert list(told["properties"]) == list(Config.__struct_encode_fields__)
    assert all(key["description"] for key in told["properties"].values())

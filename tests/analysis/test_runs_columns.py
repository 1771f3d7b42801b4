"""nnexp runs: chosen columns, CSV, tags, start and size."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import nnexp
from nnexp.cli import watch
from tests.analysis.listings import make, seeds

if TYPE_CHECKING:
    from tests.conftest import Bench

STARTED = {
    "a-s0": "2026-10-31T23:59:59Z",
    "a-s1": "2026-11-01T00:00:00Z",
    "b": "2026-11-01T18:30:00Z",
    "c": "2026-12-24T08:00:00Z",
}


@pytest.fixture
def four(bench: Bench) -> Bench:
    """Runs that were started at different times, one that has no log, tags and sizes."""
    seeds("a", {0: 0.9, 1: 0.92}, "learning_rate=0.1")
    make("b", "learning_rate=0.2")
    make("c", "learning_rate=0.3", ended=False)
    make("none", "learning_rate=0.4")
    for name, time in STARTED.items():
        Path(f"runs/{name}/log.txt").write_text(f"{time} training from epoch 1\nmore\n")
    bench("note", "runs/a-s0", "runs/b", "--tag", "keep")
    bench("note", "runs/b", "--tag", "007")
    Path("runs/c/large").write_bytes(bytes(3 << 20))
    return bench


@pytest.mark.parametrize(
    ("condition", "fitting"),
    [
        ("started>2026-11-01", "c"),
        ("started>=2026-11-01", "a-s1 b c"),
        ("started<2026-11-01", "a-s0"),
        ("started<=2026-11-01", "a-s0 a-s1 b"),
        ("started=2026-11-01", "a-s1 b"),
        ("started=2026-11", "a-s1 b"),
        ("started!=2026-11-01", "a-s0 c"),
        ("started>2026", ""),
        ("started=2026", "a-s0 a-s1 b c"),
        ("started>2026-11-01T00", "b c"),
        ("started>=2026-11-01T18:30", "b c"),
        ("started='2026-11-01 18:30'", "b"),
        ("started=2026-11-01T18:30:00Z", "b"),
        ("tag=keep", "a-s0 b"),
        ("tags=keep", "a-s0 b"),
        ("tag!=keep", "a-s1 c none"),
        ("tag=007", "b"),
        ("tag='keep'", "a-s0 b"),
        ("tag=kee", ""),
        ("tag=keep and started>2026-10-31", "b"),
        ("size>3M", "c"),
        ("size>=3145728", "c"),
        ("size<1M and tag=keep", "a-s0 b"),
        ("size>0.5G", ""),
    ],
)
def test_conditions(four: Bench, condition: str, fitting: str) -> None:
    code, out, _ = four("runs", "--each", "--quiet", "--where", condition)
    assert (code, out.replace("runs/", "").split()) == (0, fitting.split())
    assert [run.name for run in nnexp.runs("runs", condition)] == fitting.split()


@pytest.mark.parametrize(
    ("condition", "told"),
    [
        ("started>yesterday", "started is a date in UTC, such as 2026-11-01 or 2026-11-01T18:30"),
        ("started>2026-13", "got '2026-13'"),
        ("started>2026-02-30", "got '2026-02-30'"),
        ("started>2026-11-01T25", "got '2026-11-01T25'"),
        ("started>26-11-01", "got '26-11-01'"),
        ("started=null", "got 'null'"),
        ("tag>keep", "'>' compares numbers, got 'keep' for tags"),
        ("tag<'5'", "'<' compares numbers, got '5' for tags"),
        ("size>big", "size is a number of bytes, such as 500K or 1.5M, got big"),
        ("size>5X", "size is a number of bytes, such as 500K or 1.5M, got 5X"),
    ],
)
def test_wrong_conditions(four: Bench, condition: str, told: str) -> None:
    code, out, err = four("runs", "--where", condition)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("--where")
    assert told in err


def test_sorting_by_what_is_read_on_demand(four: Bench) -> None:
    def order(*arguments: str) -> list[str]:
        return four("runs", "--quiet", *arguments).out.replace("runs/", "").split()

    assert order("--sort", "started") == ["a", "b", "c", "none"]
    assert order("--sort", "started", "--reverse") == ["c", "b", "a", "none"]
    assert order("--sort", "started", "--each")[:2] == ["a-s0", "a-s1"]
    assert order("--sort", "size", "--reverse")[:2] == ["c", "a"]
    assert order("--sort", "tag") == ["b", "a", "c", "none"]


def test_tags_have_a_column_where_there_are_any(four: Bench) -> None:
    rows = [line.split() for line in four("runs").out.splitlines()]
    assert rows[0][-1] == "tags"
    assert [row[-1] for row in rows[1:]] == ["keep", "keep", "-", "-"]
    assert "007, keep" in four("runs").out
    four("note", "runs/*", "--untag", "keep,007")
    assert "tags" not in four("runs").out


def test_chosen_columns(four: Bench) -> None:
    chosen = "name,started,tags,size,learning_rate,config.epochs,epochs,best-epoch,seed"
    assert four("runs", "a", "b", "--columns", chosen) == (
        0,
        (
            "name  started           tags         size  learning_rate  config.epochs  epochs  "
            "best-epoch  seed\n"
            f"a     2026-10-31 23:59  keep       {sizes('a-s0', 'a-s1')}            0.1"
            "             30       2   2.0 ± 0.0   0-1\n"
            f"b     2026-11-01 18:30  007, keep  {sizes('b')}            0.2"
            "             30       2           2     0\n"
        ),
        "",
    )
    single = four("runs", "none", "--columns", "validation, test_accuracy ,status,started").out
    assert single.splitlines()[0].split() == ["validation", "test", "status", "started"]
    assert single.splitlines()[1].split() == ["90.00", "%", "80.00", "%", "finished", "-"]


def sizes(*names: str) -> str:
    """Return the size of runs as the table shows it, right-aligned below 'size'."""
    total = sum(
        path.stat().st_size
        for name in names
        for path in Path("runs", name).rglob("*")
        if path.is_file()
    )
    amount = total / 1024
    return (f"{amount:.1f} KB" if amount < 10 else f"{amount:.0f} KB").rjust(6)


def test_unknown_columns_and_other_forms(four: Bench) -> None:
    code, out, err = four("runs", "--columns", "name,learing_rate")
    assert (code, out) == (2, "")
    assert err.startswith("--columns: unknown key 'learing_rate'; did you mean 'learning_rate'?")
    for form in ("--json", "--quiet"):
        told = f"--columns and {form}: give one of them\n"
        assert four("runs", "--columns", "name", form) == (2, "", told)
    assert four("runs", "--csv", "--json").err == "--csv and --json: give one of them\n"
    assert four("runs", "--csv", "--watch").code == 2


def records(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_csv_has_a_row_for_each_run_and_the_names_of_json(four: Bench) -> None:
    code, out, err = four("runs", "--csv", "--sort", "started")
    rows = records(out)
    assert (code, err, [row["name"] for row in rows]) == (0, "", ["a-s0", "a-s1", "b", "c", "none"])
    listed = {run["name"]: run for run in json.loads(four("runs", "--each", "--json").out)}
    for row in rows:
        run = listed[row["name"]]
        for key in set(row) - {"learning_rate", "tags"}:
            assert row[key] == ("" if run[key] is None else str(run[key])), key
        assert row["tags"] == ",".join(run["tags"])
        assert float(row["learning_rate"]) == run["config"]["learning_rate"]
    assert {*listed["b"]} - {*rows[0]} == {"config"}


def test_csv_of_chosen_columns(four: Bench) -> None:
    chosen = "name,tag,validation,hidden,config.epochs,learning_rate,patience,optimizer.mu"
    said = four("runs", "b", "none", "--csv", "--columns", chosen)
    assert said.out == (
        "name,tags,best_validation_accuracy,hidden,config.epochs,learning_rate,patience,"
        "optimizer.mu\n"
        'b,"007,keep",0.9,[30],30,0.2,10,\n'
        "none,,0.9,[30],30,0.4,10,\n"
    )


def test_keys_that_are_columns_as_well_have_their_prefix_in_every_table(four: Bench) -> None:
    four("train", "tiny.yaml", "-q", "--name", "long", "--set", "epochs=4")
    (csv_header, *_) = four("runs", "--csv").out.splitlines()
    (table_header, *_) = four("runs").out.splitlines()
    for header in (csv_header.split(","), table_header.split(), [*nnexp.runs().columns()]):
        assert {"epochs", "config.epochs", "learning_rate"} <= {*header}
        assert "config.learning_rate" not in header
        assert "config.seed" not in header


def test_csv_of_nothing_and_of_a_damaged_run(four: Bench) -> None:
    assert four("runs", "--csv", "--columns", "name", "--where", "tag=x") == (0, "name\n", "")
    Path("runs/b/run.json").write_text("{}")
    code, out, err = four("runs", "--csv")
    assert (code, err.count("is damaged")) == (1, 1)
    (row,) = [row for row in records(out) if row["name"] == "b"]
    assert (row["status"], row["epochs"], row["started"]) == ("damaged", "", STARTED["b"])
    assert row["problem"].startswith("runs/b/run.json: is damaged")
    assert four("runs", "--where", "status=damaged and tag=007", "-q").out == ""
    assert "b  " in four("runs", "--where", "status=damaged and tag=007").out


def test_every_pattern_must_match(four: Bench) -> None:
    listing = "nnexp runs lists all"
    none = f"no run in runs matches; {listing}"
    code, out, err = four("runs", "a", "z*", "b", "y")
    assert (code, len(out.splitlines())) == (1, 3)
    assert err == f"z*: {none}\ny: {none}\n"
    assert four("runs", "z*") == (1, "", f"z*: {none}\n")
    assert four("runs", "a", "--where", "tag=x") == (
        0,
        "",
        f"no matching runs in runs; {listing}\n",
    )


def test_a_missing_folder(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:

    told = "other: there is no such folder; nnexp train makes it, and --runs names another\n"
    for form in ((), ("--quiet",), ("--each",), ("x*",)):
        assert bench("runs", "--runs", "other", *form) == (1, "", told)
    monkeypatch.setattr(watch, "PATIENCE", 0)
    code, out, err = bench("runs", "--runs", "other", "--watch")
    assert (code, out) == (1, "")
    assert err.endswith(told)


def test_the_start_is_that_of_the_first_training(bench: Bench) -> None:
    bench("train", "tiny.yaml", "-q", "--name", "a", "--until", "1")
    first = json.loads(bench("runs", "--each", "--json").out)[0]["started"]
    log = Path("runs/a-s0/log.txt")
    assert log.read_text().startswith(first)
    log.write_text(log.read_text().replace(first, "2026-01-01T00:00:00Z", 1))
    bench("train", "tiny.yaml", "-q", "--name", "a")
    assert json.loads(bench("runs", "--each", "--json").out)[0]["started"] == "2026-01-01T00:00:00Z"
    log.write_text("yesterday\n")
    assert json.loads(bench("runs", "--each", "--json").out)[0]["started"] is None


@pytest.mark.parametrize("option", ["--columns", "--sort", "--where"])
def test_a_component_is_named_without_name(four: Bench, option: str) -> None:
    value = "optimizer.name=sgd" if option == "--where" else "optimizer.name"
    code, _, err = four("runs", option, value)
    assert code == 2
    assert f"{option}: unknown key 'optimizer.name'; did you mean 'optimizer'?" in err

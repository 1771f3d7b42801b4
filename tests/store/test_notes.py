"""nnexp note: notes and tags of runs, which move with them and change no result."""

from __future__ import annotations

import errno
import json
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nnexp.config import load
from nnexp.store import lock, notes, transfer
from nnexp.store.run import Run
from tests.analysis.listings import make, seeds

if TYPE_CHECKING:
    from tests.conftest import Bench


@pytest.fixture
def noon(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time of every note."""
    monkeypatch.setattr(notes, "_now", lambda: "2026-11-01T12:00:00Z")


@pytest.mark.usefixtures("noon")
def test_notes_and_tags_are_added_printed_and_removed(bench: Bench) -> None:
    seeds("a", {0: 0.9, 1: 0.9})
    assert bench("note", "runs/a") == (
        0,
        "runs/a-s0: no notes, no tags\nruns/a-s1: no notes, no tags\n",
        "",
    )
    assert not (bench.folder / "runs/a-s0/notes.json").exists()
    assert bench("note", "runs/a-s0", "-m", "η is too large", "--tag", "keep,baseline").code == 0
    bench("note", "runs/a", "-m", " second\n line ", "--tag", "été,keep")
    expected = (
        "runs/a-s0: baseline, keep, été\n"
        "  2026-11-01  η is too large\n"
        "  2026-11-01  second line\n"
        "runs/a-s1: keep, été\n"
        "  2026-11-01  second line\n"
    )
    assert bench("note", "runs/a") == (0, expected, "")
    bench("note", "runs/a", "--untag", "été, baseline")
    listed = json.loads(bench("note", "runs/a-*", "--json").out)
    assert [row["tags"] for row in listed] == [["keep"], ["keep"]]
    assert listed[1]["notes"] == [{"time": "2026-11-01T12:00:00Z", "text": "second\n line"}]
    bench("note", "runs/a-s1", "--untag", "keep", "--tag", "keep2")
    assert bench("note", "runs/a-s1").out.startswith("runs/a-s1: keep2\n")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--tag", "a b"], "--tag: a tag is 1 to 50 letters, digits and . _ -, and begins with"),
        (["--tag", "a,,b"], "got ''"),
        (["--tag", "-a"], "got '-a'"),
        (["--tag", "x" * 51], "--tag: a tag is 1 to 50"),
        (["--untag", "keep"], "--untag: no run has the tag 'keep'; the tags are baseline"),
        (["-m", "  "], "-m: a note is 1 to 10,000 characters of text"),
        (["-m", "a\x1b[31m"], "-m: a note is 1 to 10,000 characters of text"),
        (["-m", "a\udcff"], "-m: a note is 1 to 10,000 characters of text"),
        (["-m", "x" * 10_001], "-m: a note is 1 to 10,000 characters of text"),
        (["--tag", "a", "--untag", "a"], "--tag and --untag: both name a"),
    ],
)
def test_what_is_refused_changes_nothing(bench: Bench, options: list[str], told: str) -> None:
    make("a")
    bench("note", "runs/a", "--tag", "baseline")
    before = Path("runs/a/notes.json").read_bytes()
    code, out, err = bench("note", "runs/a", *options)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert told in err
    assert Path("runs/a/notes.json").read_bytes() == before


def test_no_run_no_note(bench: Bench) -> None:
    make("a")
    Path("runs/empty").mkdir()
    assert (
        bench("note", "runs/empty", "--tag", "b").err
        == "runs/empty: is not a run; nnexp runs lists the runs\n"
    )
    assert bench("note", "runs/b").err.startswith("runs/b: there is no such run")


@pytest.mark.parametrize(
    "content", [b"{", b'{"tags": ["a b"]}', b'{"more": 1}', b'{"notes": [1]}', b"\xff", b""]
)
def test_damaged_notes_are_reported_and_hide_no_result(bench: Bench, content: bytes) -> None:
    assert bench("train", "tiny.yaml", "-q", "--name", "a").code == 0
    Path("runs/a-s0/notes.json").write_bytes(content)
    for command in (["note", "runs/a-s0", "--tag", "b"], ["show", "runs/a-s0"]):
        code, _, err = bench(*command)
        assert code == 5
        assert err.startswith("runs/a-s0/notes.json: is damaged: ")
    code, out, err = bench("runs", "--columns", "name,status,tags")
    assert (code, out.splitlines()[1].split()) == (1, ["a-s0", "finished", "-"])
    assert err.startswith("runs/a-s0/notes.json: is damaged: ")
    assert Path("runs/a-s0/notes.json").read_bytes() == content
    for command in (["compare", "runs/a-s0", "runs/a-s0"], ["runs", "--quiet"]):
        assert "notes.json" not in bench(*command).err
    assert bench("evaluate", "runs/a-s0").code == 0
    assert bench("verify", "runs/a-s0", "-q").code == 0


def test_a_strangers_notes_do_not_control_the_terminal(bench: Bench) -> None:
    bench("train", "tiny.yaml", "-q", "--name", "a")
    text = json.dumps("a\x1b[31m\u202e\nb")
    note = f'{{"time": "2026-11-01T12:00:00Z", "text": {text}}}'
    Path("runs/a-s0/notes.json").write_text(f'{{"notes": [{note}]}}')
    for command in ("note", "show"):
        out = bench(command, "runs/a-s0").out
        assert "a\\x1b[31m\\u202e b\n" in out
        assert "\x1b[31m" not in out


def test_notes_are_no_part_of_the_results(bench: Bench) -> None:
    for name in ("a", "b"):
        bench("train", "tiny.yaml", "-q", "--name", name, "--until", "2")
        if name == "a":
            assert bench("note", "runs/a-s0", "-m", "x", "--tag", "t").code == 0
        bench("train", "tiny.yaml", "-q", "--name", name)
    a, b = bench.files("runs/a-s0"), bench.files("runs/b-s0")
    assert {k: v for k, v in a.items() if k != "run.json"} == {
        k: v for k, v in b.items() if k != "run.json"
    }
    assert bench("verify", "runs/a-s0", "-q").code == 0
    assert bench("note", "runs/a-s0").out.startswith("runs/a-s0: t\n")


def test_a_run_that_is_training_can_be_noted(bench: Bench) -> None:
    run = make("a", ended=False)
    with lock.hold(run.path / "LOCK", ""):
        assert bench("note", "runs/a", "--tag", "keep").code == 0


@pytest.mark.usefixtures("bench")
def test_two_that_write_at_once_lose_nothing() -> None:
    run = make("a")

    def write(start: int) -> None:
        for number in range(start, start + 20):
            notes.change(run, f"note {number}", [f"t{number}"])

    threads = [threading.Thread(target=write, args=(start,)) for start in (0, 100, 200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    own = notes.read(run)
    assert (len(own.tags), len(own.notes)) == (60, 60)


def test_who_waits_too_long_gives_up(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    make("a")
    monkeypatch.setattr(notes, "TIMEOUT", 0.05)
    with lock.wait(Path("runs/a/run.json"), 1):
        assert bench("note", "runs/a", "--tag", "b") == (
            4,
            "",
            "runs/a: another process is changing it\n",
        )


def test_of_a_run_that_cannot_be_written_notes_json_is_named(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    make("a")
    opening = os.open

    def refusing(path: str | Path, flags: int, *rest: int) -> int:
        if flags & os.O_ACCMODE != os.O_RDONLY and Path(path).parent.name == "a":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return opening(path, flags, *rest)

    monkeypatch.setattr(os, "open", refusing)
    code, out, err = bench("note", "runs/a", "--tag", "b")
    assert (code, out) == (74, "")
    assert "notes.json" in err
    assert "run.json" not in err
    assert bench("note", "runs/a").code == 0


def test_show_has_tags_and_notes(bench: Bench) -> None:
    bench("train", "tiny.yaml", "-q", "--name", "a")
    assert "Tags" not in bench("show", "runs/a-s0").out
    bench("note", "runs/a-s0", "-m", "the baseline", "--tag", "keep")
    out = bench("show", "runs/a-s0").out
    assert "Tags: keep\n" in out
    assert "the baseline\n" in out
    found = json.loads(bench("show", "runs/a-s0", "--json").out)
    assert (found["tags"], found["notes"][0]["text"]) == (["keep"], "the baseline")


# Runs that are collected from workers


def packed(bench: Bench, name: str, *options: str) -> dict[str, bytes]:
    bench("train", "tiny.yaml", "-q", "--name", name, "--runs", "away", *options)
    bench("note", f"away/{name}-s0", "-m", "of the worker", "--tag", "away")
    return transfer.pack(Run(f"away/{name}-s0"))


def test_a_collected_run_brings_its_notes(bench: Bench) -> None:
    files = packed(bench, "a")
    run = Run("home/a-s0")
    assert transfer.publish(run, load.read(Path("tiny.yaml")), files)
    assert notes.read(run).tags == ("away",)


def test_a_run_that_is_advanced_has_the_notes_of_both(bench: Bench) -> None:
    bench("train", "tiny.yaml", "-q", "--name", "a", "--runs", "home", "--until", "1")
    bench("note", "home/a-s0", "-m", "of home", "--tag", "home")
    run, config = Run("home/a-s0"), load.read(Path("tiny.yaml"))
    sent = transfer.pack(run, with_notes=False)
    assert "notes.json" not in sent
    there = Run("away/a-s0")
    transfer.unpack(there, sent)
    assert transfer.publish(run, config, packed(bench, "a"))
    assert notes.read(run).tags == ("away", "home")
    assert {note.text for note in notes.read(run).notes} == {"of home", "of the worker"}
    assert bench("verify", "home/a-s0", "-q").code == 0


def test_a_copy_on_a_worker_that_is_replaced_keeps_its_notes(bench: Bench) -> None:
    bench("train", "tiny.yaml", "-q", "--name", "a", "--runs", "home", "--until", "2")
    packed(bench, "a", "--until", "1")
    there = Run("away/a-s0")
    transfer.unpack(there, transfer.pack(Run("home/a-s0"), with_notes=False))
    assert max(Run(there.path).checkpoints()) == 2
    assert notes.read(there).tags == ("away",)


def test_damaged_notes_do_not_keep_a_run_from_being_collected(bench: Bench) -> None:
    bench("train", "tiny.yaml", "-q", "--name", "a", "--runs", "home", "--until", "1")
    Path("home/a-s0/notes.json").write_text("{")
    run = Run("home/a-s0")
    assert transfer.publish(run, load.read(Path("tiny.yaml")), packed(bench, "a"))
    assert Path("home/a-s0/notes.json").read_text() == "{"
    assert Run(run.path).status == "finished"

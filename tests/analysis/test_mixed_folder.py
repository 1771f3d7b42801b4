"""A folder of runs: trained, renamed, copied, moved, of nnexp 0.1.0, or damaged."""

from __future__ import annotations

import json
import shutil
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Bench, Once

VERSION_1 = Path(__file__).parents[1] / "runner/version-0.1.0"
RUNS = Path("runs")


def cut(file: str) -> Callable[[Path], None]:
    """Return a damage that halves a file."""

    def damage(run: Path) -> None:
        content = (run / file).read_bytes()
        (run / file).write_bytes(content[: len(content) // 2])

    return damage


DAMAGES: dict[str, Callable[[Path], None]] = {
    "cut-record": cut("run.json"),
    "cut-metrics": cut("metrics.jsonl"),
    "cut-result": cut("result.json"),
    "no-record": lambda run: (run / "run.json").unlink(),
    "no-metrics": lambda run: (run / "metrics.jsonl").unlink(),
}


def make_mixed(bench: Bench) -> None:
    """Sound runs of six origins, and a damaged one of each kind."""
    rate = ("--set", "learning_rate=0.1")
    for words in (("--seeds", "2"), ("--seeds", "2", "--name", "hand", *rate)):
        assert bench("train", "tiny.yaml", "-q", *words).code == 0
    (derived,) = RUNS.glob("tiny-*-s1")
    derived.rename(RUNS / "renamed")
    shutil.copytree(RUNS / "hand-s0", RUNS / "copied")
    bench("train", "tiny.yaml", "-q", "--runs", "away", "--name", "moved", "--set", "lambda=1")
    shutil.move("away/moved-s0", RUNS / "moved-s0")
    bench.data(seed=1)
    bench("train", "tiny.yaml", "-q", "--name", "other-data")
    for old in (VERSION_1 / "runs").iterdir():
        shutil.copytree(old, RUNS / old.name)
    for number, (name, damage) in enumerate(DAMAGES.items(), 10):
        bench("train", "tiny.yaml", "-q", "--name", "made", "--set", f"seed={number}")
        (RUNS / f"made-s{number}").rename(RUNS / name)
        damage(RUNS / name)
    (RUNS / "empty").mkdir()
    (RUNS / "notes.txt").write_text("not a run")


@pytest.fixture
def mixed(once: Once) -> Bench:
    """Sound runs of six origins, and a damaged one of each kind."""
    return once(make_mixed)


def result(run: Path) -> dict[str, Any] | None:
    """Return a run's result as its file says, without nnexp."""
    path = run / "result.json"
    return json.loads(path.read_text()) if path.exists() else None


def test_every_run_is_listed_as_what_it_is(mixed: Bench) -> None:
    code, out, err = mixed("runs", "--each", "--json")
    listed = {row["name"]: row for row in json.loads(out)}
    folders = {path.name for path in RUNS.glob("[!.]*") if path.is_dir()}
    assert listed.keys() == folders - {"empty"}
    assert {name for name, row in listed.items() if row["status"] == "damaged"} == set(DAMAGES)
    assert code == 1
    assert [line.split(":")[0].split("/")[1] for line in err.splitlines()] == sorted(DAMAGES)
    for name in listed.keys() - set(DAMAGES):
        row, recorded = listed[name], result(RUNS / name)
        if recorded is None:
            assert row["status"] == "interrupted"
            continue
        assert row["status"] == recorded["status"]
        assert row["epochs"] == recorded["epochs"]
        assert row["test_accuracy"] == recorded["test_accuracy"]
        assert row["best_validation_accuracy"] == recorded["best"]["validation_accuracy"]


def test_every_line_is_of_one_experiment(mixed: Bench) -> None:
    """The same config and data, each seed once, and means that follow from the files."""
    rows = json.loads(mixed("runs", "--json").out)
    names = [{run["name"] for run in row["runs"]} for row in rows]
    assert sum(map(len, names)) == len(set().union(*names))
    assert {"hand-s0", "hand-s1", "copied"} in names
    assert any({"renamed"} < group for group in names)
    assert {"other-data-s0"} in names
    for row in rows:
        records = {}
        for run in row["runs"]:
            path = Path(run["run"])
            if run["status"] != "damaged":
                record = json.loads((path / "run.json").read_text())
                records[path] = json.dumps([record["config_sha256"], record["data"]["sha256"]])
        assert len(set(records.values())) <= 1
        finished = {
            json.loads((path / "run.json").read_text())["config"]["seed"]: found["test_accuracy"]
            for path in records
            if (found := result(path)) is not None
        }
        if row["test_accuracy"] is not None and finished:
            assert row["test_accuracy"]["count"] == len(finished)
            assert row["test_accuracy"]["mean"] == pytest.approx(
                sum(finished.values()) / len(finished)
            )


@pytest.mark.slow
def test_every_pair_is_compared_or_refused_for_a_true_reason(mixed: Bench) -> None:
    names = sorted(path.name for path in RUNS.glob("[!.]*") if path.is_dir())
    names = [name for name in names if name not in list(DAMAGES)[1:]] + ["hand", "made"]
    refused = 0
    for a, b in product(names, names):
        code, out, err = mixed("compare", f"runs/{a}", f"runs/{b}", "--json")
        if code:
            refused += 1
            assert (code, out, err.count("\n")) in ((2, "", 1), (5, "", 1)), err
            reasons = {"named twice", "same config and seed", "no such run", "is damaged"}
            assert any(reason in err for reason in (*reasons, "is not a run", "one experiment"))
            continue
        told = json.loads(out)
        sides = [side["runs"] for side in told["experiments"].values()]
        contents = {
            json.dumps(json.loads(Path(run, "run.json").read_text())["data"]["sha256"])
            for runs in sides
            for run in runs
        }
        if len(contents) > 1:
            assert told["verdicts"] == {}
    assert 0 < refused < len(names) ** 2 / 2


def test_a_report_of_all_that_is_sound(mixed: Bench) -> None:
    sound = [
        f"runs/{path.name}"
        for path in sorted(RUNS.glob("[!.]*"))
        if path.is_dir() and path.name not in {*DAMAGES, "empty", "copied"}
    ]
    said = mixed("report", *sound, "-o", "r.html")
    assert (said.code, said.out) == (0, "r.html\n"), said.err
    text = Path("r.html").read_text()
    assert "on other data than A, so there is no verdict on" in text
    for name in DAMAGES:
        said = mixed("report", f"runs/{name}", "-o", "damaged.html")
        assert (said.code, said.out) == (5, "")
        assert f"runs/{name}" in said.err
    assert not Path("damaged.html").exists()

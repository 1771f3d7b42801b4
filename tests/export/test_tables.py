"""``export --to csv`` and ``runs --csv`` have all numbers of runs, and the keys that differ."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from nnexp.store.run import Run
from nnexp.training.history import Row
from tests.export.conftest import MONITORS
from tests.export.requirements import require

if TYPE_CHECKING:
    from tests.conftest import Bench


def parsed(text: str) -> list[dict[str, str]]:
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    rows = list(reader)
    assert reader.fieldnames is not None
    assert len(set(reader.fieldnames)) == len(reader.fieldnames)
    return rows


def export(bench: Bench, *runs: str) -> list[dict[str, str]]:
    said = bench("export", *runs, "--to", "csv", "-o", "metrics.csv")
    assert said == (0, "metrics.csv\n", "")
    return parsed(Path("metrics.csv").read_text("utf-8"))


def numbers(row: dict[str, Any]) -> dict[str, float]:
    """Return the numbers of a line of metrics.jsonl, those of lists one by one."""
    values = {key: value for key, value in row.items() if isinstance(value, int | float)}
    for key, value in row.items():
        if isinstance(value, list):
            values |= {f"{key}_{number}": each for number, each in enumerate(value, 1)}
    return values


def test_the_long_table_equals_the_metrics_of_the_runs(trained: Bench) -> None:
    rows = export(trained, "runs/a", "runs/b", "runs/c")
    values = {(row["run"], int(row["epoch"]), row["metric"]): float(row["value"]) for row in rows}
    assert len(values) == len(rows), "each number once"
    expected = {
        (str(path), line["epoch"], metric): value
        for path in sorted(Path("runs").glob("[!.]*"))
        for line in map(json.loads, (path / "metrics.jsonl").read_text().splitlines())
        for metric, value in numbers(line).items()
        if metric != "epoch"
    }
    assert values == expected
    assert {"weight_norms_1", "saturation_1"} <= {metric for _, _, metric in values}
    for row in rows:
        assert row["seed"] == str(Run(Path(row["run"])).config.seed)
        assert row["experiment"] == Path(row["run"]).name.partition("-")[0]


def test_it_has_the_keys_that_differ(trained: Bench) -> None:
    rows = {row["experiment"]: row for row in export(trained, "runs/a", "runs/b", "runs/c")}
    assert list(rows["a"]) == [
        *("run", "experiment", "seed", "epoch", "metric", "value"),
        *("class_weights", "hidden", "optimizer", "epochs", "monitor"),
    ]
    assert {name: row["hidden"] for name, row in rows.items()} == {
        "a": "[5]",
        "b": "[4, 3]",
        "c": "[5]",
    }
    assert [rows[name]["optimizer"] for name in "abc"] == ["sgd", "nesterov", "sgd"]
    assert [rows[name]["class_weights"] for name in "abc"] == ["", "", "balanced"]
    assert [rows[name]["epochs"] for name in "abc"] == ["3", "3", "4"]
    assert json.loads(rows["c"]["monitor"]) == MONITORS


def test_seeds_alone_are_no_difference(trained: Bench) -> None:
    for runs in (("runs/a",), ("runs/a-s0", "runs/a-s1"), ("runs/a-s1",)):
        header = list(export(trained, *runs)[0])
        assert header == ["run", "experiment", "seed", "epoch", "metric", "value"]


def test_truth_values_are_those_of_json(bench: Bench) -> None:
    """DuckDB and polars know true, and not True."""
    for name, value in (("a", "true"), ("b", "false")):
        said = bench(
            "train", "tiny.yaml", "-q", "--name", name, "--set", f"data.standardize={value}"
        )
        assert said.code == 0, said.err
    rows = {row["experiment"]: row for row in export(bench, "runs/*")}
    assert (rows["a"]["data.standardize"], rows["b"]["data.standardize"]) == ("true", "false")


def test_other_data_is_a_difference(bench: Bench) -> None:
    bench("train", "tiny.yaml", "-q", "--name", "a")
    bench.data(seed=1)
    bench("train", "tiny.yaml", "-q", "--name", "b")
    rows = {row["experiment"]: row for row in export(bench, "runs/*")}
    digests = {name: row["data.sha256"] for name, row in rows.items()}
    assert digests == {name: Run(Path(f"runs/{name}-s0")).record.data_sha256 for name in ("a", "b")}
    assert digests["a"] != digests["b"]


def test_more_experiments_than_letters(bench: Bench) -> None:
    for number in range(28):
        lambda_ = ("--set", f"lambda={number}", "--set", "epochs=1")
        assert bench("train", "tiny.yaml", "-q", "--name", f"n{number}", *lambda_).code == 0
    rows = export(bench, "runs/*")
    assert {(row["experiment"], row["lambda"]) for row in rows} == {
        (f"n{number}", f"{number}.0") for number in range(28)
    }


def test_no_two_experiments_share_a_name(bench: Bench) -> None:
    """Runs that were named by hand, in two folders."""
    bench("train", "tiny.yaml", "-q", "--name", "a")
    bench("train", "tiny.yaml", "-q", "--name", "a", "--set", "lambda=1", "--set", "seed=1")
    bench("train", "tiny.yaml", "-q", "--name", "a", "--set", "lambda=2", "--runs", "others")
    rows = export(bench, "runs/*", "others/*")
    by_run = {row["run"]: row["experiment"] for row in rows}
    assert by_run.keys() == {"runs/a-s0", "runs/a-s1", "others/a-s0"}
    assert len(set(by_run.values())) == 3


def test_a_run_without_epochs_has_no_rows(bench: Bench) -> None:
    bench("train", "tiny.yaml", "-q", "--name", "a", "--until", "1")
    for path in Path("runs/a-s0/checkpoints").iterdir():
        path.unlink()
    Path("runs/a-s0/metrics.jsonl").write_bytes(b"")
    assert export(bench, "runs/a") == []
    assert Path("metrics.csv").read_text() == "run,experiment,seed,epoch,metric,value\n"


def test_a_metric_that_an_epoch_does_not_have_is_left_out(
    trained: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [
        Row(epoch=1, learning_rate=None, train_cost=float("inf")),
        Row(epoch=2, learning_rate=0.5, train_cost=0.25),
    ]
    monkeypatch.setattr(Run, "history", lambda _: rows)
    assert [
        (row["epoch"], row["metric"], row["value"]) for row in export(trained, "runs/a-s0")
    ] == [("1", "train_cost", "inf"), ("2", "train_cost", "0.25"), ("2", "learning_rate", "0.5")]


def test_runs_as_csv(trained: Bench) -> None:
    trained("train", "tiny.yaml", "-q", "--name", "d", "--until", "1", "--set", "lambda=1")
    said = trained("runs", "--csv")
    assert (said.code, said.err) == (0, "")
    rows = parsed(said.out)
    assert list(rows[0]) == [
        *("run", "experiment", "name", "status", "seed", "epochs", "best_validation_accuracy"),
        *("best_epoch", "test_accuracy", "started", "size", "tags"),
        *("class_weights", "hidden", "optimizer", "lambda", "config.epochs", "monitor"),
        *("data_sha256", "weights_sha256", "problem"),
    ]
    names = ("a-s0", "a-s1", "b-s0", "c-s0", "d-s0")
    assert [row["run"] for row in rows] == [f"runs/{name}" for name in names]
    for row in rows[:-1]:
        result = Run(Path(row["run"])).result
        assert result is not None
        assert result.best is not None
        assert float(row["test_accuracy"]) == result.test_accuracy
        assert float(row["best_validation_accuracy"]) == result.best.validation_accuracy
        assert int(row["best_epoch"]) == result.best.epoch
        assert (row["status"], int(row["epochs"])) == ("finished", result.epochs)
    assert (rows[-1]["status"], rows[-1]["test_accuracy"]) == ("interrupted", "")
    best = parsed(trained("runs", "--csv", "--best", "--where", "hidden = [5]").out)
    assert len({row["experiment"] for row in best}) == 1


def test_runs_as_csv_has_a_row_for_a_damaged_run(trained: Bench) -> None:
    Path("runs/a-s1/run.json").write_text("{")
    said = trained("runs", "--csv")
    assert (said.code, said.err.count("\n")) == (1, 1)
    damaged = parsed(said.out)[1]
    assert (damaged["run"], damaged["status"], damaged["epochs"]) == ("runs/a-s1", "damaged", "")
    assert damaged["hidden"] == ""


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("package", ["pandas", "polars", "duckdb"])
def test_data_frames_have_the_same_numbers(trained: Bench, package: str) -> None:
    require(package)
    rows = export(trained, "runs/*")
    expected = [float(row["value"]) for row in rows]
    if package == "pandas":
        import pandas as pd  # noqa: PLC0415 - of the extra

        frame = pd.read_csv("metrics.csv")
        values, epochs = frame["value"].to_list(), frame["epoch"].to_list()
    elif package == "polars":
        import polars as pl  # noqa: PLC0415 - of the extra

        frame = pl.read_csv("metrics.csv")
        values, epochs = frame["value"].to_list(), frame["epoch"].to_list()
    else:
        import duckdb  # noqa: PLC0415 - of the extra

        columns = duckdb.sql("select value, epoch from 'metrics.csv'").fetchall()
        values, epochs = [list(column) for column in zip(*columns, strict=True)]
    assert np.array_equal(np.array(values), np.array(expected))
    assert epochs == [int(row["epoch"]) for row in rows]

"""A run is its config and its data: replaced data is another experiment."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from nnexp.datasets import loading
from nnexp.errors import MismatchError
from nnexp.store import writer
from nnexp.study import sweep_file
from nnexp.study.job import messages
from nnexp.study.plan import plan

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from nnexp.datasets.selection import Parts
    from nnexp.datasets.sources import Source
    from tests.conftest import Bench, Once


@pytest.fixture
def replaced(once: Once) -> Bench:
    """Two runs of the small config, whose data file has been replaced since."""
    return once(replace)


def replace(bench: Bench) -> None:
    """Train the runs and replace the file."""
    bench("train", "tiny.yaml", "-q", "--seeds", "2")
    bench.data(seed=1)


def names(bench: Bench) -> set[str]:
    return {path.name for path in (bench.folder / "runs").glob("tiny-*")}


def test_the_same_command_trains_a_new_run(replaced: Bench) -> None:
    before = names(replaced)
    said = replaced("train", "tiny.yaml", "-q", "--seeds", "2")
    assert said.code == 0
    assert len(names(replaced) - before) == 2


def test_restored_data_finds_the_old_runs(replaced: Bench) -> None:
    replaced.data(seed=0)
    before = names(replaced)
    said = replaced("train", "tiny.yaml", "--seeds", "2")
    assert said.err.count("already done") == 2
    assert names(replaced) == before


def test_listings_do_not_average_over_data(replaced: Bench) -> None:
    replaced("train", "tiny.yaml", "-q", "--seeds", "2")
    rows = json.loads(replaced("runs", "--json").out)
    assert [row["seeds"] for row in rows] == [[0, 1], [0, 1]]


def test_a_name_of_other_data_is_taken(bench: Bench) -> None:
    bench("train", "tiny.yaml", "-q", "--name", "x")
    bench.data(seed=1)
    for words in (("--name", "x"), ("--name", "x", "--until", "1")):
        said = bench("train", "tiny.yaml", "-q", *words)
        assert said.code == 6
        assert "runs/x-s0: the data changed since this run was trained (x_test, " in said.err


def test_a_ranking_is_of_one_data_set(replaced: Bench) -> None:
    replaced("sweep", "tiny.yaml", "-q", "--grid", "lambda=0,1")
    before = names(replaced)
    replaced.data(seed=2)
    said = replaced("sweep", "tiny.yaml", "-q", "--grid", "lambda=0,1", "--json")
    ranked = {run for row in json.loads(said.out)["ranking"] for run in row["runs"]}
    assert not {f"runs/{name}" for name in before} & ranked


def test_a_comparison_across_data_has_no_verdict(replaced: Bench) -> None:
    replaced("train", "tiny.yaml", "-q", "--name", "new", "--seeds", "2", "--set", "lambda=1")
    old = next(path.name for path in (replaced.folder / "runs").glob("tiny-*-s0"))
    said = replaced("compare", f"runs/{old[:-3]}", "runs/new", "--json")
    output = json.loads(said.out)
    assert said.code == 0
    assert "B was trained on other data than A, so there is no verdict on it" in output["notes"]
    assert all("verdict" not in metric["B"] for metric in output["metrics"].values())


def test_a_comparison_across_splits_has_no_verdict(bench: Bench) -> None:
    rows = [f"{i % 7},{i % 5},{'ab'[i % 2]}" for i in range(60)]
    (bench.folder / "d.csv").write_text("\n".join(["x,y,kind", *rows]) + "\n")
    bench.config(data={"name": "csv", "train_file": "d.csv", "validation": 0.2, "test": 0.2})
    bench("train", "tiny.yaml", "-q", "--name", "a")
    bench("train", "tiny.yaml", "-q", "--name", "b", "--set", "data.split_seed=9")
    output = json.loads(bench("compare", "runs/a-s0", "runs/b-s0", "--json").out)
    note = "B was trained and tested on other splits than A, so there is no verdict on it"
    assert note in output["notes"]
    assert all("verdict" not in metric["B"] for metric in output["metrics"].values())


def test_a_ranking_across_splits_has_no_verdict_and_shows_the_seed(bench: Bench) -> None:
    rows = [f"{i % 7},{i % 5},{'ab'[i % 2]}" for i in range(60)]
    (bench.folder / "d.csv").write_text("\n".join(["x,y,kind", *rows]) + "\n")
    bench.config(data={"name": "csv", "train_file": "d.csv", "validation": 0.2, "test": 0.2})
    grid = ("--grid", "data.split_seed=0,1", "--seeds", "3")
    said = bench("sweep", "tiny.yaml", *grid)
    assert "the points have different splits or classes" in said.err + said.out
    assert all(row["against_best"] is None for row in ranked(bench, *grid))
    listed = bench("runs").out
    assert "split_seed" in listed.splitlines()[0]
    assert len(bench("runs", "--where", "data.split_seed=0", "--each", "-q").out.split()) == 3


def test_a_ranking_of_counts_of_a_split_s_own_examples_has_no_note_on_splits(bench: Bench) -> None:
    said = bench("sweep", "tiny.yaml", "--grid", "data.validation=30,60", "--seeds", "2")
    assert said.code == 0
    assert "splits or classes" not in said.err + said.out


def test_a_comparison_across_classes_has_no_verdict(bench: Bench) -> None:
    for name, classes in (("a", "null"), ("b", "[0, 1]")):
        bench("train", "tiny.yaml", "-q", "--name", name, "--set", f"data.classes={classes}")
    output = json.loads(bench("compare", "runs/a-s0", "runs/b-s0", "--json").out)
    note = "B was trained and tested on other classes than A, so there is no verdict on it"
    assert note in output["notes"]


def ranked(bench: Bench, *grid: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(bench("sweep", "tiny.yaml", *grid, "--json").out)[
        "ranking"
    ]
    return rows


def test_costs_with_other_class_weights_have_no_verdict(bench: Bench) -> None:
    for name, weights in (("a", "null"), ("b", "balanced")):
        setting = f"class_weights={weights}"
        bench("train", "tiny.yaml", "-q", "--seeds", "3", "--name", name, "--set", setting)
    output = json.loads(bench("compare", "runs/a", "runs/b", "--json").out)
    judged = {key for key, metric in output["metrics"].items() if "verdict" in metric["B"]}
    assert "test_accuracy" in judged
    assert not any("cost" in key for key in judged)
    assert any("(class_weights), so there is no verdict on costs" in n for n in output["notes"])


@pytest.fixture
def reads(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file with a line for each time that a data file is read, by any process."""
    log = bench.folder / "reads.txt"

    def counted(reader: Callable[[Any], Parts], source: Source) -> Parts:
        with log.open("a") as file:
            file.write(f"{source}\n")
        return reader(source)

    readers = {kind: partial(counted, reader) for kind, reader in loading.READERS.items()}
    monkeypatch.setattr(loading, "READERS", readers)
    return log


def count(reads: Path) -> int:
    return len(reads.read_text().splitlines())


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_file_is_read_and_hashed_once_for_all_trials(
    bench: Bench, reads: Path, jobs: str
) -> None:
    lambdas = ("--grid", "lambda=0,1,2,3", "--seeds", "3", "--set", "epochs=1")
    assert bench("sweep", "tiny.yaml", "-q", "-j", jobs, *lambdas).code == 0
    assert count(reads) == 1


@pytest.mark.slow
def test_a_sweep_of_a_thousand_points_reads_a_large_csv_once(bench: Bench, reads: Path) -> None:
    features = ",".join(f"x{number}" for number in range(500))
    row = ",".join(str(number % 256) for number in range(500))
    lines = [features + ",label", *(f"{row},{number % 2}" for number in range(30_000))]
    (bench.folder / "large.csv").write_text("\n".join(lines))
    assert (bench.folder / "large.csv").stat().st_size > 50_000_000
    data = {"name": "csv", "train_file": "large.csv", "train": 10}
    bench.config("large.yaml", data=data, hidden=[1], epochs=1, monitor=["train"], patience=None)
    values = ",".join(str(number / 100) for number in range(1000))
    said = bench("sweep", "large.yaml", "-q", "-j", "2", "--grid", f"lambda={values}", "--json")
    assert said.code == 0, said.err
    assert len(json.loads(said.out)["ranking"]) == 1000
    assert count(reads) == 1


@pytest.mark.parametrize("command", [("train",), ("sweep", "--grid", "lambda=0,1")])
def test_a_file_that_changes_during_training_causes_a_warning(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    commit = writer.Writer.commit

    def replacing(*arguments: Any) -> None:  # noqa: ANN401 - as they are
        bench.data(seed=1)
        commit(*arguments)

    before = bench("train", "tiny.yaml", "-q", "--runs", "before").out.strip()
    monkeypatch.setattr(writer.Writer, "commit", replacing)
    said = bench(command[0], "tiny.yaml", *command[1:])
    assert said.code == 0
    assert said.err.count("tiny.npz: changed during training; the runs are of its earlier") == 1
    if command[0] == "train":
        assert bench.files(said.out.strip()) == bench.files(before)


def test_a_worker_with_other_data_does_not_train(bench: Bench) -> None:
    (job,) = plan(sweep_file.read("tiny.yaml", (), ["lambda=1"])).jobs(bench.folder / "runs")
    bench.data(seed=1)
    with pytest.raises(MismatchError, match="the data changed since this command began"):
        list(messages(job))
    assert not job.run.path.exists()


def test_a_ranking_across_data_has_no_verdict_on_other_data(bench: Bench) -> None:
    bench.data(seed=1, name="other.npz")
    words = ("sweep", "tiny.yaml", "--grid", "data.file=tiny.npz,other.npz", "--seeds", "3")
    said = bench(*words, "--json")
    assert "the points have different data; those of other data have no verdict" in said.err
    assert [row["against_best"] for row in json.loads(said.out)["ranking"]] == [None, None]


def test_a_claim_across_data_is_not_judged(replaced: Bench) -> None:
    replaced("train", "tiny.yaml", "-q", "--seeds", "2")
    claim = ("--check", "A.test_accuracy >= 0")
    first, second = (f"runs/{name}" for name in sorted(names(replaced)) if name.endswith("s0"))
    told = "--check: the runs were trained on different data, so no claim is judged\n"
    assert replaced("compare", first, second, *claim) == (2, "", told)


def test_of_three_experiments_that_of_other_data_is_named(replaced: Bench) -> None:
    old = sorted({name[:-3] for name in names(replaced)})
    replaced("train", "tiny.yaml", "-q", "--seeds", "2", "--name", "new")
    replaced.data(seed=0)
    replaced("train", "tiny.yaml", "-q", "--seeds", "2", "--name", "more", "--set", "lambda=1")
    out = replaced("compare", f"runs/{old[0]}", "runs/new", "runs/more").out
    assert "note: B was trained on other data than A, so there is no verdict on it\n" in out
    assert "C is" in out or "C: " in out
    assert "data.sha256" in out
    assert "paired" not in out


def test_a_comparison_of_other_data_says_why_it_has_no_verdict(replaced: Bench) -> None:
    replaced("train", "tiny.yaml", "-q", "--name", "new", "--seeds", "2")
    old = next(path.name for path in (replaced.folder / "runs").glob("tiny-*-s0"))
    said = replaced("compare", f"runs/{old[:-3]}", "runs/new")
    assert "no verdict: the runs were trained on different data\n" in said.out

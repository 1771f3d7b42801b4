"""Runs that begin with the epochs of an earlier run, and end in the same bytes as from scratch."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest

from nnexp.store import disk, growth_index, lock
from nnexp.store.run import Run

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Bench


def trained(bench: Bench, runs: str, *settings: str) -> Path:
    """Train the small config and return its run."""
    words = [word for setting in settings for word in ("--set", setting)]
    said = bench("train", "tiny.yaml", "-q", "--runs", runs, *words)
    assert said.code == 0, said.err
    return bench.folder / said.out.strip()


def epochs_trained(run: Path) -> str:
    """Return from which epoch on a run was trained, as its log says."""
    return (run / "log.txt").read_text("utf-8").split("training from epoch ")[1].split()[0]


def is_equal(bench: Bench, run: Path, *settings: str) -> bool:
    """Return whether a run has the bytes of one that is trained from scratch."""
    scratch = trained(bench, "scratch", *settings)
    return scratch.name == run.name and bench.files(str(run)) == bench.files(str(scratch))


def test_more_epochs_go_on_from_the_last_and_say_so(bench: Bench) -> None:
    source = trained(bench, "runs", "epochs=3")
    before = bench.files(str(source))
    said = bench("train", "tiny.yaml", "--set", "epochs=5")
    run = bench.folder / said.out.strip()
    assert f"{said.out.strip()}: epochs 1 to 3 are taken from runs/{source.name}\n" in said.err
    assert epochs_trained(run) == "4"
    assert is_equal(bench, run, "epochs=5")
    assert bench.files(str(source)) == before


@pytest.mark.parametrize(
    ("first", "then", "from_epoch"),
    [
        (("epochs=4",), ("epochs=6", "patience=1"), None),
        (("epochs=8", "patience=1"), ("epochs=8", "patience=5"), None),
        (("epochs=6",), ("epochs=6", "patience=2", "stopping=cost"), None),
        (("epochs=5", "evaluate_every=2"), ("epochs=8", "evaluate_every=2"), "5"),
        (("epochs=3", "schedule=cosine"), ("epochs=5", "schedule=cosine"), "1"),
        (("epochs=3", "schedule=step"), ("epochs=5", "schedule=step"), "4"),
        (("epochs=3", "seed=1"), ("epochs=5",), "1"),
        (("epochs=3", "learning_rate=0.25"), ("epochs=5",), "1"),
    ],
)
def test_it_ends_as_from_scratch(
    bench: Bench, first: tuple[str, ...], then: tuple[str, ...], from_epoch: str | None
) -> None:
    trained(bench, "runs", *first)
    run = trained(bench, "runs", *then)
    assert from_epoch in {None, epochs_trained(run)}
    assert is_equal(bench, run, *then)


def test_the_best_epoch_s_checkpoint_is_taken_over(bench: Bench) -> None:
    source = trained(bench, "runs", "epochs=30", "patience=null")
    best = json.loads((source / "result.json").read_text())["best"]["epoch"]
    run = trained(bench, "runs", "epochs=31", "patience=null")
    assert epochs_trained(run) == "31"
    assert Run(run).checkpoint_path(best).exists()
    assert is_equal(bench, run, "epochs=31", "patience=null")


def test_an_interrupted_run_is_a_source_too(bench: Bench) -> None:
    bench("train", "tiny.yaml", "-q", "--until", "2")
    run = trained(bench, "runs", "epochs=4")
    assert epochs_trained(run) == "3"
    assert is_equal(bench, run, "epochs=4")


def test_of_several_the_longest_is_used(bench: Bench) -> None:
    for epochs in (2, 5, 3):
        trained(bench, "runs", f"epochs={epochs}")
    assert epochs_trained(trained(bench, "runs", "epochs=6")) == "6"


def test_a_damaged_source_is_passed_over(bench: Bench) -> None:
    trained(bench, "runs", "epochs=2")
    longest = trained(bench, "runs", "epochs=4")
    for path in (longest / "checkpoints").iterdir():
        path.write_bytes(path.read_bytes()[:-3])
    run = trained(bench, "runs", "epochs=6")
    assert epochs_trained(run) == "3"
    assert is_equal(bench, run, "epochs=6")


def test_a_source_that_is_being_trained_is_passed_over(bench: Bench) -> None:
    source = trained(bench, "runs", "epochs=2")
    with lock.hold(source / "LOCK", ""):
        assert epochs_trained(trained(bench, "runs", "epochs=4")) == "1"


def test_other_arithmetic_is_no_source(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    trained(bench, "runs", "epochs=2")
    monkeypatch.setattr("nnexp.numerics.fingerprint", lambda: "0" * 64)
    assert epochs_trained(trained(bench, "runs", "epochs=4")) == "1"


def test_other_data_is_no_source(bench: Bench) -> None:
    trained(bench, "runs", "epochs=2")
    bench.data(seed=1)
    assert epochs_trained(trained(bench, "runs", "epochs=4")) == "1"


def test_a_run_that_was_copied_or_renamed_is_found(bench: Bench) -> None:
    source = trained(bench, "elsewhere", "epochs=3")
    trained(bench, "runs", "seed=7")  # so that there is an index
    trained(bench, "runs", "seed=8")
    shutil.copytree(source, bench.folder / "runs/by-hand")
    assert epochs_trained(trained(bench, "runs", "epochs=4")) == "4"
    (bench.folder / "runs/by-hand").rename(bench.folder / "runs/renamed")
    assert epochs_trained(trained(bench, "runs", "epochs=5")) == "5"


@pytest.mark.parametrize("content", [b"", b"\0" * 99, b"@ 1\n", b"not an index"])
def test_a_damaged_index_is_no_harm(bench: Bench, content: bytes) -> None:
    for epochs in (1, 2, 3):
        trained(bench, "runs", f"epochs={epochs}")
    (bench.folder / "runs" / growth_index.FOLDER / growth_index.FILE).write_bytes(content)
    run = trained(bench, "runs", "epochs=5")
    assert epochs_trained(run) == "4"
    assert is_equal(bench, run, "epochs=5")


def test_the_folder_is_read_once(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    digest_of = growth_index.digest_of

    def counted(run: Run) -> str | None:
        read.append(run.name)
        return digest_of(run)

    monkeypatch.setattr(growth_index, "digest_of", counted)
    first = trained(bench, "runs", "seed=1")
    for seed in (2, 3, 4):
        trained(bench, "runs", f"seed={seed}")
    assert read == [first.name]


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_sweep_over_epochs_trains_each_epoch_once(bench: Bench, jobs: str) -> None:
    said = bench("sweep", "tiny.yaml", "--grid", "epochs=6,2,4", "-j", jobs, "--json")
    assert said.code == 0
    runs = [bench.folder / row["runs"][0] for row in json.loads(said.out)["ranking"]]
    assert sorted(map(epochs_trained, runs)) == ["1", "3", "5"]
    for run in runs:
        epochs = json.loads((run / "run.json").read_text())["config"]["epochs"]
        assert is_equal(bench, run, f"epochs={epochs}")


def test_until_beyond_the_end_says_how_to_train_more(bench: Bench) -> None:
    trained(bench, "runs", "epochs=3")
    said = bench("train", "tiny.yaml", "--until", "5")
    assert said.code == 2
    assert "--until 5 is beyond the config's 3 epochs; --set epochs=5 trains more" in said.err


def test_a_restarted_run_takes_nothing_over(bench: Bench) -> None:
    run = trained(bench, "runs", "epochs=3")
    (run / "metrics.jsonl").write_bytes(b"")
    said = bench("train", "tiny.yaml", "-q", "--restart", "--set", "epochs=3")
    assert said.code == 0
    assert epochs_trained(run) == "1"


# Under a name given by hand


def named(bench: Bench, *settings: str) -> tuple[int, str, Path]:
    words = [word for setting in settings for word in ("--set", setting)]
    said = bench("train", "tiny.yaml", "--name", "x", *words)
    return said.code, said.err, bench.folder / "runs/x"


def test_a_named_run_grows_in_place_and_the_former_is_in_the_trash(bench: Bench) -> None:
    named(bench, "epochs=3")
    former = bench.files("runs/x")
    code, err, run = named(bench, "epochs=5")
    assert code == 0
    assert "runs/x: epochs 1 to 3 are taken from runs/x\n" in err
    assert epochs_trained(run) == "4"
    assert bench.files("runs/.trash/x") == former
    bench("train", "tiny.yaml", "-q", "--name", "x", "--runs", "scratch", "--set", "epochs=5")
    assert bench.files("runs/x") == bench.files("scratch/x")
    assert named(bench, "epochs=5")[1] == "runs/x: already done\n"


def test_a_named_run_grows_twice(bench: Bench) -> None:
    for epochs in (2, 3, 4):
        assert named(bench, f"epochs={epochs}")[0] == 0
    assert sorted(path.name for path in (bench.folder / "runs/.trash").iterdir()) == ["x", "x.2"]
    listed = json.loads(bench("runs", "--json").out)
    assert [row["name"] for row in listed] == ["x"]


def test_any_other_difference_leaves_the_name_taken(bench: Bench) -> None:
    named(bench, "epochs=3")
    before = bench.files("runs/x")
    code, err, _ = named(bench, "epochs=5", "learning_rate=0.25")
    assert code == 4
    assert "belongs to another config (it differs in learning_rate, epochs)" in err
    assert bench.files("runs/x") == before


def test_a_named_run_that_is_being_trained_is_not_replaced(bench: Bench) -> None:
    _, _, run = named(bench, "epochs=3")
    before = bench.files("runs/x")
    with lock.hold(run / "LOCK", ""):
        assert named(bench, "epochs=5")[0] == 4
    assert bench.files("runs/x") == before


def test_without_an_exchange_by_the_system_it_grows_as_well(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    named(bench, "epochs=3")
    former = bench.files("runs/x")
    monkeypatch.setattr(disk, "_exchange", lambda *_: False)
    assert named(bench, "epochs=5")[0] == 0
    assert bench.files("runs/.trash/x") == former
    assert sorted(path.name for path in (bench.folder / "runs").iterdir()) == [
        *(".growth", ".trash", "x"),
    ]

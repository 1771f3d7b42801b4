"""nnexp verify trains a run again, and names the first epoch and quantity that differ."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import msgspec

from nnexp.runner.verification import first_difference
from nnexp.store import records
from nnexp.store.records import RunRecord
from nnexp.store.run import Run

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Bench


def trained(bench: Bench, *arguments: str) -> str:
    return bench("train", bench.config(), "-q", *arguments).out.strip()


def reseal(path: Path, **changes: object) -> None:
    """Write other values into a run's record, with a checksum that fits."""
    record = records.read(path / "run.json", RunRecord)
    assert record is not None
    (path / "run.json").write_bytes(records.seal(msgspec.structs.replace(record, **changes)))


def test_a_finished_run_comes_out_the_same(bench: Bench) -> None:
    run = trained(bench)
    before = bench.files(run)
    assert bench("verify", run, "-q") == (0, f"{run}: identical\n", "")
    said = json.loads(bench("verify", run, "-q", "--json").out)
    assert said == {"run": run, "identical": True, "same_numerics": True, "difference": None}
    assert bench.files(run) == before


def test_an_interrupted_run_is_verified_as_far_as_it_came(bench: Bench) -> None:
    run = trained(bench, "--until", "2")
    assert bench("verify", run, "-q").out == f"{run}: identical\n"


def test_a_diverged_run_is_to_diverge_again(bench: Bench) -> None:
    run = trained(bench, "--set", "learning_rate=1e38")
    assert bench("verify", run, "-q").out == f"{run}: identical\n"


def test_the_first_epoch_and_quantity_that_differ_are_named(bench: Bench) -> None:
    """The record says another seed than the one that was trained: nothing can agree."""
    run = trained(bench)
    path = bench.folder / run
    config = json.loads((path / "run.json").read_text())["config"] | {"seed": 1}
    reseal(path, config=config)
    copy = path / "config.yaml"
    copy.write_text(copy.read_text().replace("seed: 0", "seed: 1"))
    row = json.loads((path / "metrics.jsonl").read_text().splitlines()[0])
    said = bench("verify", run, "-q")
    assert said.code == 7
    assert said.err.startswith(
        f"{run}: trained again it differs: in epoch 1, train_cost was {row['train_cost']}"
    )
    difference = json.loads(bench("verify", run, "-q", "--json").out)["difference"]
    assert (difference["epoch"], difference["quantity"]) == (1, "train_cost")


def test_epochs_that_only_one_has_are_a_difference(bench: Bench) -> None:
    """Rows that agree as far as both go are not all: under other arithmetic one may diverge."""
    for epochs in "23":
        assert bench("train", "tiny.yaml", "--name", epochs, "--until", epochs, "-q").code == 0
    two, three = (Run(bench.folder / f"runs/{epochs}-s0") for epochs in "23")
    for found, counts in (
        (first_difference(two, three), (2, 3)),
        (first_difference(three, two), (3, 2)),
    ):
        assert found is not None
        assert (found.epoch, found.recorded, found.obtained) == (3, *counts)


def test_another_machine_s_arithmetic_is_said_to_be_so(bench: Bench) -> None:
    run = trained(bench)
    reseal(bench.folder / run, numerics="0" * 64)
    assert json.loads(bench("verify", run, "-q", "--json").out)["same_numerics"] is False


def test_other_data_is_refused_before_anything_is_trained(bench: Bench) -> None:
    run = trained(bench)
    bench.data(seed=5)
    said = bench("verify", run)
    assert (said.code, said.out) == (6, "")
    assert said.err.startswith(f"{run}: the data changed since this run was trained (x_test, ")


def test_a_run_without_an_epoch_has_nothing_to_verify(bench: Bench) -> None:
    run = trained(bench, "--until", "1")
    (bench.folder / run / "checkpoints/epoch-000001.npz").unlink()
    (bench.folder / run / "metrics.jsonl").write_bytes(b"")
    said = bench("verify", run)
    assert (said.code, said.err) == (2, f"{run}: has no epoch to verify yet\n")

"""Resuming: k epochs, a stop and the rest give the same bytes as one uninterrupted training."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from nnexp.store import disk, records
from nnexp.store.records import RunRecord

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Bench, Once

MNIST = {
    "data": {"name": "mnist", "train": 1000, "validation": 500, "test": 100},
    "hidden": [10],
    "epochs": 6,
}


class KilledError(BaseException):
    """Stands for the death of the process."""


class Mortal:
    """The ``os`` of ``nnexp.store.disk``, which dies at its nth change of the disk.

    It dies within a write, so that only half of it is there, and after anything else.
    """

    def __init__(self, death: int) -> None:
        self._left = death

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever os has
        call = getattr(os, name)
        return self._dying(call) if name in {"write", "fsync", "replace", "ftruncate"} else call

    def _dying(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def die(*arguments: Any) -> Any:  # noqa: ANN401 - whatever the call takes
            self._left -= 1
            if self._left:
                return call(*arguments)
            if call is os.write:
                os.write(arguments[0], arguments[1][: len(arguments[1]) // 2])
            else:
                call(*arguments)
            raise KilledError

        return die


@pytest.mark.slow
@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"dtype": "float64"},
        {"rng": "network2"},
        {"rng": "network2", "dtype": "float64", "batch_size": 1, "data": {"train": 100}},
        {"batch_size": 7, "lambda": 5.0},
        {"batch_size": "all"},
        {"evaluate_every": 2},
        {"evaluate_every": 4, "epochs": 7},
        {"patience": 2, "epochs": 40, "monitor": ["train", "validation", "test"]},
        {"monitor": [], "patience": None, "seed": 3},
        {"hidden": [], "output": "softmax", "cost": "log-likelihood"},
    ],
    ids=str,
)
def test_stopping_anywhere_changes_no_byte(bench: Bench, keys: dict[str, Any]) -> None:
    config = MNIST | keys
    config["data"] = {**MNIST["data"], **keys.get("data", {})}  # type: ignore[dict-item] # a dict
    name = bench.config("mnist.yaml", **config)
    bench("train", name, "--runs", "straight", "--name", "n", "-q")
    for until in ("1", "4"):
        assert bench("train", name, "--name", "n", "--until", until, "-q").code == 0
    run = bench("train", name, "--name", "n", "-q").out.strip()
    assert bench.files(run) == bench.files(run.replace("runs", "straight"))
    assert "result.json" in bench.files(run)


def test_the_same_config_gives_the_same_bytes_in_another_process(bench: Bench) -> None:
    name = bench.config("mnist.yaml", **MNIST)
    bench("train", name, "--runs", "a", "--name", "n", "-q")
    threads = {f"{library}_NUM_THREADS": "2" for library in ("OPENBLAS", "OMP", "MKL")}
    bench.process("train", name, "--runs", "b", "--name", "n", "-q", env=os.environ | threads)
    assert bench.files("a/n-s0") == bench.files("b/n-s0")


@pytest.mark.slow
def test_killed_at_any_change_of_the_disk_it_ends_byte_equal(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each attempt dies in one change of the disk later than the one before it."""
    bench("train", "tiny.yaml", "--runs", "straight", "--name", "n", "-q")
    expected, deaths = bench.files("straight/n-s0"), 0
    while True:
        deaths += 1
        arguments = ("train", "tiny.yaml", "--runs", f"runs{deaths}", "--name", "n", "-q")
        with monkeypatch.context() as patch:
            patch.setattr(disk, "os", Mortal(deaths))
            try:
                bench(*arguments)
            except KilledError:
                pass
            else:
                break
        assert bench(*arguments) == (0, f"runs{deaths}/n-s0\n", "")
        assert bench.files(f"runs{deaths}/n-s0") == expected
    assert deaths > 30


def test_writes_that_take_only_a_part_are_gone_on_with(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stuttering:
        def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever os has
            return getattr(os, name)

        @staticmethod
        def write(descriptor: int, content: memoryview) -> int:
            return os.write(descriptor, content[:100])

    bench("train", "tiny.yaml", "--runs", "straight", "--name", "n", "-q")
    monkeypatch.setattr(disk, "os", Stuttering())
    bench("train", "tiny.yaml", "--name", "n", "-q")
    assert bench.files("runs/n-s0") == bench.files("straight/n-s0")


def test_what_a_killed_creation_left_does_not_matter(bench: Bench) -> None:
    bench("train", "tiny.yaml", "--runs", "straight", "--name", "n", "-q")
    left = bench.folder / "runs/.n-s0.new"
    (left / "checkpoints").mkdir(parents=True)
    for name in ("LOCK", "run.json", "metrics.jsonl", "config.yaml"):
        (left / name).write_text("half of something" * 1000)
    assert bench("train", "tiny.yaml", "--name", "n", "-q") == (0, "runs/n-s0\n", "")
    assert bench.files("runs/n-s0") == bench.files("straight/n-s0")
    assert not left.exists()


@pytest.mark.parametrize("tail", ['{"epoch": 3, "lea', '{"epoch":3,"learning_rate":0.5}\n', "\0\0"])
def test_a_tail_of_metrics_that_was_not_committed_is_cut_off(bench: Bench, tail: str) -> None:
    bench("train", "tiny.yaml", "--runs", "straight", "--name", "n", "-q")
    bench("train", "tiny.yaml", "--name", "n", "--until", "2", "-q")
    with (bench.folder / "runs/n-s0/metrics.jsonl").open("a") as file:
        file.write(tail)
    assert bench("train", "tiny.yaml", "--name", "n", "-q") == (0, "runs/n-s0\n", "")
    assert bench.files("runs/n-s0") == bench.files("straight/n-s0")


# Damage


def flip(path: Path) -> None:
    """Change a bit in a file: of the weights in a checkpoint, in the middle of others."""
    content = bytearray(path.read_bytes())
    array = content.find(b"weights_1.npy")
    content[array + 200 if array >= 0 else len(content) // 2] ^= 1
    path.write_bytes(content)


def cut(path: Path) -> None:
    """Keep only the first half of a file."""
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def empty(path: Path) -> None:
    """Leave nothing of a file but its name."""
    path.write_bytes(b"")


@pytest.fixture
def stopped(once: Once) -> Path:
    """A run that stands after epoch 2 of 3, and beside it the same run straight through."""
    return once(stop).folder / "runs/n-s0"


def stop(bench: Bench) -> None:
    """Train both runs."""
    bench("train", "tiny.yaml", "--runs", "straight", "--name", "n", "-q")
    bench("train", "tiny.yaml", "--name", "n", "--until", "2", "-q")


@pytest.mark.parametrize("damage", [flip, cut, empty])
def test_a_damaged_newest_checkpoint_is_passed_over(
    bench: Bench, stopped: Path, damage: Callable[[Path], None]
) -> None:
    damage(stopped / "checkpoints/epoch-000002.npz")
    code, out, err = bench("train", "tiny.yaml", "--name", "n")
    assert (code, out) == (0, "runs/n-s0\n")
    warning, going_on, *_ = err.splitlines()
    assert warning.startswith("warning: runs/n-s0/checkpoints/epoch-000002.npz: is damaged: ")
    assert warning.endswith("; going back to the checkpoint before it")
    assert going_on == "runs/n-s0: resuming after epoch 1"
    assert bench.files("runs/n-s0") == bench.files("straight/n-s0")


def test_without_an_intact_checkpoint_it_exits_5_and_changes_nothing(
    bench: Bench, stopped: Path
) -> None:
    for path in stopped.glob("checkpoints/*"):
        flip(path)
    before = bench.files("runs/n-s0")
    code, out, err = bench("train", "tiny.yaml", "--name", "n", "-q")
    assert (code, out) == (5, "")
    assert re.fullmatch(
        r"runs/n-s0: no intact checkpoint is left to continue from; the newest: "
        r"runs/n-s0/checkpoints/epoch-000002.npz: is damaged: .*; --restart sets the run aside and "
        r"trains it again from its first epoch\n",
        err,
    )
    assert bench.files("runs/n-s0") == before


def test_lost_checkpoints_are_no_fresh_start(bench: Bench, stopped: Path) -> None:
    for path in stopped.glob("checkpoints/*"):
        path.unlink()
    assert bench("train", "tiny.yaml", "--name", "n", "-q") == (
        5,
        "",
        (
            "runs/n-s0: no intact checkpoint is left to continue from; "
            "--restart sets the run aside and trains it again from its first epoch\n"
        ),
    )


def test_changed_metrics_are_not_trusted(bench: Bench, stopped: Path) -> None:
    path = stopped / "metrics.jsonl"
    path.write_text(path.read_text().replace('"epoch":1,', '"epoch":1 ,'))
    code, _, err = bench("train", "tiny.yaml", "--name", "n", "-q")
    assert code == 5
    assert "epoch-000002.npz: its epoch's rows in metrics.jsonl are damaged" in err


def test_a_checkpoint_of_another_run_is_not_taken(bench: Bench, stopped: Path) -> None:
    other = ("--name", "m", "--set", "learning_rate=1", "--until", "2", "-q")
    bench("train", "tiny.yaml", *other)
    foreign = (bench.folder / "runs/m-s0/checkpoints/epoch-000002.npz").read_bytes()
    (stopped / "checkpoints/epoch-000002.npz").write_bytes(foreign)
    code, _, err = bench("train", "tiny.yaml", "--name", "n")
    assert code == 0
    assert "epoch-000002.npz: belongs to another epoch or run; going back" in err
    assert bench.files("runs/n-s0") == bench.files("straight/n-s0")


@pytest.mark.parametrize("damage", [flip, cut, empty])
def test_a_damaged_record_exits_5(
    bench: Bench, stopped: Path, damage: Callable[[Path], None]
) -> None:
    damage(stopped / "run.json")
    code, out, err = bench("train", "tiny.yaml", "--name", "n", "-q")
    assert (code, out) == (5, "")
    assert err.startswith("runs/n-s0/run.json: is damaged: ")
    assert err.count("\n") == 1


# What is not what it was


def reseal(path: Path, **changes: str | int) -> None:
    """Change a run's record and give it the checksum of what it then says."""
    record = records.read(path / "run.json", RunRecord)
    assert record is not None
    changed = msgspec.structs.replace(record, **changes)
    (path / "run.json").write_bytes(records.seal(changed))


def test_other_data_exit_6(bench: Bench, stopped: Path) -> None:
    bench.data(seed=1)
    before = bench.files("runs/n-s0")
    code, out, err = bench("train", "tiny.yaml", "--name", "n", "-q")
    assert (code, out) == (6, "")
    assert err.startswith(f"{stopped.relative_to(bench.folder)}: the data changed since this run ")
    assert bench.files("runs/n-s0") == before


def test_other_arithmetic_exits_6(bench: Bench, stopped: Path) -> None:
    reseal(stopped, numerics="0" * 64)
    assert bench("train", "tiny.yaml", "--name", "n", "-q") == (
        6,
        "",
        (
            "runs/n-s0: this machine's numerics differ from the run's in the last digits; "
            "train again under another --name, or resume with --other-numerics\n"
        ),
    )


def test_a_newer_format_exits_5(bench: Bench, stopped: Path) -> None:
    reseal(stopped, schema=records.SCHEMA + 1)
    newer = f"(schema {records.SCHEMA + 1}; this version reads up to {records.SCHEMA})"
    assert bench("train", "tiny.yaml", "--name", "n", "-q") == (
        5,
        "",
        f"runs/n-s0/run.json: was written by a newer nnexp {newer}\n",
    )


def test_other_versions_are_no_hindrance(bench: Bench, stopped: Path) -> None:
    """The fingerprint tells whether arithmetic is the same; a version number does not."""
    record = json.loads((stopped / "run.json").read_text())
    assert set(record["versions"]) >= {"nnexp", "python", "numpy"}
    assert bench("train", "tiny.yaml", "--name", "n", "-q").code == 0


def test_the_config_in_a_run_trains_to_the_same_numbers(bench: Bench) -> None:
    settings = ("lambda=5", "schedule=constant", "dtype=float64", "batch_size=all", "seed=4")
    given = [argument for each in settings for argument in ("--set", each)]
    bench("train", "tiny.yaml", *given, "--name", "n", "-q")
    assert bench("train", "runs/n-s4/config.yaml", "--runs", "again", "--name", "n", "-q").code == 0
    assert bench.files("runs/n-s4") == bench.files("again/n-s4")

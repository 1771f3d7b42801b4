"""A run that is removed or moved while it is trained ends with an error, and harms no other."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from nnexp.store import disk
from nnexp.store.writer import Writer

if TYPE_CHECKING:
    from tests.conftest import Bench


def after_one_commit(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Let something happen after the first commit."""
    commit = Writer.commit
    done: list[object] = []

    def committing(*arguments: Any) -> None:  # noqa: ANN401 - as they are
        commit(*arguments)
        if not done:
            done.append(act())

    monkeypatch.setattr(Writer, "commit", committing)


def test_a_run_that_is_removed_ends_with_an_error(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    after_one_commit(monkeypatch, lambda: shutil.rmtree("runs/n-s0"))
    said = bench("train", "tiny.yaml", "-q", "--name", "n")
    assert (said.code, said.out) == (4, "")
    assert said.err == "runs/n-s0: was removed or moved while it was trained\n"
    assert not Path("runs/n-s0").exists()


@pytest.mark.parametrize("step", ["append", "write_atomically", "remove", "sync_directory"])
def test_a_run_that_is_removed_within_a_step_ends_likewise(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """Not with the error of the file that is not there any more."""
    original = getattr(disk, step)

    def removing(path: Path, *arguments: Any, **options: Any) -> None:  # noqa: ANN401 - as they are
        if "epoch-000003" in str(path) or (step == "append" and Path("runs/n-s0/log.txt").exists()):
            shutil.rmtree("runs/n-s0", ignore_errors=True)
        if step in {"remove", "sync_directory"} and Path("runs/n-s0/result.json").exists():
            return
        if step in {"remove", "sync_directory"} and Path("runs/n-s0/timing.jsonl").exists():
            shutil.rmtree("runs/n-s0")
        original(path, *arguments, **options)

    monkeypatch.setattr(disk, step, removing)
    said = bench("train", "tiny.yaml", "-q", "--name", "n", "--set", "epochs=6")
    assert (said.code, said.err) == (4, "runs/n-s0: was removed or moved while it was trained\n")


def test_a_run_that_is_moved_stays_as_it_was(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        after_one_commit(patch, lambda: Path("runs/n-s0").rename("runs/moved-s0"))
        assert bench("train", "tiny.yaml", "-q", "--name", "n").code == 4
    assert not Path("runs/n-s0").exists()
    bench("train", "tiny.yaml", "-q", "--name", "whole")
    assert bench("train", "tiny.yaml", "-q", "--name", "moved").code == 0
    names = {"run.json"}
    moved, whole = ({k: v for k, v in bench.files(f"runs/{n}").items() if k not in names}
                    for n in ("moved-s0", "whole-s0"))  # fmt: skip
    assert moved == whole


def test_a_run_in_whose_place_another_is_trained_leaves_that_one_whole(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def replaced() -> None:
        shutil.rmtree("runs/n-s0")
        assert bench.process("train", "tiny.yaml", "-q", "--name", "n").code == 0

    with monkeypatch.context() as patch:
        after_one_commit(patch, replaced)
        assert bench("train", "tiny.yaml", "-q", "--name", "n").code == 4
    bench("train", "tiny.yaml", "-q", "--name", "n", "--runs", "straight")
    assert bench.files("runs/n-s0") == bench.files("straight/n-s0")

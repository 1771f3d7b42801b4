"""Kills and power loss while runs move to the trash and back lose nothing."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from nnexp.errors import NnexpError
from nnexp.store import notes, trash
from nnexp.store.run import Run
from tests.conftest import Bench
from tests.faults import power
from tests.faults.power import Announced, Loss, Operation, Recorder, Sync, Tree

RUN = Path("runs/n-s0")
Step = Callable[[], object]


def put() -> object:
    return trash.put(Run(RUN))


def restore() -> object:
    return [trash.restore(trashed) for trashed in trash.find(RUN)]


def put_checkpoints() -> object:
    return trash.put_checkpoints(Run(RUN), {1, 2, 3})


def restore_checkpoints() -> object:
    return trash.restore_checkpoints(Run(RUN))


def note() -> object:
    return notes.change(Run(RUN), "later", ["keep"])


def nothing() -> object:
    return None


STEPS: dict[str, tuple[Step, Step]] = {
    "put": (nothing, put),
    "put a second one": (put, put),
    "restore": (put, restore),
    "put checkpoints": (nothing, put_checkpoints),
    "restore checkpoints": (put_checkpoints, restore_checkpoints),
    "note": (nothing, note),
}
"""What is done before, and the step that is interrupted."""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    """The files of a finished run."""
    folder = tmp_path_factory.mktemp("trained")
    bench = Bench(folder, pytest.fail)
    bench.data()
    assert bench.process("train", bench.config(hidden=[2]), "-q", "--name", "n").code == 0
    tree = power.tree_of(folder)
    names = ("runs", str(RUN))
    return {path: content for path, content in tree.items() if path.startswith(names)}


@contextmanager
def laid_out(tree: Tree, root: Path) -> Iterator[None]:
    before = Path.cwd()
    power.lay_out(tree, root)
    os.chdir(root)
    try:
        yield
    finally:
        os.chdir(before)


def before(trained: Tree, step: Step, root: Path) -> Tree:
    """Return the folder after a step."""
    with laid_out(trained, root):
        step()
    return power.tree_of(root)


def files(tree: Tree) -> list[bytes]:
    """Return the contents of a run's files, wherever they are, sorted."""
    left_out = ("LOCK", "notes.json", ".notes.json.tmp", "index.txt")
    return sorted(
        content
        for path, content in tree.items()
        if content is not None and Path(path).name not in left_out
    )


def record(start: Tree, step: Step, root: Path) -> tuple[list[Operation], Tree]:
    """Return what a step does to the disk, and the folder after it."""
    with laid_out(start, root), pytest.MonkeyPatch.context() as patch:
        recorder = Recorder(root, power.disk_of(start))
        recorder.install(patch)
        step()
        recorder.announce(None)
        assert recorder.is_complete()
    return recorder.operations, power.tree_of(root)


def scene(trained: Tree, name: str, folder: Path) -> tuple[Tree, list[Operation], Tree]:
    """Return a folder before a step, what the step does to the disk, and the folder after it."""
    folder.mkdir(exist_ok=True)
    first, step = STEPS[name]
    start = before(trained, first, folder / "first")
    if name == "put a second one":
        start |= trained
    return start, *record(start, step, folder / "recorded")


def placed(tree: Tree) -> dict[str, bytes]:
    """Return the files of a tree by path: empty directories do not matter."""
    return {path: content for path, content in tree.items() if content is not None}


def is_lost(loss: Loss, start: Tree, end: Tree) -> bool:
    """Return whether a power loss lost a file, or undid what was announced."""
    return files(loss.tree) != files(start) or (loss.done and placed(loss.tree) != placed(end))


@pytest.mark.parametrize("name", STEPS)
def test_a_power_loss_loses_nothing(trained: Tree, name: str, tmp_path: Path) -> None:
    start, operations, end = scene(trained, name, tmp_path)
    losses = list(power.losses(power.disk_of(start), operations))
    assert not [loss for loss in losses if is_lost(loss, start, end)]
    assert len(losses) > 3


def numbered(operations: list[Operation]) -> dict[tuple[str, int], int]:
    """Return the place of each sync, by its site and its number there."""
    found: dict[tuple[str, int], int] = {}
    for place, operation in enumerate(operations):
        if isinstance(operation, Sync):
            number = sum(site == operation.site for site, _ in found)
            found[operation.site, number] = place
    return found


SITES: dict[str, set[int]] = {
    "_make: sync_directory(folder.parent)": {0, 1},
    "take: sync_directory < move_directory(place)": {0, 1},
    "restore: sync_directory < move_directory(place)": {0, 1},
    "put_checkpoints: sync_directory < move(path)": {1},  # of two files, the last
    "put_checkpoints: sync_directory(run.path / CHECKPOINTS)": {0},
    "restore_checkpoints: sync_directory < move(folder / name)": {1},
    "restore_checkpoints: sync_directory(folder)": {0},
    "write: _overwrite < write < write_atomically(run.path / NOTES)": {0},
    "write: sync_directory < write_atomically(run.path / NOTES)": {0},
}
"""Each sync of the steps, and which of several from there must not be dropped."""


def test_every_sync_is_known_and_needed(trained: Tree, tmp_path: Path) -> None:
    """Without one, a file is lost in some step, or what was announced has not happened."""
    needed: set[tuple[str, int]] = set()
    known: set[str] = set()
    for index, name in enumerate(STEPS):
        start, operations, end = scene(trained, name, tmp_path / str(index))
        assert isinstance(operations[-1], Announced)
        for sync, dropped in numbered(operations).items():
            known.add(sync[0])

            def is_dropped(place: int, _: Sync, dropped: int = dropped) -> bool:
                return place == dropped

            losses = power.losses(power.disk_of(start), operations, is_dropped)
            if any(is_lost(loss, start, end) for loss in losses):
                needed.add(sync)
    assert known == {*SITES}
    assert {(site, number) for site, numbers in SITES.items() for number in numbers} <= needed


class Killed(BaseException):
    """Stands for SIGKILL."""


CALLS = ("rename", "replace", "fsync", "mkdir", "rmdir", "unlink", "write", "open")


@pytest.mark.parametrize("fault", [Killed(), OSError(errno.EIO, "Input/output error")], ids=repr)
@pytest.mark.parametrize("name", STEPS)
def test_a_fault_at_any_call_loses_nothing_and_the_step_can_be_repeated(
    trained: Tree, name: str, fault: BaseException, tmp_path: Path
) -> None:
    start, _, end = scene(trained, name, tmp_path)
    step = STEPS[name][1]
    done = False
    for moment in range(200):
        root = tmp_path / f"at{moment}"
        with laid_out(start, root):
            done = interrupted(step, moment, fault)
            assert files(power.tree_of(root)) == files(start)
            if done:
                break
            if power.tree_of(root).keys() != end.keys():
                step()
            assert files(power.tree_of(root)) == files(start)
            if name != "note":
                assert power.tree_of(root) == end
    assert done
    assert moment > 4


def interrupted(step: Step, moment: int, fault: BaseException) -> bool:
    """Do a step with a fault at a call; return whether it ended before."""
    calls = iter(range(moment))

    def around(original: Callable[..., Any]) -> Callable[..., Any]:
        def called(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401 - whatever it takes
            if next(calls, None) is None:
                raise fault
            return original(*arguments, **named)

        return called

    with pytest.MonkeyPatch.context() as patch:
        for call in CALLS:
            patch.setattr(os, call, around(getattr(os, call)))
        try:
            step()
        except (NnexpError, Killed):
            return False
        except OSError as error:
            pytest.fail(f"an error of the disk is not reported: {error}")
    return True


def test_emptying_that_is_killed_leaves_runs_whole_or_gone(trained: Tree, tmp_path: Path) -> None:
    """What is left of a run that was being removed cannot be restored, and goes the next time."""
    start = before(trained, put, tmp_path / "first")
    for moment in range(200):
        root = tmp_path / f"at{moment}"
        with laid_out(start, root):
            done = interrupted(lambda: trash.empty(Path("runs")), moment, Killed())
            left = power.tree_of(root)
            whole = {path for path in left if path.startswith("runs/.trash/n-s0")}
            is_whole = {path for path in start if path.startswith("runs/.trash/n-s0")} == whole
            assert is_whole or not trash.find(RUN)
            trash.empty(Path("runs"))
            assert not Path("runs/.trash").exists()
        if done:
            break
    assert moment > 10


def test_a_power_loss_while_the_trash_is_emptied_leaves_no_half_of_a_run(
    trained: Tree, tmp_path: Path
) -> None:
    start = before(trained, put, tmp_path / "first")
    operations, end = record(start, lambda: trash.empty(Path("runs")), tmp_path / "recorded")
    assert not any("n-s0" in path for path in end)
    whole = {path for path in start if path.startswith("runs/.trash/n-s0/")}
    for loss in power.losses(power.disk_of(start), operations):
        found = {path for path in loss.tree if path.startswith("runs/.trash/n-s0/")}
        assert found in ({*whole}, set())

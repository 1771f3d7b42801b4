"""Power loss at any moment loses no announced epoch, and each sync is necessary.

    python -m pytest tests/faults/test_power_loss.py -o log_cli=true --log-cli-level=INFO

prints how many states were tried.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple, Self

import pytest

from nnexp import numerics
from nnexp.config import load
from nnexp.config.model import CheckedConfig
from nnexp.datasets import loading
from nnexp.errors import DivergedError, NnexpError
from nnexp.runner import train
from nnexp.runner.recording import EpochEvaluated, Opened, TrainingEvent, Warned
from nnexp.store import listing
from nnexp.store.run import Run
from tests.conftest import Bench
from tests.faults import power
from tests.faults.power import (
    BYSTANDERS,
    ROOT,
    Announced,
    Cut,
    Disk,
    Link,
    Loss,
    Operation,
    Recorder,
    Rename,
    Sync,
    Tree,
    Unlink,
    Write,
)

LOG = logging.getLogger(__name__)
RUN = Path("runs/n")
EPOCHS = 3
FILES = ("LOCK", "run.json", "config.yaml", "metrics.jsonl")


class Found(NamedTuple):
    """What a start after a power loss came to."""

    problem: str | None
    resumed: int
    """The epoch it went on after."""
    was_done: bool


def essence(tree: Tree) -> frozenset[tuple[str, bytes | None]]:
    """Return a tree without what is in files that nobody reads: test_bit_rot.py shows that."""
    return frozenset(
        (path, b"" if Path(path).name in BYSTANDERS else content) for path, content in tree.items()
    )


class Scene:
    """An experiment, what must come of it, and what came of each state it was found in."""

    def __init__(self, folder: Path, config: CheckedConfig) -> None:
        self.folder = folder
        self.config = config
        self.found: dict[frozenset[tuple[str, bytes | None]], Found] = {}
        self._bench = Bench(folder, pytest.fail)
        self._starts = 0
        self._killed: dict[int, list[Operation]] = {}
        self.operations, self.expected = self.record(Disk())

    def record(self, disk: Disk) -> tuple[list[Operation], dict[str, bytes]]:
        """Train to the end from what is there; return what was done to the disk, and the files."""
        with self._place(disk.tree()) as place, pytest.MonkeyPatch.context() as patch:
            recorder = Recorder(place.root, disk)
            recorder.install(patch)
            for event in self._train():
                if isinstance(event, Opened) and event.history:
                    recorder.announce(event.history[-1].epoch)
                if isinstance(event, EpochEvaluated):
                    recorder.announce(event.row.epoch)
            if recorder.operations:  # else it was done before, and nothing was promised now
                recorder.announce(None)
            assert recorder.is_complete(), "the disk was changed behind the recorder's back"
            return recorder.operations, self._bench.files(str(place.root / RUN))

    def after_kill(self, moment: int) -> list[Operation]:
        """Return what is done to the disk if a process is killed and another one goes on."""
        if moment not in self._killed:
            before = self.operations[:moment]
            after, files = self.record(power.after(before))
            assert files == self.expected
            self._killed[moment] = [*before, *after]
        return self._killed[moment]

    def start(self, tree: Tree) -> Found:
        """Return what comes of a start on a disk that holds a tree."""
        key = essence(tree)
        if key not in self.found:
            with self._place(tree) as place, pytest.MonkeyPatch.context() as patch:
                patch.setattr(os, "fsync", lambda _: None)
                self.found[key] = self._started(place)
        return self.found[key]

    def _started(self, place: Place) -> Found:
        listed = list(listing.entries(Path("runs")))
        problem = next((entry.problem for entry in listed if entry.problem), None)
        was_done, resumed = False, 0
        try:
            was_done = RUN.exists() and Run(RUN).result is not None
            for event in self._train():
                if isinstance(event, Opened):
                    resumed = event.history[-1].epoch if event.history else 0
                if isinstance(event, Warned):
                    problem = problem or event.message
        except NnexpError as error:
            return Found(str(error), resumed, was_done)
        if self._bench.files(str(place.root / RUN)) != self.expected:
            problem = problem or "other bytes"
        return Found(problem, resumed, was_done)

    def with_source(self) -> Tree:
        """Return a disk with a run that has all epochs but the last, and the index of runs."""
        shorter = load.changed(self.config, epochs=EPOCHS - 1)
        with self._place({}) as place:
            list(train.events(shorter, Run(RUN.with_name("source"))))
            return {
                str(path.relative_to(place.root)): path.read_bytes() if path.is_file() else None
                for path in sorted(place.root.rglob("*"))
            }

    def _train(self) -> Iterator[TrainingEvent]:
        try:
            yield from train.events(self.config, Run(RUN))
        except DivergedError:
            if not Run(RUN).result:
                raise

    def _place(self, tree: Tree) -> Place:
        self._starts += 1
        return Place(self.folder / f"disk{self._starts}", tree)

    def bad(
        self, losses: Iterator[Loss], *, at_most: int | None = None
    ) -> tuple[int, list[tuple[Loss, Found]]]:
        """Return how many losses there are, and those that lost something; stop after at_most."""
        count, lost = 0, []
        for loss in losses:
            count += 1
            found = self.start(loss.tree)
            if (
                found.problem
                or (loss.done and not found.was_done)
                or (not found.was_done and found.resumed < loss.announced)
            ):
                lost.append((loss, found))
                if len(lost) == at_most:
                    break
        return count, lost


class Place:
    """A folder that holds a tree and is the working directory for a while."""

    def __init__(self, root: Path, tree: Tree) -> None:
        self.root = root
        self._tree = tree
        self._before = Path.cwd()

    def __enter__(self) -> Self:
        power.lay_out(self._tree, self.root)
        os.chdir(self.root)
        return self

    def __exit__(self, *_: object) -> None:
        os.chdir(self._before)
        shutil.rmtree(self.root)


def tell(what: str, count: int, scene: Scene, lost: Sequence[object]) -> None:
    LOG.info("%s: %d losses, %d states, %d bad", what, count, len(scene.found), len(lost))


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Scene]]:
    """Makes scenes. What costs time and has nothing to do with the disk is done once."""
    folder = tmp_path_factory.mktemp("power")
    bench = Bench(folder, pytest.fail)
    bench.data()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(numerics, "fingerprint", cache(numerics.fingerprint))
        patch.setattr("nnexp.runner.train.load", cache(loading.load))

        def made(learning_rate: float = 0.5) -> Scene:
            keys = {"hidden": [2], "epochs": EPOCHS, "learning_rate": learning_rate}
            data = {"name": "npz", "file": "../tiny.npz"}
            name = bench.config(f"{learning_rate}.yaml", data=data, batch_size=50, **keys)
            return Scene(folder, load.read(folder / name))

        yield made


@pytest.fixture(scope="module")
def plain(stage: Callable[..., Scene]) -> Scene:
    """A run from nothing to its end."""
    return stage()


class Others(NamedTuple):
    """A run that is trained over what others left."""

    scene: Scene
    disk: Disk
    operations: Sequence[Operation]


@pytest.fixture(scope="module")
def tail(plain: Scene) -> Others:
    """All epochs are committed, and behind them stands a row that is not this training's."""
    last = plain.operations.index(Announced(EPOCHS))
    tree = power.after(plain.operations[:last]).tree()
    metrics = tree[f"{RUN}/metrics.jsonl"]
    assert metrics is not None
    disk = power.disk_of(tree | {f"{RUN}/metrics.jsonl": metrics + b'{"epoch":9}\n'})
    return Others(plain, disk, plain.record(disk)[0])


@pytest.fixture(scope="module")
def ruins(stage: Callable[..., Scene]) -> Others:
    """A run that diverges at once is made where a half-made one holds other things."""
    scene = stage(learning_rate=1e30)
    half = {f"runs/.n.new/{name}": b"half of something" * 99 for name in FILES}
    disk = power.disk_of({"runs": None, "runs/.n.new": None, **half})
    return Others(scene, disk, scene.record(disk)[0])


@pytest.fixture(scope="module")
def growth(plain: Scene) -> Others:
    """A run that begins with the epochs of another."""
    disk = power.disk_of(plain.with_source())
    operations, files = plain.record(disk)
    assert files == plain.expected
    assert Announced(1) not in operations
    return Others(plain, disk, operations)


# What a power loss leaves


def left(*operations: Operation) -> list[Tree]:
    pending = power.Pending(Disk())
    for operation in operations:
        pending.note(operation)
    return list(pending.states())


NEW = Link(ROOT, "a", 1, is_folder=False)
WORD = Write(1, 0, b"word")


def test_what_is_not_synced_may_be_lost_kept_torn_or_zeros() -> None:
    contents = [b"w", b"wo", b"wor", b"word", b"\0\0rd", b"\0\0\0\0", b""]
    found = left(NEW, WORD)
    assert {} in found
    assert sorted(tree["a"] or b"" for tree in found if tree) == sorted(contents)
    assert left(NEW, WORD, Sync(1, "")) == [{"a": b"word"}, {}]
    assert left(NEW, Sync(ROOT, ""), Sync(1, "")) == [{"a": b""}]
    assert left(NEW, WORD, Sync(1, ""), Sync(ROOT, "")) == [{"a": b"word"}]


def test_what_is_cut_off_and_not_synced_may_come_back() -> None:
    whole = (NEW, WORD, Sync(1, ""), Sync(ROOT, ""))
    assert left(*whole, Cut(1, 2)) == [{"a": b"wo"}, {"a": b"word"}]
    assert {"a": b"wo\0\0"} in left(*whole, Cut(1, 2), Write(1, 2, b"xy"))
    assert left(*whole, Cut(1, 2), Write(1, 2, b"xy"), Sync(1, "")) == [{"a": b"woxy"}]


def test_a_rename_is_there_or_not_and_so_is_what_it_names() -> None:
    both = (NEW, WORD, Sync(ROOT, ""), Rename(ROOT, "a", "b", 1, ROOT))
    assert {"b": b""} in left(*both)  # the well-known empty file
    assert {"a": b"word"} in left(*both)
    assert all(len(tree) == 1 for tree in left(*both))
    assert left(*both, Sync(1, ""), Sync(ROOT, "")) == [{"b": b"word"}]


def test_a_rename_to_another_directory_is_safe_once_both_are_synced() -> None:
    made = (NEW, Link(ROOT, "d", 2, is_folder=True), Sync(ROOT, ""), Sync(1, ""))
    moved = (*made, Rename(ROOT, "a", "a", 1, 2))
    there, not_yet = {"d": None, "d/a": b""}, {"a": b"", "d": None}
    assert left(*moved) == [there, not_yet]
    for once in (Sync(ROOT, ""), Sync(2, "")):
        assert left(*moved, once) == [there, not_yet]
    assert left(*moved, Sync(2, ""), Sync(ROOT, "")) == [there]


def test_a_directory_s_entry_is_its_parent_s() -> None:
    made = (Link(ROOT, "d", 1, is_folder=True), Link(1, "a", 2, is_folder=False))
    assert left(*made, Sync(1, "")) == [{"d": None, "d/a": b""}, {}]
    assert left(*made, Sync(ROOT, "")) == [{"d": None, "d/a": b""}, {"d": None}]
    assert left(*made, Sync(1, ""), Sync(ROOT, ""), Unlink(1, "a")) == [
        {"d": None},
        {"d": None, "d/a": b""},
    ]


# What comes of it


@pytest.mark.slow
def test_a_power_loss_at_any_moment_loses_nothing(plain: Scene) -> None:
    count, lost = plain.bad(power.losses(Disk(), plain.operations))
    tell("power loss", count, plain, lost)
    assert not lost, lost[0]
    assert count > 1000
    assert sum(isinstance(each, Announced) for each in plain.operations) == EPOCHS + 1


def test_a_power_loss_after_a_kill_loses_nothing(plain: Scene) -> None:
    """The kill comes after a rename, the power loss later: who went on must have synced it."""
    moments = [n for n, each in enumerate(plain.operations, 1) if isinstance(each, Rename)]
    assert len(moments) == 1 + EPOCHS + 2
    for moment in moments[::4]:
        check_after_kill(plain, moment)


@pytest.mark.slow
def test_a_power_loss_after_any_kill_loses_nothing(plain: Scene) -> None:
    total = sum(check_after_kill(plain, moment) for moment in range(len(plain.operations)))
    tell("kill, then power loss", total, plain, [])
    assert total > 10_000


def check_after_kill(scene: Scene, moment: int) -> int:
    count, lost = scene.bad(power.losses(Disk(), scene.after_kill(moment)))
    assert not lost, (moment, lost[0])
    return count


@pytest.mark.slow
def test_a_power_loss_in_the_recovery_from_another_loses_nothing(plain: Scene) -> None:
    """From every disk that the first may leave, with the most that was announced before it."""
    first: dict[frozenset[tuple[str, bytes | None]], Loss] = {}
    for loss in power.losses(Disk(), plain.operations):
        if not plain.start(loss.tree).was_done:
            first[essence(loss.tree)] = loss
    total = 0
    for loss in first.values():
        disk = power.disk_of(loss.tree)
        operations, files = plain.record(disk)
        assert files == plain.expected
        count, lost = plain.bad(power.losses(disk, [Announced(loss.announced), *operations]))
        assert not lost, (loss, lost[0])
        total += count
    tell("power loss in the recovery", total, plain, [])
    assert total > 10_000


@pytest.mark.parametrize("scene", ["tail", "ruins", pytest.param("growth", marks=pytest.mark.slow)])
def test_a_power_loss_over_what_others_left_loses_nothing(
    scene: str, request: pytest.FixtureRequest
) -> None:
    found: Others = request.getfixturevalue(scene)
    count, lost = found.scene.bad(power.losses(found.disk, found.operations))
    tell(scene, count, found.scene, lost)
    assert not lost, lost[0]


# Mutants: a sync that nothing misses is one too many

SITES = (
    "create: sync_directory < make_directories(build.parent)",
    "_begin: _overwrite < write(path)",
    "_begin: sync_directory(build / CHECKPOINTS)",
    "_fill: _overwrite < write(build / RUN)",
    "_fill: _overwrite < write(build / CONFIG)",
    "_fill: _overwrite < write(build / METRICS)",
    "_fill: sync_directory(build)",
    "_publish: sync_directory < move_directory(build)",
    "commit: append(self._path / METRICS)",
    "commit: _overwrite < write < write_atomically(path)",
    "commit: sync_directory < write_atomically(path)",
    "finish: sync_directory(self._path / CHECKPOINTS)",
    "finish: _overwrite < write < write_atomically(self._path / PREDICTIONS)",
    "finish: sync_directory < write_atomically(self._path / PREDICTIONS)",
    "finish: _overwrite < write < write_atomically(self._path / RESULT)",
    "finish: sync_directory < write_atomically(self._path / RESULT)",
    "open_: sync_directory(run.path.parent)",
    "open_: sync_directory(run.path / CHECKPOINTS)",
    "_truncate_metrics: truncate(self._path / METRICS)",
)


def histories(plain: Scene, *others: Others) -> Iterator[Others]:
    """Generate all that is recorded: the plain run, those over others' remains, after kills."""
    yield Others(plain, Disk(), plain.operations)
    yield from others
    for moment, operation in enumerate(plain.operations, 1):
        if isinstance(operation, Rename):
            yield Others(plain, Disk(), plain.after_kill(moment))


def test_every_sync_of_the_code_is_known(
    plain: Scene, tail: Others, ruins: Others, growth: Others
) -> None:
    recorded = [each.operations for each in histories(plain, tail, ruins, growth)]
    assert {each.site for part in recorded for each in part if isinstance(each, Sync)} == {*SITES}


@pytest.mark.slow
@pytest.mark.parametrize("site", SITES)
def test_a_sync_that_is_dropped_is_missed(
    site: str, plain: Scene, tail: Others, ruins: Others, growth: Others
) -> None:
    def dropped(_: int, sync: Sync) -> bool:
        return sync.site == site

    for scene, disk, operations in histories(plain, tail, ruins, growth):
        _, lost = scene.bad(power.losses(disk, operations, dropped), at_most=1)
        if lost:
            loss, found = lost[0]
            LOG.info("without %s, after %d: %s", site, loss.after, found)
            return
    pytest.fail("nothing bad comes of it: it is superfluous")


@pytest.mark.slow
def test_any_one_sync_of_a_run_that_is_dropped_is_missed(plain: Scene) -> None:
    syncs = [n for n, each in enumerate(plain.operations) if isinstance(each, Sync)]
    assert len(syncs) == 6 + 3 * EPOCHS + 5
    for n in syncs:
        if "_fill: _overwrite < write(build / METRICS)" in str(plain.operations[n]):
            continue  # an empty file: only over others' ruins is there something to lose

        def dropped(place: int, _: Sync, n: int = n) -> bool:
            return place == n

        losses = power.losses(Disk(), plain.operations, dropped)
        assert plain.bad(losses, at_most=1)[1], plain.operations[n]

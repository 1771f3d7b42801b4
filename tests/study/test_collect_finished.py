"""A finished run is collected from a worker byte for byte; a damaged or foreign one is refused."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nnexp.errors import CorruptError, NnexpError
from nnexp.store import disk, transfer, tree
from nnexp.store.lock import Lock
from nnexp.store.run import Run
from nnexp.study.dask.collector import Collector
from nnexp.study.job import Job
from tests.study.dask_jobs import Leaving, linked, trial

if TYPE_CHECKING:
    from tests.conftest import Bench


@pytest.fixture
def at_home(bench: Bench) -> tuple[Run, Job, dict[str, bytes]]:
    """Where a finished run shall go, its trial, and its files."""
    bench("train", "tiny.yaml", "-q", "--runs", "away")
    found = trial()
    files = transfer.pack(Run(bench.folder / "away" / found.run.name))
    return Run(bench.folder / "runs" / found.run.name), found, files


def test_a_run_that_is_brought_home_is_the_same(
    bench: Bench, at_home: tuple[Run, Job, dict[str, bytes]]
) -> None:
    run, found, files = at_home
    assert transfer.publish(run, found.config, files)
    assert bench.files(f"runs/{found.run.name}") == bench.files(f"away/{found.run.name}")
    assert bench("verify", f"runs/{found.run.name}").code == 0
    assert [path.name for path in (bench.folder / "runs").iterdir()] == [found.run.name]


def test_what_is_there_is_never_overwritten(
    bench: Bench, at_home: tuple[Run, Job, dict[str, bytes]]
) -> None:
    run, found, files = at_home
    run.path.mkdir(parents=True)
    assert transfer.publish(run, found.config, files) is False
    assert [path.name for path in (bench.folder / "runs").iterdir()] == [found.run.name]
    assert not list(run.path.iterdir())


def test_a_byte_that_changed_on_the_way_is_noticed(
    bench: Bench, at_home: tuple[Run, Job, dict[str, bytes]]
) -> None:
    run, found, files = at_home
    unchecked = {"log.txt", "timing.jsonl"}
    for name in files.keys() - unchecked:
        content = bytearray(files[name])
        array = content.rfind(b"\x93NUMPY")  # in an archive, an array's first byte
        content[array + 128 if array >= 0 else len(content) // 2] ^= 1
        with pytest.raises(NnexpError):
            transfer.publish(run, found.config, files | {name: bytes(content)})
        assert not list((bench.folder / "runs").iterdir())
    with pytest.raises(CorruptError, match="another config"):
        transfer.publish(run, trial("epochs=2").config, files)


@pytest.mark.parametrize("name", ["../escaped", "/etc/x", "LOCK", "checkpoints/../x", "x", ""])
def test_only_a_run_s_own_files_come_home(
    bench: Bench, at_home: tuple[Run, Job, dict[str, bytes]], name: str
) -> None:
    run, found, files = at_home
    with pytest.raises(CorruptError, match="contains an unknown file"):
        transfer.publish(run, found.config, files | {name: b""})
    assert not (bench.folder / "runs").exists()


def test_a_run_that_lacks_a_file_does_not_come_home(
    bench: Bench, at_home: tuple[Run, Job, dict[str, bytes]]
) -> None:
    run, found, files = at_home
    for name in files.keys() - {"log.txt", "timing.jsonl"}:
        rest = {key: content for key, content in files.items() if key != name}
        if name == "checkpoints/epoch-000002.npz":
            continue  # the best epoch's and the last one are needed, this is a reserve
        with pytest.raises(NnexpError):
            transfer.publish(run, found.config, rest)
    assert not list((bench.folder / "runs").glob("*"))


def test_a_run_larger_than_may_be_sent_is_refused(
    at_home: tuple[Run, Job, dict[str, bytes]],
    bench: Bench,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _, found, files = at_home
    monkeypatch.setattr(transfer, "SIZE_LIMIT", sum(map(len, files.values())) - 1)
    with pytest.raises(CorruptError, match="more than the"):
        transfer.pack(Run(bench.folder / "away" / found.run.name))


def test_what_one_killed_while_publishing_left_is_no_hindrance(
    bench: Bench, at_home: tuple[Run, Job, dict[str, bytes]]
) -> None:
    run, found, files = at_home
    left = run.path.with_name(f".{run.name}.home")
    (left / "checkpoints").mkdir(parents=True)
    (left / "checkpoints" / "epoch-000099.npz").write_bytes(b"")
    (left / "result.json").write_bytes(b"")
    assert transfer.publish(run, found.config, files)
    assert bench.files(f"runs/{found.run.name}") == bench.files(f"away/{found.run.name}")


def test_what_one_killed_while_creating_or_publishing_left_goes_unless_it_is_in_use(
    bench: Bench, at_home: tuple[Run, Job, dict[str, bytes]]
) -> None:
    run, _, _ = at_home
    transfer.remove_leftovers(bench.folder / "runs")
    for name in (".a.home", ".b.home", "c.home", ".d.new", ".e.other"):
        (run.path.parent / name / "checkpoints").mkdir(parents=True)
        (run.path.parent / name / "LOCK").touch()
        (run.path.parent / name / "run.json").touch()
    lock = Lock(run.path.parent / ".b.home" / "LOCK")
    lock.acquire()
    workers = Leaving({})
    Collector(linked(workers), bench.folder / "runs").find_copies()
    assert sorted(path.name for path in run.path.parent.iterdir()) == [
        ".b.home",
        ".e.other",
        "c.home",
    ]
    lock.release()


def test_what_was_brought_home_before_goes_from_the_workers(
    bench: Bench, at_home: tuple[Run, Job, dict[str, bytes]]
) -> None:
    """Only what is the same here: what a worker says of any other name, it keeps."""
    run, found, files = at_home
    transfer.publish(run, found.config, files)
    identity = transfer.identity(run)
    assert identity is not None
    client = Leaving({found.run.name: identity, "other": identity, "../runs": identity})
    home = Collector(linked(client), bench.folder / "runs")
    home.find_copies()
    home.close(10)
    assert client.discarded == [({found.run.name: identity}, ["tcp://a:1"])]
    client = Leaving({found.run.name: "0"})
    home = Collector(linked(client), bench.folder / "runs")
    home.find_copies()
    home.close(10)
    assert client.discarded == []


def test_two_do_not_publish_at_once(at_home: tuple[Run, Job, dict[str, bytes]]) -> None:
    run, found, files = at_home
    left = run.path.with_name(f".{run.name}.home")
    left.mkdir(parents=True)
    lock = Lock(left / "LOCK")
    lock.acquire()
    with pytest.raises(NnexpError, match="another process"):
        transfer.publish(run, found.config, files)
    lock.release()


def test_a_build_that_another_process_has_begun_since_is_left_to_it(
    at_home: tuple[Run, Job, dict[str, bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    run, found, files = at_home
    build, rename = run.path.with_name(f".{run.name}.home"), tree.move_directory

    def renamed(source: Path, target: Path) -> bool:
        is_placed = rename(source, target)
        (build / "checkpoints").mkdir(parents=True)
        (build / "LOCK").touch()
        (build / "run.json").write_text("another's")
        return is_placed

    monkeypatch.setattr(tree, "move_directory", renamed)
    assert transfer.publish(run, found.config, files)
    assert (build / "run.json").read_text() == "another's"
    assert (build / "LOCK").exists()


def test_a_folder_that_others_may_write_to_is_not_used(tmp_path: Path) -> None:
    mine = disk.private_directory(tmp_path / "mine")
    assert mine.stat().st_mode & 0o777 == 0o700
    assert disk.private_directory(mine) == mine
    mine.chmod(0o770)
    (tmp_path / "link").symlink_to(tmp_path)
    for path in (mine, tmp_path / "link"):
        with pytest.raises(CorruptError, match="not a private folder"):
            disk.private_directory(path)

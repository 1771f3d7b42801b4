"""The run store detects damage, locks active runs and lists all runs."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from nnexp.datasets.npz import Header
from nnexp.errors import CorruptError, LockedError, NameTakenError
from nnexp.store import checkpoint, lock, metrics, records, writer
from nnexp.store import meta as metas
from nnexp.store.checkpoint import Arrays
from nnexp.store.meta import Meta
from nnexp.store.records import DataRecord, RunRecord, Versions
from nnexp.store.run import Run
from nnexp.training.history import Row

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Bench, Once


def flips(content: bytes) -> Iterator[bytes]:
    """Yield content with each of its bytes changed by one bit, another one each time."""
    for place in range(len(content)):
        changed = bytearray(content)
        changed[place] ^= 1 << place % 8
        yield bytes(changed)


# Sealed records

RECORD = RunRecord(
    name="n",
    config={"learning_rate": 0.5, "hidden": [30], "data": {"file": "Zürich.npz"}},
    config_sha256="c" * 64,
    data=DataRecord(
        sha256={"train": "d" * 64}, train=5, validation=0, test=0, features=3, classes=2
    ),
    versions=Versions(nnexp="1", python="3", numpy="2", scipy="1"),
    numerics="f" * 64,
)


def test_a_sealed_record_reads_back_and_is_readable() -> None:
    raw = records.seal(RECORD)
    assert records.unseal(Path("run.json"), raw, RunRecord) == RECORD
    assert json.loads(raw)["config"]["data"]["file"] == "Zürich.npz"
    assert list(json.loads(raw))[-1] == "checksum"
    assert raw == records.seal(RECORD)


def test_no_flipped_bit_of_a_sealed_record_goes_unnoticed() -> None:
    for changed in flips(records.seal(RECORD)):
        try:
            found = records.unseal(Path("run.json"), changed, RunRecord)
        except CorruptError as error:
            assert str(error).startswith("run.json: ")  # noqa: PT017 - or it is the same record
        else:
            assert found == RECORD


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"null", b"{}", b"\xff", b"[" * 100_000, b"1"])
def test_what_is_no_record_is_damaged(raw: bytes) -> None:
    with pytest.raises(CorruptError, match=r"^run\.json: is damaged: "):
        records.unseal(Path("run.json"), raw, RunRecord)


@pytest.mark.parametrize("place", ["/dev/zero", "fifo", "link", "folder"])
def test_only_regular_files_are_read(tmp_path: Path, place: str) -> None:
    """A run directory may come from anywhere: nothing in it may hang or fill the memory."""
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "link").symlink_to("/etc/hostname")
    (tmp_path / "folder").mkdir()
    with pytest.raises(CorruptError, match=f"^{tmp_path / place}: is (not a regular|a symbolic)"):
        records.read(tmp_path / place, RunRecord)


# Metrics


def test_metrics_read_back_without_a_torn_last_line() -> None:
    rows = [
        Row(epoch=e, learning_rate=0.5, train_cost=cost) for e, cost in ((1, 0.1 + 0.2), (3, 1.0))
    ]
    content = b"".join(map(metrics.encode, rows))
    assert content.splitlines()[1] == b'{"epoch":3,"learning_rate":0.5,"train_cost":1.0}'
    assert metrics.decode(content) == rows
    for torn in range(1, len(metrics.encode(rows[1]))):
        assert metrics.decode(content[:-torn]) == rows[:1]
    assert metrics.decode(b"") == []


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b'{"epoch":2,"learning_rate":1}\n' * 2, "epoch 2 follows epoch 2"),
        (b'{"epoch":2,"learning_rate":1}\n{"epoch":1,"learning_rate":1}\n', "epoch 1 follows"),
        (b'{"epoch":"1","learning_rate":1}\n', "Expected `int`"),
        (b'{"epoch":1,"learning_rate":1,"loss":1}\n', "unknown field `loss`"),
        (b'{"epoch":1,"learning_rate":NaN}\n', "malformed"),
        (b"\n", "truncated"),
    ],
)  # fmt: skip
def test_metrics_that_cannot_be_are_refused(content: bytes, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        metrics.decode(content)


# Checkpoints

ARRAYS: Arrays = {
    "weights_1": np.arange(6, dtype=np.float32).reshape(3, 2),
    "biases_1": np.array([0.5, -0.5], np.float32),
    "slot_velocity": np.zeros(8, np.float32),
}
HEADERS = {name: Header(array.dtype, array.shape) for name, array in ARRAYS.items()}


def meta(arrays: Arrays) -> Meta:
    return Meta(
        epoch=1,
        config_sha256="c" * 64,
        metrics_length=10,
        metrics_sha256="d" * 64,
        arrays_sha256=checkpoint.digest(arrays),
    )


def test_a_checkpoint_s_bytes_follow_from_its_content(monkeypatch: pytest.MonkeyPatch) -> None:
    content = checkpoint.encode(meta(ARRAYS), ARRAYS)
    views = {name: np.asfortranarray(array.copy()) for name, array in ARRAYS.items()}
    assert checkpoint.digest(views) == checkpoint.digest(ARRAYS)
    later = time.time() + 1e6  # what zip files say of their members
    monkeypatch.setattr(time, "time", lambda: later)
    assert checkpoint.encode(meta(ARRAYS), ARRAYS) == content


def test_a_checkpoint_reads_back() -> None:
    content = checkpoint.encode(meta(ARRAYS), ARRAYS)
    found, arrays = checkpoint.decode("c.npz", content, HEADERS)
    assert found == meta(ARRAYS)
    assert {name: array.tolist() for name, array in arrays.items()} == {
        name: array.tolist() for name, array in ARRAYS.items()
    }


def test_no_flipped_bit_of_a_checkpoint_goes_unnoticed() -> None:
    for changed in flips(checkpoint.encode(meta(ARRAYS), ARRAYS)):
        try:
            found, arrays = checkpoint.decode("c.npz", changed, HEADERS)
        except CorruptError as error:
            assert str(error).startswith("c.npz: ")  # noqa: PT017 - or it is the same content
        else:
            assert found == meta(ARRAYS)
            assert checkpoint.digest(arrays) == checkpoint.digest(ARRAYS)


def test_a_checkpoint_s_head_says_what_it_commits_or_that_it_is_damaged() -> None:
    content = checkpoint.encode(meta(ARRAYS), ARRAYS)
    path = Path("c.npz")
    assert metas.head(path, content) == metas.head(path, content[: metas.HEAD]) == meta(ARRAYS)
    end = content.index(b"PK", 1)  # where the next member begins
    for changed in (*flips(content[:end]), *(content[:length] for length in range(end))):
        try:
            found = metas.head(path, changed)
        except CorruptError as error:
            assert str(error).startswith("c.npz: is damaged: ")  # noqa: PT017 - or it is the same
        else:
            assert found == meta(ARRAYS)


def test_no_part_of_a_checkpoint_passes_for_the_whole() -> None:
    content = checkpoint.encode(meta(ARRAYS), ARRAYS)
    for length in range(0, len(content), 7):
        with pytest.raises(CorruptError):
            checkpoint.decode("c.npz", content[:length], HEADERS)


@pytest.mark.parametrize(
    "change",
    [
        {"weights_1": np.zeros((3, 3), np.float32)},
        {"weights_1": np.zeros((3, 2), np.float64)},
        {"biases_2": np.zeros(2, np.float32)},
        {"weights_1": None},
        {"weights_1": np.array([[None] * 2] * 3)},
    ],
)
def test_a_checkpoint_of_other_arrays_is_refused(change: dict[str, Any]) -> None:
    arrays = {name: array for name, array in (ARRAYS | change).items() if array is not None}
    packed = io.BytesIO()
    told = np.frombuffer(b"{}", np.uint8)
    np.savez(packed, allow_pickle=True, meta=told, **arrays)
    with pytest.raises(CorruptError, match=r"^c\.npz: is damaged: "):
        checkpoint.decode("c.npz", packed.getvalue(), HEADERS)


def test_the_optimizer_s_arrays_may_differ_only_where_the_parameters_are_used() -> None:
    former = {name: array for name, array in ARRAYS.items() if not name.startswith("slot_")}
    former["slot_former"] = np.zeros(1)
    content = checkpoint.encode(meta(former), former)
    with pytest.raises(CorruptError, match="as another version of nnexp kept it"):
        checkpoint.decode("c.npz", content, HEADERS)
    _, arrays = checkpoint.decode("c.npz", content, HEADERS, with_slots=False)
    np.testing.assert_array_equal(arrays["weights_1"], ARRAYS["weights_1"])
    fewer = {name: header for name, header in HEADERS.items() if name != "weights_1"}
    with pytest.raises(CorruptError, match="contains an unknown array 'weights_1'"):
        checkpoint.decode("c.npz", content, fewer, with_slots=False)


def test_arrays_that_another_checkpoint_s_meta_vouches_for_are_refused() -> None:
    """A file that is whole, and yet not what was committed."""
    content = checkpoint.encode(meta(ARRAYS), ARRAYS | {"biases_1": np.zeros(2, np.float32)})
    with pytest.raises(CorruptError, match="its arrays do not match their checksum"):
        checkpoint.decode("c.npz", content, HEADERS)


def test_anyone_can_use_a_checkpoint_with_numpy_alone(bench: Bench) -> None:
    """What a run says of its best epoch follows from its checkpoint and the data."""
    bench("train", "tiny.yaml", "--set", "dtype=float64", "--name", "n", "-q")
    result = json.loads((bench.folder / "runs/n-s0/result.json").read_text())
    best = result["best"]["epoch"]
    path = bench.folder / f"runs/n-s0/checkpoints/epoch-{best:06d}.npz"
    with np.load(path, allow_pickle=False) as kept, np.load(bench.folder / "tiny.npz") as data:
        assert set(kept) == {"meta", "weights_1", "biases_1", "weights_2", "biases_2"}
        assert (kept["weights_1"].shape, kept["weights_2"].shape) == ((10, 5), (5, 3))
        a = data["x_test"] / 255
        for layer in (1, 2):
            a = 1 / (1 + np.exp(-(a @ kept[f"weights_{layer}"] + kept[f"biases_{layer}"])))
        predicted, true = a.argmax(axis=1), data["y_test"]
    assert np.mean(predicted == true) == result["test_accuracy"]
    with np.load(bench.folder / "runs/n-s0/predictions.npz", allow_pickle=False) as kept:
        assert kept["test_predicted"].tolist() == predicted.tolist()
        assert kept["test_true"].tolist() == true.tolist()
        right = kept["validation_predicted"] == kept["validation_true"]
    assert np.mean(right) == result["best"]["validation_accuracy"]


# Locks

HOLDER = """
import sys
from pathlib import Path
from nnexp.store.lock import Lock
lock = Lock(Path(sys.argv[1]))
lock.acquire()
print("held", flush=True)
sys.stdin.read()
"""


def test_a_lock_is_one_process_s_and_gone_with_it(tmp_path: Path) -> None:
    path = tmp_path / "LOCK"
    assert not lock.is_held(path)
    command = [sys.executable, "-c", HOLDER, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        assert lock.is_held(path)
        start = time.perf_counter()
        with pytest.raises(LockedError, match=f"^{tmp_path}: another process is training this run"):
            lock.Lock(path).acquire()
        assert time.perf_counter() - start >= 0.2  # three tries, 100 ms apart
        holder.kill()
    assert not lock.is_held(path)
    mine = lock.Lock(path)
    mine.acquire()
    mine.release()


def test_a_reader_s_probe_takes_the_lock_from_nobody(tmp_path: Path) -> None:
    mine = lock.Lock(tmp_path / "LOCK")
    mine.acquire()
    assert lock.is_held(tmp_path / "LOCK")
    assert lock.is_held(tmp_path / "LOCK")
    mine.release()
    assert not lock.is_held(tmp_path / "LOCK")


def test_a_run_that_came_between_is_kept_and_nothing_left_beside_it(tmp_path: Path) -> None:
    run = Run(tmp_path / "n")
    writer.create(run, RECORD, "first").close()
    for _ in range(2):
        with pytest.raises(NameTakenError, match=f"^{run.path}: another process has just created "):
            writer.create(run, RECORD, "second")
    assert (run.path / "config.yaml").read_text() == "first"
    assert list(tmp_path.iterdir()) == [run.path]


def test_a_run_that_is_set_aside_while_another_waits_for_it_is_not_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run(tmp_path / "n")
    writer.create(run, RECORD, "first").close()
    acquire = lock.Lock.acquire

    def late(self: lock.Lock) -> None:
        monkeypatch.setattr(lock.Lock, "acquire", acquire)
        assert writer.set_aside(run).path == tmp_path / "n.damaged-1"
        acquire(self)

    monkeypatch.setattr(lock.Lock, "acquire", late)
    with pytest.raises(LockedError, match="another process has just set this run aside"):
        writer.open_(run)
    writer.create(run, RECORD, "second").close()
    assert (tmp_path / "n.damaged-1/config.yaml").read_text() == "first"


def test_a_run_that_two_set_aside_at_once_is_set_aside_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run(tmp_path / "n")
    writer.create(run, RECORD, "first").close()
    acquire = lock.Lock.acquire

    def late(self: lock.Lock) -> None:
        monkeypatch.setattr(lock.Lock, "acquire", acquire)
        writer.set_aside(run)
        writer.create(run, RECORD, "second").close()
        acquire(self)

    monkeypatch.setattr(lock.Lock, "acquire", late)
    with pytest.raises(LockedError, match="another process has just set this run aside"):
        writer.set_aside(run)
    assert (run.path / "config.yaml").read_text() == "second"
    assert not (tmp_path / "n.damaged-2").exists()


def test_a_lock_that_was_lost_or_held_leaves_no_descriptor_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "LOCK"
    acquire = lock.Lock.acquire

    def replaced(self: lock.Lock) -> None:
        acquire(self)
        path.unlink()
        path.touch()

    before = set(Path("/dev/fd").iterdir())
    with (
        lock.hold(path, "lost"),
        pytest.raises(LockedError, match="another process is training"),
        lock.hold(path, "lost"),
    ):
        pass
    monkeypatch.setattr(lock.Lock, "acquire", replaced)
    with pytest.raises(lock.ReplacedError, match=r"^lost$"), lock.hold(path, "lost"):
        pass
    assert not lock.is_held(path)
    assert set(Path("/dev/fd").iterdir()) == before


def test_a_run_in_the_making_is_locked_under_its_own_name(tmp_path: Path) -> None:
    run = Run(tmp_path / "n")
    (tmp_path / ".n.new").mkdir()
    held = lock.Lock(tmp_path / ".n.new/LOCK")
    held.acquire()
    with pytest.raises(LockedError, match=f"^{run.path}: another process is training this run"):
        writer.create(run, RECORD, "")
    held.release()
    writer.create(run, RECORD, "").close()


# Listing


@pytest.fixture
def several(once: Once) -> Bench:
    """Runs that are finished, stopped, and diverged."""
    return once(make_several)


def make_several(bench: Bench) -> None:
    """Train the runs."""
    bench("train", "tiny.yaml", "--name", "b-finished", "-q")
    bench("train", "tiny.yaml", "--name", "c-stopped", "--until", "1", "-q")
    bench("train", "tiny.yaml", "--name", "a-diverged", "--set", "learning_rate=1e30", "-q")
    for run in (bench.folder / "runs").glob("*-s0"):
        run.rename(run.with_name(run.name.removesuffix("-s0")))


def test_runs_are_listed_with_what_came_of_them(several: Bench) -> None:
    result = json.loads((several.folder / "runs/b-finished/result.json").read_text())
    row = json.loads((several.folder / "runs/c-stopped/metrics.jsonl").read_text())
    best, test = 100 * result["best"]["validation_accuracy"], 100 * result["test_accuracy"]
    first = 100 * row["validation_accuracy"]
    assert several("runs", "--each") == (
        0,
        (
            "run         status       epochs  learning_rate  validation  at     test\n"
            "a-diverged  diverged          0          1e+30           -   -        -\n"
            f"b-finished  finished          3            0.5     {best:5.2f} %   "
            f"{result['best']['epoch']}  {test:5.2f} %\n"
            f"c-stopped   interrupted       1            0.5     {first:5.2f} %   1        -\n"
        ),
        "",
    )


def test_runs_as_json(several: Bench) -> None:
    code, out, _ = several("runs", "--each", "--json")
    listed = json.loads(out)
    assert (code, out.count("\n")) == (0, 1)
    assert [entry["name"] for entry in listed] == ["a-diverged", "b-finished", "c-stopped"]
    configs = [entry.pop("config") for entry in listed]
    assert [config["learning_rate"] for config in configs] == [1e30, 0.5, 0.5]
    assert configs[0]["data.file"] == "tiny.npz"
    files = (several.folder / "runs/a-diverged").rglob("*")
    assert listed[0] == {
        "name": "a-diverged",
        "experiment": "a-diverged",
        "seed": 0,
        "run": "runs/a-diverged",
        "status": "diverged",
        "epochs": 0,
        "best_validation_accuracy": None,
        "best_epoch": None,
        "test_accuracy": None,
        "problem": None,
        "data_sha256": listed[1]["data_sha256"],
        "weights_sha256": None,
        "started": listed[0]["started"],
        "size": sum(path.stat().st_size for path in files if path.is_file()),
        "tags": [],
    }
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", listed[0]["started"])
    assert listed[1]["epochs"] == 3
    assert {entry["experiment"] for entry in listed[1:]} == {"b-finished"}
    told = "nix: no run in runs matches; nnexp runs lists all\n"
    assert several("runs", "nix", "--each", "--json") == (1, "[]\n", told)
    assert several("runs", "nix", "--json") == (1, "[]\n", told)


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["--reverse"], "cba"),
        (["--sort", "status"], "abc"),
        (["--sort", "epochs"], "acb"),
        (["--sort", "epochs", "--reverse"], "bca"),
        (["--sort", "test"], "bac"),
        (["--sort", "test", "--reverse"], "bac"),
        (["--status", "finished"], "b"),
        (["--status", "finished", "--status", "diverged"], "ab"),
        (["a*", "*stopped"], "ac"),
        (["?-finished"], "b"),
        (["a*", "--status", "finished"], ""),
    ],
)
def test_runs_are_sorted_and_filtered(several: Bench, arguments: list[str], names: str) -> None:
    code, out, err = several("runs", "--each", *arguments)
    assert (code, [line[0] for line in out.splitlines()[1:]]) == (0, list(names))
    assert err == ("" if names else "no matching runs in runs; nnexp runs lists all\n")


def test_sorting_by_validation_goes_from_low_to_high(bench: Bench) -> None:
    bench("train", "tiny.yaml", "--seeds", "5", "-q")
    for reverse in ([], ["--reverse"]):
        listed = json.loads(bench("runs", "--each", "--sort", "validation", "--json", *reverse).out)
        values = [entry["best_validation_accuracy"] for entry in listed]
        assert values == sorted(values, reverse=bool(reverse))
        assert len(set(values)) > 1


def test_a_damaged_run_is_listed_hides_no_other_and_exits_1(several: Bench) -> None:
    (several.folder / "runs/b-finished/result.json").write_text("{}")
    (several.folder / "runs/c-stopped/run.json").unlink()
    code, out, err = several("runs")
    assert code == 1
    assert [line.split()[:2] for line in out.splitlines()[1:]] == [
        ["a-diverged", "diverged"],
        ["b-finished", "damaged"],
        ["c-stopped", "damaged"],
    ]
    assert err == (
        "runs/b-finished/result.json: is damaged: its checksum does not match its content\n"
        "runs/c-stopped: is not a run: it has no run.json\n"
    )
    assert several("runs", "a*").code == 0


def test_a_folder_without_runs(bench: Bench) -> None:
    told = "runs: there is no such folder; nnexp train makes it, and --runs names another\n"
    assert bench("runs") == (1, "", told)
    assert bench("runs", "a*", "--quiet") == (1, "", told)
    assert bench("runs", "--json") == (1, "[]\n", told)
    (bench.folder / "runs/.hidden").mkdir(parents=True)
    (bench.folder / "runs/notes").mkdir()
    (bench.folder / "runs/file.txt").write_text("")
    assert bench("runs") == (0, "", "no runs in runs; nnexp train makes one\n")


def test_status_is_derived_from_what_is_there(several: Bench) -> None:
    run = Run(several.folder / "runs/c-stopped")
    seen = [run.status]
    held = lock.Lock(run.path / "LOCK")
    held.acquire()
    seen.append(run.status)
    assert several("runs", "--status", "running").out.splitlines()[1].split()[1] == "running"
    held.release()
    seen.append(run.status)
    several("train", "tiny.yaml", "--name", "c-stopped", "-q")
    seen.append(run.status)
    assert seen == ["interrupted", "running", "interrupted", "finished"]


def test_many_runs_are_listed(several: Bench) -> None:
    for number in range(150):
        for name in ("b-finished", "c-stopped"):
            source = several.folder / "runs" / name
            target = several.folder / "many" / f"{name}-{number}"
            (target / "checkpoints").mkdir(parents=True)
            for file in ("run.json", "metrics.jsonl", "result.json"):
                if (source / file).exists():
                    shutil.copy(source / file, target / file)
    code, out, _ = several("runs", "--each", "--runs", "many")
    assert (code, out.count("\n")) == (0, 301)

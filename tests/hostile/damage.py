"""Damaged and made-up run directories: how files are damaged, and the commands that read them."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np

from nnexp.store import checkpoint

RUN, OTHER = "runs/hostile-s0", "runs/other"
COMMANDS: dict[str, tuple[str, ...]] = {
    "train": ("train", "tiny.yaml", "--name", "hostile", "-q"),
    "runs": ("runs",),
    "compare": ("compare", RUN, OTHER),
    "compare as JSON": ("compare", OTHER, RUN, "--json"),
    "show": ("show", RUN),
    "show as JSON": ("show", RUN, "--json"),
    "report": ("report", RUN, OTHER),
    "replay": ("replay", RUN),
    "evaluate": ("evaluate", RUN),
    "verify": ("verify", RUN, "-q"),
}


class Case(NamedTuple):
    """How a run is made hostile, what is said of it, and each command's exit code."""

    damage: Callable[[Path], None]
    told: str
    codes: dict[str, int]
    finished: bool = False


# How files are damaged


def replaced(name: str, content: bytes | Callable[[bytes], bytes]) -> Callable[[Path], None]:
    """Return a damage that gives a file, or both checkpoints, another content."""

    def damage(run: Path) -> None:
        for path in run.glob(name):
            new = content(path.read_bytes()) if callable(content) else content
            path.write_bytes(new)

    return damage


def flipped(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def halved(content: bytes) -> bytes:
    return content[: len(content) // 2]


def resealed(change: Callable[[dict[str, Any]], object]) -> Callable[[bytes], bytes]:
    """Return a change of a sealed file with a checksum that fits: who can write can also hash."""

    def changed(content: bytes) -> bytes:
        tree = json.loads(content)
        del tree["checksum"]
        change(tree)
        whole = msgspec.json.encode(tree, order="sorted")
        tree["checksum"] = hashlib.sha256(whole).hexdigest()
        return json.dumps(tree, ensure_ascii=False).encode()

    return changed


def run_json(**keys: Any) -> Callable[[Path], None]:  # noqa: ANN401 - any JSON
    return replaced("run.json", resealed(lambda tree: tree.update(keys)))


def result_json(**keys: Any) -> Callable[[Path], None]:  # noqa: ANN401 - any JSON
    return replaced("result.json", resealed(lambda tree: tree.update(keys)))


def config(key: str, value: object) -> Callable[[Path], None]:
    return replaced("run.json", resealed(lambda tree: tree["config"].update({key: value})))


def link(name: str, target: str) -> Callable[[Path], None]:
    """Return a damage that puts a symbolic link in a file's or folder's place."""

    def damage(run: Path) -> None:
        remove(run / name)
        (run / name).symlink_to(target)

    return damage


def device(name: str) -> Callable[[Path], None]:
    """Return a damage that lets a name lead to what never ends."""
    return link(name, "/dev/zero")


def fifo(name: str) -> Callable[[Path], None]:
    def damage(run: Path) -> None:
        remove(run / name)
        os.mkfifo(run / name)

    return damage


def file(name: str) -> Callable[[Path], None]:
    def damage(run: Path) -> None:
        remove(run / name)
        (run / name).touch()

    return damage


def folder(name: str) -> Callable[[Path], None]:
    def damage(run: Path) -> None:
        remove(run / name)
        (run / name).mkdir()

    return damage


def remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def sparse(name: str, size: int) -> Callable[[Path], None]:
    """Return a damage that makes files enormous without filling the disk."""

    def damage(run: Path) -> None:
        for path in run.glob(name):
            os.truncate(path, size)

    return damage


def moved_checkpoints(run: Path) -> None:
    """Put a link to a folder elsewhere in the place of the checkpoints' folder."""
    (run / "checkpoints").rename(run.parent.parent / "elsewhere")
    (run / "checkpoints").symlink_to("../../elsewhere")


def arrays(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    """Return a damage that changes checkpoints' arrays and makes their hashes fit."""

    def changed(content: bytes) -> bytes:
        with np.load(io.BytesIO(content)) as file:
            held = dict(file)
        said = json.loads(held.pop("meta").tobytes())
        change(held)
        plain = {name: array for name, array in held.items() if array.dtype != object}
        said["arrays_sha256"] = checkpoint.digest(plain)
        coded = np.frombuffer(json.dumps(said, separators=(",", ":")).encode(), np.uint8)
        return archived({"meta": coded, **held})

    return replaced("checkpoints/*.npz", changed)


def archived(arrays: dict[str, Any]) -> bytes:
    """Return an archive as nnexp writes it, or with objects, which it never writes."""
    if all(array.dtype != object for array in arrays.values()):
        return checkpoint.archive(arrays)
    written = io.BytesIO()
    np.savez(written, **arrays)
    return written.getvalue()


def without_weights(content: bytes) -> bytes:
    """Return a checkpoint with zeros for some weights, and all else as it was."""
    with np.load(io.BytesIO(content)) as file:
        weights: bytes = file["weights_2"].tobytes("A")
    assert weights in content
    return content.replace(weights, bytes(len(weights)))


def meta(**keys: Any) -> Callable[[Path], None]:  # noqa: ANN401 - any JSON
    """Return a damage that changes what checkpoints say of themselves."""

    def changed(content: bytes) -> bytes:
        with np.load(io.BytesIO(content)) as file:
            held = dict(file)
        said = json.loads(held["meta"].tobytes()) | keys
        held["meta"] = np.frombuffer(json.dumps(said, separators=(",", ":")).encode(), np.uint8)
        return archived(held)

    return replaced("checkpoints/*.npz", changed)


def committed_rows(rows: bytes) -> Callable[[Path], None]:
    """Return a damage that has the checkpoints commit other rows, with hashes that fit."""

    def damage(run: Path) -> None:
        (run / "metrics.jsonl").write_bytes(rows)
        digest = hashlib.sha256(rows).hexdigest()
        meta(metrics_length=len(rows), metrics_sha256=digest)(run)

    return damage


def rows(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    """Return a damage that changes all rows, with hashes that fit."""

    def damage(run: Path) -> None:
        found = [json.loads(line) for line in (run / "metrics.jsonl").read_bytes().splitlines()]
        for row in found:
            change(row)
        committed_rows(b"".join(msgspec.json.encode(row) + b"\n" for row in found))(run)

    return damage


def alternating(row: dict[str, Any]) -> None:
    row["train_cost"] = row["validation_cost"] = (-1) ** row["epoch"] * 1.7e308


def data(**keys: Any) -> Callable[[Path], None]:  # noqa: ANN401 - any JSON
    return replaced("run.json", resealed(lambda tree: tree["data"].update(keys)))


def other_classes(run: Path) -> None:
    """Let the config choose two of the three classes that the data has, with a digest that fits."""
    from nnexp.config import canonical, load  # noqa: PLC0415 - NumPy, after its variables are set

    def change(tree: dict[str, Any]) -> None:
        tree["config"]["data"]["classes"] = [0, 1]
        tree["config_sha256"] = canonical.digest(load.from_builtins(tree["config"], "its config"))

    replaced("run.json", resealed(change))(run)


def noted(epoch: int, seconds: float) -> Callable[[Path], None]:
    """Return a damage that has every epoch, or one, take some seconds."""
    line = {"epoch": epoch, "train_seconds": seconds, "evaluate_seconds": seconds}
    lines = [msgspec.json.encode(line | {"epoch": epoch + k}) + b"\n" for k in range(3)]
    return replaced("timing.jsonl", b"".join(lines))


def appended(row: str) -> Callable[[Path], None]:
    return replaced("metrics.jsonl", lambda content: content + row.encode() + b"\n")

"""What reads files that a stranger may have written, each as bytes reach it, with sound inputs."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np

from nnexp.config import dump, load
from nnexp.datasets import csv_file, idx, npz
from nnexp.datasets.files import MalformedError
from nnexp.datasets.sources import Csv
from nnexp.errors import CorruptError, NnexpError, UsageError
from nnexp.store import checkpoint, metrics, notes, records, run
from nnexp.store.meta import Meta
from nnexp.store.records import DataRecord, RunRecord, Versions
from nnexp.training.history import Row


class Target(NamedTuple):
    """A reader as bytes reach it, and sound inputs to begin with."""

    read: Callable[[bytes], object]
    seeds: list[bytes]


def _allowing(read: Callable[[bytes], object], *allowed: type[Exception]) -> Target:
    def tried(content: bytes) -> None:
        try:
            read(content)
        except allowed as error:
            if not all(line.isprintable() for line in str(error).split("\n")):
                raise AssertionError(f"unprintable: {error!r}") from error

    return Target(tried, [])


def _yaml() -> Target:

    def read(content: bytes) -> None:
        config = load.parse(content, "c.yaml")
        if load.parse(dump.to_yaml(config), "again") != config:
            raise AssertionError("a config does not survive being written")

    sound = [dump.to_yaml(load.parse("", "c")).encode(), b"hidden: [30]\ndata: {name: mnist}\n"]
    return _allowing(read, NnexpError)._replace(seeds=sound)


def _settings() -> Target:

    def read(content: bytes) -> None:
        load.parse("", "c.yaml", [content.decode("utf-8", "surrogateescape")])

    return _allowing(read, NnexpError)._replace(seeds=[b"optimizer.mu=0.5", b"hidden=[3, 4]"])


def _idx() -> Target:
    whole = b"\0\0\x08\x03" + b"".join(n.to_bytes(4, "big") for n in (3, 2, 2)) + bytes(12)

    def read(content: bytes) -> None:
        for magic in (idx.IMAGES, idx.LABELS):
            idx.parse(io.BytesIO(content), magic)

    return _allowing(read, MalformedError)._replace(seeds=[whole, gzip.compress(whole, mtime=0)])


def _npz() -> Target:

    seeds = []
    for save in (np.savez, np.savez_compressed):
        written = io.BytesIO()
        save(written, x_train=np.arange(6.0).reshape(3, 2), y_train=np.arange(3))
        seeds.append(written.getvalue())

    def read(content: bytes) -> None:
        npz.parse(io.BytesIO(content), lambda _: None)

    return _allowing(read, MalformedError)._replace(seeds=seeds)


def _csv() -> Target:

    def read(content: bytes) -> None:
        csv_file.parse(io.BytesIO(content), Csv(train_file=""))

    return _allowing(read, MalformedError)._replace(seeds=[b"a,b,label\n1,2.5,0\n3,-4,1\n"])


def _metrics() -> Target:

    def read(content: bytes) -> None:
        try:
            metrics.decode(content)
        except ValueError as error:  # as the run that reads them says it
            raise CorruptError(str(error)) from error

    rows = (Row(epoch=1, learning_rate=0.5, train_cost=0.1), Row(epoch=2, learning_rate=None))
    return _allowing(read, CorruptError)._replace(seeds=[b"".join(map(metrics.encode, rows))])


def _sealed() -> Target:
    record = RunRecord(
        name="n",
        config={"hidden": [30]},
        config_sha256="c",
        data=DataRecord(sha256={"x": "d"}, train=5, validation=0, test=0, features=3, classes=2),
        versions=Versions(**dict.fromkeys(Versions.__struct_fields__, "1")),
        numerics="f",
    )

    def read(content: bytes) -> None:
        records.unseal(Path("run.json"), _forged(content), RunRecord)

    return _allowing(read, CorruptError)._replace(seeds=[records.seal(record)])


def _forged(content: bytes) -> bytes:
    """Return a record with a checksum that fits, as whoever can write a file can make it."""
    try:
        tree = json.loads(content)
        tree["checksum"] = records._checksum({k: v for k, v in tree.items() if k != "checksum"})  # noqa: SLF001 - see above
    except (AttributeError, OverflowError, RecursionError, TypeError, ValueError):
        return content
    return json.dumps(tree).encode()


def _checkpoint() -> Target:

    arrays: checkpoint.Arrays = {"weights_1": np.ones((2, 3), np.float32), "slot_v": np.zeros(4)}
    headers = {name: npz.Header(array.dtype, array.shape) for name, array in arrays.items()}
    meta = Meta(
        epoch=1,
        config_sha256="c",
        metrics_length=5,
        metrics_sha256="d",
        arrays_sha256=checkpoint.digest(arrays),
    )

    def read(content: bytes) -> None:
        _, found = checkpoint.decode("c.npz", content, headers)
        if checkpoint.digest(found) != checkpoint.digest(arrays):
            raise AssertionError("other numbers passed")

    return _allowing(read, CorruptError)._replace(seeds=[checkpoint.encode(meta, arrays)])


def _notes() -> Target:
    sound = notes.Notes(("keep",), (notes.Note("2026-11-01T12:00:00Z", "η is large"),))

    def read(content: bytes) -> None:
        found = notes.decode(Path("notes.json"), content)
        if notes.decode(Path("notes.json"), msgspec.json.encode(found)) != found:
            raise AssertionError("notes do not survive being written")

    return _allowing(read, CorruptError)._replace(seeds=[msgspec.json.encode(sound)])


def _names() -> Target:

    def read(content: bytes) -> None:
        name = content.decode("utf-8", "surrogateescape")
        if run.named(Path("runs"), name).path.parts != ("runs", name):
            raise AssertionError(f"{name!r} leads elsewhere")

    return _allowing(read, UsageError)._replace(seeds=[b"quickstart-b76005d11616-s0", b"../x"])


TARGETS = {
    "yaml": _yaml(),
    "settings": _settings(),
    "idx": _idx(),
    "npz": _npz(),
    "csv": _csv(),
    "metrics": _metrics(),
    "sealed": _sealed(),
    "checkpoint": _checkpoint(),
    "notes": _notes(),
    "names": _names(),
}

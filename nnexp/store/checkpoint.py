"""Checkpoints: parameters, optimizer state and their epoch in one NumPy archive; reading commits.

Anyone can read one with ``numpy.load(path, allow_pickle=False)``: ``weights_1`` of shape
(fan_in, fan_out), ``biases_1``, ``weights_2``, …, and, for optimizers that have a
state, ``slot_<name>`` vectors in theta's order.
"""

from __future__ import annotations

import hashlib
import io
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from nnexp.datasets import npz
from nnexp.datasets.npz import Header
from nnexp.errors import CorruptError
from nnexp.store import disk
from nnexp.store import meta as metas
from nnexp.store.meta import Meta
from nnexp.store.run import METRICS, METRICS_LIMIT, Run
from nnexp.training.history import Row, best_row

META = "meta"
OVERHEAD = 2048
"""Bytes of a member beside its values, at most: zip's and NumPy's headers, and meta's own text."""

Arrays = dict[str, npt.NDArray[Any]]


def digest(arrays: Mapping[str, npt.NDArray[Any]]) -> str:
    """Return the sha256 of arrays with their names, types and shapes."""
    total = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        total.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        total.update(array.data)
    return total.hexdigest()


def encode(meta: Meta, arrays: Arrays) -> bytes:
    """Return a checkpoint's bytes, which depend on meta and arrays alone."""
    return archive({META: np.frombuffer(msgspec.json.encode(meta), np.uint8), **arrays})


def archive(arrays: Arrays) -> bytes:
    """Return arrays as a NumPy archive's bytes, which depend on nothing else."""
    content = io.BytesIO()
    np.savez(content, **arrays)  # type: ignore[arg-type]  # no array is named allow_pickle
    return content.getvalue()


def room(expected: Mapping[str, npz.Header]) -> int:
    """Return how many bytes a checkpoint of these arrays has at most."""
    values = sum(math.prod(shape) * dtype.itemsize for dtype, shape in expected.values())
    return values + OVERHEAD * (len(expected) + 1)


def decode(name: str, content: bytes, expected: Mapping[str, npz.Header]) -> tuple[Meta, Arrays]:
    """Return what encode was given; name is for messages.

    Raises:
        CorruptError: it is damaged, or holds other arrays than expected.
    """

    def check(headers: Mapping[str, npz.Header]) -> None:
        npz.exactly(expected)({key: headers[key] for key in headers if key != META})
        npz.exactly({META: npz.Header(np.dtype(np.uint8), headers[META].shape[:1])})(
            {META: headers[META]}
        )

    try:
        arrays = npz.parse(io.BytesIO(content), check)
    except (KeyError, ValueError) as error:
        raise CorruptError(f"{name}: is damaged: {error}") from error
    meta = metas.decode(name, arrays.pop(META).tobytes())
    if meta.arrays_sha256 != digest(arrays):
        raise CorruptError(f"{name}: is damaged: its arrays do not fit their checksum")
    return meta, arrays


class Commit(NamedTuple):
    """An epoch that is safe: its rows, all others before it included, and its arrays."""

    history: list[Row]
    arrays: Arrays
    metrics_length: int
    """Bytes of metrics.jsonl that are committed."""


def recorded(run: Run) -> bytes:
    """Return metrics.jsonl, committed or not."""
    return disk.read(run.path / METRICS, METRICS_LIMIT) or b""


def newest(
    run: Run, content: bytes, expected: Mapping[str, Header], warn: Callable[[str], None]
) -> Commit | None:
    """Return the newest commit that is intact.

    Args:
        run: the run.
        content: its metrics.jsonl.
        expected: the arrays that a checkpoint of this run holds.
        warn: told of each damaged checkpoint that is passed over.

    Returns: None if no epoch was committed.

    Raises:
        CorruptError: checkpoints are there, but none is intact.
    """
    problems: list[CorruptError] = []
    for epoch, path in run.checkpoints().items():
        try:
            commit = read(run, path, epoch, content, expected)
        except CorruptError as error:
            problems.append(error)
            continue
        for problem in problems:
            warn(f"{problem}; going back to the checkpoint before it")
        return commit
    if problems or content.count(b"\n") > 1:
        first = f"; the newest: {problems[0]}" if problems else ""
        raise CorruptError(f"{run.path}: no intact checkpoint is left to go on from{first}")
    return None


def best(run: Run, expected: Mapping[str, Header]) -> tuple[Row, Arrays] | None:
    """Return the best committed epoch's row and arrays, or None if no epoch was committed.

    Raises:
        CorruptError: its checkpoint is missing or damaged, or the rows are.
    """

    def look() -> tuple[Row, Arrays] | None:
        history = run.history()
        if not history:
            return None
        row = best_row(history)
        return row, load(run, row.epoch, expected)

    return run.looked_at(look)


def load(run: Run, epoch: int, expected: Mapping[str, Header]) -> Arrays:
    """Return the arrays that were committed with an epoch.

    Raises:
        CorruptError: its checkpoint is missing or damaged.
    """
    return read(run, run.checkpoint_path(epoch), epoch, recorded(run), expected).arrays


def read(
    run: Run, path: Path, epoch: int, content: bytes, expected: Mapping[str, Header]
) -> Commit:
    """Return what a checkpoint of a run commits.

    Raises:
        CorruptError: it is missing, damaged, or belongs to another epoch, run or metrics.
    """
    raw = disk.read(path, room(expected))
    if raw is None:
        raise CorruptError(f"{path}: is missing")
    meta, arrays = decode(str(path), raw, expected)
    if meta.epoch != epoch or meta.config_sha256 != run.record.config_sha256:
        raise CorruptError(f"{path}: belongs to another epoch or run")
    return Commit(metas.rows(path, meta, content), arrays, meta.metrics_length)

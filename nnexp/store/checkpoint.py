"""Encode, decode and read checkpoints: one NumPy archive with parameters and optimizer state.

Read one without nnexp by ``numpy.load(path, allow_pickle=False)``: ``weights_1`` of shape
(fan_in, fan_out), ``biases_1``, ``weights_2``, …, and, for optimizers with a state,
``slot_<name>`` vectors in theta's order.
"""

from __future__ import annotations

import hashlib
import io
import math
import shlex
import zipfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import msgspec
import numpy as np

from nnexp.datasets import npz
from nnexp.datasets.npz import Header
from nnexp.errors import CorruptError
from nnexp.store import disk, trash
from nnexp.store import meta as metas
from nnexp.store.meta import Meta
from nnexp.store.run import Run
from nnexp.training.history import Row, best_row

if TYPE_CHECKING:
    import numpy.typing as npt

META = "meta"
SLOT = "slot_"
"""The prefix of the optimizer's arrays."""
OVERHEAD = 2048
"""Maximum bytes of a member in addition to its values: zip and NumPy headers, the meta's JSON."""

Arrays: TypeAlias = "dict[str, npt.NDArray[Any]]"


def digest(arrays: Mapping[str, npt.NDArray[Any]]) -> str:
    """Return the sha256 of arrays, including their names, types and shapes."""
    sha256 = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        sha256.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        sha256.update(array.data)
    return sha256.hexdigest()


def encode(meta: Meta, arrays: Arrays) -> bytes:
    """Return a checkpoint's bytes. They depend on meta and arrays only."""
    return archive({META: np.frombuffer(msgspec.json.encode(meta), np.uint8), **arrays})


def archive(arrays: Arrays) -> bytes:
    """Return the bytes of a NumPy archive. They depend on the arrays only.

    ``numpy.savez`` asks for headers that Python before 3.11.4 wrote differently.
    """
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as packed:
        for name, array in arrays.items():
            member = io.BytesIO()
            np.lib.format.write_array(member, array, allow_pickle=False)
            packed.writestr(zipfile.ZipInfo(f"{name}.npy"), member.getvalue())
    return content.getvalue()


def max_size(expected: Mapping[str, npz.Header]) -> int:
    """Return the maximum size in bytes of a checkpoint with these arrays."""
    values = sum(math.prod(shape) * dtype.itemsize for dtype, shape in expected.values())
    return max_archive(values, len(expected))


def max_archive(values: int, arrays: int) -> int:
    """Return the maximum bytes of an archive of so many arrays, whose values have so many bytes."""
    return values + OVERHEAD * (arrays + 1)


def decode(
    name: str, content: bytes, expected: Mapping[str, npz.Header], *, with_slots: bool = True
) -> tuple[Meta, Arrays]:
    """Return the meta and arrays of an encoded checkpoint.

    Args:
        name: of the checkpoint, for messages.
        content: the encoded checkpoint.
        expected: the arrays that it holds.
        with_slots: whether the optimizer's arrays must be as expected, too: an earlier version
            of nnexp may have had others, which do not matter if only the parameters are used.

    Raises:
        CorruptError: the checkpoint is damaged or holds other arrays than expected.
    """

    def checked(headers: Mapping[str, npz.Header]) -> dict[str, npz.Header]:
        return {
            key: headers[key]
            for key in headers
            if key != META and (with_slots or not key.startswith(SLOT))
        }

    def check(headers: Mapping[str, npz.Header]) -> None:
        if with_slots and _slots(headers) != _slots(expected):
            reason = "holds the optimizer's state as another version of nnexp kept it"
            raise CorruptError(f"{name}: {reason}")
        npz.exactly(checked(expected))(checked(headers))
        npz.exactly({META: npz.Header(np.dtype(np.uint8), headers[META].shape[:1])})(
            {META: headers[META]}
        )

    try:
        arrays = npz.parse(io.BytesIO(content), check)
    except (KeyError, ValueError) as error:
        raise CorruptError(f"{name}: is damaged: {error}") from error
    meta = metas.decode(name, arrays.pop(META).tobytes())
    if meta.arrays_sha256 != digest(arrays):
        raise CorruptError(f"{name}: is damaged: its arrays do not match their checksum")
    return meta, arrays


def _slots(arrays: Iterable[str]) -> set[str]:
    """Return the names of the optimizer's arrays."""
    return {name for name in arrays if name.startswith(SLOT)}


class Commit(NamedTuple):
    """A committed epoch: its arrays, and the rows up to and including it."""

    history: list[Row]
    arrays: Arrays
    meta: Meta


def newest(
    run: Run, content: bytes, expected: Mapping[str, Header], warn: Callable[[str], None]
) -> Commit | None:
    """Return the newest intact commit, or None if no epoch was committed.

    Args:
        run: the run.
        content: the content of its metrics.jsonl.
        expected: the arrays that a checkpoint of this run holds.
        warn: called with a message for each damaged checkpoint that is skipped.

    Raises:
        CorruptError: there are checkpoints, but none is intact.
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
        newest = f"; the newest: {problems[0]}" if problems else ""
        raise CorruptError(f"{run.path}: no intact checkpoint is left to continue from{newest}")
    return None


def best(run: Run, expected: Mapping[str, Header]) -> tuple[Row, Arrays] | None:
    """Return the best committed epoch's row and arrays, or None if no epoch was committed.

    Raises:
        CorruptError: the rows or the epoch's checkpoint are missing or damaged.
    """

    def read_best() -> tuple[Row, Arrays] | None:
        history = run.history()
        if not history:
            return None
        row = best_row(history)
        return row, load(run, row.epoch, expected)

    return run.read_consistently(read_best)


def load(run: Run, epoch: int, expected: Mapping[str, Header]) -> Arrays:
    """Return the arrays of an epoch's checkpoint; the optimizer's may be others than expected.

    Raises:
        CorruptError: the checkpoint is missing or damaged.
    """
    content = run.read_metrics() or b""
    path = run.checkpoint_path(epoch)
    return read(run, path, epoch, content, expected, with_slots=False).arrays


def _remedy(run: Run, path: Path) -> str:
    """Return what to do about a missing checkpoint, for a message."""
    if trash.has_checkpoint(run, path.name):
        restore = shlex.join(["nnexp", "rm", "--restore", str(run.path)])
        return f"; {restore} brings it back from the trash"
    if run.result is not None:
        return f"; nnexp train {run.path} --runs DIR trains the run again, into another folder"
    return ""


def read(
    run: Run,
    path: Path,
    epoch: int,
    content: bytes,
    expected: Mapping[str, Header],
    *,
    with_slots: bool = True,
) -> Commit:
    """Return the rows and arrays that a checkpoint commits.

    Args:
        run: the run.
        path: the checkpoint's file.
        epoch: the epoch that the checkpoint must be of.
        content: the content of the run's metrics.jsonl.
        expected: the arrays that a checkpoint of this run holds.
        with_slots: as in ``decode``.

    Raises:
        CorruptError: it is missing, damaged, or belongs to another epoch, run or metrics.
    """
    raw = disk.read(path, max_size(expected))
    if raw is None:
        raise CorruptError(f"{path}: is missing{_remedy(run, path)}")
    meta, arrays = decode(str(path), raw, expected, with_slots=with_slots)
    if meta.epoch != epoch or meta.config_sha256 != run.record.config_sha256:
        raise CorruptError(f"{path}: belongs to another epoch or run")
    return Commit(metas.rows(path, meta, content), arrays, meta)

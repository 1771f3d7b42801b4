"""Checkpoints: parameters, optimizer state and what they belong to, in one NumPy archive.

Anyone can read one with ``numpy.load(path, allow_pickle=False)``: ``weights_1`` of shape
(fan_in, fan_out), ``biases_1``, ``weights_2``, …, and, for optimizers that have a
state, ``slot_<name>`` vectors in theta's order.
"""

from __future__ import annotations

import hashlib
import io
import math
from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from nnexp.datasets import npz
from nnexp.errors import CorruptError
from nnexp.store import meta as metas
from nnexp.store.meta import Meta

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

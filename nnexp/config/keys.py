"""A config's keys as ``--set`` and tables write them: dotted, a component's name under its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from msgspec.inspect import StructType

    from nnexp.config.fields import Kind

DEEPEST = 20
"""How deep a config's values may be nested: as deep as the reader lets them."""
TOO_DEEP = f"values are nested more than {DEEPEST} deep"


def flat(tree: dict[str, Any], depth: int = 1) -> dict[str, Any]:
    """Return a tree of plain values by dotted key, such as ``optimizer`` and ``optimizer.mu``.

    Raises: ValueError for a tree that no config can be.
    """
    found: dict[str, Any] = {}
    if depth > DEEPEST:
        raise ValueError(TOO_DEEP)
    for key, value in tree.items():
        if isinstance(value, dict):
            for inner, setting in flat(value, depth + 1).items():
                found[key if inner == "name" else f"{key}.{inner}"] = setting
            continue
        if isinstance(value, list):
            _check(value, depth)
        found[key] = value
    return found


def _check(values: Iterable[Any], depth: int) -> None:
    if depth > DEEPEST:
        raise ValueError(TOO_DEEP)
    for value in values:
        if isinstance(value, dict | list):
            _check(value.values() if isinstance(value, dict) else value, depth + 1)


def known() -> list[str]:
    """Return every key that a config may have, whatever its components."""
    from nnexp.config import convert  # noqa: PLC0415 - NumPy, which listing runs does without
    from nnexp.config.model import Config  # noqa: PLC0415 - likewise

    return list(dict.fromkeys(key for key, _ in _fields(convert.info(Config))))


def takes_lists(key: str) -> bool:
    """Return whether a key, whatever its component, takes lists."""
    from msgspec.inspect import VarTupleType  # noqa: PLC0415 - as above

    from nnexp.config import convert, fields  # noqa: PLC0415 - as above
    from nnexp.config.model import Config  # noqa: PLC0415 - as above

    found = (kind for each, kind in _fields(convert.info(Config)) if each == key)
    return any(isinstance(e, VarTupleType) for kind in found for e in fields.alternatives(kind))


def could_be_in(key: str, value: object) -> bool:
    """Return whether a key takes lists that could have value in them; it takes none but lists."""
    from nnexp.config import convert, fields  # noqa: PLC0415 - as above
    from nnexp.config.model import Config  # noqa: PLC0415 - as above

    kinds = (kind for name, kind in _fields(convert.info(Config)) if name == key)
    return any(fields.is_item(fields.alternatives(kind), value) for kind in kinds)


def _fields(struct: StructType, before: str = "") -> Iterator[tuple[str, Kind]]:
    from msgspec.inspect import StructType  # noqa: PLC0415 - as above

    from nnexp.config import fields  # noqa: PLC0415 - as above

    for field in struct.fields:
        key = f"{before}{field.encode_name}"
        yield key, field.type
        for choice in fields.alternatives(field.type):
            if isinstance(choice, StructType):
                yield from _fields(choice, f"{key}.")

"""A config's keys as ``--set`` and tables write them: dotted, a component's name under its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from msgspec.inspect import StructType


DEEPEST = 20
"""How deep a config's values may be nested: as deep as the reader lets them."""


def flat(tree: dict[str, Any], depth: int = 1) -> dict[str, Any]:
    """Return a tree of plain values by dotted key, such as ``optimizer`` and ``optimizer.mu``.

    Raises: ValueError for a tree that no config can be.
    """
    found: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, dict | list):
            _check(value, depth)
        if not isinstance(value, dict):
            found[key] = value
            continue
        for inner, setting in flat(value, depth + 1).items():
            found[key if inner == "name" else f"{key}.{inner}"] = setting
    return found


def _check(value: Any, depth: int) -> None:  # noqa: ANN401 - any value of a config
    if depth > DEEPEST:
        raise ValueError(f"values are nested more than {DEEPEST} deep")
    for inner in value if isinstance(value, list) else ():
        if isinstance(inner, dict | list):
            _check(list(inner.values()) if isinstance(inner, dict) else inner, depth + 1)


def known() -> list[str]:
    """Return every key that a config may have, whatever its components."""
    from nnexp.config import convert  # noqa: PLC0415 - NumPy, which listing runs does without
    from nnexp.config.model import Config  # noqa: PLC0415 - likewise

    return list(dict.fromkeys(_keys(convert.info(Config))))


def _keys(struct: StructType, before: str = "") -> Iterator[str]:
    from msgspec.inspect import StructType  # noqa: PLC0415 - as above

    from nnexp.config import kinds  # noqa: PLC0415 - as above

    for field in struct.fields:
        key = f"{before}{field.encode_name}"
        yield key
        for choice in kinds.alternatives(field.type):
            if isinstance(choice, StructType):
                yield from _keys(choice, f"{key}.")

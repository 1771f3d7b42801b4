"""A config's dotted keys, as ``--set`` and tables write them: ``optimizer``, ``optimizer.mu``.

A component's name is the value of the component's own key.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from msgspec.inspect import StructType

    from nnexp.config.fields import Kind

MAX_DEPTH = 20
"""Maximum depth of nested values, the same as for YAML."""
TOO_DEEP = f"values are nested more than {MAX_DEPTH} deep"


LATE_DEFAULTS: dict[str, dict[str, Any]] = {
    "": {"class_weights": None, "data.standardize": False, "data.split_seed": 0},
    "csv": {"data.label": None, "data.drop": [], "data.delimiter": None},
    "npz": {
        f"data.arrays.{name}": None
        for name in (
            *("x_train", "y_train", "x_validation", "y_validation", "x_test", "y_test"),
            "class_names",
        )
    },
}
"""Keys that runs of nnexp 0.1.0 do not have, and later ones only if they are set, by the source."""


def with_late_defaults(settings: dict[str, Any]) -> dict[str, Any]:
    """Return a recorded config by dotted key, with the defaults of the late keys that it lacks."""
    own = LATE_DEFAULTS.get(str(settings.get("data")), {})
    return LATE_DEFAULTS[""] | own | settings


def flat(tree: dict[str, Any], depth: int = 1) -> dict[str, Any]:
    """Return a tree of plain values by dotted key.

    Raises: ValueError if the tree is nested too deeply.
    """
    settings: dict[str, Any] = {}
    if depth > MAX_DEPTH:
        raise ValueError(TOO_DEEP)
    for key, value in tree.items():
        if isinstance(value, dict):
            for inner, setting in flat(value, depth + 1).items():
                settings[key if inner == "name" else f"{key}.{inner}"] = setting
            continue
        if isinstance(value, list):
            _check_depth(value, depth)
        settings[key] = value
    return settings


def _check_depth(values: Iterable[Any], depth: int) -> None:
    if depth > MAX_DEPTH:
        raise ValueError(TOO_DEEP)
    for value in values:
        if isinstance(value, dict | list):
            _check_depth(value.values() if isinstance(value, dict) else value, depth + 1)


def known() -> list[str]:
    """Return every key that a config may have, with any component."""
    from nnexp.config import convert  # noqa: PLC0415 - NumPy, which listing runs does without
    from nnexp.config.model import Config  # noqa: PLC0415 - likewise

    return list(dict.fromkeys(key for key, _ in _fields(convert.info(Config))))


def is_known(key: str) -> bool:
    """Return whether a config may have a key, with any component: also schedule.rates.16."""
    from msgspec.inspect import DictType  # noqa: PLC0415 - as above

    mapping, _, number = key.rpartition(".")
    is_inner = number.isdecimal() and any(isinstance(c, DictType) for c in _choices(mapping))
    return is_inner or key in known()


def takes_lists(key: str) -> bool:
    """Return whether a key accepts lists, with any component."""
    from msgspec.inspect import VarTupleType  # noqa: PLC0415 - as above

    return any(isinstance(choice, VarTupleType) for choice in _choices(key))


def takes_numbers(key: str) -> bool:
    """Return whether a key accepts numbers, but no text of any kind, with any component."""
    from msgspec.inspect import FloatType, IntType, StrType  # noqa: PLC0415 - as above

    choices = list(_choices(key))
    is_text = any(isinstance(choice, StrType) for choice in choices)
    return not is_text and any(isinstance(choice, IntType | FloatType) for choice in choices)


def could_be_in(key: str, value: object) -> bool:
    """Return whether a key accepts lists whose items may be equal to value."""
    from nnexp.config import fields  # noqa: PLC0415 - as above

    return fields.is_item(tuple(_choices(key)), value)


def _choices(key: str) -> Iterator[Kind]:
    """Yield the kinds of values that a key accepts, with any component."""
    from nnexp.config import convert, fields  # noqa: PLC0415 - as above
    from nnexp.config.model import Config  # noqa: PLC0415 - as above

    for name, kind in _fields(convert.info(Config)):
        if name == key:
            yield from fields.alternatives(kind)


def _fields(struct: StructType, prefix: str = "") -> Iterator[tuple[str, Kind]]:
    from msgspec.inspect import StructType  # noqa: PLC0415 - as above

    from nnexp.config import fields  # noqa: PLC0415 - as above

    for field in struct.fields:
        key = f"{prefix}{field.encode_name}"
        yield key, field.type
        for choice in fields.alternatives(field.type):
            if isinstance(choice, StructType):
                yield from _fields(choice, f"{key}.")

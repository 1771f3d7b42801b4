"""The types of settings: which scalars they accept, and how messages describe them.

A *kind* is a field's type as ``msgspec.inspect`` gives it. ``convert`` converts structs.
"""

from __future__ import annotations

import math
from typing import TypeAlias, TypeGuard

from msgspec import inspect
from msgspec.inspect import (
    BoolType,
    DictType,
    FloatType,
    IntType,
    LiteralType,
    NoneType,
    StrType,
    StructType,
    VarTupleType,
)

from nnexp.config.document import INVALID
from nnexp.config.messages import listed

Kind: TypeAlias = inspect.Type

LARGE = 1_000_000
"""Messages mention an upper bound this large only if the value exceeds it."""


def alternatives(kind: Kind) -> tuple[Kind, ...]:
    """Return the members of a union, or the kind alone, without descriptions."""
    if isinstance(kind, inspect.Metadata):
        return alternatives(kind.type)
    if isinstance(kind, inspect.UnionType):
        return tuple(inner for member in kind.types for inner in alternatives(member))
    return (kind,)


def description(kind: Kind) -> str:
    """Return the description that a field declares, or an empty string."""
    if not isinstance(kind, inspect.Metadata):
        return ""
    own = (kind.extra_json_schema or {}).get("description", "")
    return str(own) or description(kind.type)


def names(kind: Kind) -> list[str]:
    """Return the names that a field accepts: its literals and the names of its components."""
    accepted: list[str] = []
    for choice in alternatives(kind):
        if isinstance(choice, LiteralType):
            accepted += map(str, choice.values)
        elif isinstance(choice, StructType) and choice.tag is not None:
            accepted.append(str(choice.tag))
        elif isinstance(choice, VarTupleType):
            accepted += names(choice.item_type)
    return accepted


def scalar(kind: Kind, value: object) -> object:
    """Convert a scalar to a kind, or return ``INVALID`` if the kind does not accept it."""
    if isinstance(kind, IntType | FloatType):
        number = _integer(value) if isinstance(kind, IntType) else _real(value)
        return number if number is not None and _in_range(kind, number) else INVALID
    if isinstance(kind, LiteralType):
        equal = [v for v in kind.values if v == value and type(v) is type(value)]
        return equal[0] if equal else INVALID
    type_ = {StrType: str, BoolType: bool, NoneType: type(None)}.get(type(kind))
    return value if type(value) is type_ else INVALID


def numeric_choices(choices: tuple[Kind, ...], value: object) -> tuple[Kind, ...]:
    """Return the kinds that may convert a value: 1.0 is no count where fractions are accepted."""
    if type(value) is not float or not any(isinstance(choice, FloatType) for choice in choices):
        return choices
    return tuple(choice for choice in choices if not isinstance(choice, IntType))


def is_item(choices: tuple[Kind, ...], value: object) -> bool:
    """Return whether one of these kinds is a list whose items may be equal to value."""
    items = [choice.item_type for choice in choices if isinstance(choice, VarTupleType)]
    return any(scalar(kind, value) is not INVALID for item in items for kind in alternatives(item))


def _integer(value: object) -> int | None:
    if type(value) is float and value.is_integer():
        return int(value)
    return value if type(value) is int else None


def _real(value: object) -> float | None:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    try:
        number = float(value) + 0.0  # -0.0 becomes 0.0, so that equal values have equal bytes
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _in_range(kind: IntType | FloatType, number: float) -> bool:
    return (
        (kind.ge is None or number >= kind.ge)
        and (kind.gt is None or number > kind.gt)
        and (kind.le is None or number <= kind.le)
        and (kind.lt is None or number < kind.lt)
    )


def expectation(choices: tuple[Kind, ...], value: object) -> str:
    """Describe the values that a field accepts, in terms that explain why value is rejected."""
    words = [_describe(choice, value) for choice in choices if not is_component(choice)]
    if components := [str(choice.tag) for choice in choices if is_component(choice)]:
        words.append(f"a name ({listed(components)}) or a mapping with one")
    return " or ".join(words)


def size(minimum: int, maximum: int | None) -> str:
    """Describe how many values a list may have."""
    if maximum is None:
        return f"at least {minimum}"
    return f"from {minimum} to {maximum}" if minimum else f"at most {maximum}"


def is_component(kind: Kind) -> TypeGuard[StructType]:
    """Return whether the kind is a struct that a config selects by name."""
    return isinstance(kind, StructType) and kind.tag is not None


def _describe(kind: Kind, value: object) -> str:
    if isinstance(kind, IntType | FloatType):
        return _number(kind, value)
    if isinstance(kind, VarTupleType):
        return f"a list of {' or '.join(map(_plural, alternatives(kind.item_type)))}"
    if isinstance(kind, DictType):
        (key,), (item,) = alternatives(kind.key_type), alternatives(kind.value_type)
        return f"a mapping of {_plural(key)} to {_plural(item)}"
    if isinstance(kind, StructType):
        return f"a mapping with {listed([field.encode_name for field in kind.fields])}"
    if isinstance(kind, LiteralType):
        return " or ".join(map(str, kind.values))
    words = {StrType: "a string", BoolType: "true or false", NoneType: "null"}
    return words.get(type(kind), "a list")


def _plural(kind: Kind) -> str:
    if isinstance(kind, IntType | FloatType):
        noun = "whole numbers" if isinstance(kind, IntType) else "numbers"
        return f"{noun}{_range(kind, 0)}"
    if isinstance(kind, LiteralType):
        return f"names ({listed(list(map(str, kind.values)))})"
    return "strings" if isinstance(kind, StrType) else _describe(kind, None)


def _number(kind: IntType | FloatType, value: object) -> str:
    noun = "whole number" if isinstance(kind, IntType) else "number"
    number = _real(value)
    is_infinite = number is None and type(value) in {int, float}
    return f"a {'finite ' if is_infinite else ''}{noun}{_range(kind, number or 0)}"


def _range(kind: IntType | FloatType, number: float) -> str:
    low, high = kind.ge, kind.le
    if high is not None and high >= LARGE and not number > high:
        high = None
    if low is not None and high is not None:
        return f" from {low} to {high}"
    bounds = [("≥", low), (">", kind.gt), ("≤", high), ("<", kind.lt)]
    text = " and ".join(f"{sign} {bound}" for sign, bound in bounds if bound is not None)
    return f" {text}" if text else ""

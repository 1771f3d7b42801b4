"""The types of settings: which scalars each accepts, and how messages describe it.

A kind is a field's type as ``msgspec.inspect`` gives it; structs are converted by ``convert``.
"""

from __future__ import annotations

import math
from typing import TypeAlias, TypeGuard

from msgspec import inspect
from msgspec.inspect import (
    BoolType,
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
"""A bound at or beyond it is mentioned to those only who pass it."""


def alternatives(kind: Kind) -> tuple[Kind, ...]:
    """Return the kinds of a union, or the kind alone, without their descriptions."""
    if isinstance(kind, inspect.Metadata):
        return alternatives(kind.type)
    if isinstance(kind, inspect.UnionType):
        return tuple(inner for member in kind.types for inner in alternatives(member))
    return (kind,)


def description(kind: Kind) -> str:
    """Return the description that a field declares, or nothing."""
    if not isinstance(kind, inspect.Metadata):
        return ""
    own = (kind.extra_json_schema or {}).get("description", "")
    return str(own) or description(kind.type)


def names(kind: Kind) -> list[str]:
    """Return the words that a field can be given: its literals and the names of its components."""
    found: list[str] = []
    for choice in alternatives(kind):
        if isinstance(choice, LiteralType):
            found += map(str, choice.values)
        elif isinstance(choice, StructType) and choice.tag is not None:
            found.append(str(choice.tag))
        elif isinstance(choice, VarTupleType):
            found += names(choice.item_type)
    return found


def scalar(kind: Kind, value: object) -> object:
    """Return value as this kind holds it, or ``INVALID`` where it does not."""
    if isinstance(kind, IntType | FloatType):
        number = _whole(value) if isinstance(kind, IntType) else _real(value)
        return number if number is not None and _within(kind, number) else INVALID
    if isinstance(kind, LiteralType):
        same = [v for v in kind.values if v == value and type(v) is type(value)]
        return same[0] if same else INVALID
    exact = {StrType: str, BoolType: bool, NoneType: type(None)}.get(type(kind))
    return value if type(value) is exact else INVALID


def is_item(choices: tuple[Kind, ...], value: object) -> bool:
    """Return whether one of these kinds is a list that could have value in it."""
    items = [each.item_type for each in choices if isinstance(each, VarTupleType)]
    return any(scalar(each, value) is not INVALID for item in items for each in alternatives(item))


def _whole(value: object) -> int | None:
    if type(value) is float and value.is_integer():
        return int(value)
    return value if type(value) is int else None


def _real(value: object) -> float | None:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    try:
        number = float(value) + 0.0  # -0.0 becomes 0.0, its equal with another spelling
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _within(kind: IntType | FloatType, number: float) -> bool:
    return (
        (kind.ge is None or number >= kind.ge)
        and (kind.gt is None or number > kind.gt)
        and (kind.le is None or number <= kind.le)
        and (kind.lt is None or number < kind.lt)
    )


def wanted(choices: tuple[Kind, ...], value: object) -> str:
    """Return what a field of these kinds takes, in words that explain why value is not it."""
    words = [_described(choice, value) for choice in choices if not is_component(choice)]
    if components := [str(choice.tag) for choice in choices if is_component(choice)]:
        words.append(f"a name ({listed(components)}) or a mapping with one")
    return " or ".join(words)


def size(least: int, most: int | None) -> str:
    """Return in words how many values a list may have."""
    if most is None:
        return f"at least {least}"
    return f"from {least} to {most}" if least else f"at most {most}"


def is_component(kind: Kind) -> TypeGuard[StructType]:
    """Return whether the kind is a struct that a config names."""
    return isinstance(kind, StructType) and kind.tag is not None


def _described(kind: Kind, value: object) -> str:
    if isinstance(kind, IntType | FloatType):
        return _number(kind, value)
    if isinstance(kind, VarTupleType):
        return f"a list of {' or '.join(map(_plural, alternatives(kind.item_type)))}"
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
    return "strings" if isinstance(kind, StrType) else _described(kind, None)


def _number(kind: IntType | FloatType, value: object) -> str:
    noun = "whole number" if isinstance(kind, IntType) else "number"
    number = _real(value)
    endless = number is None and type(value) in {int, float}
    return f"a {'finite ' if endless else ''}{noun}{_range(kind, number or 0)}"


def _range(kind: IntType | FloatType, number: float) -> str:
    low, high = kind.ge, kind.le
    if high is not None and high >= LARGE and not number > high:
        high = None
    if low is not None and high is not None:
        return f" from {low} to {high}"
    bounds = [("≥", low), (">", kind.gt), ("≤", high), ("<", kind.lt)]
    text = " and ".join(f"{sign} {bound}" for sign, bound in bounds if bound is not None)
    return f" {text}" if text else ""

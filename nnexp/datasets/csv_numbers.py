"""Numbers as text, such as the fields of a CSV file."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation


def is_number(field: str) -> bool:
    """Return whether a field can be parsed as a number."""
    try:
        float(field)
    except ValueError:
        return False
    return True


def is_plain_number(field: str) -> bool:
    """Return whether a field is a number as people write it, unlike 1_0 or other digits."""
    return is_number(field) and field.isascii() and "_" not in field


def exact(field: str) -> Decimal | None:
    """Return a finite number without rounding it, or None if the field is none."""
    if not is_plain_number(field):
        return None
    try:
        value = Decimal(field)
    except InvalidOperation:  # an exponent of many digits
        return None
    return value if value.is_finite() else None


def has_fraction(value: Decimal) -> bool:
    """Return whether a number is not whole."""
    return value != value.to_integral_value()


def with_point(text: str, delimiter: str) -> str:
    """Return text with decimal points for the decimal commas that are allowed beside ``;``."""
    return text.replace(",", ".") if delimiter == ";" else text

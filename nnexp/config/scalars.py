"""Parse and print the scalars of YAML 1.2's core schema.

PyYAML's own rules are not used. They are those of YAML 1.1, where ``1e-3`` is a string, ``no`` is
false and ``12:30`` is 750. Source: YAML 1.2.2, section 10.3.2.
"""

from __future__ import annotations

import re
from typing import TypeAlias

from nnexp.config.messages import plain

Scalar: TypeAlias = str | int | float | bool | None

MAX_DIGITS = 400
"""Maximum characters of a whole number: enough for any float, and within Python's limit."""

WORDS: dict[str, Scalar] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys(
        (f"{sign}{inf}" for sign in ("", "+") for inf in (".inf", ".Inf", ".INF")), float("inf")
    ),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
}
INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
FORBIDDEN = re.compile(
    r"[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]"
)
"""Control characters, surrogates, and line breaks that only YAML 1.1 has."""
SAFE = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*")
ESCAPED = re.compile(rf'["\\\t\n\r]|{FORBIDDEN.pattern}')


def value(text: str) -> Scalar:
    """Return the value of an unquoted scalar.

    Raises: ValueError if a whole number has too many digits.
    """
    if text in WORDS:
        return WORDS[text]
    if INTEGER.fullmatch(text):
        if len(text) > MAX_DIGITS:
            raise ValueError(f"a number of {len(text)} digits is too long")
        return int(text, 0) if text[:2] in {"0o", "0x"} else int(text)
    return float(text) if FLOAT.fullmatch(text) else text


def text(scalar: Scalar) -> str:
    """Return the YAML text of a scalar, quoted if ``value`` would read it as something else."""
    if not isinstance(scalar, str):
        return plain(scalar)
    if SAFE.fullmatch(scalar) and isinstance(value(scalar), str):
        return scalar
    return f'"{ESCAPED.sub(_escape, scalar)}"'


def _escape(match: re.Match[str]) -> str:
    character = match.group()
    return f"\\{character}" if character in '"\\' else f"\\U{ord(character):08x}"

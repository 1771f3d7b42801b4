"""Conditions on runs, such as ``learning_rate<1 and (optimizer=sgd or seed>=5)``.

    condition = both, { "or", both }
    both      = one, { "and", one }
    one       = "(", condition, ")" | KEY, OP, VALUE
    OP        = "=" | "==" | "!=" | "<" | "<=" | ">" | ">="

KEY is a column or a dotted key as in ``--set``; VALUE is read as a config file's is: a plain word
without spaces, something in quotes, or a list in brackets. Nothing is executed.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from typing import Any, NamedTuple, NoReturn

from msgspec import UNSET

from nnexp.analysis.columns import ACCURACIES, STATUSES
from nnexp.checks import printable
from nnexp.config import scalars, wording
from nnexp.errors import ConfigError, UsageError

Lookup = Callable[[str], Any]
"""What a run has under a key, or UNSET."""

DEEPEST = 20
SIGNS: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_TOKEN = re.compile(
    r"""\s*(?:
        (?P<bracket>[()])
      | (?P<word>and|or)(?=[\s()]|$)
      | (?P<key>[A-Za-z_][\w.-]*)\s*(?P<sign>==|!=|<=|>=|=|<|>)\s*
        (?P<value>"(?:[^"\\]|\\.)*" | '(?:[^']|'')*' | \[[^\[\]]*\] | [^\s()\[\]{}"'=<>!]+ )
        (?=[\s()]|$)
    )\s*""",
    re.VERBOSE,
)


class Condition(NamedTuple):
    """What a run must be: the keys that are asked for, and whether a run fits."""

    keys: tuple[str, ...]
    fits: Callable[[Lookup], bool]


def parse(text: str) -> Condition:
    """Return the condition that a text states.

    Raises:
        UsageError: it is no condition.
    """
    parser = _Parser(text)
    fits = parser.alternatives(0)
    parser.end()
    return Condition(tuple(dict.fromkeys(parser.keys)), fits)


def holds(found: Any, sign: str, wanted: Any) -> bool:  # noqa: ANN401 - any values of a config
    """Return whether a value stands to another as a sign says; what is not there never does."""
    if found is UNSET:
        return False
    if sign in SIGNS:
        return _is_number(found) and SIGNS[sign](found, wanted)
    same = isinstance(found, bool) == isinstance(wanted, bool) and found == wanted
    return bool(same) == (sign != "!=")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


class _Parser:
    """Reads a condition from left to right."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._place = 0
        self._token = _TOKEN.match(text)
        self.keys: list[str] = []

    def alternatives(self, depth: int) -> Callable[[Lookup], bool]:
        """Read conditions of which one must hold."""
        options = [self._every(depth)]
        while self._next("word") == "or":
            self._advance()
            options.append(self._every(depth))
        return options[0] if len(options) == 1 else lambda run: any(f(run) for f in options)

    def _every(self, depth: int) -> Callable[[Lookup], bool]:
        needed = [self._one(depth)]
        while self._next("word") == "and":
            self._advance()
            needed.append(self._one(depth))
        return needed[0] if len(needed) == 1 else lambda run: all(f(run) for f in needed)

    def _one(self, depth: int) -> Callable[[Lookup], bool]:
        if self._next("bracket") == "(":
            if depth == DEEPEST:
                self.refuse(f"brackets are nested more than {DEEPEST} deep")
            self._advance()
            inside = self.alternatives(depth + 1)
            if self._next("bracket") != ")":
                self._refuse_here("')', and, or or")
            self._advance()
            return inside
        key, sign, written = (self._next(part) for part in ("key", "sign", "value"))
        if key is None or sign is None or written is None:
            self._refuse_here("KEY OP VALUE, such as learning_rate<1,")
        wanted = self._value(key, sign, written)
        self.keys.append(key)
        self._advance()
        return lambda run: holds(run(key), sign, wanted)

    def end(self) -> None:
        """Refuse whatever follows a whole condition."""
        if self._place < len(self._text):
            self._refuse_here("and, or or the end")

    def _next(self, part: str) -> str | None:
        return self._token[part] if self._token else None

    def _advance(self) -> None:
        self._place = self._token.end() if self._token else len(self._text)
        self._token = _TOKEN.match(self._text, self._place)

    def _value(self, key: str, sign: str, written: str) -> Any:  # noqa: ANN401 - any YAML value
        percent = key in ACCURACIES and written.endswith("%")
        wanted = self._read(written.removesuffix("%") if percent else written)
        if sign in SIGNS and not _is_number(wanted):
            self.refuse(f"'{sign}' compares numbers, got {wording.shown(wanted)} for {key}")
        if percent and _is_number(wanted):
            wanted /= 100
        if key in ACCURACIES and _is_number(wanted) and not 0 <= wanted <= 1:
            self.refuse(f"{key} is a fraction from 0 to 1, got {written}; write 0.95 or 95%")
        if key == "status" and wanted not in STATUSES:
            self.refuse(wording.unknown("status", str(wanted), STATUSES))
        return wanted

    def _read(self, written: str) -> Any:  # noqa: ANN401 - any YAML value
        if written[0] not in "\"'[":
            try:
                return scalars.value(written)
            except ValueError as error:
                self.refuse(str(error))
        from nnexp.config import problem, reader  # noqa: PLC0415 - yaml, needed by few conditions

        place = problem.Place(self._source(), is_setting=True)
        document = reader.read(written, place)
        if document.problems:
            raise ConfigError([str(found) for found in document.problems])
        return document.root

    def _refuse_here(self, wanted: str) -> NoReturn:
        rest = self._text[self._place :].strip()
        found = wording.shown(rest) if rest else "the end"
        self.refuse(f"expected {wanted} at character {self._place + 1}, got {found}")

    def refuse(self, message: str) -> NoReturn:
        """Say what is wrong with the condition."""
        raise UsageError(f"{self._source()}: {message}")

    def _source(self) -> str:
        return f"--where {wording.shortened(printable(self._text))}"

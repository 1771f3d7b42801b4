"""Parse queries: comparisons joined by ``and``, ``or`` and brackets (``--where``, ``--check``).

    query  = term, { "or", term }
    term   = factor, { "and", factor }
    factor = "(", query, ")" | comparison
    OP     = "=" | "==" | "!=" | "<" | "<=" | ">" | ">="

``Parser`` is generic in the kind of comparison; ``claims`` has that of ``--check``. Comparisons of
``--where``, as in ``learning_rate<1 and (optimizer=sgd or seed>=5)``, are KEY OP VALUE. KEY is a
column or a dotted key as in ``--set``. VALUE is parsed as in a config file: a plain word without
spaces, a quoted string, or a list in brackets. Nothing is executed.

VALUE of ``started`` is a date, perhaps with a time, and is compared as precisely as it is written.
That of ``size`` may have a unit. ``tag=keep`` is true of runs that have the tag.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, Generic, NamedTuple, NoReturn, TypeVar

from msgspec import UNSET

from nnexp.config import keys, messages, scalars, sizes
from nnexp.errors import ConfigError, UsageError, printable
from nnexp.store import listing
from nnexp.store.listing import Entry

T = TypeVar("T")

COLUMNS = {
    "name": "name",
    "status": "status",
    "seed": "seed",
    "epochs": "epochs",
    "validation": "best_validation_accuracy",
    "best-epoch": "best_epoch",
    "test": "test_accuracy",
    "started": "started",
    "size": "size",
    "tags": "tags",
}
"""Table columns of a run, and the field of its entry that each shows."""
FACTS = set(listing.FACTS)
"""Columns that are read on demand, of damaged runs, too."""

STATUSES = ("finished", "diverged", "running", "interrupted", "damaged")
ACCURACIES = ("validation", "test")
FRACTION = "{} is a fraction from 0 to 1, got {}; write 0.95 or 95%"
"""Error message for an accuracy compared with a percentage that lacks its % sign."""
FIELDS = {field: column for column, field in COLUMNS.items()} | {
    "validation_accuracy": "validation",
    "tag": "tags",
}
"""Columns by their names in JSON output and ``nnexp compare``, which keys may use as well."""
PREFIX = "config."
"""Prefix of config keys: ``epochs`` is the number trained, ``config.epochs`` the setting."""

DEEPEST = 20
ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
SIGNS = {"=": operator.eq, "==": operator.eq, "!=": operator.ne, **ORDERS}
MEANT = {"=>": ">=", "=<": "<=", "<>": "!=", "=!": "!=", "===": "=="}
"""Signs of other languages and typing errors, with the sign to suggest."""
_MOMENT = re.compile(r"\d{4}(?:-\d\d(?:-\d\d(?:T\d\d(?::\d\d(?::\d\d)?)?)?)?)?", re.ASCII)
_EARLIEST = "0000-01-01T00:00:00"
"""Completes a date and time of which only the beginning is given."""
_KEY = re.compile(r"[A-Za-z_][\w.-]*")
_TOKEN = re.compile(
    r"""\s*(?:
        (?P<bracket>[()])
      | (?P<word>and|or)(?=[\s()]|$)
      | (?P<sign>[=!<>]+)
      | (?P<text>"(?:[^"\\]|\\.)*" | '(?:[^']|'')*' | \[[^\[\]]*\] | [^\s()\[\]{}"'=<>!]+)
    )""",
    re.VERBOSE,
)

Lookup = Callable[[str], Any]
"""A run's value of a key, or UNSET."""


class Token(NamedTuple):
    """A token of a query."""

    kind: str
    """A group of ``_TOKEN``; empty at the end, and where no token starts."""
    text: str
    start: int
    end: int


class Query(NamedTuple, Generic[T]):
    """A parsed query: its comparisons, and the expression that joins them."""

    comparisons: tuple[T, ...]
    holds: Callable[[Callable[[T], bool]], bool]
    """Evaluates the query, given a function that evaluates a comparison."""


class Parser(Generic[T]):
    """A recursive-descent parser of queries.

    Args:
        text: the query.
        comparison: parses one comparison and advances the parser past it.
        source: prefix of error messages.
    """

    def __init__(self, text: str, comparison: Callable[[Parser[T]], T], source: str) -> None:
        self.text = text
        self._comparison = comparison
        self.source = source
        self._tokens = list(_tokens(text))
        self._position = 0
        self._comparisons: list[T] = []
        for token in self._tokens:
            if token.kind == "sign" and token.text not in SIGNS:
                hint = f"; did you mean '{MEANT[token.text]}'?" if token.text in MEANT else ""
                self.refuse(
                    f"unknown comparison {messages.shown(token.text)} at character "
                    f"{token.start + 1}{hint} (known: {', '.join(SIGNS)})"
                )

    def query(self) -> Query[T]:
        """Parse the whole query.

        Raises: UsageError if it is malformed.
        """
        holds = self._disjunction(0)
        if self.next().start < len(self.text):
            self.expect("'and', 'or' or the end")
        return Query(tuple(self._comparisons), holds)

    def next(self, ahead: int = 0) -> Token:
        """Return the next token, or one further ahead, without consuming it."""
        return self._tokens[min(self._position + ahead, len(self._tokens) - 1)]

    def advance(self, count: int = 1) -> None:
        """Consume tokens."""
        self._position += count

    def expect(self, wanted: str) -> NoReturn:
        """Raise an error about the next token."""
        token = self.next()
        rest = self.text[token.start :].strip()
        got = messages.shown(rest) if rest else "the end"
        hint = f"; write '{token.text.lower()}' in lower case" if is_miscased_word(token) else ""
        self.refuse(f"expected {wanted} at character {token.start + 1}, got {got}{hint}")

    def refuse(self, message: str) -> NoReturn:
        """Raise UsageError with a message about the query."""
        raise UsageError(f"{self.source}: {message}")

    def _disjunction(self, depth: int) -> Callable[[Callable[[T], bool]], bool]:
        """Parse terms joined by ``or``."""
        terms = [self._conjunction(depth)]
        while self.next()[:2] == ("word", "or"):
            self.advance()
            terms.append(self._conjunction(depth))
        return lambda judge: any(holds(judge) for holds in terms)

    def _conjunction(self, depth: int) -> Callable[[Callable[[T], bool]], bool]:
        """Parse factors joined by ``and``."""
        factors = [self._factor(depth)]
        while self.next()[:2] == ("word", "and"):
            self.advance()
            factors.append(self._factor(depth))
        return lambda judge: all(holds(judge) for holds in factors)

    def _factor(self, depth: int) -> Callable[[Callable[[T], bool]], bool]:
        if self._position and self.next().start == len(self.text):
            self.expect(f"a comparison after '{self._tokens[self._position - 1].text}'")
        if self.next().text != "(":
            comparison = self._comparison(self)
            self._comparisons.append(comparison)
            return lambda judge: judge(comparison)
        if depth == DEEPEST:
            self.refuse(f"brackets are nested more than {DEEPEST} deep")
        self.advance()
        inside = self._disjunction(depth + 1)
        if self.next().text != ")":
            self.expect("')', 'and' or 'or'")
        self.advance()
        return inside


def is_miscased_word(token: Token) -> bool:
    """Return whether a token is ``and`` or ``or`` in upper or mixed case."""
    return token.kind == "text" and token.text.lower() in {"and", "or"}


def _tokens(text: str) -> Iterable[Token]:
    position = 0
    while (match := _TOKEN.match(text, position)) and match.lastgroup:
        yield Token(
            match.lastgroup, match[match.lastgroup], match.start(match.lastgroup), match.end()
        )
        position = match.end()
    rest = len(text) - len(text[position:].lstrip())
    yield Token("", "", rest, rest)


class Condition(NamedTuple):
    """A parsed ``--where``: the keys it uses, and a predicate on runs."""

    keys: tuple[str, ...]
    fits: Callable[[Lookup], bool]


class _Condition(NamedTuple):
    key: str
    sign: str
    wanted: Any


def parse(text: str) -> Condition:
    """Parse a condition.

    Raises:
        UsageError: the text is not a valid condition.
    """
    source = f"--where {messages.shortened(printable(text))}"
    query = Parser(text, _comparison, source).query()

    def fits(run: Lookup) -> bool:
        return query.holds(lambda part: holds(run(part.key), part.sign, part.wanted))

    return Condition(tuple(dict.fromkeys(part.key for part in query.comparisons)), fits)


class Moment(NamedTuple):
    """A date, perhaps with a time, of any precision."""

    text: str


def holds(value: Any, sign: str, wanted: Any) -> bool:  # noqa: ANN401 - any values of a config
    """Compare two values; False if the first is UNSET."""
    if value is UNSET:
        return False
    if isinstance(wanted, Moment):
        return value is not None and SIGNS[sign](value[: len(wanted.text)], wanted.text)
    if isinstance(value, tuple):
        return (wanted in value) == (sign != "!=")
    if sign in ORDERS:
        return _is_number(value) and ORDERS[sign](value, wanted)
    same = isinstance(value, bool) == isinstance(wanted, bool) and value == wanted
    return bool(same) == (sign != "!=")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _comparison(parser: Parser[_Condition]) -> _Condition:
    key, sign, value = (parser.next(ahead) for ahead in range(3))
    is_complete = sign.kind == "sign" and value.kind in {"text", "word"}
    if not is_complete or not _KEY.fullmatch(key.text):
        parser.expect("KEY OP VALUE, such as learning_rate<1,")
    name = column(key.text)
    wanted = _wanted(parser, name, sign.text, value.text)
    parser.advance(3)
    return _Condition(name, sign.text, wanted)


def _wanted(parser: Parser[_Condition], key: str, sign: str, written: str) -> Any:  # noqa: ANN401 - any YAML value
    if key == "started":
        return _moment(parser, written.strip("\"'"))
    if key == "tags" and written[0] not in "\"'[":
        return _tag(parser, sign, written)
    if key == "size":
        written = _bytes(parser, written)
    percent = key in ACCURACIES and written.endswith("%") and written != "%"
    wanted = _parse_value(parser, written.removesuffix("%") if percent else written)
    if sign in ORDERS and not _is_number(wanted):
        check(key, (), parser.source)  # a misspelt accuracy cannot be compared with 50%, either
        parser.refuse(f"'{sign}' compares numbers, got {messages.shown(wanted)} for {key}")
    if percent and _is_number(wanted):
        wanted /= 100
    if key in ACCURACIES and _is_number(wanted) and not 0 <= wanted <= 1:
        parser.refuse(FRACTION.format(key, written))
    if key == "status" and wanted not in STATUSES:
        parser.refuse(messages.unknown("status", str(wanted), STATUSES))
    return wanted


def _moment(parser: Parser[_Condition], written: str) -> Moment:
    """Return a date, perhaps with a time; UsageError if there is no such date."""
    text = written.replace(" ", "T").removesuffix("Z")
    if not _is_moment(text):
        parser.refuse(
            "started is a date in UTC, such as 2026-11-01 or 2026-11-01T18:30, got "
            f"{messages.shown(written)}"
        )
    return Moment(text)


def _is_moment(text: str) -> bool:
    try:
        datetime.fromisoformat(text + _EARLIEST[len(text) :])
    except ValueError:
        return False
    return _MOMENT.fullmatch(text) is not None


def _tag(parser: Parser[_Condition], sign: str, written: str) -> str:
    """Return a tag as it is written, such as 007; UsageError if it is to be ordered."""
    if sign in ORDERS:
        parser.refuse(f"'{sign}' compares numbers, got {messages.shown(written)} for tags")
    return written


def _bytes(parser: Parser[_Condition], written: str) -> str:
    """Return a size in bytes, as text."""
    if written.isdecimal():
        return written
    try:
        return str(sizes.parse_size(written))
    except ValueError:
        parser.refuse(f"size is a number of bytes, such as 500K or 1.5M, got {written}")


def _parse_value(parser: Parser[_Condition], written: str) -> Any:  # noqa: ANN401 - any YAML value
    if written[0] not in "\"'[":
        try:
            return scalars.value(written)
        except ValueError as error:
            parser.refuse(str(error))
    from nnexp.config import problem, reader  # noqa: PLC0415 - imports yaml, rarely needed

    document = reader.read(written, problem.Place(parser.source, is_setting=True))
    if document.problems:
        raise ConfigError([str(problem) for problem in document.problems])
    return document.root


def facts(keys: Iterable[str]) -> set[str]:
    """Return which keys are columns that are read on demand."""
    return FACTS.intersection(keys)


def column(key: str) -> str:
    """Return the column that a key names in JSON output, or the key itself."""
    return FIELDS.get(key, key)


def value(entry: Entry, key: str) -> Any:  # noqa: ANN401 - any value of a config
    """Return a column or config key of a run; UNSET if it has none."""
    if key not in COLUMNS:
        return setting(entry.config, key.removeprefix(PREFIX))
    if entry.problem is not None and key not in {"name", "status", *FACTS}:
        return UNSET
    return getattr(entry, COLUMNS[key])


def setting(config: dict[str, Any], key: str) -> Any:  # noqa: ANN401 - as above
    """Return a config's value by dotted key, as a mapping if the key is a section; else UNSET."""
    if key in config:
        return config[key]
    inner = {k.removeprefix(f"{key}."): v for k, v in config.items() if k.startswith(f"{key}.")}
    return inner or UNSET


def check(key: str, entries: Iterable[Entry], option: str) -> None:
    """Check that a key is a column or a config key.

    Raises:
        UsageError: the key is unknown; ``option`` is named in the message.
    """
    name = key.removeprefix(PREFIX)
    if key in COLUMNS or any(name in entry.config for entry in entries):
        return
    known = keys.known()  # imports NumPy, so only if no run has the key
    if not keys.is_known(name):
        candidates = known if key.startswith(PREFIX) else [*COLUMNS, *known]
        component = name.removesuffix(".name")  # optimizer.name of a file is optimizer here
        near = component if component in known else None
        raise UsageError(
            f"{option}: {messages.unknown('key', name, candidates, near, 'nnexp init')}"
        )

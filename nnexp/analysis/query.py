"""Queries: comparisons joined with ``and``, ``or`` and brackets, as in ``--where`` and ``--check``.

    query = both, { "or", both }
    both  = one, { "and", one }
    one   = "(", query, ")" | comparison
    OP    = "=" | "==" | "!=" | "<" | "<=" | ">" | ">="

``Parser`` reads them, whatever a comparison is; ``claims`` has those of ``--check``. Here are the
conditions of ``--where``, such as ``learning_rate<1 and (optimizer=sgd or seed>=5)``: KEY OP VALUE.
KEY is a column or a dotted key as in ``--set``; VALUE is read as a config file's is: a plain word
without spaces, something in quotes, or a list in brackets. Nothing is executed.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable
from typing import Any, Generic, NamedTuple, NoReturn, TypeVar

from msgspec import UNSET

from nnexp.config import keys, messages, scalars
from nnexp.errors import ConfigError, UsageError, printable
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
}
"""What a table calls a run's own fields, and the field each stands for."""

STATUSES = ("finished", "diverged", "running", "interrupted", "damaged")
ACCURACIES = ("validation", "test")
FRACTION = "{} is a fraction from 0 to 1, got {}; write 0.95 or 95%"
"""The message about an accuracy that is compared with a percentage without its sign."""
FIELDS = {field: column for column, field in COLUMNS.items()} | {
    "validation_accuracy": "validation"
}
"""The columns by what JSON and compare call them."""
PREFIX = "config."
"""What tells a key from a column: ``epochs`` are trained, ``config.epochs`` asked for."""

DEEPEST = 20
ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
SIGNS = {"=": operator.eq, "==": operator.eq, "!=": operator.ne, **ORDERS}
MEANT = {"=>": ">=", "=<": "<=", "<>": "!=", "=!": "!=", "===": "=="}
"""Signs of other languages and slips of the hand, and what each stands for here."""
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
    """A piece of a query."""

    kind: str
    """A group of ``_TOKEN``; nothing at the end, and where no token begins."""
    text: str
    start: int
    end: int


class Query(NamedTuple, Generic[T]):
    """Comparisons, and how they are joined."""

    comparisons: tuple[T, ...]
    holds: Callable[[Callable[[T], bool]], bool]
    """From whether a comparison holds to whether all of it does."""


class Parser(Generic[T]):
    """Reads a query from left to right.

    Args:
        text: the query.
        comparison: reads one comparison, and leaves the parser after it.
        source: what messages begin with.
    """

    def __init__(self, text: str, comparison: Callable[[Parser[T]], T], source: str) -> None:
        self.text = text
        self._comparison = comparison
        self.source = source
        self._tokens = list(_tokens(text))
        self._place = 0
        self._found: list[T] = []
        for token in self._tokens:
            if token.kind == "sign" and token.text not in SIGNS:
                near = f"; did you mean '{MEANT[token.text]}'?" if token.text in MEANT else ""
                self.refuse(
                    f"unknown comparison {messages.shown(token.text)} at character "
                    f"{token.start + 1}{near} (known: {', '.join(SIGNS)})"
                )

    def query(self) -> Query[T]:
        """Return the whole query.

        Raises: UsageError where it is none.
        """
        holds = self._alternatives(0)
        if self.next().start < len(self.text):
            self.expect("'and', 'or' or the end")
        return Query(tuple(self._found), holds)

    def next(self, ahead: int = 0) -> Token:
        """Return the token that is read next, or one after it."""
        return self._tokens[min(self._place + ahead, len(self._tokens) - 1)]

    def advance(self, count: int = 1) -> None:
        """Go on behind the next tokens."""
        self._place += count

    def expect(self, wanted: str) -> NoReturn:
        """Refuse what is next."""
        token = self.next()
        rest = self.text[token.start :].strip()
        found = messages.shown(rest) if rest else "the end"
        hint = f"; write '{token.text.lower()}' in lower case" if is_joint(token) else ""
        self.refuse(f"expected {wanted} at character {token.start + 1}, got {found}{hint}")

    def refuse(self, message: str) -> NoReturn:
        """Raise the error that refuses the query."""
        raise UsageError(f"{self.source}: {message}")

    def _alternatives(self, depth: int) -> Callable[[Callable[[T], bool]], bool]:
        """Read queries of which one must hold."""
        options = [self._every(depth)]
        while self.next()[:2] == ("word", "or"):
            self.advance()
            options.append(self._every(depth))
        return lambda judge: any(holds(judge) for holds in options)

    def _every(self, depth: int) -> Callable[[Callable[[T], bool]], bool]:
        """Read queries that must all hold."""
        needed = [self._one(depth)]
        while self.next()[:2] == ("word", "and"):
            self.advance()
            needed.append(self._one(depth))
        return lambda judge: all(holds(judge) for holds in needed)

    def _one(self, depth: int) -> Callable[[Callable[[T], bool]], bool]:
        if self._place and self.next().start == len(self.text):
            self.expect(f"a comparison after '{self._tokens[self._place - 1].text}'")
        if self.next().text != "(":
            comparison = self._comparison(self)
            self._found.append(comparison)
            return lambda judge: judge(comparison)
        if depth == DEEPEST:
            self.refuse(f"brackets are nested more than {DEEPEST} deep")
        self.advance()
        inside = self._alternatives(depth + 1)
        if self.next().text != ")":
            self.expect("')', 'and' or 'or'")
        self.advance()
        return inside


def is_joint(token: Token) -> bool:
    """Return whether a token is meant to join comparisons, but is not in lower case."""
    return token.kind == "text" and token.text.lower() in {"and", "or"}


def _tokens(text: str) -> Iterable[Token]:
    place = 0
    while (match := _TOKEN.match(text, place)) and match.lastgroup:
        yield Token(
            match.lastgroup, match[match.lastgroup], match.start(match.lastgroup), match.end()
        )
        place = match.end()
    rest = len(text) - len(text[place:].lstrip())
    yield Token("", "", rest, rest)


class Condition(NamedTuple):
    """What a run must be: the keys that are asked for, and whether a run fits."""

    keys: tuple[str, ...]
    fits: Callable[[Lookup], bool]


class _Condition(NamedTuple):
    key: str
    sign: str
    wanted: Any


def parse(text: str) -> Condition:
    """Return the condition that a text states.

    Raises:
        UsageError: it is no condition.
    """
    source = f"--where {messages.shortened(printable(text))}"
    query = Parser(text, _comparison, source).query()

    def fits(run: Lookup) -> bool:
        return query.holds(lambda each: holds(run(each.key), each.sign, each.wanted))

    return Condition(tuple(dict.fromkeys(each.key for each in query.comparisons)), fits)


def holds(found: Any, sign: str, wanted: Any) -> bool:  # noqa: ANN401 - any values of a config
    """Return whether a value stands to another as a sign says; what is not there never does."""
    if found is UNSET:
        return False
    if sign in ORDERS:
        return _is_number(found) and ORDERS[sign](found, wanted)
    same = isinstance(found, bool) == isinstance(wanted, bool) and found == wanted
    return bool(same) == (sign != "!=")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _comparison(parser: Parser[_Condition]) -> _Condition:
    key, sign, value = (parser.next(ahead) for ahead in range(3))
    is_whole = sign.kind == "sign" and value.kind in {"text", "word"}
    if not is_whole or not _KEY.fullmatch(key.text):
        parser.expect("KEY OP VALUE, such as learning_rate<1,")
    wanted = _wanted(parser, key.text, sign.text, value.text)
    parser.advance(3)
    return _Condition(key.text, sign.text, wanted)


def _wanted(parser: Parser[_Condition], key: str, sign: str, written: str) -> Any:  # noqa: ANN401 - any YAML value
    percent = key in ACCURACIES and written.endswith("%") and written != "%"
    wanted = _read(parser, written.removesuffix("%") if percent else written)
    if sign in ORDERS and not _is_number(wanted):
        parser.refuse(f"'{sign}' compares numbers, got {messages.shown(wanted)} for {key}")
    if percent and _is_number(wanted):
        wanted /= 100
    if key in ACCURACIES and _is_number(wanted) and not 0 <= wanted <= 1:
        parser.refuse(FRACTION.format(key, written))
    if key == "status" and wanted not in STATUSES:
        parser.refuse(messages.unknown("status", str(wanted), STATUSES))
    return wanted


def _read(parser: Parser[_Condition], written: str) -> Any:  # noqa: ANN401 - any YAML value
    if written[0] not in "\"'[":
        try:
            return scalars.value(written)
        except ValueError as error:
            parser.refuse(str(error))
    from nnexp.config import problem, reader  # noqa: PLC0415 - yaml, needed by few conditions

    document = reader.read(written, problem.Place(parser.source, is_setting=True))
    if document.problems:
        raise ConfigError([str(found) for found in document.problems])
    return document.root


def value(entry: Entry, key: str) -> Any:  # noqa: ANN401 - any value of a config
    """Return a column or a config's key of a run; UNSET where the run does not have it."""
    if key not in COLUMNS:
        return setting(entry.config, key.removeprefix(PREFIX))
    if entry.problem is not None and key not in {"name", "status"}:
        return UNSET
    return getattr(entry, COLUMNS[key])


def setting(config: dict[str, Any], key: str) -> Any:  # noqa: ANN401 - as above
    """Return a config's value by dotted key: a mapping where only its settings have values."""
    if key in config:
        return config[key]
    inner = {k.removeprefix(f"{key}."): v for k, v in config.items() if k.startswith(f"{key}.")}
    return inner or UNSET


def check(key: str, entries: Iterable[Entry], asked: str) -> None:
    """Refuse a key that is no column, and that no config can have.

    Raises:
        UsageError: it is unknown; asked is what the message names.
    """
    name = key.removeprefix(PREFIX)
    if key in COLUMNS or any(name in entry.config for entry in entries):
        return
    known = keys.known()  # loads NumPy; so it is asked only where no run has the key
    if name not in known:
        every = known if key.startswith(PREFIX) else [*COLUMNS, *known]
        raise UsageError(f"{asked}: {messages.unknown('key', name, every, FIELDS.get(key))}")

"""Parse strict YAML into a document with the place of every key and value.

It uses PyYAML's events, and always the pure Python parser, so that messages are the same on every
machine. Anchors, tags, merge keys, several documents and duplicate keys are errors, and depth and
number of values are limited while reading. It knows nothing of the config's keys.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeAlias

import yaml

from nnexp.config import problem, scalars
from nnexp.config.document import INVALID, Invalid, YamlDocument
from nnexp.config.messages import shown
from nnexp.config.problem import Path, Place, Problem, refusal
from nnexp.config.scalars import FORBIDDEN

if TYPE_CHECKING:
    from collections.abc import Iterator


YamlEvent: TypeAlias = Any
"""PyYAML's events and marks are untyped."""

MAX_BYTES = 64 * 1024
MAX_DEPTH = 20
MAX_EVENTS = 5000
UNWRITABLE = re.compile("[\0\ud800-\udfff]")
"""Characters that an escape in a quoted scalar can produce, but no file name can contain."""


class LimitError(Exception):
    """The text is larger than a config may be; reading stops."""


def parse(content: bytes | str, source: str) -> YamlDocument:
    """Parse a file whose root is a mapping; an empty file is an empty mapping.

    Raises: ConfigError if the text is not YAML or not a mapping.
    """
    document = read(content, Place(source))
    if document.root is None:
        return document._replace(root={})
    if not isinstance(document.root, dict | Invalid):
        message = f"must be a mapping of keys to values, got {shown(document.root)}"
        document.problems.append(Problem(document.place(()), (), message))
    if not isinstance(document.root, dict):
        raise problem.error(document.problems)
    return document


def read(content: bytes | str, source: Place) -> YamlDocument:
    """Parse a text whose root may be any value.

    Raises: ConfigError if the text is not YAML.
    """
    return _Reader(_decode(content, source), source).document()


class _Reader:
    """Builds one document from the parser's events, and collects its problems."""

    def __init__(self, text: str, source: Place) -> None:
        self._events: Iterator[YamlEvent] = yaml.parse(text, Loader=yaml.SafeLoader)
        self._count = 0
        self._place = source
        self._source = source
        self._document = YamlDocument(None, {}, {}, [], source)

    def document(self) -> YamlDocument:
        """Return the document, or raise ConfigError if the text is not YAML."""
        try:
            return self._document._replace(root=self._root())
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            self._add_problem(self._at(mark), (), _explain(error))
        except LimitError as limit:
            self._add_problem(self._place, (), str(limit))
        except (ValueError, OverflowError):  # PyYAML's, from "\UFFFFFFFF" and %YAML 9...9
            self._add_problem(self._place, (), "an escape or a version after this is out of range")
        raise problem.error(self._document.problems)

    def _root(self) -> object:
        self._next()  # the stream's start
        if isinstance(self._next(), yaml.StreamEndEvent):
            return None
        root = self._value(self._next(), ())
        self._next()  # the document's end
        if not isinstance(self._next(), yaml.StreamEndEvent):
            self._add_problem(
                self._place, (), "a second document starts here; a config must be one document"
            )
        return root

    def _next(self) -> YamlEvent:
        event = next(self._events)
        self._place = self._at(event.start_mark)
        self._count += 1
        if self._count > MAX_EVENTS:
            raise LimitError(f"a config has at most {MAX_EVENTS} keys and values")
        return event

    def _at(self, mark: YamlEvent) -> Place:
        return self._source.at(mark.line + 1, mark.column + 1)

    def _add_problem(self, place: Place, path: Path, message: str) -> Invalid:
        self._document.problems.append(Problem(place, path, message))
        return INVALID

    def _value(self, event: YamlEvent, path: Path) -> object:
        self._document.values[path] = place = self._place
        if len(path) > MAX_DEPTH:
            raise LimitError(f"values are nested more than {MAX_DEPTH} deep")
        if isinstance(event, yaml.AliasEvent):
            return self._add_problem(
                place, path, "aliases (*) are not allowed; write the value again"
            )
        if event.anchor is not None:
            self._add_problem(place, path, "anchors (&) are not allowed")
        if event.tag is not None:
            self._add_problem(place, path, "tags (!) are not allowed")
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event, path)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(path)
        return self._mapping(path)

    def _scalar(self, event: YamlEvent, path: Path) -> scalars.Scalar | Invalid:
        if event.style:
            if match := UNWRITABLE.search(event.value):
                return self._add_problem(self._place, path, _forbidden(match.group()))
            return str(event.value)
        try:
            return scalars.value(event.value)
        except ValueError as error:
            return self._add_problem(self._place, path, str(error))

    def _sequence(self, path: Path) -> list[object]:
        items: list[object] = []
        while not isinstance(event := self._next(), yaml.SequenceEndEvent):
            items.append(self._value(event, (*path, len(items))))
        return items

    def _mapping(self, path: Path) -> dict[str, object]:
        tree: dict[str, object] = {}
        while not isinstance(event := self._next(), yaml.MappingEndEvent):
            place = self._place
            key = self._key(event, path)
            if isinstance(key, str) and key not in tree:
                self._document.keys[*path, key] = place
                tree[key] = self._value(self._next(), (*path, key))
                continue
            if isinstance(key, str):
                self._add_problem(place, (*path, key), self._duplicate((*path, key)))
            self._skip(self._next())
        return tree

    def _key(self, event: YamlEvent, path: Path) -> str | Invalid:
        place = self._place
        if not isinstance(event, yaml.ScalarEvent):
            self._skip(event)
            return self._add_problem(
                place, path, "a key must be a name, not a list, mapping or alias"
            )
        if event.anchor is not None or event.tag is not None:
            return self._add_problem(place, path, "a key cannot have an anchor (&) or a tag (!)")
        if event.value == "<<" and not event.style:
            return self._add_problem(
                place, path, "merge keys (<<) are not allowed; write the keys out"
            )
        key = self._scalar(event, path)
        if isinstance(key, str | Invalid):
            return key
        if type(key) is int:  # a string, as in JSON; list indices alone are numbers in a path
            return str(key)
        return self._add_problem(place, path, f"a key must be a name, got {shown(key)}")

    def _duplicate(self, path: Path) -> str:
        first = self._document.keys[path]
        where = f"; it is already on line {first.line}" if first.line else ""
        return f"duplicate key {shown(path[-1])}{where}"

    def _skip(self, event: YamlEvent) -> None:
        depth = 0
        while True:
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if depth == 0:
                return
            event = self._next()


def _decode(content: bytes | str, source: Place) -> str:
    """Decode content and remove a byte order mark.

    Raises: ConfigError if it is too long, is not UTF-8 or has a forbidden character.
    """
    data = content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass")
    if len(data) > MAX_BYTES:
        raise refusal(source, f"a config has at most {MAX_BYTES} bytes")
    try:
        text = data.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        place = _place_after(data[: error.start].decode("utf-8"), source)
        raise refusal(place, f"not UTF-8 text (byte 0x{data[error.start]:02x})") from None
    if bad := FORBIDDEN.search(text):
        raise refusal(_place_after(text[: bad.start()], source), _forbidden(bad.group()))
    return text


def _forbidden(character: str) -> str:
    """Return the message for a character that is not allowed in a config."""
    return f"the character U+{ord(character):04X} is not allowed"


def _place_after(text: str, source: Place) -> Place:
    lines = re.split(r"\r\n|\r|\n", text)
    return source.at(len(lines), len(lines[-1]) + 1)


EXPLANATIONS = {
    r"found character '\t'": "a tab is not allowed here; indent with spaces",
    "that cannot start any token": "a value cannot begin with this character; put it in quotes",
    "mapping values are not allowed": "a ':' is not allowed here; check the indentation above, "
    "or put the value in quotes",
    "could not find expected ':'": "the line above has a key without ':' and value",
    "expected ',' or ']'": "a ',' or the closing ']' is missing before this",
    "expected ',' or '}'": "a ',' or the closing '}' is missing before this",
    "expected <block end>": "the indentation does not match the lines above, "
    "or something follows a finished value",
    "found unexpected end of stream": "a quoted value is not closed before the end",
    "found unexpected document separator": "a quoted value is not closed before '---'",
    "found unknown escape character": "this escape after '\\' is unknown; write '\\\\', or use "
    "single quotes",
    "escape sequence of": "an escape after '\\' has too few hexadecimal digits",
    "expected the node content": "a value is missing here",
    "expected '<document start>'": "this cannot follow the lines above; a config is one mapping",
    "sequence entries are not allowed": "a '-' is not allowed here; begin the list on a new line",
    "mapping keys are not allowed": "a key is not allowed here",
    "expected alphabetic or numeric": "the name of an anchor or alias is missing "
    "(quote a value that begins with & or *)",
    "expected chomping or indentation": "only an indicator may follow | or > on its line",
}
"""Explanations of PyYAML's messages by substring, the most specific first."""


def _explain(error: yaml.MarkedYAMLError) -> str:
    """Return a syntax error in plain words, with the line where the faulty part begins."""
    message = str(error.problem)
    explanations = [text for part, text in EXPLANATIONS.items() if part in message]
    start = error.context_mark
    is_earlier = start and error.problem_mark and start.line < error.problem_mark.line
    begin = f" (begun on line {start.line + 1})" if start and is_earlier else ""
    return (explanations[0] if explanations else f"not valid YAML: {message}") + begin

"""Strict YAML: from text to a document.

Built on the parser's events, in pure Python on every machine, so that messages are
the same everywhere. Anchors, tags, merge keys, several documents and duplicate keys
are refused, and depth and number are limited while reading. Knows no config keys.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeAlias

import yaml

from nnexp.config import encoding, problem, scalars, syntax
from nnexp.config.document import INVALID, Document, Invalid
from nnexp.config.problem import Path, Place, Problem
from nnexp.config.wording import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

Event: TypeAlias = Any
"""PyYAML's events and marks have no types."""

MAX_DEPTH = 20
MAX_EVENTS = 5000
UNWRITABLE = re.compile("[\0\ud800-\udfff]")
"""What an escape in a quoted scalar can smuggle in, and no file name can hold."""


class LimitError(Exception):
    """The text is larger than any config; reading it stops here."""


def parse(content: bytes | str, source: str) -> Document:
    """Return the document of a whole file; an empty one is an empty mapping.

    Raises: ConfigError where the text is no YAML, or no mapping.
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


def read(content: bytes | str, source: Place) -> Document:
    """Return the document that a text holds, whose root may be any value.

    Raises: ConfigError where the text is no YAML.
    """
    return _Reader(encoding.decoded(content, source), source).document()


class _Reader:
    """Builds one document from the parser's events, noting every problem on the way."""

    def __init__(self, text: str, source: Place) -> None:
        self._events: Iterator[Event] = yaml.parse(text, Loader=yaml.SafeLoader)
        self._count = 0
        self._place = source
        self._source = source
        self._built = Document(None, {}, {}, [], source)

    def document(self) -> Document:
        """Return the document, or raise ConfigError where the text is no YAML."""
        try:
            return self._built._replace(root=self._root())
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            self._note(self._at(mark), (), syntax.in_words(error))
        except LimitError as limit:
            self._note(self._place, (), str(limit))
        except (ValueError, OverflowError):  # PyYAML's, from "\UFFFFFFFF" and %YAML 9...9
            self._note(self._place, (), "an escape or a version after this is out of range")
        raise problem.error(self._built.problems)

    def _root(self) -> object:
        self._next()  # the stream's start
        if isinstance(self._next(), yaml.StreamEndEvent):
            return None
        root = self._value(self._next(), ())
        self._next()  # the document's end
        if not isinstance(self._next(), yaml.StreamEndEvent):
            self._note(self._place, (), "a second document starts here; a config is one")
        return root

    def _next(self) -> Event:
        event = next(self._events)
        self._place = self._at(event.start_mark)
        self._count += 1
        if self._count > MAX_EVENTS:
            raise LimitError(f"a config has at most {MAX_EVENTS} keys and values")
        return event

    def _at(self, mark: Event) -> Place:
        return self._source.at(mark.line + 1, mark.column + 1)

    def _note(self, place: Place, path: Path, message: str) -> Invalid:
        self._built.problems.append(Problem(place, path, message))
        return INVALID

    def _value(self, event: Event, path: Path) -> object:
        self._built.values[path] = place = self._place
        if len(path) > MAX_DEPTH:
            raise LimitError(f"values are nested more than {MAX_DEPTH} deep")
        if isinstance(event, yaml.AliasEvent):
            return self._note(place, path, "aliases (*) are not allowed; write the value again")
        if event.anchor is not None:
            self._note(place, path, "anchors (&) are not allowed")
        if event.tag is not None:
            self._note(place, path, "tags (!) are not allowed")
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event, path)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(path)
        return self._mapping(path)

    def _scalar(self, event: Event, path: Path) -> scalars.Scalar | Invalid:
        if event.style:
            if hidden := UNWRITABLE.search(event.value):
                return self._note(self._place, path, encoding.forbidden(hidden.group()))
            return str(event.value)
        try:
            return scalars.value(event.value)
        except ValueError as error:
            return self._note(self._place, path, str(error))

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
                self._built.keys[*path, key] = place
                tree[key] = self._value(self._next(), (*path, key))
                continue
            if isinstance(key, str):
                self._note(place, (*path, key), self._repeated((*path, key)))
            self._skip(self._next())
        return tree

    def _key(self, event: Event, path: Path) -> str | Invalid:
        place = self._place
        if not isinstance(event, yaml.ScalarEvent):
            self._skip(event)
            return self._note(place, path, "a key must be a name, not a list, mapping or alias")
        if event.anchor is not None or event.tag is not None:
            return self._note(place, path, "a key has no anchor (&) and no tag (!)")
        if event.value == "<<" and not event.style:
            return self._note(place, path, "merge keys (<<) are not allowed; write the keys out")
        key = self._scalar(event, path)
        if isinstance(key, str | Invalid):
            return key
        return self._note(place, path, f"a key must be a name, got {shown(key)}")

    def _repeated(self, path: Path) -> str:
        first = self._built.keys[path]
        where = f"; it is already on line {first.line}" if first.line else ""
        return f"duplicate key {shown(path[-1])}{where}"

    def _skip(self, event: Event) -> None:
        depth = 0
        while True:
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if depth == 0:
                return
            event = self._next()

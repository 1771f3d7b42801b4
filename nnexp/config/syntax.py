"""What YAML's parser objects to, in words for people who do not know its tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import yaml

WORDS = {
    r"found character '\t'": "a tab cannot stand here; indent with spaces",
    "that cannot start any token": "a value cannot begin with this character; put it in quotes",
    "mapping values are not allowed": "a ':' cannot stand here; check the indentation above, "
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
    "expected '<document start>'": "this cannot follow what stands above; a config is one mapping",
    "sequence entries are not allowed": "a '-' cannot stand here; begin the list on a new line",
    "mapping keys are not allowed": "a key cannot stand here",
    "expected alphabetic or numeric": "the name of an anchor or alias is missing "
    "(quote a value that begins with & or *)",
    "expected chomping or indentation": "only an indicator may follow | or > on its line",
}
"""Pieces of PyYAML's messages, the most telling first, and what each means."""


def in_words(error: yaml.MarkedYAMLError) -> str:
    """Return a syntax error in plain words, with the line where the fault may have begun."""
    objection = str(error.problem)
    words = [text for piece, text in WORDS.items() if piece in objection]
    start = error.context_mark
    opened = start and error.problem_mark and start.line < error.problem_mark.line
    since = f" (begun on line {start.line + 1})" if start and opened else ""
    return (words[0] if words else f"not valid YAML: {objection}") + since

"""Decode a CSV file: lines of UTF-8 text, the delimiter, and the fields of quoted lines.

The fields of a table are many, and NumPy parses a line as a whole. From the first line on whose
quotes cannot just be removed, the standard library's csv parses the file, and the fields are joined
again by a delimiter that no text contains.
"""

from __future__ import annotations

import csv
import re
import string
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import chain, compress
from typing import BinaryIO, NamedTuple, TypeAlias

from nnexp.datasets import files
from nnexp.datasets.csv_numbers import is_number, with_point
from nnexp.datasets.files import MalformedError

Lines: TypeAlias = Iterator[tuple[int, str]]
"""Lines that are not empty, with their numbers, counted from 1."""

MAX_LINE_BYTES = 1 << 20
BLOCK_ROWS = 1000
BLOCK_BYTES = 4 << 20
"""Maximum rows and bytes parsed at once, so that a file's text is never in memory as a whole."""

DELIMITERS = (",", ";", "\t", "|")
JOINT = "\x1f"
"""Unit separator: the delimiter of lines whose quotes have been removed."""
QUOTE = '"'
BLANKS = string.whitespace + "\N{NO-BREAK SPACE}"

SIGNATURES = {
    b"\x1f\x8b": "is gzipped; gunzip it",
    b"PK\x03\x04": "is an Excel workbook or a zip archive; save it as CSV, in UTF-8",
    b"\xd0\xcf\x11\xe0": "is an Excel workbook; save it as CSV, in UTF-8",
    b"\xff\xfe": "is UTF-16 text, not UTF-8; save it as UTF-8: iconv -f utf-16 -t utf-8",
    b"\xfe\xff": "is UTF-16 text, not UTF-8; save it as UTF-8: iconv -f utf-16 -t utf-8",
}
"""The first bytes of files that people take for CSV."""


def read_lines(file: BinaryIO, update: Callable[[bytes], None]) -> Lines:
    """Yield the lines that are not empty; call update with the bytes of every line.

    Raises: MalformedError if a line is too long or not UTF-8.
    """
    for number, line in enumerate(_byte_lines(file), 1):
        update(line)
        if number == 1:
            check_signature(line)
        if len(line) > MAX_LINE_BYTES:
            raise MalformedError(
                f"line {number}: longer than {MAX_LINE_BYTES} bytes; a table has a line per example"
            )
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
        except UnicodeDecodeError as error:
            raise MalformedError(_undecodable(number, line, error)) from error
        if "\r" in text:
            raise MalformedError(
                f"line {number}: contains a line end of another kind, a carriage return; save the "
                "file with one kind of line ends"
            )
        if text:
            yield number, text


def _byte_lines(file: BinaryIO) -> Iterator[bytes]:
    r"""Yield lines that end in LF or, if the file has none, in CR, as on old Macs.

    A line is cut after MAX_LINE_BYTES + 1 bytes, at which the caller refuses it.
    """
    line = file.readline(MAX_LINE_BYTES + 1)
    if line.endswith(b"\n") or b"\r" not in line:
        while line:
            yield line
            line = file.readline(MAX_LINE_BYTES + 1)
        return
    while True:
        *lines, rest = line.split(b"\r")
        yield from (text + b"\r" for text in lines)
        chunk = file.read(MAX_LINE_BYTES)
        if not chunk or len(rest) > MAX_LINE_BYTES:
            yield rest
            return
        line = rest + chunk


def check_signature(line: bytes) -> None:
    """Raise MalformedError if the first line shows that the file is of another kind."""
    if files.is_html(line.lstrip()):
        raise MalformedError(files.HTML)
    for signature, message in SIGNATURES.items():
        if line.startswith(signature):
            raise MalformedError(f"line 1: {message}")


def _undecodable(number: int, line: bytes, error: UnicodeDecodeError) -> str:
    byte, before = line[error.start], line[max(0, error.start - 20) : error.start]
    context = before.decode("utf-8", "replace")
    return (
        f"line {number}: not UTF-8 text, byte 0x{byte:02x} after {context!r}; if it is "
        "Windows-1252 or Latin-1, save it as UTF-8: iconv -f windows-1252 -t utf-8"
    )


def recognized_delimiter(header: str, rows: Sequence[str]) -> str:
    """Return the delimiter that divides a header and the first rows into the same columns.

    Of several, it is the one that makes the most fields numbers. If there is none, it is the one
    that divides the header into the most columns, the comma on a tie.
    """

    def merit(delimiter: str) -> tuple[bool, int, int]:
        cells = [cell for row in rows for cell in fields(row, delimiter)]
        numbers = sum(is_number(with_point(cell, delimiter)) for cell in cells)
        is_regular = fits(header, rows, delimiter)
        return is_regular, numbers if is_regular else 0, len(fields(header, delimiter))

    return max(DELIMITERS, key=merit)


def fits(header: str, rows: Sequence[str], delimiter: str) -> bool:
    """Return whether a delimiter divides a header and rows into equally many columns, over one."""
    columns = len(fields(header, delimiter))
    return columns > 1 and all(len(fields(row, delimiter)) == columns for row in rows)


def fields(text: str, delimiter: str) -> list[str]:
    """Return the fields of a line, none if its quotes make no sense with this delimiter."""
    with suppress(MalformedError):
        return split(text, delimiter)
    return []


def split(text: str, delimiter: str) -> list[str]:
    """Return the fields of a line. Raises: MalformedError."""
    fields = next(_reader([text], delimiter), [])
    return [field.strip() for field in fields]


def _reader(lines: Iterable[str], delimiter: str) -> Iterator[list[str]]:
    reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=True, strict=True)
    try:
        yield from reader
    except csv.Error as error:
        if "unexpected end" in str(error):
            raise MalformedError("a quote opens here and is not closed; close it") from error
        raise MalformedError(f"not CSV: {error}; check the quotes") from error


class Block(NamedTuple):
    """Successive rows of a table without quotes."""

    numbers: list[int]
    """The number of each row's line in the file."""
    texts: list[str]
    delimiter: str


def blocks(lines: Lines, delimiter: str) -> Iterator[Block]:
    """Yield the rows in blocks.

    Raises: MalformedError.
    """
    quoted = _simply_quoted(delimiter)
    while block := _next(lines, delimiter):
        text = "\n".join(block.texts)
        if QUOTE not in text:
            yield from _filled(block)
            continue
        text = "".join(quoted.split(text))  # the groups are the fields without their quotes
        if QUOTE in text:
            rest = chain(zip(block.numbers, block.texts, strict=True), lines)
            unquoted = _unquoted(rest, delimiter)
            while block := _next(unquoted, JOINT):
                yield from _filled(block)
            return
        yield from _filled(block._replace(texts=text.split("\n")))


def _filled(block: Block) -> Iterator[Block]:
    """Yield a block without its rows of empty fields, unless it has no others."""
    is_filled = [not is_blank(text, block.delimiter) for text in block.texts]
    if all(is_filled):
        yield block
    elif any(is_filled):
        numbers, texts = compress(block.numbers, is_filled), compress(block.texts, is_filled)
        yield block._replace(numbers=list(numbers), texts=list(texts))


def is_blank(text: str, delimiters: str) -> bool:
    """Return whether a line without quotes has no fields, or only empty ones."""
    return not text.lstrip(BLANKS + delimiters)


def _simply_quoted(delimiter: str) -> re.Pattern[str]:
    """Return the pattern of a quoted field without a delimiter, quote or line break.

    The first quote of any other field does not match and stays, so that no part of it is lost. The
    pattern begins with its quote, which the search then finds fastest.
    """
    ends, inside = f"[^{re.escape(delimiter)}\\n]", f"[^{QUOTE}{re.escape(delimiter)}\\n]"
    return re.compile(f"{QUOTE}(?<!{ends}{QUOTE})({inside}*){QUOTE}(?!{ends})")


def _next(lines: Lines, delimiter: str) -> Block | None:
    """Return the next block of lines, or None at the end."""
    numbers, texts, remaining = [], [], BLOCK_BYTES
    for number, text in lines:
        numbers.append(number)
        texts.append(text)
        remaining -= len(text)
        if remaining < 0 or len(texts) >= BLOCK_ROWS:
            break
    return Block(numbers, texts, delimiter) if texts else None


def _unquoted(lines: Lines, delimiter: str) -> Lines:
    """Yield lines with their fields joined by JOINT, each with the number of its first line."""
    numbers: list[int] = []

    def texts() -> Iterator[str]:
        for number, text in lines:
            numbers.append(number)
            yield f"{text}\n"

    reader = _reader(texts(), delimiter)
    while True:
        numbers.clear()
        try:
            fields = next(reader, None)
        except MalformedError as error:
            if not numbers:
                raise
            raise MalformedError(f"line {numbers[0]}: {error}") from error
        if fields is None:
            return
        joined = JOINT.join(field.replace("\n", " ").replace(JOINT, " ") for field in fields)
        yield numbers[0], joined

"""Notes and tags of a run, in notes.json beside the files that training writes.

They are no part of a run's reproducible bytes, and may change at any time, also during training.
"""

from __future__ import annotations

import re
import time
from collections.abc import Collection, Iterable
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from nnexp.config.messages import listed, shown
from nnexp.errors import CorruptError, UsageError
from nnexp.store import disk, lock
from nnexp.store.run import NOTES, RUN, Run

LIMIT = 1 << 20
"""Maximum bytes of notes.json."""
LONGEST = 10_000
"""Maximum characters of a note."""
TAG = r"\w[\w.-]{0,49}"
TIMEOUT = 10.0
"""Maximum seconds to wait for another process that writes notes of the run."""


class Note(Struct, frozen=True, forbid_unknown_fields=True):
    """A remark about a run."""

    time: Annotated[str, Meta(pattern=r"\A\d{4}-\d\d-\d\d[\dT:Z.+-]{0,30}\Z")]
    """When it was written, in UTC."""
    text: Annotated[str, Meta(max_length=LONGEST)]


class Notes(Struct, frozen=True, forbid_unknown_fields=True):
    """The notes of a run, the oldest first, and its tags, sorted."""

    tags: tuple[Annotated[str, Meta(pattern=rf"\A{TAG}\Z")], ...] = ()
    notes: tuple[Note, ...] = ()


def read(run: Run) -> Notes:
    """Return a run's notes and tags; none if it has no notes.json.

    Raises:
        CorruptError: notes.json is damaged.
        DiskError: it cannot be read.
    """
    path = run.path / NOTES
    content = disk.read(path, LIMIT)
    return Notes() if content is None else decode(path, content)


def decode(path: Path, content: bytes) -> Notes:
    """Decode the content of a notes.json; path is for messages. Raises: CorruptError."""
    try:
        return msgspec.json.decode(content, type=Notes)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise CorruptError(
            f"{path}: is damaged: {error}; correct it, or remove it with the notes"
        ) from error


def change(
    run: Run, text: str | None = None, tags: Iterable[str] = (), untag: Iterable[str] = ()
) -> Notes:
    """Add a note and tags to a run, remove tags, and return what it has now.

    Args:
        run: the run, which may be training.
        text: the note; None for none.
        tags: tags to add.
        untag: tags to remove; those that the run does not have are ignored.

    Raises:
        CorruptError: notes.json is damaged.
        LockedError: another process writes notes of the run all the time.
        DiskError: it cannot be written.
    """
    with _locked(run):
        before = read(run)
        added = () if text is None else (Note(_now(), text),)
        kept = ({*before.tags} - {*untag}) | {*tags}
        after = Notes(tuple(sorted(kept)), (*before.notes, *added))
        if after != before:
            write(run, after)
    return after


def _locked(run: Run) -> AbstractContextManager[None]:
    """Lock run.json, which never changes: LOCK is held by the process that trains."""
    if not disk.exists(run.path / RUN):
        raise CorruptError(f"{run.path}: is not a run: it has no {RUN}")
    return lock.wait(run.path / RUN, TIMEOUT)


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def write(run: Run, notes: Notes) -> None:
    """Replace a run's notes.json atomically. Raises: DiskError; UsageError if it is too large."""
    content = msgspec.json.format(msgspec.json.encode(notes), indent=2) + b"\n"
    if len(content) > LIMIT:
        raise UsageError(f"{run.path / NOTES}: has no room for more than {LIMIT} bytes")
    disk.write_atomically(run.path / NOTES, content)


def merge(run: Run, other: Run) -> None:
    """Add the notes and tags of another copy of a run to its own, unless either are damaged.

    Raises: DiskError if they cannot be written.
    """
    with suppress(CorruptError), _locked(run):
        own, foreign = read(run), read(other)
        if foreign == Notes():
            return
        both = sorted({*own.notes, *foreign.notes}, key=lambda note: (note.time, note.text))
        tags = tuple(sorted({*own.tags, *foreign.tags}))
        write(run, Notes(tags, tuple(both)))


def parse_tags(text: str) -> list[str]:
    """Return the tags in a list that is separated by commas.

    Raises: UsageError.
    """
    tags = [part.strip() for part in text.split(",")]
    for tag in tags:
        if not re.fullmatch(TAG, tag):
            raise UsageError(
                f"a tag is 1 to 50 letters, digits and . _ -, and begins with a letter or digit, "
                f"got {shown(tag)}"
            )
    return tags


def check_text(text: str) -> str:
    """Return a note without space around it. Raises: UsageError if it cannot be stored."""
    text = text.strip()
    lines = text.replace("\t", " ").split("\n")
    if not text or len(text) > LONGEST or not all(line.isprintable() for line in lines):
        raise UsageError(
            f"a note is 1 to {LONGEST:,} characters of text without control characters, "
            f"got {shown(text)}"
        )
    return text


def check_known(tags: Collection[str], notes: Iterable[Notes]) -> None:
    """Check that some run has each tag that is to be removed. Raises: UsageError."""
    known = {tag for own in notes for tag in own.tags}
    for tag in tags:
        if tag not in known:
            none = "there are no tags; --tag adds one"
            has = f"the tags are {listed(sorted(known))}" if known else none
            raise UsageError(f"no run has the tag {shown(tag)}; {has}")

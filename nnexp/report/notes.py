"""The result of note: the notes and tags of runs, as a document and as values for JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from msgspec import Struct

from nnexp.errors import printable
from nnexp.report.document import Document, Sentences, plain

if TYPE_CHECKING:
    from nnexp.store.notes import Note, Notes
    from nnexp.store.run import Run


class NoteOutput(Struct, frozen=True):
    """A remark about a run."""

    time: str
    """When it was written, in UTC."""
    text: str


class NotesOutput(Struct, frozen=True):
    """The notes and tags of a run."""

    run: str
    tags: list[str]
    notes: list[NoteOutput]


def output(by_run: Mapping[Run, Notes]) -> list[NotesOutput]:
    """Return the notes and tags of runs as values for JSON."""
    return [
        NotesOutput(
            run=str(run.path),
            tags=list(own.tags),
            notes=note_outputs(own),
        )
        for run, own in by_run.items()
    ]


def note_outputs(own: Notes) -> list[NoteOutput]:
    """Return a run's notes as values for JSON."""
    return [NoteOutput(note.time, note.text) for note in own.notes]


def document(by_run: Mapping[Run, Notes]) -> Document:
    """Return the notes and tags of runs, the run's path first."""
    sentences = []
    for run, own in by_run.items():
        has = ", ".join(own.tags) or ("no tags" if own.notes else "no notes, no tags")
        sentences += [printable(f"{run.path}: {has}"), *map(sentence, own.notes)]
    return plain(Sentences(sentences))


def sentence(note: Note) -> str:
    """Return a note with its date, in one line."""
    return printable(f"  {note.time[:10]}  {' '.join(note.text.split())}")

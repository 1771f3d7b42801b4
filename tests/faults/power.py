"""Simulated power loss: the possible states of a disk follow from the earlier syncs.

A Recorder stands between the process and ``os`` and notes each change of one folder in
order. ``losses`` then generates every possible state of the folder after a power loss at
any of them. The model assumes only what POSIX guarantees of a file system:

- a file's content is safe once the file was synced; until then each write may be there, lost,
  cut short, or only a length whose content is zeros, independently of any other;
- a directory's entry is safe once the directory was synced; until then each may be there or not,
  independently of any other and of what it stands for;
- a rename is there or not: it never loses both names, and never leaves an old file in the
  place of none.

log.txt and timing.jsonl, which are never synced and which no number comes from, vary as one.
"""

from __future__ import annotations

import linecache
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import combinations, product
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import pytest

BYSTANDERS = {"log.txt", "timing.jsonl"}
ROOT = 0
ALL = 300
"""So many combinations of what is not synced are all tried; of more, all singles and pairs."""

Tree: TypeAlias = dict[str, bytes | None]
"""A folder's content by path; None for a directory."""


class Write(NamedTuple):
    """Bytes written to a file."""

    file: int
    offset: int
    content: bytes


class Cut(NamedTuple):
    """A file cut to a length."""

    file: int
    length: int


class Link(NamedTuple):
    """A name given to a file or directory."""

    folder: int
    name: str
    node: int
    is_folder: bool


class Unlink(NamedTuple):
    """A name taken away."""

    folder: int
    name: str


class Rename(NamedTuple):
    """A name exchanged for another in the same directory."""

    folder: int
    old: str
    name: str
    node: int


class Sync(NamedTuple):
    """A file's content, or a directory's entries, forced to the disk."""

    node: int
    site: str
    """Where it was asked for: a function of the store, and the file's name."""


class Announced(NamedTuple):
    """An epoch of which the user was told; None: that the run is done."""

    epoch: int | None


Change: TypeAlias = Write | Cut | Link | Unlink | Rename
Operation: TypeAlias = Change | Sync | Announced


class Disk:
    """Files and directories by number: entries and contents apart, as a disk has them."""

    def __init__(self) -> None:
        self.files: dict[int, bytes] = {}
        self.folders: dict[int, dict[str, int]] = {ROOT: {}}

    def copy(self) -> Disk:
        """Return a disk that can be changed by itself."""
        other = Disk()
        other.files = dict(self.files)
        other.folders = {folder: dict(entries) for folder, entries in self.folders.items()}
        return other

    def apply(self, change: Change) -> None:
        """Do what a change does when all of it reaches the disk."""
        match change:
            case Write(file, offset, content):
                before = self.files.get(file, b"").ljust(offset, b"\0")
                self.files[file] = before[:offset] + content + before[offset + len(content) :]
            case Cut(file, length):
                self.files[file] = self.files.get(file, b"")[:length]
            case Link(folder, name, node, is_folder):
                self._entries(folder)[name] = node
                if is_folder:
                    self._entries(node)
                else:
                    self.files.setdefault(node, b"")
            case Unlink(folder, name):
                self._entries(folder).pop(name, None)
            case Rename(folder, old, name, node):
                self._entries(folder)[name] = node
                if self._entries(folder).get(old) == node:
                    del self._entries(folder)[old]

    def _entries(self, folder: int) -> dict[str, int]:
        return self.folders.setdefault(folder, {})

    def tree(self) -> Tree:
        """Return what can be reached from the root."""
        return dict(self._under(ROOT, ""))

    def _under(self, folder: int, path: str) -> Iterator[tuple[str, bytes | None]]:
        for name, node in sorted(self.folders[folder].items()):
            if node in self.folders:
                yield f"{path}{name}", None
                yield from self._under(node, f"{path}{name}/")
            else:
                yield f"{path}{name}", self.files.get(node, b"")


def outcomes(change: Change) -> list[Change | None]:
    """Return what may be left of a change that is not synced: all of it first, nothing last."""
    if not isinstance(change, Write):
        return [change, None]
    content, length = change.content, len(change.content)
    partial = [content[:cut] for cut in sorted({1, length // 2, 512, length - 1})]
    zeros = [bytes(length), bytes(length // 2) + content[length // 2 :]]
    left = [part for part in (*partial, *zeros) if part != content]
    return [change, *(change._replace(content=part) for part in left), None]


def touched(change: Change) -> int:
    """Return the file or directory whose sync makes a change safe."""
    return change[0]


class Pending:
    """What a disk surely holds, and what it may or may not hold yet."""

    def __init__(self, disk: Disk) -> None:
        self._safe = disk.copy()
        self._changes: list[Change] = []
        self._bystanders: set[int] = set()

    def note(self, operation: Operation) -> None:
        """Take up one more operation."""
        match operation:
            case Announced():
                pass
            case Sync(node):
                for change in self._changes:
                    if touched(change) == node:
                        self._safe.apply(change)
                self._changes = [each for each in self._changes if touched(each) != node]
            case _:
                if isinstance(operation, Link) and operation.name in BYSTANDERS:
                    self._bystanders.add(operation.node)
                self._changes.append(operation)

    def states(self) -> Iterator[Tree]:
        """Generate what the disk may hold if the power goes now."""
        for chosen in choices([self._outcomes(part) for part in self._parts()]):
            kept = [change for part in chosen for change in part if change[1] is not None]
            disk = self._safe.copy()
            for _, change in sorted(kept, key=lambda each: each[0]):
                if change is not None:
                    disk.apply(change)
            yield disk.tree()

    def _parts(self) -> list[list[tuple[int, Change]]]:
        """Return the changes that vary by themselves, each with its place in the order."""
        placed = list(enumerate(self._changes))
        aside = [each for each in placed if self._is_aside(each[1])]
        return [[each] for each in placed if each not in aside] + ([aside] if aside else [])

    def _is_aside(self, change: Change) -> bool:
        if isinstance(change, Link):
            return change.node in self._bystanders
        return isinstance(change, Write) and change.file in self._bystanders

    @staticmethod
    def _outcomes(part: list[tuple[int, Change]]) -> list[list[tuple[int, Change | None]]]:
        several = [[(place, each) for each in outcomes(change)] for place, change in part]
        longest = max(map(len, several))
        return [[each[min(n, len(each) - 1)] for each in several] for n in range(longest)]


def choices(several: Sequence[Sequence[Any]]) -> Iterator[tuple[Any, ...]]:
    """Generate one of each: every combination, or all singles and pairs where there are many.

    Singles and pairs are tried both where all else is kept, which comes first, and lost.
    """
    total = 1
    for each in several:
        total *= len(each)
    if total <= ALL:
        yield from product(*several)
        return
    for rest in (0, -1):
        base = [each[rest] for each in several]
        yield tuple(base)
        for places in (
            *combinations(range(len(several)), 1),
            *combinations(range(len(several)), 2),
        ):
            for picked in product(*(several[place] for place in places)):
                chosen = list(base)
                for place, one in zip(places, picked, strict=True):
                    chosen[place] = one
                yield tuple(chosen)


class Loss(NamedTuple):
    """A state that a power loss may leave, and what the user had been told before it."""

    after: int
    """The operations that were done."""
    announced: int
    """The last epoch."""
    done: bool
    tree: Tree


def losses(
    disk: Disk, operations: Sequence[Operation], ignored: Callable[[int, Sync], bool] | None = None
) -> Iterator[Loss]:
    """Generate the states that a power loss after each operation may leave.

    Args:
        disk: what was there, and safe, before.
        operations: what was done, in order.
        ignored: says of a sync and its place whether to take it for not done: a mutant.
    """
    pending, announced, done = Pending(disk), 0, False
    for after in range(len(operations) + 1):
        if after:
            operation = operations[after - 1]
            if isinstance(operation, Announced):
                announced, done = operation.epoch or announced, operation.epoch is None
            elif ignored is None or not (
                isinstance(operation, Sync) and ignored(after - 1, operation)
            ):
                pending.note(operation)
        for tree in pending.states():
            yield Loss(after, announced, done, tree)


# Recording


class Recorder:
    """Notes what a process does to a folder, through the calls of ``os`` that change a disk.

    Args:
        root: the folder.
        disk: what is in it.
    """

    FORBIDDEN = ("link", "symlink", "truncate", "fdatasync", "pwrite", "writev", "sendfile")

    def __init__(self, root: Path, disk: Disk) -> None:
        self.operations: list[Operation] = []
        self._root = root
        self._now = disk.copy()
        self._opened: dict[int, tuple[int, bool]] = {}
        self._next = 1 + max((*self._now.files, *self._now.folders))

    def install(self, patch: pytest.MonkeyPatch) -> None:
        """Stand between the process and os, until the patch is undone."""
        patch.setattr(os, "fsync", lambda _: None)  # it is only noted: the power stays on
        for name in ("open", "close", "write", "ftruncate", "fsync", "mkdir", "unlink", "rmdir"):
            patch.setattr(os, name, self._around(getattr(os, name), getattr(self, f"_{name}")))
        for name in ("rename", "replace"):
            patch.setattr(os, name, self._around(getattr(os, name), self._rename))
        for name in self.FORBIDDEN:
            patch.setattr(os, name, self._around(getattr(os, name), self._unknown))

    def announce(self, epoch: int | None) -> None:
        """Note that the user is told of an epoch, or that the run is done."""
        self.operations.append(Announced(epoch))

    def is_complete(self) -> bool:
        """Return whether the folder holds what it must after what was noted."""
        return self._now.tree() == tree_of(self._root)

    @staticmethod
    def _around(call: Callable[..., Any], note: Callable[..., None]) -> Callable[..., Any]:
        def noted(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401 - whatever the call takes
            result = call(*arguments, **named)
            note(result, *arguments)
            return result

        return noted

    def _do(self, change: Change) -> None:
        self.operations.append(change)
        self._now.apply(change)

    def _place(self, path: Any) -> tuple[int, str] | None:  # noqa: ANN401 - any kind of path
        """Return the directory and the name that a path has in the folder, if it is in there."""
        whole = Path(os.path.abspath(path))  # noqa: PTH100 - resolve would follow links
        if not whole.is_relative_to(self._root):
            return None
        folder, parts = ROOT, whole.relative_to(self._root).parts
        for part in parts[:-1]:
            folder = self._now.folders[folder][part]
        return folder, parts[-1] if parts else ""

    def _node(self, path: Any) -> int | None:  # noqa: ANN401 - any kind of path
        place = self._place(path)
        if place is None or not place[1]:
            return None if place is None else ROOT
        return self._now.folders[place[0]].get(place[1])

    def _made(self, path: Any, *, is_folder: bool) -> int | None:  # noqa: ANN401 - any kind of path
        place = self._place(path)
        if place is None:
            return None
        self._next += 1
        self._do(Link(*place, self._next, is_folder))
        return self._next

    def _open(self, descriptor: int, path: Any, flags: int, *_: Any) -> None:  # noqa: ANN401
        node = self._node(path)
        if node is None and flags & os.O_CREAT:
            node = self._made(path, is_folder=False)
        if node is None:
            return
        if flags & os.O_TRUNC and self._now.files[node]:
            self._do(Cut(node, 0))
        self._opened[descriptor] = (node, bool(flags & os.O_APPEND))

    def _close(self, _: None, descriptor: int) -> None:
        self._opened.pop(descriptor, None)

    def _write(self, count: int, descriptor: int, content: bytes) -> None:
        if descriptor in self._opened:
            node, appending = self._opened[descriptor]
            length = len(self._now.files[node])
            assert appending or length == 0, "a write in the middle of a file is not modelled"
            self._do(Write(node, length, bytes(content[:count])))

    def _ftruncate(self, _: None, descriptor: int, length: int) -> None:
        if descriptor in self._opened:
            self._do(Cut(self._opened[descriptor][0], length))

    def _fsync(self, _: None, descriptor: int) -> None:
        if descriptor in self._opened:
            node = self._opened[descriptor][0]
            self.operations.append(Sync(node, site()))

    def _mkdir(self, _: None, path: Any, *__: Any) -> None:  # noqa: ANN401
        self._made(path, is_folder=True)

    def _unlink(self, _: None, path: Any, *__: Any) -> None:  # noqa: ANN401
        place = self._place(path)
        if place is not None:
            self._do(Unlink(*place))

    _rmdir = _unlink

    def _rename(self, _: None, source: Any, target: Any) -> None:  # noqa: ANN401
        old, new, node = self._place(source), self._place(target), self._node(source)
        if old is None and new is None:
            return
        assert old is not None, "a rename into the folder is not modelled"
        assert new is not None, "nor is one out of it"
        assert node is not None
        assert old[0] == new[0], "nor one from a directory to another"
        self._do(Rename(old[0], old[1], new[1], node))

    def _unknown(self, _: Any, *arguments: Any) -> None:  # noqa: ANN401
        raise AssertionError(f"a call that is not modelled: {arguments}")


def site() -> str:
    """Return what in the store asks for the sync that is under way.

    That is the function outside of disk.py, what it hands over, and those of disk.py between.
    """
    lowest = "store/disk.py"
    frame, through = sys._getframe(1), []  # noqa: SLF001 - there is no other way to a frame
    while frame.f_back is not None and not frame.f_code.co_filename.endswith(lowest):
        frame = frame.f_back
    while frame.f_back is not None and frame.f_code.co_filename.endswith(lowest):
        through.append(frame.f_code.co_name)
        frame = frame.f_back
    line = linecache.getline(frame.f_code.co_filename, frame.f_lineno)
    handed = re.search(r"disk\.\w+\((.+?)[,)]", line)
    return f"{frame.f_code.co_name}: {' < '.join(through)}({handed and handed[1]})"


def after(operations: Sequence[Operation]) -> Disk:
    """Return what a disk holds after operations, as long as the power stays."""
    disk = Disk()
    for operation in operations:
        if not isinstance(operation, Sync | Announced):
            disk.apply(operation)
    return disk


def disk_of(tree: Mapping[str, bytes | None]) -> Disk:
    """Return a disk that safely holds a tree."""
    disk, numbers = Disk(), {"": ROOT}
    for number, (path, content) in enumerate(sorted(tree.items()), 1):
        above, _, name = path.rpartition("/")
        numbers[path] = number
        disk.folders[numbers[above]][name] = number
        if content is None:
            disk.folders[number] = {}
        else:
            disk.files[number] = content
    return disk


def tree_of(root: Path) -> Tree:
    """Return what a folder holds."""
    return {
        path.relative_to(root).as_posix(): None if path.is_dir() else path.read_bytes()
        for path in sorted(root.rglob("*"))
    }


def lay_out(tree: Mapping[str, bytes | None], root: Path) -> None:
    """Make a folder that holds a tree."""
    root.mkdir()
    for path, content in sorted(tree.items()):
        if content is None:
            (root / path).mkdir()
        else:
            (root / path).write_bytes(content)

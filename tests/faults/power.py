"""Simulated power loss: the possible states of a disk follow from the earlier syncs.

A Recorder stands between the process and ``os`` and notes each change of one folder in
order. ``losses`` then generates every possible state of the folder after a power loss at
any of them. The model assumes only what POSIX guarantees of a file system:

- a file's content is safe once the file was synced; until then each write may be there, lost,
  cut short, or only a length whose content is zeros, independently of any other;
- a directory's entry is safe once the directory was synced; until then each may be there or not,
  independently of any other and of the file it names;
- a rename is there or not: it keeps one of the two names, and does not bring back an old file
  where there was none. One from a directory to another is safe once both were synced.

log.txt and timing.jsonl, which are not synced and contain no results, vary together.
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

BYSTANDERS = {"log.txt", "timing.jsonl", "index.txt"}
"""Files whose loss loses nothing: of the index of runs to grow from, test_growth.py shows that."""
ROOT = 0
ALL = 300
"""Maximum combinations of unsynced changes that are all tried; of more, all singles and pairs."""

Tree: TypeAlias = dict[str, bytes | None]
"""A folder's content by path; None for a directory."""


class Write(NamedTuple):
    """Bytes written to a file."""

    file: int
    offset: int
    content: bytes


class Cut(NamedTuple):
    """A file truncated to a length."""

    file: int
    length: int


class Link(NamedTuple):
    """A new name of a file or directory."""

    folder: int
    name: str
    node: int
    is_folder: bool


class Unlink(NamedTuple):
    """A removed name."""

    folder: int
    name: str


class Rename(NamedTuple):
    """A rename within a directory, or from one to another."""

    folder: int
    old: str
    name: str
    node: int
    target: int
    """The directory of the new name."""


class Sync(NamedTuple):
    """A sync of a file's content or of a directory's entries."""

    node: int
    site: str
    """Its origin: a function of the store, and the file's name."""


class Announced(NamedTuple):
    """An epoch announced to the user; None for the end of the run."""

    epoch: int | None


Change: TypeAlias = Write | Cut | Link | Unlink | Rename
Operation: TypeAlias = Change | Sync | Announced


class Disk:
    """Files and directories by number, with entries separate from contents, as on a disk."""

    def __init__(self) -> None:
        self.files: dict[int, bytes] = {}
        self.folders: dict[int, dict[str, int]] = {ROOT: {}}

    def copy(self) -> Disk:
        """Return an independent copy of the disk."""
        other = Disk()
        other.files = dict(self.files)
        other.folders = {folder: dict(entries) for folder, entries in self.folders.items()}
        return other

    def apply(self, change: Change) -> None:
        """Apply a change completely."""
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
            case Rename(folder, old, name, node, target):
                self._entries(target)[name] = node
                if (folder, old) != (target, name) and self._entries(folder).get(old) == node:
                    del self._entries(folder)[old]

    def _entries(self, folder: int) -> dict[str, int]:
        return self.folders.setdefault(folder, {})

    def tree(self) -> Tree:
        """Return the content reachable from the root."""
        return dict(self._under(ROOT, ""))

    def _under(self, folder: int, path: str) -> Iterator[tuple[str, bytes | None]]:
        for name, node in sorted(self.folders[folder].items()):
            if node in self.folders:
                yield f"{path}{name}", None
                yield from self._under(node, f"{path}{name}/")
            else:
                yield f"{path}{name}", self.files.get(node, b"")


def outcomes(change: Change) -> list[Change | None]:
    """Return the possible remains of an unsynced change: first all of it, last nothing."""
    if not isinstance(change, Write):
        return [change, None]
    content, length = change.content, len(change.content)
    partial = [content[:cut] for cut in sorted({1, length // 2, 512, length - 1})]
    zeros = [bytes(length), bytes(length // 2) + content[length // 2 :]]
    left = [part for part in (*partial, *zeros) if part != content]
    return [change, *(change._replace(content=part) for part in left), None]


def touched(change: Change) -> set[int]:
    """Return the file or directories whose syncs, all of them, make a change durable."""
    return {change.folder, change.target} if isinstance(change, Rename) else {change[0]}


class Pending:
    """The durable content of a disk, and the changes that may or may not be on it yet."""

    def __init__(self, disk: Disk) -> None:
        self._safe = disk.copy()
        self._changes: list[Change] = []
        self._unsynced: list[set[int]] = []
        """For each change, what has to be synced to make it durable."""
        self._bystanders: set[int] = set()

    def note(self, operation: Operation) -> None:
        """Apply one more operation."""
        match operation:
            case Announced():
                pass
            case Sync(node):
                for change, nodes in zip(self._changes, self._unsynced, strict=True):
                    nodes.discard(node)
                    if not nodes:
                        self._safe.apply(change)
                left = [(c, n) for c, n in zip(self._changes, self._unsynced, strict=True) if n]
                self._changes = [change for change, _ in left]
                self._unsynced = [nodes for _, nodes in left]
            case _:
                if isinstance(operation, Link) and operation.name in BYSTANDERS:
                    self._bystanders.add(operation.node)
                self._changes.append(operation)
                self._unsynced.append(touched(operation))

    def states(self) -> Iterator[Tree]:
        """Yield the possible contents of the disk after a power loss now."""
        for chosen in choices([self._outcomes(part) for part in self._parts()]):
            kept = [change for part in chosen for change in part if change[1] is not None]
            disk = self._safe.copy()
            for _, change in sorted(kept, key=lambda each: each[0]):
                if change is not None:
                    disk.apply(change)
            yield disk.tree()

    def _parts(self) -> list[list[tuple[int, Change]]]:
        """Return the groups of changes that vary independently, each change with its index."""
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
    """Yield combinations of one option each: all, or singles and pairs if there are too many.

    Singles and pairs are tried with everything else kept, which comes first, and lost.
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
    """A state that a power loss may leave, and the last announcement before it."""

    after: int
    """The number of operations before it."""
    announced: int
    """The last announced epoch."""
    done: bool
    tree: Tree


def losses(
    disk: Disk, operations: Sequence[Operation], ignored: Callable[[int, Sync], bool] | None = None
) -> Iterator[Loss]:
    """Yield the states that a power loss after each operation may leave.

    Args:
        disk: the durable content before the first operation.
        operations: in order.
        ignored: returns whether to ignore a sync, given the sync and its index: a mutant.
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
    """Records a process's changes of a folder, by wrapping the calls of ``os`` that change a disk.

    Args:
        root: the folder.
        disk: its content.
    """

    FORBIDDEN = ("link", "symlink", "truncate", "fdatasync", "pwrite", "writev", "sendfile")

    def __init__(self, root: Path, disk: Disk) -> None:
        self.operations: list[Operation] = []
        self._root = root
        self._now = disk.copy()
        self._opened: dict[int, tuple[int, bool]] = {}
        self._next = 1 + max((*self._now.files, *self._now.folders))

    def install(self, patch: pytest.MonkeyPatch) -> None:
        """Wrap the calls of os until the patch is undone."""
        patch.setattr(os, "fsync", lambda _: None)  # it is only noted: the power stays on
        for name in ("open", "close", "write", "ftruncate", "fsync", "mkdir", "unlink", "rmdir"):
            patch.setattr(os, name, self._around(getattr(os, name), getattr(self, f"_{name}")))
        for name in ("rename", "replace"):
            patch.setattr(os, name, self._around(getattr(os, name), self._rename))
        for name in self.FORBIDDEN:
            patch.setattr(os, name, self._around(getattr(os, name), self._unknown))

    def announce(self, epoch: int | None) -> None:
        """Record the announcement of an epoch, or of the run's end."""
        self.operations.append(Announced(epoch))

    def is_complete(self) -> bool:
        """Return whether the folder's content equals that of the recorded changes."""
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
        """Return a path's directory and name in the folder, or None if it is outside."""
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
        self._do(Rename(old[0], old[1], new[1], node, new[0]))

    def _unknown(self, _: Any, *arguments: Any) -> None:  # noqa: ANN401
        raise AssertionError(f"a call that is not modelled: {arguments}")


def site() -> str:
    """Return the origin in the store of the current sync.

    It consists of the calling function outside disk.py and tree.py, its argument, and the functions
    of these two in between.
    """
    lowest = ("store/disk.py", "store/tree.py")
    frame, through = sys._getframe(1), []  # noqa: SLF001 - there is no other way to a frame
    while frame.f_back is not None and not frame.f_code.co_filename.endswith(lowest):
        frame = frame.f_back
    while frame.f_back is not None and frame.f_code.co_filename.endswith(lowest):
        through.append(frame.f_code.co_name)
        frame = frame.f_back
    line = linecache.getline(frame.f_code.co_filename, frame.f_lineno)
    handed = re.search(r"(?:disk|tree)\.\w+\((.+?)[,)]", line)
    return f"{frame.f_code.co_name}: {' < '.join(through)}({handed and handed[1]})"


def after(operations: Sequence[Operation]) -> Disk:
    """Return the content of a disk after operations without a power loss."""
    disk = Disk()
    for operation in operations:
        if not isinstance(operation, Sync | Announced):
            disk.apply(operation)
    return disk


def disk_of(tree: Mapping[str, bytes | None]) -> Disk:
    """Return a disk with a tree as its durable content."""
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
    """Return the content of a folder."""
    return {
        path.relative_to(root).as_posix(): None if path.is_dir() else path.read_bytes()
        for path in sorted(root.rglob("*"))
    }


def lay_out(tree: Mapping[str, bytes | None], root: Path) -> None:
    """Create a folder with the content of a tree."""
    root.mkdir()
    for path, content in sorted(tree.items()):
        if content is None:
            (root / path).mkdir()
        else:
            (root / path).write_bytes(content)

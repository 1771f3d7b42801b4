"""An index of a folder's runs by the digest that runs share if one can grow from the other.

It spares a start from reading thousands of files, and is no source of truth: its answers are
candidates, to be checked. It is a text file with a line for each run, ``<digest> <inode> <name>``,
and lines ``@ <time>``: all runs up to this modification time of the folder are listed above. Runs
that were copied, moved or renamed change the folder's time and are added at the next lookup.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

from nnexp.names import is_run_name
from nnexp.paths import tolerated
from nnexp.store import disk
from nnexp.store.records import growth_digest
from nnexp.store.run import RUN, Run

FOLDER = ".growth"
"""A subfolder of the folder of runs; no run name begins with a dot."""
FILE = "index.txt"
LIMIT = 1 << 23
"""Maximum bytes of an index, unless the folder has so many runs; a larger one is ignored."""
LINE = 512
"""Maximum bytes of an index for each folder: its line, and marks of times."""
NONE = "-" * 64
"""Stands for the digest of a run that cannot be read; it is a candidate for any digest."""


def candidates(runs: Path, digest: str) -> list[Run]:
    """Return the runs of a folder that may have a growth digest, sorted by name.

    Raises: DiskError if the folder or the index cannot be read.
    """
    content = _updated(runs)
    names = {*_names(content, digest), *_names(content, NONE)}
    return [Run(runs / name) for name in sorted(names)]


def add(run: Run, digest: str, before: int) -> None:
    """Add a run that was just published.

    Args:
        run: the run.
        digest: its growth digest.
        before: the folder's modification time before the run was made, by ``modified``. If the
            index was complete up to then, it is complete now.

    Raises: DiskError if the folder or the index cannot be read.
    """
    runs = run.path.parent
    after, inode = modified(runs), disk.inode(run.path)
    with tolerated():  # the next lookup adds the run
        is_complete = _read(runs).endswith(_mark(before))
        line = _line(digest, inode, run.name)
        _append(runs, line + (_mark(after) if is_complete else b""))


def discard(runs: Path) -> None:
    """Remove the index of a folder, which the next lookup makes anew. Raises: DiskError."""
    disk.remove(_path(runs))
    disk.remove_directory(runs / FOLDER)


def modified(runs: Path) -> int:
    """Return the modification time of a folder of runs, in nanoseconds; 0 if there is none.

    Raises: DiskError.
    """
    with disk.errors(runs):
        try:
            return runs.stat().st_mtime_ns
        except FileNotFoundError:
            return 0


def digest_of(run: Run) -> str | None:
    """Return a run's growth digest, or None if it is damaged or may not be read.

    Raises: DiskError if the disk fails.
    """
    from nnexp.config import canonical  # noqa: PLC0415 - NumPy, which listing does without

    with tolerated():
        record = run.record
        if record.growth_sha256 is not None:
            return record.growth_sha256
        return growth_digest(canonical.growth_json(run.config), record.source, record.content)
    return None


def _updated(runs: Path) -> bytes:
    """Return the index after adding the runs that it lacks."""
    content, now = _read(runs), modified(runs)
    if not now or content.endswith(_mark(now)):
        return content
    known = {line[65:] for line in content.decode("utf-8", "replace").splitlines()}
    folders = {name: inode for name, inode in disk.folders(runs).items() if is_run_name(name)}
    unknown = {n: inode for n, inode in folders.items() if f"{inode} {n}" not in known}
    new = {name for name in unknown if disk.exists(runs / name / RUN)}
    lines = [_line(digest_of(Run(runs / n)) or NONE, unknown[n], n) for n in sorted(new)]
    added = b"".join(lines)
    with tolerated():  # a folder that cannot be written to can be searched all the same
        if is_new := not disk.exists(runs / FOLDER):
            disk.make_directory(runs / FOLDER)  # changes the time, so that the next lookup looks
        # A folder without a record may be a run that is being copied.
        is_complete = len(new) == len(unknown) and not is_new
        _append(runs, added + (_mark(now) if is_complete else b""))
    return content + added


def _line(digest: str, inode: int, name: str) -> bytes:
    return f"{digest} {inode} {name}\n".encode()


def _names(content: bytes, digest: str) -> Iterator[str]:
    """Yield the names with a digest."""
    start = 0
    while (start := content.find(digest.encode(), start)) >= 0:
        end = content.find(b"\n", start)
        _, _, name = content[start:end].decode("utf-8", "replace").split(" ", 2)
        yield name
        start = end


def _mark(time: int) -> bytes:
    return f"@ {time}\n".encode()


def _read(runs: Path) -> bytes:
    with tolerated():
        path = _path(runs)
        is_long = disk.size(path) > LIMIT
        limit = max(LIMIT, LINE * len(disk.folders(runs))) if is_long else LIMIT
        return disk.read(path, limit) or b""
    return b""


def _append(runs: Path, content: bytes) -> None:
    disk.append(_path(runs), content, sync=False)


def _path(runs: Path) -> Path:
    """Return the index's path. Raises: CorruptError if its folder is a link or a file."""
    disk.check_kind(runs / FOLDER, stat.S_IFDIR)
    return runs / FOLDER / FILE

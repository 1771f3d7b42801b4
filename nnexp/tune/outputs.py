"""What a tuning leaves behind: the tuned config, the decisions, and the times they rest on."""

from __future__ import annotations

from pathlib import Path

import msgspec

from nnexp.config.model import Config
from nnexp.store import directories, disk
from nnexp.tune import pages, pictures, tuned
from nnexp.tune.protocol import Tuned
from nnexp.tune.state import Sitting

TIMES = "times.json"
LIMIT = 1 << 24


def read_sitting(folder: Path) -> Sitting:
    """Return the times kept by an earlier tuning; none if there are none to be read.

    Raises:
        CorruptError: something else than a file is there.
        DiskError: it cannot be read.
    """
    content = disk.read(folder / TIMES, LIMIT) if folder.is_dir() else None
    try:
        return msgspec.json.decode(content or b"{}", type=Sitting)
    except msgspec.MsgspecError:
        return Sitting()  # times can be measured again


def keep_sitting(folder: Path, sitting: Sitting) -> None:
    """Keep the times of a sitting, so that a second tuning decides alike."""
    directories.make_all(folder)
    disk.write_atomically(folder / TIMES, msgspec.json.encode(sitting) + b"\n")


def write(folder: Path, found: Tuned, original: Config, source: str) -> dict[str, Path]:
    """Write the tuned config and the decisions; return the files by what they are.

    Raises:
        DiskError: they cannot be written.
        CorruptError: something else than a folder or file is in the way.
    """
    directories.make_all(folder)
    title = f"How {source} was tuned"
    remarks = [f"The budget did not suffice for stage {each}." for each in found.unfinished]
    texts = {
        "tuned": ("tuned.yaml", tuned.to_yaml(found.config, original, found.decisions, source)),
        "markdown": ("decisions.md", pages.markdown(found.decisions, title, remarks)),
        "html": ("decisions.html", pages.page(found.decisions, title, remarks)),
    }
    drawn = {
        pages.picture_name(found.decisions, place): pictures.svg(decision.picture)
        for place, decision in enumerate(found.decisions)
        if decision.picture is not None
    }
    for name, content in drawn.items():
        disk.write_atomically(folder / name, content)
    for name in directories.names(folder):  # an earlier tuning may have drawn more
        if name not in drawn and pages.PICTURES.fullmatch(name):
            disk.remove(folder / name)
    for name, text in texts.values():
        disk.write_atomically(folder / name, text.encode())
    return {what: folder / name for what, (name, _) in texts.items()}

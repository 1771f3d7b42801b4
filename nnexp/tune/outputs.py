"""What a tuning leaves behind: the tuned config, the decisions, and the times they rest on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from nnexp.config.model import Config
from nnexp.store import disk
from nnexp.tune import pages, tuned
from nnexp.tune.decision import Decision
from nnexp.tune.protocol import Tuned
from nnexp.tune.state import Sitting

TIMES = "times.json"
TUNED = "tuned.yaml"
LIMIT = 1 << 24


def read_sitting(folder: Path, warn: Callable[[str], None] = lambda _: None) -> Sitting:
    """Return the times kept by an earlier tuning; none if there are none to be read.

    Args:
        folder: where they are.
        warn: is told of damage, which is no end: times can be measured again.

    Raises:
        CorruptError: something else than a file is there.
        DiskError: it cannot be read.
    """
    path = folder / TIMES
    content = disk.read(path, LIMIT) if folder.is_dir() else None
    try:
        return msgspec.json.decode(content or b"{}", type=Sitting)
    except msgspec.MsgspecError as error:
        warn(f"{path}: is damaged: {error}; the times are measured anew")
        return Sitting()


def keep_sitting(folder: Path, sitting: Sitting) -> None:
    """Keep the times of a sitting, so that a second tuning decides alike."""
    disk.make_directories(folder)
    disk.write_atomically(folder / TIMES, msgspec.json.encode(sitting) + b"\n")


def write(folder: Path, found: Tuned, original: Config, source: str) -> dict[str, Path]:
    """Write the tuned config and the decisions; return the files by what they are.

    Raises:
        DiskError: they cannot be written.
        CorruptError: something else than a folder or file is in the way.
    """
    files = write_decisions(folder, found.decisions, source, found.remarks)
    text = tuned.to_yaml(found.config, original, found.decisions, source, found.remarks)
    disk.write_atomically(folder / TUNED, text.encode())
    return {"tuned": folder / TUNED, **files}


def write_decisions(
    folder: Path, decisions: Sequence[Decision], source: str, remarks: Sequence[str]
) -> dict[str, Path]:
    """Write the decisions and their pictures; return the files by what they are.

    Raises: what ``write`` raises.
    """
    from nnexp.report import renderer  # noqa: PLC0415 - matplotlib is slow to import

    disk.make_directories(folder)
    title = f"How {source} was tuned"
    texts = {
        "markdown": ("decisions.md", pages.markdown(decisions, title, remarks)),
        "html": ("decisions.html", pages.page(decisions, title, remarks)),
    }
    drawn = {
        pages.picture_name(decisions, place): renderer.svg(decision.picture)
        for place, decision in enumerate(decisions)
        if decision.picture is not None
    }
    for name, content in drawn.items():
        disk.write_atomically(folder / name, content)
    for name in disk.directory_names(folder):  # an earlier tuning may have drawn more
        if name not in drawn and pages.PICTURES.fullmatch(name):
            disk.remove(folder / name)
    for name, text in texts.values():
        disk.write_atomically(folder / name, text.encode())
    return {what: folder / name for what, (name, _) in texts.items()}


def write_failure(
    folder: Path, decisions: Sequence[Decision], failing: Decision, source: str
) -> Path:
    """Write what was decided until a stage found nothing, and what that stage tried.

    A tuned config of an earlier tuning stays, and the decisions say that it is one.

    Returns: the file to be read.

    Raises: what ``write`` raises.
    """
    remarks = [f"Stage {failing.stage} found nothing: there is no tuned config."]
    if disk.mode(folder / TUNED):
        remarks.append(f"{TUNED} beside this is an earlier tuning's.")
    return write_decisions(folder, [*decisions, failing], source, remarks)["markdown"]

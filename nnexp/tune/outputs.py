"""What a tuning leaves behind: the tuned config, the decisions, and the times they rest on."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from nnexp.config import canonical, dump
from nnexp.config.model import Config
from nnexp.errors import printable
from nnexp.report.document import Block, Document, Drawing, Section, Sentences, Table, as_markdown
from nnexp.report.page import page
from nnexp.store import disk
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
    text = tuned_yaml(found.config, original, found.decisions, source, found.remarks)
    disk.write_atomically(folder / TUNED, text.encode())
    return {"tuned": folder / TUNED, **files}


def write_decisions(
    folder: Path, decisions: Sequence[Decision], source: str, remarks: Sequence[str]
) -> dict[str, Path]:
    """Write the decisions and their pictures; return the files by what they are.

    Raises: what ``write`` raises.
    """
    disk.make_directories(folder)
    whole = document(decisions, f"How {source} was tuned", remarks)
    texts = {
        "markdown": ("decisions.md", f"{as_markdown(whole)}\n"),
        "html": ("decisions.html", page(whole, "nnexp tune")),
    }
    drawn = {
        block.name: block.svg
        for section in whole.sections
        for block in section.blocks
        if isinstance(block, Drawing)
    }
    for name, content in drawn.items():
        disk.write_atomically(folder / name, content)
    for name in disk.directory_names(folder):  # an earlier tuning may have drawn more
        if name not in drawn and PICTURES.fullmatch(name):
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


PICTURES = re.compile(r"decision-\d{1,3}-[a-z-]{1,20}\.svg", re.ASCII)
"""The names that picture_name makes."""


def picture_name(decisions: Sequence[Decision], place: int) -> str:
    """Return the file name of a decision's picture, beside the Markdown."""
    return f"decision-{place + 1}-{decisions[place].name}.svg"


def document(decisions: Sequence[Decision], title: str, remarks: Sequence[str]) -> Document:
    """Return the decisions, a section each, after remarks on all of them."""
    sections = [
        Section(
            f"decision-{place + 1}",
            f"Stage {decision.stage}: {decision.heading}",
            list(_blocks(decision, picture_name(decisions, place))),
        )
        for place, decision in enumerate(decisions)
    ]
    return Document(title, sections, [Sentences(remarks, "remark")] if remarks else [])


def _blocks(decision: Decision, name: str) -> list[Block]:
    from nnexp.report import renderer  # noqa: PLC0415 - matplotlib is slow to import

    blocks: list[Block] = [Sentences([decision.answer], "answer")]
    if decision.rule:
        blocks.append(Sentences([decision.rule], "rule"))
    if decision.picture is not None:
        blocks.append(Drawing(name, decision.picture.title, renderer.svg(decision.picture)))
    if decision.rows:
        rows = list(map(list, decision.rows))
        blocks.append(Table(list(decision.header), rows, decision.left, "What was tried"))
    if decision.notes:
        blocks.append(Sentences(decision.notes, "remark"))
    return blocks


WIDTH = 98


def tuned_yaml(
    config: Config,
    original: Config,
    decisions: Sequence[Decision],
    source: str,
    remarks: Sequence[str] = (),
) -> str:
    """Return the tuned config as YAML: what is decided or no default, with comments.

    Args:
        config: as tuned.
        original: what it was tuned from.
        decisions: in the order they were made.
        source: what the original is called.
        remarks: what is to be known of it all.
    """
    tree, own = canonical.to_builtins(config), canonical.changed(config)
    reasons = {key: each for each in decisions for key, _ in each.chose}
    before = canonical.to_builtins(original)
    head = f"Tuned by nnexp tune from {printable(source)}; decisions.md has the reasons."
    lines = list(_comment(" ".join([head, *remarks])))
    for key, value in tree.items():
        if key in reasons or key in own or value != before[key]:
            text = _reason(key, value, reasons.get(key), changed=value != before[key])
            lines += _comment(text or f"As in {printable(source)}.")
            lines += dump.lines({key: own.get(key, value)})
    return "\n".join(lines) + "\n"


def _reason(key: str, value: Any, decision: Decision | None, *, changed: bool) -> str:  # noqa: ANN401 - a config's value
    """Return where a value comes from; empty where it is the original's."""
    follows = REASONS.get(key, "")
    if decision is None:
        return (follows or "Follows from the decisions.") if changed else ""
    said = f"Stage {decision.stage}: {decision.answer}"
    return said if value == dict(decision.chose)[key] else f"{said} {follows}".rstrip()


def _comment(text: str) -> Iterator[str]:
    wrapped = textwrap.wrap(text, WIDTH, break_on_hyphens=False, break_long_words=False)
    yield from (f"# {line}" for line in wrapped)


REASONS = {
    "epochs": "As many as the final training may take; early stopping or the schedule ends it.",
    "patience": "The schedule ends the run itself.",
    "lambda": "λ goes with n: carried over from the quick problem.",
}
"""Of keys that change with a decision about another one, or have another value than it says."""

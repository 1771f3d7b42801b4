"""Write the results of tuning: the tuned config, the decisions, and the measured times."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias, cast

import msgspec
from msgspec import Struct

from nnexp.config import canonical, dump
from nnexp.config.model import Config
from nnexp.errors import printable
from nnexp.report.document import (
    Block,
    Document,
    Drawing,
    Section,
    Sentences,
    Table,
    as_markdown,
    plain,
)
from nnexp.report.page import page
from nnexp.store import disk
from nnexp.tune.batch_size import SizeOutput
from nnexp.tune.chance import ProblemOutput
from nnexp.tune.decision import Decision
from nnexp.tune.final import PatienceOutput, ScheduleOutput
from nnexp.tune.learning_rate import RungOutput
from nnexp.tune.protocol import StagePlan, TuningResult
from nnexp.tune.state import TimingSession
from nnexp.tune.trials import Trials
from nnexp.tune.weight_decay import StrengthOutput

TIMES = "times.json"
TUNED = "tuned.yaml"
LIMIT = 1 << 24


def read_session(folder: Path, warn: Callable[[str], None] = lambda _: None) -> TimingSession:
    """Read the times saved by an earlier tuning; an empty session if there are none.

    Args:
        folder: that contains them.
        warn: called with a warning if they are damaged, since they can be measured again.

    Raises:
        CorruptError: the path is not a file.
        DiskError: the file cannot be read.
    """
    path = folder / TIMES
    content = disk.read(path, LIMIT)
    try:
        return msgspec.json.decode(content or b"{}", type=TimingSession)
    except msgspec.MsgspecError as error:
        warn(f"{path}: is damaged: {error}; times are measured again")
        return TimingSession()


def write_session(folder: Path, session: TimingSession) -> None:
    """Save the times of a session, so that another tuning makes the same decisions."""
    disk.make_directories(folder)
    disk.publish(folder / TIMES, msgspec.json.encode(session) + b"\n")


def write(folder: Path, result: TuningResult, original: Config, source: str) -> dict[str, Path]:
    """Write the tuned config and the decisions; return the files by kind.

    Raises:
        DiskError: they cannot be written.
        CorruptError: a path is taken by something that is not a folder or file.
    """
    files = write_decisions(folder, result.decisions, source, result.notes)
    text = tuned_yaml(result.config, original, result.decisions, source, result.notes)
    disk.publish(folder / TUNED, text.encode())
    return {"tuned": folder / TUNED, **files}


def write_decisions(
    folder: Path, decisions: Sequence[Decision], source: str, notes: Sequence[str]
) -> dict[str, Path]:
    """Write the decisions and their pictures; return the files by kind.

    Raises: the errors of ``write``.
    """
    disk.make_directories(folder)
    report = document(decisions, f"How {source} was tuned", notes)
    texts = {
        "markdown": ("decisions.md", f"{as_markdown(report)}\n"),
        "html": ("decisions.html", page(report, "nnexp tune")),
    }
    images = {
        block.name: block.svg
        for section in report.sections
        for block in section.blocks
        if isinstance(block, Drawing)
    }
    for name, content in images.items():
        disk.publish(folder / name, content)
    for name in disk.directory_names(folder):  # left by an earlier tuning
        if name not in images and PICTURES.fullmatch(name):
            disk.remove(folder / name)
    for name, text in texts.values():
        disk.publish(folder / name, text.encode())
    return {kind: folder / name for kind, (name, _) in texts.items()}


def write_failure(
    folder: Path, decisions: Sequence[Decision], failing: Decision, source: str
) -> Path:
    """Write the decisions before a stage that failed, and the trials of that stage.

    A tuned config of an earlier tuning is kept, and a note says so.

    Returns: the Markdown file.

    Raises: the errors of ``write``.
    """
    notes = [f"Stage {failing.stage} failed, so there is no tuned config."]
    if disk.mode(folder / TUNED):
        notes.append(f"The file {TUNED} in this folder is from an earlier tuning.")
    return write_decisions(folder, [*decisions, failing], source, notes)["markdown"]


PICTURES = re.compile(r"decision-\d{1,3}-[a-z-]{1,20}\.svg", re.ASCII)
"""Names returned by ``picture_name``."""


def picture_name(decisions: Sequence[Decision], index: int) -> str:
    """Return the file name of a decision's picture, in the folder of the Markdown."""
    return f"decision-{index + 1}-{decisions[index].name}.svg"


def document(decisions: Sequence[Decision], title: str, notes: Sequence[str]) -> Document:
    """Return a document with notes on the tuning and a section for each decision."""
    sections = [
        Section(
            f"decision-{index + 1}",
            f"Stage {decision.stage}: {decision.heading}",
            list(_blocks(decision, picture_name(decisions, index))),
        )
        for index, decision in enumerate(decisions)
    ]
    return Document(title, sections, [Sentences(notes, "remark")] if notes else [])


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


def summary(result: TuningResult, files: Mapping[str, Path]) -> Document:
    """Return the decisions, notes and files of a tuning for a terminal."""
    decisions = [f"{d.stage}  {d.heading}: {d.answer}" for d in result.decisions]
    return plain(Sentences([*decisions, *result.notes, *map(str, files.values())]))


Alternative: TypeAlias = (
    ProblemOutput | RungOutput | StrengthOutput | SizeOutput | PatienceOutput | ScheduleOutput
)


class DecisionOutput(Struct, frozen=True, kw_only=True):
    """A decision of tune."""

    stage: int
    name: str
    heading: str
    answer: str
    rule: str | None
    """Null if none was applied."""
    chose: dict[str, Any]
    """Values of the config's keys."""
    alternatives: list[Alternative]
    """What was tried, and its numbers; ``tried`` names the kind."""
    notes: list[str]


class TuneOutput(Struct, frozen=True, kw_only=True):
    """The result of tune."""

    tuned: str
    """This and the next two are the files that were written."""
    markdown: str
    html: str
    epochs: int
    """The number trained, of all trials together."""
    examples: int
    """Training examples seen in these epochs."""
    unfinished: list[str]
    """The stages for which the budget was too small."""
    notes: list[str]
    decisions: list[DecisionOutput]


def output(result: TuningResult, files: Mapping[str, Path], trials: Trials) -> TuneOutput:
    """Return the result of tuning as a value for JSON.

    Args:
        result: of the tuning.
        files: that were written, by kind.
        trials: all of its trials.
    """
    decisions = [
        DecisionOutput(
            stage=decision.stage,
            name=decision.name,
            heading=decision.heading,
            answer=decision.answer,
            rule=decision.rule or None,
            chose=dict(decision.chose),
            alternatives=cast("list[Alternative]", list(decision.alternatives)),
            notes=list(decision.notes),
        )
        for decision in result.decisions
    ]
    paths = {kind: str(path) for kind, path in files.items()}
    return TuneOutput(
        **paths,
        epochs=trials.epochs,
        examples=trials.examples,
        unfinished=result.unfinished,
        notes=list(result.notes),
        decisions=decisions,
    )


class StageOutput(Struct, frozen=True, kw_only=True):
    """The cost of a stage: the result of tune --explain is a list of these."""

    stage: str
    trials_least: int
    trials_most: int
    epochs: int
    """Maximum epochs of a trial."""
    examples: int
    """Training examples in an epoch."""
    epochs_least: int
    """Of all trials together, like the next three."""
    epochs_most: int
    images_least: int
    images_most: int


def stage_output(stage: StagePlan) -> StageOutput:
    """Return the cost of a stage as a value for JSON."""
    return StageOutput(
        **stage._asdict(),
        images_least=stage.epochs_least * stage.examples,
        images_most=stage.epochs_most * stage.examples,
    )


def plan_document(stages: Sequence[StageOutput]) -> Document:
    """Return a table of the stages' costs."""
    rows = [
        [
            stage.stage.replace("(full problem)", "(full)"),
            _range(stage.trials_least, stage.trials_most),
            str(stage.epochs),
            _range(stage.epochs_least, stage.epochs_most),
            f"{stage.examples:,}",
        ]
        for stage in stages
    ]
    trials = _range(sum(s.trials_least for s in stages), sum(s.trials_most for s in stages))
    epochs = _range(sum(s.epochs_least for s in stages), sum(s.epochs_most for s in stages))
    rows.append(["together", trials, "", epochs, ""])
    header = ("stage", "trials", "epochs of one", "epochs", "images")
    return plain(Table(header, rows), Sentences([UNIT]))


UNIT = (
    "At least to at most, where no run ends early and none is there yet; images are those of an "
    "epoch. --budget counts epochs, of all trials together, however many images an epoch has; "
    "or a time, as 90s, 2.5m or 1h. --examples counts images."
)


def _range(least: int, most: int) -> str:
    return f"{least:,} to {most:,}" if least < most else f"{least:,}"


WIDTH = 98


def tuned_yaml(
    config: Config,
    original: Config,
    decisions: Sequence[Decision],
    source: str,
    notes: Sequence[str] = (),
) -> str:
    """Return the tuned config as commented YAML, with tuned and non-default keys.

    Args:
        config: the tuned config.
        original: the config before tuning.
        decisions: in the order they were made.
        source: file name of the original.
        notes: notes on the tuning.
    """
    tree, own = canonical.to_builtins(config), canonical.changed(config)
    reasons = {key: decision for decision in decisions for key, _ in decision.chose}
    before = canonical.to_builtins(original)
    head = f"Tuned by nnexp tune from {printable(source)}; decisions.md has the reasons."
    lines = list(_comment(" ".join([head, *notes])))
    for key, value in tree.items():
        if key in reasons or key in own or value != before[key]:
            text = _reason(key, value, reasons.get(key), changed=value != before[key])
            lines += _comment(text or f"As in {printable(source)}.")
            lines += dump.lines({key: own.get(key, value)})
    return "\n".join(lines) + "\n"


def _reason(key: str, value: Any, decision: Decision | None, *, changed: bool) -> str:  # noqa: ANN401 - a config's value
    """Return the comment on a value's origin; empty if it is the original's."""
    follows = REASONS.get(key, "")
    if decision is None:
        return (follows or "Follows from the decisions.") if changed else ""
    reason = f"Stage {decision.stage}: {decision.answer}"
    return reason if value == dict(decision.chose)[key] else f"{reason} {follows}".rstrip()


def _comment(text: str) -> Iterator[str]:
    wrapped = textwrap.wrap(text, WIDTH, break_on_hyphens=False, break_long_words=False)
    yield from (f"# {line}" for line in wrapped)


REASONS = {
    "epochs": "The maximum of the final training; early stopping or the schedule ends it.",
    "patience": "The schedule ends the run itself.",
    "lambda": "λ scales with n: converted from the quick problem.",
}
"""Comments on keys that change with a decision about another key, or differ from its value."""

"""Bit rot: damage to any file of a run is reported, or changes no number.

    python -m pytest tests/faults/test_bit_rot.py -o log_cli=true --log-cli-level=INFO

prints how many damages were done, and their results.
"""

from __future__ import annotations

import fcntl
import logging
import os
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import pytest

from nnexp import numerics
from nnexp.analysis import comparison, evaluation, experiments, summary
from nnexp.config import load
from nnexp.datasets import loading
from nnexp.errors import CheckFailedError, CorruptError, MismatchError, NnexpError, UsageError
from nnexp.report import comparison_output, comparison_page
from nnexp.report.document import as_text
from nnexp.report.summary import document
from nnexp.runner import train, verification
from nnexp.runner.recording import Warned
from nnexp.store import listing, records
from nnexp.store.records import RunRecord
from nnexp.store.run import Run
from tests.conftest import Bench

if TYPE_CHECKING:
    from nnexp.config.model import CheckedConfig

LOG = logging.getLogger(__name__)
RUN, OTHER, DATA = Path("runs/n-s0"), Path("runs/other-s0"), Path("tiny.npz")

FINISHED = (
    *("run.json", "config.yaml", "metrics.jsonl", "result.json", "predictions.npz", "LOCK"),
    *("timing.jsonl", "log.txt", "checkpoints/epoch-000002.npz", "checkpoints/epoch-000003.npz"),
)
UNFINISHED = (
    *("run.json", "config.yaml", "metrics.jsonl", "LOCK", "timing.jsonl", "log.txt"),
    *("checkpoints/epoch-000001.npz", "checkpoints/epoch-000002.npz"),
)
UNREAD = {"LOCK", "timing.jsonl", "log.txt"}
"""Files that nothing is believed of but seconds: whatever is in them, all else is as it was."""

COMMITS = {"result.json", "checkpoints/epoch-000002.npz"}
"""Files whose appearance commits something: without one, all is as it was before that."""

FEW = 97
"""Every so manieth damage is done where there is little time; every one else."""


# Damages


def damages(content: bytes) -> Iterator[tuple[str, bytes | None]]:
    """Generate what may become of a file, with a name for it; None: it is gone."""
    random = Random(len(content))  # noqa: S311 - it need not surprise anybody
    for place, byte in enumerate(content):
        changed = byte ^ 1 << random.randrange(8)
        yield f"flip {place}", content[:place] + bytes([changed]) + content[place + 1 :]
    for length in range(len(content)):
        yield f"cut {length}", content[:length]


def crude(content: bytes) -> Iterator[tuple[str, bytes | None]]:
    """Generate what may become of a file at the hands of people and of file systems."""
    lines = content.splitlines(keepends=True)
    yield "gone", None
    yield "zeros", bytes(len(content))
    yield "zeros behind", content + bytes(512)
    yield "garbage behind", content + b"\xff\x00garbage\n{}\n"
    yield "doubled", content * 2
    if len(lines) > 1:
        yield "a line twice", b"".join([*lines, lines[-1]])
        yield "the first line twice", b"".join([lines[0], *lines])
        yield "two lines swapped", b"".join([lines[1], lines[0], *lines[2:]])
        yield "a line lost", b"".join(lines[1:])
    if len(content) > 1024:
        yield "a sector of zeros", content[:512] + bytes(512) + content[1024:]
        yield "two sectors swapped", content[512:1024] + content[:512] + content[1024:]


# Readers


class Said(NamedTuple):
    """What a command refused to go on with."""

    error: NnexpError


def answer(read: Callable[[], Any]) -> Any:  # noqa: ANN401 - what the reader answers
    try:
        return read()
    except NnexpError as error:
        return Said(error)


def listed() -> Any:  # noqa: ANN401 - what the reader answers
    """What ``nnexp runs`` says of the run; the other one is always there and sound."""
    entries = {entry.name: entry for entry in listing.entries(RUN.parent)}
    assert entries[OTHER.name].status == "finished"
    found = entries.get(RUN.name)
    if found is not None and found.problem is not None:
        raise CorruptError(found.problem)
    return found


def verified() -> str | None:
    config, until = verification.task(Run(RUN))
    train.train(config, Path("again"), name="n", until=until)
    found = verification.first_difference(Run(RUN), Run(Path("again/n-s0")))
    shutil.rmtree("again")
    if found is not None:
        raise CheckFailedError(f"{RUN}: {found}")
    return None


def compared() -> dict[str, Any]:
    """What ``nnexp compare`` says, but for what the clock says, which nothing vouches for."""
    told: dict[str, Any] = msgspec.to_builtins(
        comparison_output.output(comparison.compare(experiments.gather([RUN, OTHER])))
    )
    del told["metrics"]["seconds"]
    told["notes"] = [note for note in told["notes"] if not note.startswith("times of ")]
    return told


def reported() -> str:
    """The page of ``nnexp report``, but for the clock's seconds."""
    told = comparison_page.report(comparison.compare(experiments.gather([RUN])))
    told = re.sub(r"<tr><th[^>]*>seconds of training</th>.*?</tr>", "", told)
    told = re.sub(r"<li>times of .*?</li>|[;,] !: measured under load", "", told)
    return told.replace("<h3>Notes</h3><ul></ul>", "")


def shown(seen: summary.Summary) -> str:
    """What ``nnexp show`` says; what it leaves out as damaged it names."""
    if seen.problems:
        raise seen.problems[0]
    return as_text(document(seen, "validation"))


READERS: dict[str, Callable[[], Any]] = {
    "runs": listed,
    "compare": compared,
    "show": lambda: shown(summary.summarize(Run(RUN))),
    "report": reported,
    "evaluate": lambda: evaluation.evaluate([Run(RUN)]),
    "verify": verified,
}


class Shelf:
    """A finished and an unfinished run of one config, and a copy that is damaged and asked."""

    def __init__(self, folder: Path, config: CheckedConfig) -> None:
        self.folder = folder
        self.config = config
        train.train(config, name="other")
        train.train(config, Path("finished"), name="n")
        train.train(config, Path("unfinished"), name="n", until=2)
        self.files = Bench(folder, pytest.fail).files("finished/n-s0")
        self.whole = Run(Path("finished/n-s0")).history(), Run(Path("finished/n-s0")).result
        self.expected = {}
        for state in ("finished", "unfinished"):
            self.take(state)
            self.expected[state] = {name: answer(read) for name, read in READERS.items()}
            assert not any(isinstance(each, Said) for each in self.expected[state].values())

    def take(self, state: str) -> None:
        """Put a sound copy in the run's place."""
        shutil.rmtree(RUN, ignore_errors=True)
        shutil.copytree(Path(state) / "n-s0", RUN)

    def trained(self) -> tuple[list[str], Any]:
        """Go on with the run; return the warnings, and what it came to or why it did not."""
        warnings: list[str] = []
        try:
            events = train.events(self.config, Run(RUN))
            warnings.extend(event.message for event in events if isinstance(event, Warned))
        except NnexpError as error:
            return warnings, Said(error)
        return warnings, (Run(RUN).history(), Run(RUN).result)


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shelf]:
    folder, before = tmp_path_factory.mktemp("shelf"), Path.cwd()
    bench = Bench(folder, pytest.fail)
    bench.data()
    name = bench.config(hidden=[], batch_size=50)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(numerics, "fingerprint", cache(numerics.fingerprint))
        patch.setattr(os, "fsync", lambda _: None)
        os.chdir(folder)
        yield Shelf(folder, load.read(name))
    os.chdir(before)


@pytest.fixture
def cached(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the data be read once: it is what is sound."""
    for module in (train, evaluation, verification):
        monkeypatch.setattr(module, "load", cache(loading.load))


# What is held


def check(shelf: Shelf, state: str, name: str, damaged: bytes | None) -> str:
    """Damage a file, ask every reader and go on with the run; return what came of it."""
    shelf.take(state)
    place = RUN / name
    if damaged is None:
        place.unlink()
    else:
        place.write_bytes(damaged)
    outcome = "nothing"
    for reader, read in READERS.items():
        found = answer(read)
        if isinstance(found, Said):
            check_said(found, name)
            outcome = "said"
        elif damaged is not None or name not in COMMITS:  # without it, it is not committed yet
            assert found == shelf.expected[state][reader], reader
    warnings, trained = shelf.trained()
    if isinstance(trained, Said):
        check_said(trained, name)
        return "refused"
    assert trained == shelf.whole
    if state == "unfinished":
        files = Bench(shelf.folder, pytest.fail).files(str(RUN))
        assert {**files, name: b""} == {**shelf.files, name: b""}
    for warning in warnings:
        assert Path(name).name in warning
    return "passed over" if warnings else outcome


def check_said(said: Said, name: str) -> None:
    assert isinstance(said.error, CorruptError | CheckFailedError), said
    assert Path(name).name in str(said.error) or name == "run.json", said
    assert str(RUN) in str(said.error)


def rot(shelf: Shelf, state: str, name: str, several: Iterator[tuple[str, bytes | None]]) -> None:
    came: Counter[str] = Counter()
    for what, damaged in several:
        try:
            outcome = check(shelf, state, name, damaged)
        except BaseException as error:
            error.add_note(f"{state} {name}: {what}")
            raise
        if name in UNREAD:
            assert outcome == "nothing", what
        came[outcome] += 1
    LOG.info("%s %s: %s", state, name, dict(sorted(came.items())))


KINDS = [("finished", each) for each in FINISHED] + [("unfinished", each) for each in UNFINISHED]


@pytest.mark.usefixtures("cached")
@pytest.mark.parametrize(("state", "name"), KINDS)
def test_crude_damage_is_said_or_does_not_matter(shelf: Shelf, state: str, name: str) -> None:
    content = (Path(state) / "n-s0" / name).read_bytes()
    rot(shelf, state, name, crude(content))


@pytest.mark.slow
@pytest.mark.usefixtures("cached")
@pytest.mark.parametrize(("state", "name"), KINDS)
def test_some_bit_rot_is_said_or_does_not_matter(shelf: Shelf, state: str, name: str) -> None:
    content = (Path(state) / "n-s0" / name).read_bytes()
    rot(shelf, state, name, (each for n, each in enumerate(damages(content)) if n % FEW == 0))


ONLY_VERIFIED = {"config.yaml", "predictions.npz"}
"""Files that only ``nnexp verify`` reads."""


@pytest.mark.slow
@pytest.mark.usefixtures("cached")
@pytest.mark.parametrize(
    ("state", "name"), [each for each in KINDS if each[1] not in UNREAD | ONLY_VERIFIED]
)
def test_all_bit_rot_is_said_or_does_not_matter(shelf: Shelf, state: str, name: str) -> None:
    """Every byte changed and every length; the readers take turns, and going on is one of them."""
    content = (Path(state) / "n-s0" / name).read_bytes()
    came: Counter[str] = Counter()
    shelf.take(state)
    for n, (what, damaged) in enumerate(damages(content)):
        reader = ("runs", "compare", "evaluate", "train")[n % 4]
        (RUN / name).write_bytes(damaged or b"")
        if reader == "train":
            warnings, found = shelf.trained()
            expected = shelf.whole
            assert all(Path(name).name in warning for warning in warnings), what
        else:
            warnings, found = [], answer(READERS[reader])
            expected = shelf.expected[state][reader]
        if isinstance(found, Said):
            check_said(found, name)
        else:
            assert found == expected, (what, reader)
        came["said" if isinstance(found, Said) else "passed over" if warnings else "nothing"] += 1
        if reader == "train" and not isinstance(found, Said):
            shelf.take(state)
        (RUN / name).write_bytes(content)
    LOG.info("%s %s, every byte: %s", state, name, dict(sorted(came.items())))


@pytest.mark.parametrize("state", ["finished", "unfinished"])
def test_changed_data_is_said(shelf: Shelf, state: str) -> None:
    content, count = DATA.read_bytes(), 0
    try:
        for n, (what, damaged) in enumerate(damages(content)):
            if n % (5 * FEW) == 0:
                shelf.take(state)
                DATA.write_bytes(damaged or b"")
                found = answer(READERS["evaluate"])
                assert isinstance(found, Said) or found == shelf.expected[state]["evaluate"], what
                if isinstance(found, Said):
                    assert isinstance(found.error, MismatchError | UsageError), what
                    assert state == "finished" or isinstance(shelf.trained()[1], Said), what
                    count += 1
    finally:
        DATA.write_bytes(content)
    assert count > 10


# Asking for a new beginning


def remove(*files: Path) -> None:
    for each in files:
        each.unlink()


BEYOND: dict[str, Callable[[Path], object]] = {
    "run.json": lambda run: (run / "run.json").write_bytes(b""),
    "metrics.jsonl": lambda run: (run / "metrics.jsonl").write_bytes(b"{}\n"),
    "no metrics": lambda run: remove(run / "metrics.jsonl"),
    "no run.json": lambda run: remove(run / "run.json"),
    "checkpoints": lambda run: [each.write_bytes(b"PK") for each in run.glob("checkpoints/*")],
    "no checkpoints": lambda run: remove(*run.glob("checkpoints/*")),
    "no folder": lambda run: shutil.rmtree(run / "checkpoints"),
}


@pytest.mark.parametrize("damage", BEYOND)
def test_a_run_beyond_going_on_is_set_aside_when_asked(bench: Bench, damage: str) -> None:
    train = ("train", "tiny.yaml", "--name", "n", "-q")
    bench(*train, "--runs", "straight")
    bench(*train, "--until", "2")
    BEYOND[damage](bench.folder / RUN)
    damaged = bench.files("runs/n-s0")
    code, out, err = bench(*train)
    assert (code, out, err.count("\n")) == (5, "", 1)
    problem, advice = err.rsplit("; ", 1)
    assert advice == "--restart sets the run aside and trains it again from its first epoch\n"
    assert bench.files("runs/n-s0") == damaged
    assert bench(*train, "--restart") == (
        0,
        "runs/n-s0\n",
        f"warning: {problem}; moved to runs/n-s0.damaged-1, training again from the first epoch\n",
    )
    assert bench.files("runs/n-s0") == bench.files("straight/n-s0")
    assert bench.files("runs/n-s0.damaged-1") == damaged
    code, out, _ = bench("runs")
    assert [line.split()[0] for line in out.splitlines()] == ["run", "n-s0", "n-s0.damaged-1"]
    assert out.splitlines()[1].split()[1] == "finished"


def test_a_second_damaged_run_gets_the_next_number_and_a_long_name_is_cut(bench: Bench) -> None:
    name = "n" * 97 + "-s0"
    for number in (1, 2):
        bench("train", "tiny.yaml", "--name", name, "-q", "--until", "1")
        (bench.folder / f"runs/{name}/run.json").write_bytes(b"")
        assert bench("train", "tiny.yaml", "--name", name, "-q", "--restart").code == 0
        aside = f"{name[:-10]}.damaged-{number}"
        assert (bench.folder / "runs" / aside / "run.json").read_bytes() == b""
        (bench.folder / f"runs/{name}").rename(bench.folder / f"done{number}")
    assert "damaged" in bench("runs").out


def test_restart_leaves_a_sound_run_alone(bench: Bench) -> None:
    train = ("train", "tiny.yaml", "--name", "n", "-q")
    assert bench(*train, "--restart", "--until", "2") == (0, "runs/n-s0\n", "")
    told = "warning: runs/n-s0: is not damaged, so nothing was set aside\n"
    assert bench(*train, "--restart") == (0, "runs/n-s0\n", told)
    assert bench(*train, "--restart") == (0, "runs/n-s0\n", told)
    assert [each.name for each in (bench.folder / "runs").glob("[!.]*")] == ["n-s0"]


def test_restart_moves_neither_a_newer_run_nor_another_s_nor_what_is_none(bench: Bench) -> None:
    train = ("train", "tiny.yaml", "--name", "n", "-q", "--restart")
    bench(*train, "--until", "1")
    other = bench(*train, "--set", "lambda=4")
    assert (other.code, "belongs to another config" in other.err) == (4, True)
    path = bench.folder / RUN
    record = records.read(path / "run.json", RunRecord)
    assert record is not None
    newer = msgspec.structs.replace(record, schema=records.SCHEMA + 1)
    (path / "run.json").write_bytes(records.seal(newer))
    assert bench(*train).code == 5
    (path / "run.json").write_bytes(b"")
    with (path / "LOCK").open("rb+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert bench(*train).code == 4
    shutil.rmtree(path)
    path.mkdir()
    (path / "notes.txt").write_text("not a run", encoding="utf-8")
    code, _, err = bench(*train)
    assert (code, err) == (5, "runs/n-s0: is not a run: it has no run.json\n")
    assert [each.name for each in (bench.folder / "runs").glob("[!.]*")] == ["n-s0"]

"""Concurrent processes: on one run, on many names, and readers beside writers."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from nnexp.config import load
from nnexp.runner import train
from nnexp.store import lock, records, writer
from nnexp.store.records import RunRecord
from nnexp.study.job import LOCKED
from tests import waiting

if TYPE_CHECKING:
    from collections.abc import Callable

    from nnexp.store.writer import Writer
    from tests.conftest import Bench

# One run

HELD = """
import sys
from nnexp.cli import main, progress
from nnexp.runner.recording import Opened

shown = progress.TrainingProgress.show
def show(self, event):
    shown(self, event)
    if isinstance(event, Opened):
        print("opened", flush=True)
        sys.stdin.readline()
progress.TrainingProgress.show = show
print("ready", flush=True)
sys.stdin.readline()
sys.argv = ["nnexp", "train", *sys.argv[1:]]
main()
"""
"""A training that waits for a line before it begins, and for another once it has its run."""


class Trainings:
    """Processes that wait to train one run at the same moment."""

    def __init__(self, bench: Bench, count: int, *arguments: str) -> None:
        pipe = subprocess.PIPE
        self.processes: list[subprocess.Popen[str]] = [
            subprocess.Popen(
                [sys.executable, "-c", HELD, "tiny.yaml", "--name", "n", "-q", *arguments],
                cwd=bench.folder,
                text=True,
                stdin=pipe,
                stdout=pipe,
                stderr=pipe,
            )
            for _ in range(count)
        ]
        for process in self.processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"

    def go(self, process: subprocess.Popen[str]) -> None:
        """Let a process go on from where it waits."""
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()

    def start(self) -> subprocess.Popen[str]:
        """Let all begin; return the one that is left when all others have ended."""
        for process in self.processes:
            self.go(process)
        try:
            waiting.until(lambda: len(self.living()) < 2)
        except AssertionError:  # two or more have the run, and wait to go on
            self.kill()
            pytest.fail("more than one process trains the run")
        (left,) = self.living()
        assert left.stdout is not None
        assert left.stdout.readline() == "opened\n"
        return left

    def living(self) -> list[subprocess.Popen[str]]:
        """Return the processes that have not ended."""
        return [process for process in self.processes if process.poll() is None]

    def kill(self) -> None:
        """End what is left of them."""
        for process in self.processes:
            process.kill()
            process.communicate()


@pytest.mark.slow
@pytest.mark.parametrize("count", [2, 6])
@pytest.mark.parametrize("until", [None, "1"])
def test_one_trains_and_the_others_exit_4_naming_the_run(
    bench: Bench, count: int, until: str | None
) -> None:
    """Of a new run as of one that goes on."""
    bench("train", "tiny.yaml", "--runs", "straight", "--name", "n", "-q")
    if until:
        bench("train", "tiny.yaml", "--name", "n", "--until", until, "-q")
    trainings = Trainings(bench, count)
    one = trainings.start()
    for other in trainings.processes:
        if other is not one:
            said = (other.returncode, *other.communicate())
            assert said == (4, "", f"runs/n-s0: another process is training this run; {LOCKED}\n")
    trainings.go(one)
    assert (one.communicate(timeout=30), one.returncode) == (("runs/n-s0\n", ""), 0)
    assert bench.files("runs/n-s0") == bench.files("straight/n-s0")
    assert [path.name for path in (bench.folder / "runs").glob("[!.]*")] == ["n-s0"]


@pytest.mark.slow
def test_who_trains_it_to_its_end_lets_the_others_find_it_done(bench: Bench) -> None:
    for attempt in range(3):
        name = f"n{attempt}"
        started = [bench.start("train", "tiny.yaml", "--name", name, "-q") for _ in range(3)]
        ends = [(process.communicate()[1], process.returncode) for process in started]
        assert (("", 0)) in ends
        for said, code in ends:
            assert (code, bool(said)) in {(0, False), (4, True)}
            assert not said or said.startswith(f"runs/{name}-s0: another process ")
    found = sorted(path.name for path in (bench.folder / "runs").glob("[!.]*"))
    assert found == ["n0-s0", "n1-s0", "n2-s0"]


def test_who_comes_when_the_run_has_just_been_made_meets_that_run(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if it had been there before: done, of another config, or being trained."""
    create = writer.create

    def late(*arguments: Any) -> Writer:  # noqa: ANN401 - whatever create takes
        """Let another process be first by an instant."""
        monkeypatch.undo()
        monkeypatch.chdir(bench.folder)
        bench("train", "tiny.yaml", "--name", "n", "-q", *before)
        return create(*arguments)

    told = "runs/n-s0: belongs to another config (it differs in lambda); choose another name\n"
    for before, expected in (
        (["--until", "1"], (0, "runs/n-s0\n", "")),
        ([], (0, "runs/n-s0\n", "")),
        (["--set", "lambda=1"], (4, "", told)),
    ):
        monkeypatch.setattr(writer, "create", late)
        assert bench("train", "tiny.yaml", "--name", "n", "-q") == expected
        assert [path.name for path in (bench.folder / "runs").glob("[!.]*")] == ["n-s0"]
        (bench.folder / "runs").rename(bench.folder / f"runs-{'-'.join(before)}")


@pytest.mark.parametrize("epochs", ["1", None])
def test_after_kill_9_of_the_holder_the_next_start_succeeds_at_once(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, epochs: str | None
) -> None:
    bench("train", "tiny.yaml", "--runs", "straight", "--name", "n", "-q")
    if epochs:
        bench("train", "tiny.yaml", "--name", "n", "--until", epochs, "-q")
    holder = Trainings(bench, 1).start()
    assert bench("train", "tiny.yaml", "--name", "n", "-q").code == 4
    assert json.loads(bench("runs", "--each", "--json").out)[0]["status"] == "running"
    holder.kill()
    holder.communicate()
    monkeypatch.setattr(lock, "PAUSE", "no second try is needed")
    assert json.loads(bench("runs", "--each", "--json").out)[0]["status"] == "interrupted"
    assert bench("train", "tiny.yaml", "--name", "n", "-q") == (0, "runs/n-s0\n", "")
    assert bench.files("runs/n-s0") == bench.files("straight/n-s0")


# Many names

CLAIM = """
import sys
from pathlib import Path
import msgspec
from nnexp.errors import LockedError, NameTakenError
from nnexp.store import lock, records, writer
from nnexp.store.records import RunRecord
from nnexp.study.job import LOCKED
from nnexp.store.run import Run

lock.PAUSE = 0.001  # of a thousand names that 16 want at once, each would wait 0.2 seconds
record = records.read(Path("runs/n-s0/run.json"), RunRecord)
claimed = []
print("ready", flush=True)
sys.stdin.readline()
for number in range(int(sys.argv[2])):
    run = Run(Path("claimed") / f"n{number}")
    if run.path.exists():
        continue
    own = msgspec.structs.replace(record, name=run.name, config_sha256=sys.argv[1])
    try:
        writer.create(run, own, sys.argv[1]).close()
    except (LockedError, NameTakenError):
        continue
    claimed.append(run.name)
print(*claimed)
"""
"""Claims names, all processes in the same order, so that they meet at every one of them."""


@pytest.mark.slow
@pytest.mark.parametrize(("processes", "names"), [(16, 1000)])
def test_of_names_that_many_claim_each_is_given_once(
    bench: Bench, processes: int, names: int
) -> None:
    bench("train", "tiny.yaml", "--name", "n", "-q")
    started = [
        subprocess.Popen(
            [sys.executable, "-c", CLAIM, str(number), str(names)],
            cwd=bench.folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(processes)
    ]
    for process in started:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in started:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    owners: dict[str, list[int]] = {}
    for number, process in enumerate(started):
        for name in process.communicate(timeout=300)[0].split():
            owners.setdefault(name, []).append(number)
        assert process.returncode == 0
    assert set(map(len, owners.values())) == {1}
    folders = sorted(path.name for path in (bench.folder / "claimed").iterdir())
    assert folders == sorted(owners)
    for name, (owner,) in owners.items():
        record = records.read(bench.folder / "claimed" / name / "run.json", RunRecord)
        assert record is not None
        assert (record.name, record.config_sha256) == (name, str(owner))
        assert (bench.folder / "claimed" / name / "config.yaml").read_text() == str(owner)
    print(Counter(owner for (owner,) in owners.values()))  # noqa: T201 - how they shared them
    assert len(owners) == names


# Readers

WRITER = """
import sys
from pathlib import Path
from nnexp.runner import train
from nnexp.config import load

for number in range(int(sys.argv[2])):
    for until in (1, None):
        config = load.read("tiny.yaml", [f"seed={number}"])
        train.train(config, Path("runs"), name=f"{sys.argv[1]}{number}", until=until)
"""
"""Makes runs, stops them, goes on with them and ends them, one after the other."""


READS = (
    ("runs",),
    ("runs", "--json"),
    ("compare", "runs/a0", "{}"),
    ("compare", "{}", "runs/a0-s0", "--json"),
    ("compare", "{}", "runs/a0-s0", "--curves"),
    ("show", "{}"),
)


@pytest.mark.slow
@pytest.mark.parametrize("number", [30, pytest.param(150, marks=pytest.mark.slow)])
def test_readers_beside_live_runs_never_fail(bench: Bench, number: int) -> None:
    bench.config(epochs=6)
    for name in ("a0", "a1"):
        bench("train", "tiny.yaml", "--name", name, "-q")
    seen: Counter[str] = Counter()
    started = [
        subprocess.Popen([sys.executable, "-c", WRITER, name, str(number)], cwd=bench.folder)
        for name in ("b", "c")
    ]
    commands = 0
    while any(process.poll() is None for process in started):
        listed = json.loads(bench("runs", "--each", "--json").out)
        seen.update(each["status"] for each in listed)
        live = [each["run"] for each in listed if each["status"] != "finished"]
        for read in READS:
            said = bench(*(word.format((live or ["runs/a1-s0"])[-1]) for word in read))
            assert (said.code, said.err) == (0, ""), read
            commands += 1
    assert [process.returncode for process in started] == [0, 0]
    assert len(json.loads(bench("runs", "--each", "--json").out)) == 2 + 2 * number
    assert set(seen) <= {"running", "interrupted", "finished"}
    assert seen["running"]
    print(f"{commands} commands beside {dict(seen)}")  # noqa: T201 - docs/reliability.md's counts


class Between:
    """Lets a writer act before the nth time that a reader opens a file or lists a directory."""

    def __init__(self, look: int, act: Callable[[], object]) -> None:
        self.left = look
        self._act = act

    def looking(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def look(path: Any, *arguments: Any, **named: Any) -> Any:  # noqa: ANN401 - the call's own
            if "runs" in str(path):
                self.left -= 1
                if self.left == 0:
                    self._act()
            return call(path, *arguments, **named)

        return look


@pytest.mark.slow
@pytest.mark.parametrize(
    ("before", "after", "reads"),
    [(None, 1, READS[:2]), (1, 2, READS), (3, 6, READS), (3, None, READS), (6, None, READS)],
    ids=["it begins", "it commits", "it commits and removes", "it goes on to its end", "it ends"],
)
def test_whatever_a_writer_does_between_two_looks_of_a_reader(
    bench: Bench,
    monkeypatch: pytest.MonkeyPatch,
    before: int | None,
    after: int | None,
    reads: tuple[tuple[str, ...], ...],
) -> None:
    """At every look in turn: so no moment is left to chance."""
    monkeypatch.setattr(os, "fsync", lambda _: None)
    config = load.read(bench.config(epochs=8))
    for name, until in (("a0", None), ("n", before)):
        if name == "a0" or until:
            train.train(config, bench.folder / "runs", name=name, until=until)
    shutil.copytree("runs", "prepared")
    looks = 0
    for read in reads:
        for look in itertools.count(1):
            between = Between(
                look, lambda: train.train(config, Path("runs"), name="n", until=after)
            )
            with monkeypatch.context() as patch:
                for name in ("open", "listdir"):
                    patch.setattr(os, name, between.looking(getattr(os, name)))
                said = bench(*(word.format("runs/n-s0") for word in read))
            assert (said.code, said.err) == (0, ""), (read, look)
            if between.left > 0:
                break
            looks += 1
            shutil.rmtree("runs")
            shutil.copytree("prepared", "runs")
    print(f"{looks} looks")  # noqa: T201 - docs/reliability.md's counts
    assert looks >= 2 * len(reads)

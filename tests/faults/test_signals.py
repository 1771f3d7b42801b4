"""Kills, signals and closed terminals lose no data, and the resumed run ends in the same bytes."""

from __future__ import annotations

import errno
import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import pytest

from nnexp.cli import signals
from nnexp.native import availability
from nnexp.optim.optimizers import Optimizer
from nnexp.training.feed import Feed
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy.typing as npt

    from nnexp.training.feed import Batch
    from tests.conftest import Bench, Said

LONG = ("--set", "epochs=240", "--set", "batch_size=1", "--set", "patience=", "--name", "long")
"""A run of a second, so that it can be met on its way."""

STOPPED = "runs/long-s0: stopped; committed epochs are safe; repeat the command to resume"

PROMISED = 2000
"""Examples after a signal within which a training ends."""


def wait_for(process: subprocess.Popen[str], words: str) -> str:
    """Read a process's stderr up to a line with words, and return what came."""
    assert process.stderr is not None
    lines = []
    for line in process.stderr:
        lines.append(line)
        if words in line:
            return "".join(lines)
    raise AssertionError(f"no {words!r} in {lines}")


@pytest.fixture(scope="module")
def straight() -> dict[str, bytes]:
    """The files of LONG that nothing has stopped, once they are made."""
    return {}


def ends_byte_equal(bench: Bench, straight: dict[str, bytes]) -> Said:
    """Go on with LONG to its end, hold it against one that nothing stopped; return what it said."""
    said = bench("train", "tiny.yaml", *LONG)
    assert (said.code, said.out) == (0, "runs/long-s0\n")
    if not straight:
        bench("train", "tiny.yaml", *LONG, "--runs", "straight", "-q")
        straight |= bench.files("straight/long-s0")
    assert bench.files("runs/long-s0") == straight
    return said


# Random kills

KILLER = """
import os, random, signal, sys, time
from pathlib import Path
from nnexp.runner import train
from nnexp.config import load

config, random = load.read(sys.argv[1]), random.Random(int(sys.argv[2]))

def attempt(name, seconds):
    child = os.fork()
    if not child:
        code = 1
        try:
            train.train(config, Path(name), name="n")  # alone, so that it takes nothing over
            code = 0
        finally:
            os._exit(code)
    if seconds is not None:
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

start = time.monotonic()
assert attempt("straight", None) == 0
whole = time.monotonic() - start
for run in range(int(sys.argv[3])):
    codes = []
    while not codes or codes[-1] == -signal.SIGKILL:
        codes.append(attempt(f"n{run}", random.uniform(0, whole / 3) if len(codes) < 50 else None))
    print(*codes)
"""
"""Trains runs in children that it kills at random moments, until each is done."""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("seed", "runs"),
    [(1, 5), pytest.param(2, 100, marks=pytest.mark.slow)],
)
def test_killed_at_random_moments_it_ends_byte_equal(bench: Bench, seed: int, runs: int) -> None:
    name = bench.config("killed.yaml", epochs=20, patience=None)
    done = subprocess.run(
        [sys.executable, "-c", KILLER, name, str(seed), str(runs)],
        cwd=bench.folder,
        capture_output=True,
        text=True,
        check=True,
    )
    codes = [list(map(int, line.split())) for line in done.stdout.splitlines()]
    assert len(codes) == runs
    assert {code for each in codes for code in each[:-1]} == {-signal.SIGKILL}
    assert {each[-1] for each in codes} == {0}, done.stderr
    kills = sum(len(each) - 1 for each in codes)
    print(f"{kills} kills of {runs} runs")  # noqa: T201 - the counts of docs/reliability.md
    assert kills > 2 * runs
    straight = bench.files("straight/n-s0")
    for run in range(runs):
        assert bench.files(f"n{run}/n-s0") == straight


# Signals


class Watch:
    """Counts the examples that training and measuring go through; signals at one of them."""

    def __init__(self, moment: int | None, number: signal.Signals = signal.SIGTERM) -> None:
        self.examples = 0
        self.moment = moment
        self._number = number

    def past(self) -> int:
        """Return how many examples came after the signal."""
        return 0 if self.moment is None else self.examples - self.moment

    def count(self, examples: int) -> None:
        before, self.examples = self.examples, self.examples + examples
        if self.moment is not None and before < self.moment <= self.examples:
            signal.raise_signal(self._number)


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> list[Watch]:
    """The watch that counts what either backend goes through, which a test puts in its place."""
    watch, batches = [Watch(None)], Feed.batches

    def counted(self: Feed, order: npt.NDArray[np.int64], rows: int) -> Iterator[Batch]:
        for batch in batches(self, order, rows):
            watch[0].count(len(batch.inputs))
            yield batch

    monkeypatch.setattr(Feed, "batches", counted)
    if availability.why_unavailable() is None:
        from nnexp.native.kernels import NativeNetwork  # noqa: PLC0415 - needs the extension

        for name in ("descend", "gradient", "cost", "evaluate", "outputs", "hidden"):
            monkeypatch.setattr(NativeNetwork, name, counting(getattr(NativeNetwork, name), watch))
    return watch


def counting(call: Callable[..., Any], watch: list[Watch]) -> Callable[..., Any]:
    """Return a method of NativeNetwork that counts the examples of its order."""

    def counted(*arguments: Any, **keys: Any) -> object:  # noqa: ANN401 - of any of them
        watch[0].count(len(arguments[3]))
        return call(*arguments, **keys)

    return counted


def large(bench: Bench) -> None:
    """Write data that takes many times the promised number of examples to go through."""
    rng = np.random.default_rng(0)
    arrays: dict[str, Any] = {}
    for split, count in (("train", 9000), ("validation", 7000), ("test", 5000)):
        labels = rng.integers(0, 3, count)
        noise = rng.integers(0, 60, (count, 10))
        arrays |= {f"x_{split}": (noise + 50 * labels[:, None]).astype(np.uint8)}
        arrays |= {f"y_{split}": labels}
    np.savez(bench.folder / "tiny.npz", **arrays)


@pytest.mark.slow
@pytest.mark.parametrize(
    "keys",
    [
        *({"optimizer": kind.__struct_config__.tag} for kind in get_args(Optimizer)),
        {"batch_size": 1},
        {"batch_size": 5000},
        {"batch_size": "all", "dropout": 0.5},
        {"monitor": ["train", "validation", "test", "saturation", "norms"], "patience": None},
        {"monitor": ["train", "running_cost"], "patience": None},
        {"learning_rate": 1e30},
    ],
    ids=str,
)
def test_a_signal_is_heard_within_2000_examples(
    bench: Bench, watched: list[Watch], keys: dict[str, object]
) -> None:
    """Whatever goes through examples: steps, line searches, evaluation, the search for a fault."""
    large(bench)
    if keys.get("optimizer") in {"newton", "hessian-free", "conjugate-gradient", "bfgs", "l-bfgs"}:
        keys |= {"dtype": "float64"}
    name = bench.config("large.yaml", epochs=2, hidden=[3], **keys)
    arguments = ("train", name, "--name", "n", "-q")
    end = bench(*arguments, "--runs", "straight")
    examples = watched[0].examples
    moments = np.random.default_rng(len(str(keys))).integers(1, examples, 3)
    for place, moment in enumerate([1, *moments.tolist(), examples]):
        number = signals.STOPPING[place % 3]
        watched[0] = Watch(moment, number)
        code, out, err = bench(*arguments)
        if watched[0].moment == examples and code == end.code:
            break  # nothing was left to be stopped
        assert (code, out) == (128 + number, "")
        assert err == STOPPED.replace("long", "n") + "\n"
        assert watched[0].past() <= PROMISED
        watched[0] = Watch(None)
        assert bench(*arguments).code == end.code
        assert bench.files("runs/n-s0") == bench.files("straight/n-s0")
        (bench.folder / "runs").rename(bench.folder / f"done-{place}")


@pytest.mark.parametrize("number", signals.STOPPING)
def test_a_signal_stops_and_the_same_command_ends_byte_equal(
    bench: Bench, straight: dict[str, bytes], number: signal.Signals
) -> None:
    process = bench.start("train", "tiny.yaml", *LONG)
    wait_for(process, "epoch   2/240")
    process.send_signal(number)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (128 + number, "")
    assert err.splitlines()[-1] == STOPPED
    _, _, err = ends_byte_equal(bench, straight)
    assert re.match(r"runs/long-s0: resuming after epoch \d+\n", err)


def test_a_signal_ends_all_seeds(bench: Bench, watched: list[Watch]) -> None:
    watched[0] = Watch(1)
    code, out, err = bench("train", "tiny.yaml", "--name", "n", "--seeds", "3", "-j", "1", "-q")
    assert (code, out) == (143, "")
    assert err.startswith("stopped with 0 of 3 seeds done; ")
    assert [path.name for path in (bench.folder / "runs").glob("[!.]*")] == ["n-s0"]


def test_a_verification_that_is_stopped_has_nothing_to_go_on_from(
    bench: Bench, watched: list[Watch]
) -> None:
    bench("train", "tiny.yaml", "--name", "n", "-q")
    watched[0] = Watch(1)
    told = "runs/n-s0: stopped before it was verified; repeat the command to start again\n"
    assert bench("verify", "runs/n-s0", "-q") == (143, "", told)


DEAF = """
import os, sys, time
from nnexp.cli import main, progress, signals

note = signals.ReceivedSignal.record
def noting(self, number, frame):
    note(self, number, frame)
    os.write(2, b"noted\\n")  # within a print, perhaps
signals.ReceivedSignal.record = noting

def show(self, event):
    print("busy", file=sys.stderr, flush=True)
    time.sleep(60)
progress.TrainingProgress.show = show
sys.argv = ["nnexp", "train", "tiny.yaml", *sys.argv[1:]]
main()
"""
"""A training that comes to no place where it would look for signals."""


@pytest.mark.parametrize("first", signals.STOPPING)
@pytest.mark.parametrize("second", signals.STOPPING)
def test_a_second_signal_ends_it_at_once(
    bench: Bench, first: signal.Signals, second: signal.Signals
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", DEAF, *LONG], cwd=bench.folder, stderr=subprocess.PIPE, text=True
    ) as process:
        wait_for(process, "busy")
        process.send_signal(first)
        wait_for(process, "noted")
        process.send_signal(second)
        assert process.wait(timeout=20) == -second
    assert bench("train", "tiny.yaml", *LONG, "--until", "1", "-q").code == 0


def test_after_the_training_signals_do_what_they_did() -> None:
    with signals.recorded() as found:
        signal.raise_signal(signal.SIGTERM)
        assert found.number == signal.SIGTERM
    assert signal.getsignal(signal.SIGINT) == signal.default_int_handler
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


@pytest.mark.parametrize(
    ("script", "number"),
    [
        ("echo $$ > pid; exec nohup {}", signal.SIGHUP),
        ("echo $$ > pid; trap '' HUP; exec {}", signal.SIGHUP),
        ("echo $$ > pid; trap '' TERM; exec {}", signal.SIGTERM),
        ("{} & echo $! > pid; wait $!", signal.SIGINT),  # as sh does with what it puts behind
    ],
)
def test_a_signal_that_was_ignored_stays_ignored(
    bench: Bench, script: str, number: signal.Signals
) -> None:
    with shell(bench, script.format(training(*LONG)), stderr=subprocess.PIPE) as process:
        wait_for(process, "epoch   2/240")
        os.kill(int((bench.folder / "pid").read_text()), number)
        assert process.communicate(timeout=20)[0] == "runs/long-s0\n"
    assert process.returncode == 0


# Readers and terminals that go away


def training(*arguments: str) -> str:
    """Return a command that trains, for a shell."""
    return " ".join([sys.executable, "-m", "nnexp", "train", "tiny.yaml", *arguments])


def shell(bench: Bench, script: str, **options: object) -> subprocess.Popen[str]:
    given = {"stdout": subprocess.PIPE, "text": True} | options
    return subprocess.Popen(["sh", "-c", script], cwd=bench.folder, **given)  # type: ignore[call-overload,no-any-return] # whatever a test needs


@pytest.mark.parametrize("reader", ["head -1", "true"])
@pytest.mark.parametrize("redirection", ["", "2>&1"])
@pytest.mark.parametrize("more", ["", "--seeds 2"])
def test_a_reader_that_goes_away_ends_no_run(
    bench: Bench, reader: str, redirection: str, more: str
) -> None:
    """As in ``nnexp train tiny.yaml | head -1``."""
    script = f"{{ {training('--name', 'n', more)} {redirection}; echo $? > code; }} | {reader}"
    with shell(bench, script, stderr=subprocess.DEVNULL) as process:
        process.communicate(timeout=20)
    assert (bench.folder / "code").read_text() == "0\n"
    runs = {path.parent.name for path in bench.folder.glob("runs/*/result.json")}
    assert runs == ({"n-s0", "n-s1"} if more else {"n-s0"})


TERMINAL = """
import fcntl, os, sys, termios
os.setsid()
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execvp(sys.argv[1], sys.argv[1:])
"""
"""Makes its standard input the terminal of a new session, whose end is a SIGHUP to it."""


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ("exec {}", 128 + signal.SIGHUP),
        ("exec {} -q", 128 + signal.SIGHUP),
        ("trap '' HUP; exec {}", 0),
        ("trap '' HUP; exec {} -q", 0),
        ("exec nohup {}", 0),
        ("exec nohup {} 2>&1 | cat", None),  # sh itself dies, and the training does not
    ],
)
def test_a_terminal_that_is_closed(
    bench: Bench, straight: dict[str, bytes], script: str, code: int | None
) -> None:
    """It ends a training as any signal does; one that ignores SIGHUP goes on to its end."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    command = [sys.executable, "-c", TERMINAL, "sh", "-c", script.format(training(*LONG))]
    with subprocess.Popen(
        command, cwd=bench.folder, stdin=theirs, stdout=theirs, stderr=theirs
    ) as process:
        os.close(theirs)
        committed = bench.folder / "runs/long-s0/checkpoints"
        until(
            lambda: any(path.name > "epoch-000001.npz" for path in committed.glob("epoch-*.npz")),
            process=process,
        )
        os.close(ours)
        ended = process.wait(timeout=20)
    if code is None:
        with (bench.folder / "runs/long-s0/LOCK").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # waits until the training has ended
    else:
        assert ended == code
    assert (bench.folder / "runs/long-s0/result.json").exists() == (not code)
    ends_byte_equal(bench, straight)


def test_a_terminal_that_vanishes_from_under_the_progress_ends_no_run(bench: Bench) -> None:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    process = bench.start("train", "tiny.yaml", *LONG, stderr=theirs)
    os.close(theirs)
    assert os.read(ours, 100)
    os.close(ours)
    out, _ = process.communicate(timeout=20)
    assert (process.returncode, out) == (0, "runs/long-s0\n")


class Vanishing:
    """A terminal that answers a number of calls and is gone from then on."""

    encoding = "utf-8"

    def __init__(self, calls: int) -> None:
        self.calls = calls

    def answer(self, *_: object) -> os.terminal_size:
        self.calls -= 1
        if self.calls < 0:
            raise OSError(errno.EIO, "Input/output error")
        return os.terminal_size((80, 24))

    write = flush = answer

    def isatty(self) -> bool:
        return self.calls > 0

    def fileno(self) -> int:
        return 2


@pytest.mark.parametrize("calls", range(12))
def test_a_terminal_may_vanish_before_any_call(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, calls: int
) -> None:
    terminal = Vanishing(calls)
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(os, "get_terminal_size", terminal.answer)
    done = bench("train", "tiny.yaml", "--name", "n")
    assert (done.code, done.out) == (0, "runs/n-s0\n")
    assert terminal.calls < 0

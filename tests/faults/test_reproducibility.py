"""A config gives the same bytes in any environment, wherever its training was interrupted."""

from __future__ import annotations

import itertools
import os
import pty
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

import msgspec
import numpy as np
import pytest

import nnexp
from nnexp import numerics
from nnexp.config import load, rules
from nnexp.config.model import CheckedConfig, Config
from nnexp.datasets.sources import Npz
from nnexp.optim.optimizers import Optimizer
from nnexp.optim.schedules import HalveOnPlateau, Piecewise, Schedule, Step
from nnexp.runner import backends, train
from nnexp.training.stopping import Average, Stopping

if TYPE_CHECKING:
    from tests.conftest import Bench

# What surrounds a training

CONFIGS: tuple[dict[str, Any], ...] = (
    {
        "data": {"name": "mnist", "train": 1000, "validation": 300, "test": 100},
        "optimizer": "adam",
        "dropout": 0.3,
        "lambda": 1.0,
        "epochs": 2,
        "monitor": ["train", "validation", "test", "saturation", "norms", "running_cost"],
    },
    {"optimizer": "l-bfgs", "dtype": "float64", "activation": "tanh", "epochs": 4},
)
"""Both precisions, few and many examples at a time, random draws of every kind."""

THREADS = tuple(name for name in os.environ if name.endswith("_NUM_THREADS"))

NOBODY = "65534"


def surrounded(folder: Path, *before: str, **options: Any) -> None:  # noqa: ANN401 - Popen's own
    """Train both configs in a folder, behind words that change what surrounds the command."""
    environment = {**os.environ, "PYTHONPATH": str(Path(nnexp.__file__).parents[1])}
    given: dict[str, Any] = {"cwd": folder, "capture_output": True, "text": True} | options
    given["env"] = environment | options.get("env", {})
    for name in THREADS:
        del given["env"][name]  # the command sets them itself
    for number in range(len(CONFIGS)):
        words = ["-m", "nnexp", "train", f"{number}.yaml", "--name", f"n{number}"]
        done = subprocess.run([*before, sys.executable, *words], check=False, **given)
        assert done.returncode == 0, done.stderr


@contextmanager
def busy() -> Iterator[None]:
    """Keep all processors at work."""
    with ExitStack() as stack:
        for _ in range(os.cpu_count() or 1):
            neighbour = subprocess.Popen([sys.executable, "-c", "while True: pass"])
            stack.callback(neighbour.wait)
            stack.callback(neighbour.kill)
        yield


def beside_busy_neighbours(folder: Path) -> None:
    with busy():
        surrounded(folder)


def on_one_processor(folder: Path) -> None:
    if not hasattr(os, "sched_setaffinity"):
        pytest.skip("this system binds no process to a processor")
    one = min(os.sched_getaffinity(0))
    bind = f"import os, sys; os.sched_setaffinity(0, [{one}]); os.execvp(sys.argv[1], sys.argv[1:])"
    surrounded(folder, sys.executable, "-c", bind)


def on_a_terminal(folder: Path) -> None:
    ours, theirs = pty.openpty()
    with open(theirs, "wb") as terminal, open(ours, "rb") as screen:  # noqa: PTH123 - descriptors
        drain = subprocess.Popen(["cat"], stdin=screen, stdout=subprocess.DEVNULL)
        where = {"stdin": terminal, "stdout": terminal, "stderr": terminal}
        surrounded(folder, capture_output=False, env={"TERM": "xterm", "COLUMNS": "40"}, **where)
        drain.kill()
        drain.wait()


def as_another_user(folder: Path) -> None:
    """Train as nobody; where that user cannot read Python itself, with the right to do so."""
    if os.getuid():
        pytest.skip("only root can become another user")
    shutil.chown(folder, int(NOBODY))
    become = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
    ambient = ("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search")
    if not shutil.which("setpriv"):
        pytest.skip("there is no setpriv")
    for before in (become, (*become, *ambient)):  # who may not read this one finds another Python
        command = [sys.executable, "-c", "import numpy, sys; print(sys.version, numpy.__file__)"]
        mine, theirs = (
            subprocess.run(each, cwd="/", capture_output=True, check=False).stdout
            for each in (command, [*before, *command])
        )
        if mine == theirs:
            surrounded(folder, *before)
            return
    pytest.skip("nobody cannot run this Python, nor be given the right to")


def environment(**variables: str) -> Callable[[Path], None]:
    return lambda folder: surrounded(folder, env=variables)


SURROUNDINGS: dict[str, Callable[[Path], None]] = {
    "another working directory": surrounded,
    "another user": as_another_user,
    "another home": environment(HOME="/nonexistent", XDG_CACHE_HOME="/nonexistent"),
    "the C locale without UTF-8": environment(LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0"),
    "a Turkish locale": environment(LC_ALL="tr_TR.UTF-8", LANG="tr_TR.UTF-8"),
    "another time zone": environment(TZ="Pacific/Kiritimati"),
    "another umask": lambda folder: surrounded(folder, umask=0o077),
    "hash seed 0": environment(PYTHONHASHSEED="0"),
    "hash seed 1": environment(PYTHONHASHSEED="1"),
    "one processor": on_one_processor,
    "busy neighbours": beside_busy_neighbours,
    "a terminal": on_a_terminal,
    "no standard input": lambda folder: surrounded(folder, stdin=subprocess.DEVNULL),
    "Python without asserts and docstrings": environment(PYTHONOPTIMIZE="2"),
}


@pytest.fixture(scope="module")
def at_home() -> dict[str, dict[str, bytes]]:
    """Each config's files as a training in the tests' own process gives them, once made."""
    return {}


@pytest.mark.slow
@pytest.mark.parametrize("surroundings", SURROUNDINGS)
def test_whatever_surrounds_it_the_bytes_are_the_same(
    bench: Bench, at_home: dict[str, dict[str, bytes]], surroundings: str
) -> None:
    for number, config in enumerate(CONFIGS):
        name = bench.config(f"{number}.yaml", **config)
        if f"n{number}" not in at_home:
            assert bench("train", name, "--name", f"n{number}", "-q").code == 0
            at_home[f"n{number}"] = bench.files(f"runs/n{number}-s0")
    with tempfile.TemporaryDirectory() as elsewhere:
        away = type(bench)(Path(elsewhere) / "other", bench.call)
        away.folder.mkdir()
        Path(elsewhere).chmod(0o755)
        for file in ("tiny.npz", "0.yaml", "1.yaml"):
            shutil.copy(bench.folder / file, away.folder)
        SURROUNDINGS[surroundings](away.folder)
        for name, files in at_home.items():
            assert away.files(f"runs/{name}-s0") == files


# Wherever it was interrupted

EPOCHS = 5

LIVELY: dict[type, dict[str, Any]] = {
    Step: {"every": 2},
    HalveOnPlateau: {"patience": 1, "floor": 0.3},
    Piecewise: {"rates": {1: 0.5, 3: 0.1}},
    Average: {"last": 2},
}
"""Settings with which a component does what it is there for within so few epochs."""


def lively(kind: type) -> Any:  # noqa: ANN401 - a component of any kind
    return kind(**LIVELY.get(kind, {}))


def combinations(data: str) -> list[CheckedConfig]:
    """Return every optimizer × dropout × schedule × stopping rule × dtype that the rules allow."""
    precisions = get_args(get_type_hints(Config)["dtype"])
    axes = (get_args(Optimizer), (0.0, 0.4), get_args(Schedule), get_args(Stopping), precisions)
    found = []
    for optimizer, dropout, schedule, stopping, dtype in itertools.product(*axes):
        config = Config(
            data=Npz(file=data),
            hidden=(4,),
            optimizer=lively(optimizer),
            learning_rate=None if schedule is Piecewise else optimizer.default_learning_rate,
            batch_size="all" if optimizer.full_batch else 16,
            dropout=dropout,
            schedule=lively(schedule),
            stopping=lively(stopping),
            dtype=dtype,
            epochs=EPOCHS,
            patience=2,
        )
        if not rules.problems(config):
            found.append(load.check(config))
    return found


def check_every_resumption(bench: Bench, config: CheckedConfig) -> str:
    """Hold a run that is resumed at any epoch against one that never was; return why it ended."""
    result = train.train(config, bench.folder / "straight", name="n").result
    whole = bench.files("straight/n-s0")
    assert result is not None
    for epoch in range(1, result.epochs + 1):  # stopped after each epoch, and after this one only
        stopped = train.train(config, bench.folder / "chain", name="n", until=epoch)
        shutil.copytree(stopped.path, bench.folder / "once/n-s0")
        train.train(config, bench.folder / "once", name="n")
        assert bench.files("once/n-s0") == whole, epoch
        shutil.rmtree(bench.folder / "once")
    train.train(config, bench.folder / "chain", name="n")
    assert bench.files("chain/n-s0") == whole
    for folder in ("straight", "chain"):
        shutil.rmtree(bench.folder / folder)
    return result.reason


def check_every_growth(bench: Bench, config: CheckedConfig) -> int:
    """Grow a run from all shorter ones; return how many epochs were taken over."""
    result = train.train(config, bench.folder / "straight", name="n").result
    whole = bench.files("straight/n-s0")
    assert result is not None
    taken = 0
    for epochs in range(1, result.epochs):
        shorter = load.changed(config, epochs=epochs)
        train.train(shorter, bench.folder / "grown", name="source")
        source = bench.files("grown/source-s0")
        grown = train.train(config, bench.folder / "grown", name="n")
        assert bench.files("grown/n-s0") == whole, epochs
        assert bench.files("grown/source-s0") == source, epochs
        first = (grown.path / "log.txt").read_text().partition("training from epoch ")[2]
        epochs_taken = int(first.split()[0]) - 1
        assert epochs_taken == (0 if config.schedule.depends_on_epochs else epochs)
        taken += epochs_taken
        shutil.rmtree(bench.folder / "grown")
    shutil.rmtree(bench.folder / "straight")
    return taken


@pytest.fixture
def quick(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """Data that is all noise, and what costs time and has no part in resuming left out."""
    fingerprint = numerics.fingerprint()
    monkeypatch.setattr(backends, "fingerprint", lambda _: fingerprint)
    monkeypatch.setattr(os, "fsync", lambda _: None)
    rng = np.random.default_rng(3)
    arrays: dict[str, Any] = {}
    for split, count in (("train", 60), ("validation", 30), ("test", 10)):
        arrays[f"x_{split}"] = rng.integers(0, 256, (count, 4), np.uint8)
        arrays[f"y_{split}"] = rng.integers(0, 2, count)
    np.savez(bench.folder / "tiny.npz", **arrays)
    return bench


@pytest.mark.slow
@pytest.mark.parametrize("step", [19, pytest.param(1, marks=pytest.mark.slow)])
def test_resumed_at_every_epoch_it_ends_byte_equal(quick: Bench, step: int) -> None:
    """Of all combinations, or of every so manieth, and each optimizer's first."""
    whole = combinations("tiny.npz")
    first = {type(each.optimizer): each for each in reversed(whole)}
    configs = [each for each in whole[::step] if each not in first.values()] + [*first.values()]
    reasons = Counter[str]()
    for config in configs:
        try:
            reasons[check_every_resumption(quick, config)] += 1
        except AssertionError as error:
            error.add_note(f"of {msgspec.json.encode(config).decode()}")
            raise
    print(f"{len(configs)} combinations ended by {dict(reasons)}")  # noqa: T201 - the docs' counts
    assert min(reasons[reason] for reason in ("epochs", "patience", "schedule")) > 0
    used = {type(getattr(each, key)) for each in configs for key in ("optimizer", "schedule")}
    assert used == {*get_args(Optimizer), *get_args(Schedule)}
    assert {type(each.stopping) for each in configs} == set(get_args(Stopping))
    assert len({(each.dropout, each.dtype) for each in configs}) == 4


@pytest.mark.parametrize("step", [57, pytest.param(1, marks=pytest.mark.slow)])
def test_grown_from_any_number_of_epochs_it_ends_byte_equal(quick: Bench, step: int) -> None:
    """Of all combinations, or of every so manieth."""
    configs = combinations("tiny.npz")[::step]
    taken = 0
    for config in configs:
        try:
            taken += check_every_growth(quick, config)
        except AssertionError as error:
            error.add_note(f"of {msgspec.json.encode(config).decode()}")
            raise
    print(f"{len(configs)} combinations took over {taken} epochs")  # noqa: T201 - the docs' counts
    assert taken > len(configs)

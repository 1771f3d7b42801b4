"""Experiments: a config trained into a run, from its first epoch to its result.

The one module that knows all sides. ``train`` is the whole; ``events`` is the same as a
generator, for a caller that shows progress or may stop in between: whatever it has
yielded as Evaluated is committed, and closing it at any point loses nothing.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from importlib.metadata import version
from pathlib import Path

import numpy as np

import nnexp
from nnexp import numerics
from nnexp.assembly import Assembly, sizes
from nnexp.config import canonical, dump, rules
from nnexp.config import load as config_load
from nnexp.config.model import Config
from nnexp.datasets.dataset import Dataset
from nnexp.datasets.loading import load, scale_warning
from nnexp.errors import (
    CorruptError,
    DiskError,
    DivergedError,
    MismatchError,
    NameTakenError,
    UsageError,
)
from nnexp.recording import Event, Recording, Warned, describe
from nnexp.store import run as store
from nnexp.store import thresholds
from nnexp.store import writer as writers
from nnexp.store.records import DataRecord, RunRecord, Versions
from nnexp.store.run import Run
from nnexp.store.writer import Writer
from nnexp.streams import Network2

NAME_DIGITS = 12


def run_name(config: Config, stem: str = "run") -> str:
    """Return the name of a config's run: the stem, a digest of the config, and the seed."""
    return f"{stem}-{canonical.digest(config)[:NAME_DIGITS]}-s{config.seed}"


def train(
    config: Config,
    runs: Path = Path("runs"),
    *,
    name: str | None = None,
    until: int | None = None,
    against: Run | None = None,
) -> Run:
    """Train a config, or go on with its run, or return it if it is finished.

    Args:
        config: the experiment.
        runs: the folder that holds the run's directory.
        name: the run's name; by default it follows from the config.
        until: stop after this epoch is committed; the run stays interrupted.
        against: a run to check the config against; it changes warnings alone (see ``events``).

    Raises:
        DivergedError: a cost or parameter became infinite or not a number.
        LockedError: another process trains this run.
        NameTakenError: the name belongs to a run of another config.
        CorruptError: the run is damaged.
        MismatchError: data or numerics are not what the run recorded.
        DataError: the data cannot be read.
        DiskError: writing failed.
    """
    run = store.named(runs, run_name(config) if name is None else name)
    for _ in events(config, run, until=until, against=against):
        pass
    return run


def events(
    config: Config,
    run: Run,
    *,
    until: int | None = None,
    heartbeat: Callable[[], None] = lambda: None,
    against: Run | None = None,
    dataset: Dataset | None = None,
) -> Iterator[Event]:
    """Do what train does, and yield what happens. Raises what train raises.

    A heartbeat is called within long steps; it may raise to end the training. Where the run
    given as ``against`` had other training examples in number and the same λ, that is warned of.
    Who trains many configs on the same data may load it once and give it as ``dataset``.
    """
    from threadpoolctl import ThreadpoolController  # noqa: PLC0415 - importing it sets a variable

    threads = ThreadpoolController()
    with closing(_events(config, run, until, heartbeat, against, dataset)) as steps:
        while True:
            # One thread, for the same bytes anywhere. What is not finite is found and named by
            # the training itself; NumPy's warnings add nothing. The caller is left alone.
            with threads.limit(limits=1, user_api="blas"), np.errstate(all="ignore"):
                event = next(steps, None)
            if event is None:
                return
            yield event


def _events(
    config: Config,
    run: Run,
    until: int | None,
    heartbeat: Callable[[], None],
    against: Run | None,
    dataset: Dataset | None,
) -> Generator[Event]:
    config = config_load.check(config)
    if is_done(config, run):
        return
    dataset = load(config.data) if dataset is None else dataset
    check_fits(config, dataset)
    assembly = Assembly(config, dataset)
    state = assembly.initial()  # what is too large is refused before anything is created
    yield from map(
        Warned, [*warnings(config, dataset), *_remembered(config, run, dataset, against)]
    )
    with _writer(config, run, dataset) as writer:
        # Another process may have made or finished the run since it was looked at.
        if not is_done(config, writer.run):
            yield from Recording(config, assembly, state, writer).events(until, heartbeat)


def is_done(config: Config, run: Run) -> bool:
    """Return whether the run is finished; False also where there is none yet.

    Raises:
        NameTakenError: the run is another config's.
        DivergedError: it is done, and had diverged.
    """
    if not os.path.lexists(run.path):
        return False
    if run.config != config:
        different = ", ".join(key for key, _, _ in canonical.differences(run.config, config))
        raise NameTakenError(
            f"{run.path}: is a run of another config (it differs in {different}); "
            "choose another name with --name"
        )
    _ = run.result and run.history()  # what is done and damaged is not done
    if run.result is not None and run.result.fault is not None:
        raise DivergedError(describe(run, run.result.fault))
    return run.result is not None


def check_fits(config: Config, dataset: Dataset) -> None:
    """Refuse a config that needs what the data does not have."""
    examples = len(dataset.train.labels)
    if isinstance(config.rng, Network2) and any(
        event.examples != examples for event in config.rng.shared()
    ):
        raise UsageError(
            f"rng.before: a list that is shared has this net's own {examples} examples; "
            "another net's that differ are trained on a copy (shared: false)"
        )
    for split, examples in sizes(dataset)._asdict().items():
        if split in config.monitor and not examples:
            without = [name for name in config.monitor if name != split]
            raise UsageError(
                f"monitor: the data has no {split} examples; set monitor: {without}"
                + (" and patience: null" if split == "validation" else "")
            )


def warnings(config: Config, dataset: Dataset) -> list[str]:
    """Return what is legal but will not do what was hoped, on this data."""
    scale = scale_warning(dataset)
    return [*rules.doomed(config, len(dataset.train.labels)), *([] if scale is None else [scale])]


def _remembered(config: Config, run: Run, dataset: Dataset, against: Run | None) -> Iterator[str]:
    """Yield warnings that follow from what was done before: another run, a threshold found."""
    if against is not None:
        n, other = len(dataset.train.labels), against.record.data.train
        yield from rules.unscaled(config, n, against.config, other, str(against.path))
    runs = run.path.parent
    try:
        found = thresholds.read(runs, config)
    except (CorruptError, DiskError) as error:
        yield f"{error}; it is left out of account"
        return
    if found is not None:
        source = f"found by {found.found_by}, in {thresholds.place(runs, config)}"
        yield from rules.overshooting(config, found.learning_rate, source)


def _writer(config: Config, run: Run, dataset: Dataset) -> Writer:
    """Create the run, or open it if it is there and its data and numerics are at hand."""
    record = _record(config, run, dataset)
    if not run.path.exists():
        return writers.create(run, record, dump.to_yaml(config))
    found = run.record
    if found.data.sha256 != record.data.sha256:
        names = sorted(k for k, v in record.data.sha256.items() if found.data.sha256.get(k) != v)
        raise MismatchError(
            f"{run.path}: the data is not what this run was trained on ({', '.join(names)} changed)"
        )
    if found.numerics != record.numerics:
        raise MismatchError(
            f"{run.path}: this machine's arithmetic gives other last digits than the one this run "
            "was begun on; train it anew under another --name"
        )
    return writers.open_(run)


def _record(config: Config, run: Run, dataset: Dataset) -> RunRecord:
    return RunRecord(
        name=run.name,
        config=canonical.to_builtins(config),
        config_sha256=canonical.digest(config),
        data=DataRecord(
            sha256=dataset.sha256,
            features=dataset.train.features.shape[1],
            classes=dataset.classes,
            **sizes(dataset)._asdict(),
        ),
        versions=Versions(
            nnexp=nnexp.__version__,
            python=platform.python_version(),
            numpy=np.__version__,
            scipy=version("scipy"),
        ),
        numerics=numerics.fingerprint(),
    )

"""Train a config into a run, from its first epoch to its result.

``train`` does it in one call; ``events`` does the same as a generator, for callers that show
progress or may stop early: an epoch is committed before its EpochEvaluated is yielded, and the
generator can be closed at any point without losing committed epochs.
"""

from __future__ import annotations

import functools
import platform
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from importlib.metadata import version
from pathlib import Path

import numpy as np

import nnexp
from nnexp import numerics
from nnexp.config import canonical, dump
from nnexp.config import load as config_load
from nnexp.config.model import CheckedConfig, Config
from nnexp.datasets.dataset import Dataset
from nnexp.datasets.loading import load
from nnexp.datasets.sources import Source
from nnexp.errors import (
    CorruptError,
    DivergedError,
    NameTakenError,
    NewerError,
)
from nnexp.runner import preconditions
from nnexp.runner.assembly import Assembly, sizes
from nnexp.runner.recording import Recording, TrainingEvent, Warned, describe
from nnexp.store import predictions
from nnexp.store import run as store
from nnexp.store import writer as writers
from nnexp.store.records import DataRecord, RunRecord, Versions
from nnexp.store.run import Run
from nnexp.store.writer import Writer

NAME_DIGITS = 12


def run_name(config: CheckedConfig, stem: str = "run", digest: str | None = None) -> str:
    """Return the name of a config's run: the stem, a digest of the config, and the seed.

    Pass ``digest`` if you have it; computing it dominates the cost.
    """
    return f"{stem}-{(digest or canonical.digest(config))[:NAME_DIGITS]}-s{config.seed}"


def prepare() -> None:
    """Compute what every run needs once a process, so that forked processes share it."""
    from threadpoolctl import ThreadpoolController  # noqa: PLC0415 - importing it sets a variable

    with ThreadpoolController().limit(limits=1, user_api="blas"):
        numerics.fingerprint()
    _versions()


def train(
    config: Config,
    runs: Path = Path("runs"),
    *,
    name: str | None = None,
    until: int | None = None,
    against: Run | None = None,
    other_numerics: bool = False,
    restart: bool = False,
) -> Run:
    """Train a config, resuming its run if there is one, and return the run.

    Args:
        config: the config, which is checked here.
        runs: the folder that contains the run's directory.
        name: the run's name; by default derived from the config.
        until: stop once this epoch is committed, leaving the run interrupted.
        against: a run to compare λ with; affects only warnings (see ``events``).
        other_numerics: resume even if this machine's numerics differ from those the run
            recorded; new epochs record theirs.
        restart: if the run is too damaged to resume, set it aside and train it again.

    Raises:
        ConfigError: the config cannot be trained.
        DivergedError: a cost or parameter became infinite or not a number.
        LockedError: another process is training this run.
        NameTakenError: the name belongs to a run of another config.
        CorruptError: the run is damaged.
        MismatchError: data or numerics differ from those the run recorded.
        DataError: the data cannot be read.
        DiskError: writing failed.
    """
    checked = config_load.check(config)
    run = store.named(runs, run_name(checked) if name is None else name)
    for _ in events(
        checked,
        run,
        until=until,
        against=against,
        other_numerics=other_numerics,
        restart=restart,
    ):
        pass
    return Run(run.path)  # fresh, as the old one may cache a run that was set aside


def events(
    config: CheckedConfig,
    run: Run,
    *,
    until: int | None = None,
    restart: bool = False,
    heartbeat: Callable[[], None] = lambda: None,
    against: Run | None = None,
    other_numerics: bool = False,
    source: Callable[[Source], Dataset] = load,
) -> Iterator[TrainingEvent]:
    """Train a checked config and yield events; raises the errors of ``train``.

    Args:
        config: the checked config.
        run: its run.
        until: as in ``train``.
        restart: as in ``train``.
        heartbeat: called about every 2,000 examples of training or evaluation; it may raise to
            end training.
        against: a run; warns if it has the same λ but another number of training examples.
        other_numerics: as in ``train``.
        source: loads the data, or returns it from a cache.
    """
    from threadpoolctl import ThreadpoolController  # noqa: PLC0415 - importing it sets a variable

    threads = ThreadpoolController()
    attempt = functools.partial(
        _events,
        config,
        until=until,
        heartbeat=heartbeat,
        against=against,
        other_numerics=other_numerics,
        source=source,
    )
    with closing(_restarting(attempt, run) if restart else attempt(run)) as steps:
        while True:
            # One thread, so that results are the same on any number of cores. Training detects
            # non-finite numbers itself. The caller's settings are restored at each yield.
            with threads.limit(limits=1, user_api="blas"), np.errstate(all="ignore"):
                event = next(steps, None)
            if event is None:
                return
            yield event


def _restarting(
    attempt: Callable[[Run], Generator[TrainingEvent]], run: Run
) -> Generator[TrainingEvent]:
    """Train a run; if its damage forbids that, set it aside and train it from its first epoch."""
    was_there = run.is_there()
    try:
        yield from attempt(run)
        if was_there:
            yield Warned(f"{run.path}: is not damaged, so nothing was set aside")
    except NewerError:
        raise
    except CorruptError as error:
        if not run.is_there():
            raise
        aside = writers.set_aside(run)
        yield Warned(f"{error}; moved to {aside.path}, training again from the first epoch")
        yield from attempt(Run(run.path))


def _events(
    config: CheckedConfig,
    run: Run,
    *,
    until: int | None,
    heartbeat: Callable[[], None],
    against: Run | None,
    other_numerics: bool,
    source: Callable[[Source], Dataset],
) -> Generator[TrainingEvent]:
    if is_done(config, run):
        return
    dataset = source(config.data)
    preconditions.check(config, dataset)
    assembly = Assembly(config, dataset)
    state = assembly.initial()  # raises if it is too large, before anything is created
    yield from map(Warned, preconditions.warnings(config, dataset))
    yield from map(
        Warned, preconditions.history_warnings(config, run.path.parent, dataset, against)
    )
    record = _record(config, run, dataset)
    writer, is_new = _writer(config, run, record)
    with writer:
        # Another process may have created or finished the run in the meantime.
        if is_new or not is_done(config, writer.run):
            recording = Recording(config, assembly, state, writer, record.numerics)
            recording.other_numerics = other_numerics
            yield from recording.events(until, heartbeat)


def is_done(config: CheckedConfig, run: Run) -> bool:
    """Return whether the run is finished; False if it does not exist yet.

    Raises:
        NameTakenError: the run belongs to another config.
        DivergedError: the run has diverged.
    """
    if not run.exists:
        return False
    if run.config != config:
        different = ", ".join(key for key, _, _ in canonical.differences(run.config, config))
        raise NameTakenError(
            f"{run.path}: belongs to another config (it differs in {different}); "
            "choose another name"
        )
    _ = run.result and (run.history(), predictions.read(run))  # raises if they are damaged
    if run.result is not None and run.result.fault is not None:
        raise DivergedError(describe(run, run.result.fault))
    return run.result is not None


def _writer(config: CheckedConfig, run: Run, record: RunRecord) -> tuple[Writer, bool]:
    """Create the run, or open it if it exists with the same data; return whether it is new."""
    if not run.exists:
        try:
            return writers.create(run, record, dump.to_yaml(config)), True
        except NameTakenError:  # another process has just created it
            is_done(config, run)
    preconditions.check_data(run, record.data.sha256)
    return writers.open_(run), False


@functools.cache  # looking up a package's version can take longer than an epoch
def _versions() -> Versions:
    return Versions(
        nnexp=nnexp.__version__,
        python=platform.python_version(),
        numpy=np.__version__,
        scipy=version("scipy"),
    )


def _record(config: CheckedConfig, run: Run, dataset: Dataset) -> RunRecord:
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
        versions=_versions(),
        numerics=numerics.fingerprint(),
    )

"""Train a config into a run, from its first epoch to its result.

``train`` does it in one call; ``events`` does the same as a generator, for callers that show
progress or may stop early: an epoch is committed before its EpochEvaluated is yielded, and the
generator can be closed at any point without losing committed epochs.
"""

from __future__ import annotations

import functools
import platform
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import closing
from pathlib import Path

import numpy as np
from msgspec import UNSET, UnsetType

import nnexp
from nnexp import numerics
from nnexp.config import canonical, dump
from nnexp.config import load as config_load
from nnexp.config.model import CheckedConfig, Config
from nnexp.datasets.dataset import Dataset, assumed_image
from nnexp.datasets.loading import Data, known_content, load
from nnexp.datasets.sources import source_name
from nnexp.errors import (
    CorruptError,
    DivergedError,
    NameTakenError,
    NewerError,
    UsageError,
)
from nnexp.runner import backends, growth, initial_weights, preconditions
from nnexp.runner.assembly import Assembly, sizes
from nnexp.runner.growth import Shared
from nnexp.runner.naming import RunNames, given
from nnexp.runner.recording import Grown, Recording, TrainingEvent, Warned, describe
from nnexp.store import predictions
from nnexp.store import writer as writers
from nnexp.store.records import WEIGHTS, BackendName, DataRecord, RunRecord, Versions, growth_digest
from nnexp.store.run import Run
from nnexp.store.writer import Writer


def prepare(configs: Iterable[Config]) -> None:
    """Compute and import what the runs of configs need, so that forked processes share it."""
    for backend in {backends.choose(config) for config in configs}:
        backends.fingerprint(backend)
    _versions()


def train(
    config: Config,
    runs: Path = Path("runs"),
    *,
    name: str | None = None,
    stem: str = "run",
    until: int | None = None,
    against: Run | None = None,
    other_numerics: bool = False,
    restart: bool = False,
) -> Run:
    """Train a config, resuming its run if there is one, and return the run.

    Args:
        config: the config, which is checked here.
        runs: the folder that contains the run's directory.
        name: the experiment's name, to which ``-s<seed>`` is added; by default derived from the
            stem, config and data.
        stem: the beginning of a derived name.
        until: stop once this epoch is committed, leaving the run interrupted.
        against: a run to compare λ with; affects only warnings (see ``events``).
        other_numerics: resume even if this machine's numerics differ from those the run
            recorded; new epochs record theirs.
        restart: if the run is too damaged to resume, set it aside and train it again.

    Raises:
        ConfigError: the config cannot be trained.
        UsageError: ``until`` is beyond the config's epochs.
        DivergedError: a cost or parameter became infinite or not a number.
        LockedError: another process is training this run.
        NameTakenError: the name belongs to a run of another config.
        CorruptError: the run is damaged.
        MismatchError: data or numerics differ from those the run recorded.
        DataError: the data cannot be read.
        DiskError: writing failed.
    """
    checked = config_load.check(config)
    check_until(checked, until)
    data = Data()
    names = RunNames(runs, stem, data)
    run = names.run(checked) if name is None else given(runs, name, checked.seed)
    for _ in events(
        checked,
        run,
        until=until,
        against=against,
        other_numerics=other_numerics,
        restart=restart,
        source=data,
        content=names.content(checked),
    ):
        pass
    return Run(run.path)  # fresh, as the old one may cache a run that was set aside


def check_until(config: Config, until: int | None) -> None:
    """Check that training can stop after an epoch. Raises: UsageError."""
    if until is not None and until > config.epochs:
        raise UsageError(
            f"--until {until} is beyond the config's {config.epochs} epochs; "
            f"--set epochs={until} trains that many"
        )


def events(
    config: CheckedConfig,
    run: Run,
    *,
    until: int | None = None,
    restart: bool = False,
    heartbeat: Callable[[], None] = lambda: None,
    against: Run | None = None,
    other_numerics: bool = False,
    source: Callable[..., Dataset] = load,
    content: Mapping[str, str] | None = None,
    grows: bool = True,
    backend: BackendName | None = None,
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
        content: content hashes of the data that the run is for; None for the data as it is now.
        grows: begin with the epochs that a new run shares with another run of its folder.
        backend: the backend to use where it can be used; None for the user's choice.
    """
    if content is not None and not restart and is_done(config, run, content):
        return  # before NumPy is loaded
    attempt = functools.partial(
        _events,
        config,
        until=until,
        heartbeat=heartbeat,
        against=against,
        other_numerics=other_numerics,
        source=source,
        content=content,
        grows=grows,
        backend=backend,
    )
    with closing(_restarting(attempt, run) if restart else attempt(run)) as steps:
        while True:
            # Training detects non-finite numbers itself. The caller's settings are restored at
            # each yield.
            with numerics.one_thread(), np.errstate(all="ignore"):
                event = next(steps, None)
            if event is None:
                return
            yield event


def _restarting(
    attempt: Callable[..., Generator[TrainingEvent]], run: Run
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
        yield from attempt(Run(run.path), grows=False)


def _events(
    config: CheckedConfig,
    run: Run,
    *,
    until: int | None,
    heartbeat: Callable[[], None],
    against: Run | None,
    other_numerics: bool,
    source: Callable[..., Dataset],
    content: Mapping[str, str] | None,
    grows: bool,
    backend: BackendName | None,
) -> Generator[TrainingEvent]:
    weights = initial_weights.read(config)
    from_run = initial_weights.content(weights)
    if content is None and (known := known_content(config.data)) is not None:
        content = {**known, **from_run}
    if content is not None and is_done(config, run, content):
        return
    factors = None if weights is None else weights.factors
    dataset = source(config.data) if factors is None else source(config.data, factors)
    if content is not None:
        preconditions.check_content(run, content, {**dataset.sha256, **from_run})
    content = {**dataset.sha256, **from_run}
    if is_done(config, run, content):
        return
    preconditions.check(config, dataset)
    if weights is not None:
        weights.check(config, dataset)
    used = backends.choose(config, run, backend)
    assembly = Assembly(config, dataset, used)
    # Raises if the network is too large, before anything is created.
    state = assembly.initial(None if weights is None else weights.arrays)
    yield from map(Warned, backends.warnings(config, run, backend))
    yield from map(Warned, _warnings(config, dataset, run, content, against))
    record = _record(config, run, dataset, from_run, used)
    shared = None
    if grows and not (run.exists and run.config == config):
        shared = growth.shared_epochs(config, run, record, assembly.headers(state), until)
        passed_over = growth.epochs_of_other_backend(run, record) if shared is None else None
        yield from map(Warned, filter(None, [passed_over]))
    writer, is_new = _writer(config, run, record, shared)
    with writer:
        if is_new and (shared is not None or writer.former is not None):
            epoch, begun_by = (0, run) if shared is None else (shared.epoch, shared.source)
            yield Grown(run, epoch, begun_by, writer.former)
        # Another process may have created or finished the run in the meantime.
        if is_new or not is_done(config, writer.run, content):
            recording = Recording(config, assembly, state, writer, record.numerics, used)
            recording.other_numerics = other_numerics
            yield from recording.events(until, heartbeat)


def _warnings(
    config: CheckedConfig,
    dataset: Dataset,
    run: Run,
    content: Mapping[str, str],
    against: Run | None,
) -> Iterator[str]:
    """Yield warnings about settings that are valid but unlikely to be meant."""
    yield from preconditions.warnings(config, dataset)
    yield from preconditions.threshold_warnings(config, run.path.parent, content)
    if against is not None:
        yield from preconditions.strength_warnings(config, dataset, against)


def is_done(config: CheckedConfig, run: Run, content: Mapping[str, str] | None = None) -> bool:
    """Return whether the run is finished; False if it does not exist yet, or is to be grown.

    Args:
        config: the config.
        run: its run.
        content: content hashes of the config's data; None if they do not matter.

    Raises:
        NameTakenError: the run belongs to another config.
        MismatchError: it was trained on other data.
        DivergedError: the run has diverged.
    """
    if not run.exists:
        return False
    if run.config != config and growth.may_share_epochs(run, config):
        if content is not None:
            preconditions.check_data(run, content)
        return False
    if run.config != config:
        keys = [key for key, _, _ in canonical.differences(run.config, config)]
        decisive = [key for key in keys if key.partition(".")[0] not in canonical.ENDING_KEYS]
        different = ", ".join(decisive or keys)
        raise NameTakenError(
            f"{run.path}: belongs to another config (it differs in {different}); "
            "choose another name"
        )
    if content is not None:
        preconditions.check_data(run, content)
    if run.result is not None:  # these raise if the run is damaged
        run.history()
        predictions.check(run)
    if run.result is not None and run.result.fault is not None:
        raise DivergedError(describe(run, run.result.fault))
    return run.result is not None


def _writer(
    config: CheckedConfig, run: Run, record: RunRecord, shared: Shared | None
) -> tuple[Writer, bool]:
    """Create the run, replace a shorter one of its name, or open it; return whether it is new."""
    text, beginning = dump.to_yaml(config), shared and shared.beginning

    def check(former: Run) -> None:
        if former.config == config:
            raise NameTakenError(f"{run.path}: another process has just made this run")
        _ = is_done(config, former, record.content)  # raises if it is of another config or data
        growth.check_keeps_epochs(former, config, record, shared)

    try:
        if not run.exists:
            return writers.create(run, record, text, beginning), True
        if run.config != config:
            return writers.replace(run, record, text, beginning, check), True
    except NameTakenError:
        present = Run(run.path)
        is_done(config, present, record.content)  # raises if it is of another config or data
        if not present.exists or present.config != config:
            raise
    return writers.open_(run), False


def _versions() -> Versions:
    import scipy  # noqa: PLC0415 - not for finished runs; importlib.metadata would take longer still

    return Versions(
        nnexp=nnexp.__version__,
        python=platform.python_version(),
        numpy=np.__version__,
        scipy=scipy.__version__,
    )


def _record(
    config: CheckedConfig,
    run: Run,
    dataset: Dataset,
    from_run: Mapping[str, str],
    backend: BackendName,
) -> RunRecord:
    return RunRecord(
        name=run.name,
        config=canonical.recorded(config),
        config_sha256=canonical.digest(config),
        growth_sha256=growth_digest(
            canonical.growth_json(config),
            source_name(config.data),
            {**dataset.sha256, **from_run},
        ),
        weights_sha256=from_run.get(WEIGHTS, UNSET),
        data=DataRecord(
            sha256=dataset.sha256,
            features=dataset.train.features.shape[1],
            classes=dataset.classes,
            class_names=_class_names(config, dataset),
            labels=_labels(dataset),
            split_sha256=UNSET if dataset.split_off is None else dataset.split_off.sha256,
            feature_names=dataset.feature_names or UNSET,
            label_name=dataset.label_name or UNSET,
            image=_image(dataset),
            **sizes(dataset)._asdict(),
        ),
        versions=_versions(),
        numerics=backends.fingerprint(backend),
        backend=backend,
    )


def _image(dataset: Dataset) -> tuple[int, int] | UnsetType:
    """Return the shape of an image, unless examples are no images or it is assumed anyway."""
    shape = dataset.image_shape
    is_given = len(dataset.image) > 1
    if shape is None or not is_given or shape == assumed_image(dataset.train.features.shape[1]):
        return UNSET
    return shape


def _labels(dataset: Dataset) -> tuple[int, ...] | UnsetType:
    """Return the number of each class in the data, unless that is its name or there is none."""
    numbers = tuple(choice for choice in dataset.class_choices if isinstance(choice, int))
    is_name = dataset.class_names == tuple(map(str, numbers))
    return UNSET if is_name or not numbers else numbers


def _class_names(config: Config, dataset: Dataset) -> tuple[str, ...] | UnsetType:
    """Return the names of the classes, unless they are 0, 1, … or those that the config lists."""
    names = dataset.class_names
    known = config.data.classes or range(dataset.classes)
    return UNSET if names == tuple(map(str, known)) else names

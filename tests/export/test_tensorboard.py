"""TensorBoard's own reader returns every metric and setting of a run."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from nnexp.config import canonical
from nnexp.export.tensorboard import FILE
from nnexp.store import metrics
from nnexp.store.run import Run
from tests.export.requirements import require

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Bench

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
MONITORS = "monitor=[train, validation, norms, saturation, running_cost]"


@pytest.fixture(autouse=True)
def _packages() -> None:
    require("tensorboardX", "tensorboard")


def read(folder: Path) -> Any:  # noqa: ANN401 - TensorBoard's own
    """Return a run's folder as TensorBoard reads it."""
    from tensorboard.backend.event_processing import event_accumulator  # noqa: PLC0415 - an extra

    guidance = {"scalars": 0, "tensors": 0}
    return event_accumulator.EventAccumulator(str(folder), size_guidance=guidance).Reload()


def check(run: Run, log: Any) -> None:  # noqa: ANN401 - as above
    """Check that a log has each number of a run's rows once, at its epoch, and no others."""
    columns = metrics.columns(run.history())
    epochs = columns.pop("epoch", [])
    for name, values in columns.items():
        expected = [
            (epoch, np.float32(value))
            for epoch, value in zip(epochs, values, strict=True)
            if not math.isnan(value)
        ]
        assert [(event.step, event.value) for event in log.Scalars(name)] == expected
    best = {tag for tag in log.Tags()["scalars"] if tag.startswith("best/")}
    assert set(log.Tags()["scalars"]) == columns.keys() | best
    assert bool(best) is (run.result is not None)


def hyper_parameters(log: Any) -> tuple[Any, Any, bool]:  # noqa: ANN401 - as above
    """Return the names and final metrics of the experiment, its settings, and whether it ended."""
    from tensorboard.plugins.hparams import metadata  # noqa: PLC0415 - an extra

    contents = log.PluginTagToContent("hparams")
    experiment = metadata.parse_experiment_plugin_data(contents[metadata.EXPERIMENT_TAG])
    start = metadata.parse_session_start_info_plugin_data(contents[metadata.SESSION_START_INFO_TAG])
    return experiment, start, metadata.SESSION_END_INFO_TAG in contents


def test_every_value_is_read(bench: Bench) -> None:
    for name, settings in {
        "plain": (),
        "monitors": ("--set", MONITORS, "--set", "hidden=[4, 3]"),
        "newton": ("--set", "optimizer=hessian-free", "--set", "dtype=float64"),
        "rare": ("--set", "evaluate_every=2", "--set", "epochs=4"),
    }.items():
        said = bench("train", "tiny.yaml", "-q", "--name", name, "--seeds", "2", *settings)
        assert said.code == 0, said.err
    assert bench("export", "runs/*", "--to", "tensorboard", "-o", "logs").out == "logs\n"
    runs = sorted((bench.folder / "runs").glob("[!.]*"))
    assert len(runs) == 8
    for path in runs:
        log = read(bench.folder / "logs" / path.name)
        check(Run(path), log)
        assert log.FirstEventTimestamp() == 0


def test_the_config_is_read_as_hyper_parameters(bench: Bench) -> None:
    bench("train", "tiny.yaml", "-q", "--name", "a", "--set", "hidden=[4, 3]")
    assert bench("export", "runs/a", "--to", "tensorboard", "-o", "logs").code == 0
    log = read(bench.folder / "logs" / "a-s0")
    experiment, start, has_ended = hyper_parameters(log)
    run = Run(bench.folder / "runs" / "a-s0")
    settings = canonical.flat(run.config)
    assert {info.name for info in experiment.hparam_infos} == settings.keys()
    for key, value in settings.items():
        own = start.hparams[key]
        read_value = getattr(own, own.WhichOneof("kind"))
        if not isinstance(value, str | int | float):
            read_value = json.loads(read_value)
        assert read_value == value
    assert has_ended
    result = run.result
    assert result is not None
    assert result.test_accuracy is not None
    assert log.Scalars("best/test_accuracy")[0].value == np.float32(result.test_accuracy)
    assert {info.name.tag for info in experiment.metric_infos} == {
        tag for tag in log.Tags()["scalars"] if tag.startswith("best/")
    }


def test_times_are_those_of_training(bench: Bench) -> None:
    bench("train", "tiny.yaml", "-q", "--name", "a")
    assert bench("export", "runs/a", "--to", "tensorboard", "-o", "logs").code == 0
    run = Run(bench.folder / "runs" / "a-s0")
    times = [
        event.wall_time for event in read(bench.folder / "logs" / "a-s0").Scalars("train_cost")
    ]
    assert times == pytest.approx(np.cumsum([timing.seconds for timing in run.timing()]))
    (run.path / "timing.jsonl").unlink()
    assert bench("export", "runs/a", "--to", "tensorboard", "-o", "logs").code == 0
    log = read(bench.folder / "logs" / "a-s0")
    assert [event.wall_time for event in log.Scalars("train_cost")] == [0, 0, 0]


def test_unfinished_runs_are_exported_as_far_as_they_are(bench: Bench) -> None:
    bench("train", "tiny.yaml", "-q", "--name", "a", "--until", "2")
    bench("train", "tiny.yaml", "-q", "--name", "b", "--until", "1")
    empty = bench.folder / "runs" / "b-s0"
    for path in (empty / "checkpoints").iterdir():
        path.unlink()
    (empty / "metrics.jsonl").write_bytes(b"")
    assert bench("export", "runs/*", "--to", "tensorboard", "-o", "logs").code == 0
    for name, epochs in (("a-s0", 2), ("b-s0", 0)):
        log = read(bench.folder / "logs" / name)
        check(Run(bench.folder / "runs" / name), log)
        assert len(Run(bench.folder / "runs" / name).history()) == epochs
        assert not hyper_parameters(log)[2]


def test_a_second_export_replaces_the_first(bench: Bench) -> None:
    """TensorBoard shows all event files of a folder, so that another one doubles the values."""
    bench("train", "tiny.yaml", "-q", "--name", "a", "--until", "2")
    (bench.folder / "logs" / "a-s0").mkdir(parents=True)
    (bench.folder / "logs" / "a-s0" / "notes.txt").write_text("mine")
    for _ in range(2):
        assert bench("export", "runs/a", "--to", "tensorboard", "-o", "logs").code == 0
    bench("train", "tiny.yaml", "-q", "--name", "a")
    assert bench("export", "runs/a", "--to", "tensorboard", "-o", "logs").code == 0
    log = read(bench.folder / "logs" / "a-s0")
    assert [event.step for event in log.Scalars("train_cost")] == [1, 2, 3]
    names = sorted(path.name for path in (bench.folder / "logs" / "a-s0").iterdir())
    assert names == [FILE, "notes.txt"]

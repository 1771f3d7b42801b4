"""The metrics and config of a run as the event file that TensorBoard reads."""

from __future__ import annotations

import json
import math
import struct
from typing import TYPE_CHECKING, Any

from nnexp.config import canonical
from nnexp.store import metrics

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nnexp.store.run import Run

FILE = "events.out.tfevents.0.nnexp"
"""The name of a run's event file. TensorBoard sorts those of a folder by their names, in which
other programs have the time and the host; this one is the same whenever it is written."""
BEST = "best/"
"""Prefix of the metrics at the best epoch."""


def events(run: Run) -> bytes:
    """Return an event file with a run's metrics by epoch, and its config as hyper-parameters.

    Times are the seconds since training began, according to timing.jsonl, so that the bytes depend
    on the run alone. TensorBoard keeps metrics in float32.

    Raises: CorruptError if the run is damaged.
    """
    from tensorboardX.proto.event_pb2 import Event  # noqa: PLC0415 - an extra
    from tensorboardX.summary import scalar  # noqa: PLC0415 - likewise

    columns = metrics.columns(run.history())
    epochs = [int(epoch) for epoch in columns.pop("epoch", [])]
    best = {f"{BEST}{key}": value for key, value in _best(run).items()}
    experiment, start, end = _hyper_parameters(run, best)
    content = [Event(wall_time=0.0, file_version="brain.Event:2")]
    content += [Event(wall_time=0.0, summary=summary) for summary in (experiment, start)]
    seconds = 0.0
    for position, (epoch, seconds) in enumerate(zip(epochs, _seconds(run, epochs), strict=True)):
        content += [
            Event(wall_time=seconds, step=epoch, summary=scalar(name, values[position]))
            for name, values in columns.items()
            if not math.isnan(values[position])
        ]
    content += [
        Event(wall_time=seconds, step=epochs[-1], summary=scalar(name, value))
        for name, value in best.items()
    ]
    if run.result is not None:
        content.append(Event(wall_time=seconds, summary=end))
    return b"".join(_record(event.SerializeToString(deterministic=True)) for event in content)


def _hyper_parameters(run: Run, best: dict[str, float]) -> tuple[Any, Any, Any]:
    """Return the summaries of the config's keys and final metrics, of its values, and of the end.

    tensorboardX writes the keys in any order; here they are sorted.
    """
    from tensorboardX.proto.plugin_hparams_pb2 import HParamsPluginData  # noqa: PLC0415 - an extra
    from tensorboardX.summary import hparams  # noqa: PLC0415 - likewise

    experiment, start, end = hparams(_settings(run), best)
    for value in start.value:
        data = value.metadata.plugin_data
        parsed = HParamsPluginData.FromString(data.content)
        data.content = parsed.SerializeToString(deterministic=True)
    return experiment, start, end


def _record(data: bytes) -> bytes:
    """Return data with its length and checksums, as TensorFlow's record files have them.

    Source: https://www.tensorflow.org/tutorials/load_data/tfrecord
    """
    from tensorboardX.record_writer import masked_crc32c  # noqa: PLC0415 - an extra

    length = struct.pack("<Q", len(data))
    checksums = [struct.pack("<I", masked_crc32c(part)) for part in (length, data)]
    return length + checksums[0] + data + checksums[1]


def _seconds(run: Run, epochs: list[int]) -> Iterator[float]:
    """Generate the seconds from the beginning to the end of each epoch.

    An epoch without a timing gets that of the epoch before it.
    """
    durations = {timing.epoch: timing.seconds for timing in run.timing()}
    total = 0.0
    for epoch in epochs:
        total += durations.get(epoch, 0.0)
        yield total


def _settings(run: Run) -> dict[str, Any]:
    """Return the config by dotted key, with values that TensorBoard knows; others as JSON."""
    return {
        key: value if isinstance(value, str | int | float) else json.dumps(value)
        for key, value in canonical.flat(run.config).items()
    }


def _best(run: Run) -> dict[str, float]:
    """Return the accuracies of the best epoch of a finished run."""
    result = run.result
    if result is None or result.best is None:
        return {}
    row = {name: getattr(result.best, name) for name in ("validation_accuracy", "train_accuracy")}
    row["test_accuracy"] = result.test_accuracy
    return {name: value for name, value in row.items() if isinstance(value, float)}

"""What a run's best network has learned, read without its data."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from nnexp.errors import UsageError
from nnexp.nn.network import Network
from nnexp.runner.assembly import headers
from nnexp.store import checkpoint
from nnexp.store.run import Run
from nnexp.training import memory


class FirstLayer(NamedTuple):
    """The weights between the inputs and the neurons that see them."""

    weights: npt.NDArray[np.floating[Any]]
    """(neurons, inputs)."""
    epoch: int
    """The best one."""


def first_layer(run: Run) -> FirstLayer | None:
    """Return the first layer's weights at the best epoch; None if none was committed yet.

    Raises:
        UsageError: the network is too large to be held.
        CorruptError: the run is damaged.
    """
    config, data = run.config, run.record.data
    sizes = (data.features, *config.hidden, data.classes)
    itemsize = np.dtype(config.dtype).itemsize
    if too_large := memory.why_not(sizes, config.optimizer, config.batch_size, itemsize):
        raise UsageError(f"{run.path}: {too_large}")
    network = Network(sizes, config.activation, config.output, config.cost)
    committed = checkpoint.best(run, headers(config, network))
    if committed is None:
        return None
    row, arrays = committed
    return FirstLayer(arrays["weights_1"].T, row.epoch)

"""The cost by which rates and λ are compared is that of the data alone."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, cast

import numpy as np
import pytest

from nnexp.config import load
from nnexp.tune.data_cost import data_cost
from nnexp.tune.trials import Trials, finish, train_one

if TYPE_CHECKING:
    from tests.conftest import Bench


@pytest.mark.parametrize("regularizer", ["l2", "l1"])
def test_a_data_cost_is_the_validation_cost_without_the_penalty(
    bench: Bench, regularizer: str
) -> None:
    """Beside the recorded norms: λ/2n times their squares; of L1, the best epoch's weights."""
    settings = [f"regularizer={regularizer}", "lambda=3.0", "monitor=[train, validation, norms]"]
    config = load.read(bench.folder / "tiny.yaml", settings)
    used = Trials("tiny", bench.folder / "runs")
    trial = finish(train_one(config), used)
    n = len(used.dataset(config).train.labels)
    penalties = {}
    for row in trial.rows:
        assert isinstance(row.weight_norms, tuple)
        penalties[row.epoch] = 3.0 / (2 * n) * sum(norm**2 for norm in row.weight_norms)
    if regularizer == "l1":
        for epoch, path in trial.run.checkpoints().items():
            with np.load(path) as arrays:
                weights = [arrays[name] for name in arrays.files if name.startswith("weights_")]
            penalties[epoch] = 3.0 / n * sum(float(abs(w).sum()) for w in weights)
    for epoch in trial.run.checkpoints():
        assert used.penalty(trial, epoch) == pytest.approx(penalties[epoch], rel=1e-5)
    kept = [row for row in trial.rows if row.epoch in trial.run.checkpoints()]
    costs = [cast("float", row.validation_cost) - penalties[row.epoch] for row in kept]
    assert data_cost(trial, used) == pytest.approx(min(costs), rel=1e-4)
    assert data_cost(trial._replace(diverged=True), used) == math.inf

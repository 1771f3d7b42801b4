"""Stopping rules on hand-made histories."""

from __future__ import annotations

import math
from typing import get_args

import pytest

from nnexp.config.model import Config
from nnexp.training.history import Row, best_row
from nnexp.training.stopping import Accuracy, Average, Cost, Stopping, stops


def rows(accuracies: list[float], costs: list[float] | None = None, every: int = 1) -> list[Row]:
    return [
        Row(
            epoch=every * (place + 1),
            learning_rate=0.5,
            validation_accuracy=accuracy,
            validation_cost=costs[place] if costs else 1.0,
        )
        for place, accuracy in enumerate(accuracies)
    ]


def stopped(rule: Stopping, history: list[Row], patience: int) -> int | None:
    """Return the first epoch after which training ends."""
    ends = (row.epoch for n, row in enumerate(history) if stops(rule, history[: n + 1], patience))
    return next(ends, None)


@pytest.mark.parametrize(("patience", "epoch"), [(1, 3), (2, 4), (3, 8), (4, None)])
def test_accuracy_stops_when_its_best_has_stood_for_n_epochs(
    patience: int, epoch: int | None
) -> None:
    """Best at 2, until 5 is better: 0.7 in epoch 4 equals it, which is no improvement."""
    history = rows([0.5, 0.7, 0.6, 0.7, 0.8, 0.7, 0.7, 0.7])
    assert stopped(Accuracy(), history, patience) == epoch


def test_cost_stops_when_its_minimum_has_stood_though_accuracy_still_rises() -> None:
    history = rows([0.1, 0.2, 0.3, 0.4, 0.5], [3.0, 1.0, 2.0, 1.0, 1.5])
    assert stopped(Cost(), history, 2) == 4
    assert stopped(Cost(), history, 3) == 5
    assert stopped(Accuracy(), history, 1) is None


def test_average_stops_when_the_mean_of_the_last_k_falls() -> None:
    """Means of the last 2: none yet, 0.5, 0.6, 0.65, 0.6. In epoch 3 accuracy equals its best."""
    history = rows([0.4, 0.6, 0.6, 0.7, 0.5])
    assert Average(last=2).scores(history) == pytest.approx([-math.inf, 0.5, 0.6, 0.65, 0.6])
    assert stopped(Average(last=2), history, 1) == 5
    assert stopped(Accuracy(), history, 1) == 3


def test_an_average_of_one_is_the_accuracy_and_of_more_than_there_are_never_stops() -> None:
    history = rows([0.4, 0.6, 0.5, 0.9])
    assert Average(last=1).scores(history) == Accuracy().scores(history)
    assert stopped(Average(last=99), history, 1) is None


@pytest.mark.parametrize("rule", [Accuracy(), Cost(), Average(last=1)])
def test_patience_is_in_epochs_however_seldom_they_are_evaluated(rule: Stopping) -> None:
    """Evaluated in epochs 5, 10, 15, 20, best in 5: patience 6 is used up at 15, not at 10."""
    history = rows([0.9, 0.5, 0.5, 0.5], [1.0, 2.0, 2.0, 2.0], every=5)
    assert stopped(rule, history, 5) == 10
    assert stopped(rule, history, 6) == 15
    assert stopped(rule, history, 16) is None


def test_the_first_epoch_never_stops() -> None:
    assert not any(stops(rule, rows([0.1]), 1) for rule in (Accuracy(), Cost(), Average()))


def test_another_split_can_be_watched_and_one_without_records_is_told() -> None:
    history = [Row(epoch=e, learning_rate=0.5, test_accuracy=a) for e, a in [(1, 0.5), (2, 0.4)]]
    assert stops(Accuracy(), history, 1, "test")
    with pytest.raises(ValueError, match="epoch 1 has no validation_accuracy"):
        stops(Accuracy(), history, 1)


def test_the_best_row_is_the_earliest_of_the_most_accurate_whatever_rule_stopped() -> None:
    history = rows([0.5, 0.7, 0.7, 0.6], [4.0, 3.0, 2.0, 1.0])
    assert best_row(history).epoch == 2


def test_the_model_s_rules_are_those_tested_here() -> None:
    assert set(get_args(Stopping)) == {Accuracy, Cost, Average}
    assert Config().stopping == Accuracy()

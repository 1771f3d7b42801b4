"""The book's published curves, number by number (chapter.md, section 7)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Literal

import pytest

from nnexp.config.model import Config
from nnexp.datasets.sources import Mnist
from nnexp.runner import train
from nnexp.streams import Network2

if TYPE_CHECKING:
    from pathlib import Path

VALIDATION = 10_000


def config(learning_rate: float, monitor: Literal["train", "validation"]) -> Config:
    return Config(
        data=Mnist(scale=256),
        learning_rate=learning_rate,
        lambda_=5.0,
        epochs=30,
        patience=None,
        monitor=(monitor,),
        dtype="float64",
        rng=Network2(),
        seed=12345678,
    )


@pytest.mark.slow
def test_all_counts_of_the_new_initialization_s_curve(book: Path, tmp_path: Path) -> None:
    curves = json.loads((book / "weight_initialization_30.json").read_text())
    _, published, _, _ = curves["default_weight_initialization"]
    history = train.train(config(0.1, "validation"), tmp_path).history()
    counts = [float(row.validation_accuracy or 0) * VALIDATION for row in history]
    assert len(published) == 30
    assert counts == pytest.approx(published, abs=1e-6)


@pytest.mark.slow
def test_the_first_training_costs_of_the_smallest_learning_rate_s_curve(
    book: Path, tmp_path: Path
) -> None:
    """To the last digits: the penalty, λ/2n Σw², is part of them."""
    _, _, published, _ = json.loads((book / "multiple_eta.json").read_text())[0]
    history = train.train(config(0.025, "train"), tmp_path, until=2).history()
    costs = [float(row.train_cost or 0) for row in history]
    assert costs == pytest.approx(published[:2], rel=1e-13)

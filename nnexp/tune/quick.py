"""A quick problem in a config's likeness: fewer images, a small network, λ/n kept."""

from __future__ import annotations

import numpy as np
from msgspec.structs import replace

from nnexp.assembly import per_example
from nnexp.config.model import Config
from nnexp.datasets.dataset import Dataset, Split
from nnexp.errors import UsageError
from nnexp.optim.schedules import Constant
from nnexp.streams import Pcg64
from nnexp.tune.choice import rounded

EXAMPLES = 1_000
"""Of training and of validation, at most."""
NEURONS = 30
"""Of a small hidden layer, at most."""


def plain(config: Config) -> Config:
    """Return a config whose trials run as long as they are told: the search's own monitoring."""
    return replace(
        config,
        schedule=Constant(),
        stopping=Config().stopping,
        patience=None,
        evaluate_every=1,
        monitor=("train", "validation"),
        rng=Pcg64(),
    )


def quick(config: Config, dataset: Dataset, n: int) -> Config:
    """Return the quick problem: 1,000 examples, one small hidden layer if there is one.

    Args:
        config: the full problem.
        dataset: its data, but for images made from others.
        n: its training examples, with those.

    Raises:
        UsageError: there are no validation examples to choose by.
    """
    if dataset.validation is None:
        raise UsageError(
            "data: tune chooses by validation accuracy, and there are no validation examples; "
            "find-rate chooses a learning rate by the training cost alone"
        )
    train = min(EXAMPLES, len(dataset.train.labels))
    data = replace(
        config.data,
        train=train,
        validation=min(EXAMPLES, len(dataset.validation.labels)),
        expand=None,
    )
    return replace(
        plain(config),
        data=data,
        hidden=tuple(min(NEURONS, size) for size in config.hidden[:1]),
        lambda_=rounded(per_example(config, n) * train),
    )


def two_classes(problem: Config, dataset: Dataset) -> Config | None:
    """Return the quickest problem: two classes, no hidden layer, λ/n kept; None if one is missing.

    Args:
        problem: the quick problem.
        dataset: the full problem's, but for images made from others.
    """
    validation = dataset.validation
    first, second = np.unique(dataset.train.labels)[:2].tolist()
    train = _count(dataset.train, first, second)
    seen = 0 if validation is None else _count(validation, first, second)
    if not seen:
        return None
    own = problem.data.classes
    classes = (first, second) if own is None else (own[first], own[second])
    n, all_classes = min(EXAMPLES, train), problem.data.train or len(dataset.train.labels)
    data = replace(problem.data, classes=classes, train=n, validation=min(EXAMPLES, seen))
    lambda_ = rounded(per_example(problem, all_classes) * n)
    return replace(problem, data=data, hidden=(), lambda_=lambda_)


def _count(split: Split, first: int, second: int) -> int:
    return int(np.isin(split.labels, (first, second)).sum())

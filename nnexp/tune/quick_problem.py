"""A quick problem in a config's likeness: fewer images, a small network, λ/n kept."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from msgspec.structs import replace

from nnexp.config.model import Config
from nnexp.datasets.dataset import Dataset, Labels, Split
from nnexp.errors import UsageError
from nnexp.optim.schedules import Constant
from nnexp.runner.assembly import per_example
from nnexp.streams import Pcg64
from nnexp.tune.choice import rounded

EXAMPLES = 1_000
"""Of training and of validation, where so many have a fair share of each class."""
NEURONS = 30
"""Of a small hidden layer, at most."""
FULL = "the full problem"
FEW = 10
"""Training examples of a class; of fewer each one counts."""


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


def derive(config: Config, dataset: Dataset, n: int) -> Config:
    """Return the quick problem: 1,000 examples, one small hidden layer if there is one.

    They are the first ones, or as many as have half of each class's share, or more: data may be
    sorted by class.

    Args:
        config: the full problem.
        dataset: its data, but for images made from others.
        n: its training examples, with those.

    Raises:
        UsageError: there are no validation examples to choose by, or there is but one class.
    """
    if dataset.validation is None:
        raise UsageError(
            "data: tune chooses by validation accuracy, and there are no validation examples; "
            "find-rate chooses a learning rate by the training cost alone"
        )
    if len(np.unique(dataset.train.labels)) < 2:  # noqa: PLR2004 - two are needed to tell apart
        n = len(dataset.train.labels)
        raise UsageError(
            f"data: of the {n:,} training example{'s' * (n > 1)} none is of another class than "
            "the first, so there is nothing to tell apart; give more of them (data.train)"
        )
    train, validation = fair(dataset.train.labels), fair(dataset.validation.labels)
    data = replace(config.data, train=train, validation=validation, expand=None)
    return replace(
        plain(config),
        data=data,
        hidden=tuple(min(NEURONS, size) for size in config.hidden[:1]),
        lambda_=rounded(per_example(config, n) * train),
    )


def few(dataset: Dataset) -> str | None:
    """Return a warning if there are so few training examples that it matters which they are."""
    labels = dataset.train.labels
    counts = np.bincount(labels)
    least = int(counts[counts > 0].min())
    if least >= FEW:
        return None
    return (
        f"of {len(labels):,} training examples there are {least} of one class: what is decided "
        "depends on which ones they are, and says little of others"
    )


def two_classes(problem: Config, dataset: Dataset) -> Config | None:
    """Return the quickest problem: two classes, no hidden layer, λ/n kept; None if one is missing.

    Args:
        problem: the quick problem.
        dataset: the full problem's, but for images made from others.
    """
    validation = dataset.validation
    first, second = np.unique(dataset.train.labels)[:2].tolist()
    train = _of(dataset.train, first, second)
    seen = None if validation is None else _of(validation, first, second)
    if seen is None or not len(seen):
        return None
    own = problem.data.classes
    classes = (first, second) if own is None else (own[first], own[second])
    n, all_classes = fair(train), problem.data.train or len(dataset.train.labels)
    data = replace(problem.data, classes=classes, train=n, validation=fair(seen))
    lambda_ = rounded(per_example(problem, all_classes) * n)
    return replace(problem, data=data, hidden=(), lambda_=lambda_)


def _of(split: Split, first: int, second: int) -> Labels:
    return split.labels[np.isin(split.labels, (first, second))]


def fair(labels: Labels) -> int:
    """Return how many of the first labels hold half of each class's share, ``EXAMPLES`` if enough.

    Args:
        labels: (examples,), one at least.
    """
    counts, n = np.bincount(labels), EXAMPLES
    while n < len(labels):
        held = np.bincount(labels[:n], minlength=len(counts))
        if (2 * held * len(labels) + len(labels) > counts * n).all():  # to half an example
            return n
        n *= 2
    return len(labels)


LEVEL = 0.001
"""How often guessing may come to what counts as better; several trials are looked at."""


class Guessing(NamedTuple):
    """What is to be had without learning anything: the largest class for every example."""

    share: float
    """The accuracy of that."""
    limit: float | None
    """The lowest accuracy that is better than chance; None: of so few examples none is."""

    def is_beaten_by(self, accuracy: float) -> bool:
        """Return whether an accuracy is better than chance."""
        return self.limit is not None and accuracy >= self.limit


def guessing(labels: Labels) -> Guessing:
    """Return what guessing comes to on labels; exact, by the binomial distribution.

    Args:
        labels: (examples,), one at least.
    """
    from scipy.special import bdtrc  # noqa: PLC0415 - a tenth of a second to import

    n = len(labels)
    share = float(np.bincount(labels).max() / n)
    right = np.arange(1, n + 1)
    enough = right[bdtrc(right - 1, n, share) <= LEVEL] if share < 1 else right[:0]
    return Guessing(share, float(enough[0] / n) if len(enough) else None)

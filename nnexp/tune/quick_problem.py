"""Derive a quick problem from a config: fewer images, a small network, the same λ/n."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from msgspec.structs import replace

from nnexp.config import rules
from nnexp.config.model import Config
from nnexp.datasets import splitting
from nnexp.datasets.dataset import Dataset, Labels, Split, SplitOff
from nnexp.datasets.sources import AnySource
from nnexp.errors import UsageError
from nnexp.runner.assembly import per_example
from nnexp.streams import Pcg64
from nnexp.tune.choice import rounded

EXAMPLES = 1_000
"""Number of training and of validation examples, if that many represent all classes."""
NEURONS = 30
"""Maximum size of the hidden layer."""
FULL = "the full problem"
FEW = 10
"""Training examples of a class below which results depend on the individual examples."""


def plain(config: Config) -> Config:
    """Return a config without early stopping or schedule, monitored as tuning needs it."""
    return replace(
        rules.with_constant_rate(config),
        stopping=Config().stopping,
        patience=None,
        evaluate_every=1,
        monitor=("train", "validation"),
        rng=Pcg64(),
    )


def derive(config: Config, dataset: Dataset, n: int) -> Config:
    """Return the quick problem: 1,000 examples, and one small hidden layer if there are any.

    It uses the first examples, and more than 1,000 if these do not contain at least half of each
    class's share, as when data is sorted by class. If nothing would be smaller, it is the full
    problem, with all validation examples.

    Args:
        config: the full problem.
        dataset: its data, without expanded images.
        n: its number of training examples, with expanded images.

    Raises:
        UsageError: there are no validation examples, or there is only one class.
    """
    if dataset.validation is None:
        raise UsageError(
            "data: tune needs validation examples, but there are none; "
            "find-rate chooses a learning rate by the training cost alone"
        )
    if len(np.unique(dataset.train.labels)) < 2:  # noqa: PLR2004 - two classes
        n = len(dataset.train.labels)
        raise UsageError(
            f"data: all training examples ({n:,}) are of one class; use more of them (data.train)"
        )
    train = representative_count(dataset.train.labels)
    hidden = tuple(min(NEURONS, size) for size in config.hidden[:1])
    strength = rounded(per_example(config, n) * train)
    if (train, hidden) == (n, config.hidden):
        return replace(plain(config), lambda_=strength)
    validation = _validation(config, dataset.validation.labels)
    data = replace(config.data, train=train, validation=validation, expand=None)
    return replace(plain(config), data=data, hidden=hidden, lambda_=strength)


def _validation(config: Config, labels: Labels) -> float:
    """Return how many validation examples to use; a fraction stays, as it chooses the same rows."""
    requested = config.data.validation
    return requested if isinstance(requested, float) else representative_count(labels)


def sample_size_warning(dataset: Dataset) -> str | None:
    """Return a warning if a class has too few training examples for general conclusions."""
    labels = dataset.train.labels
    counts = np.bincount(labels)
    least = int(counts[counts > 0].min())
    if least >= FEW:
        return None
    return (
        f"of {len(labels):,} training examples, one class has only {least}: the decisions "
        "depend on these examples and may not hold for others"
    )


def two_classes(problem: Config, dataset: Dataset) -> Config | None:
    """Return the quickest problem: two classes, no hidden layer, the same λ/n.

    Args:
        problem: the quick problem.
        dataset: of the full problem, without expanded images.

    Returns: None if the validation data has neither class, or the classes are too small.
    """
    validation = dataset.validation
    first, second = np.unique(dataset.train.labels)[:2].tolist()
    train = _select(dataset.train, first, second)
    held_out = None if validation is None else _select(validation, first, second)
    if held_out is None or not len(held_out):
        return None
    own = problem.data.classes or dataset.class_choices or range(dataset.classes)
    n, all_classes = representative_count(train), problem.data.train or len(dataset.train.labels)
    data = replace(
        problem.data,
        classes=(own[first], own[second]),
        train=n,
        validation=_validation(problem, held_out),
        test=None,
    )
    if dataset.split_off is not None:
        changed = _without_test_examples(data, dataset, dataset.split_off, [first, second])
        if changed is None:
            return None
        data, n = changed, changed.train or n
    weights = problem.class_weights
    if isinstance(weights, tuple):
        weights = (weights[first], weights[second])
    lambda_ = rounded(per_example(problem, all_classes) * n)
    return replace(problem, data=data, hidden=(), class_weights=weights, lambda_=lambda_)


def _without_test_examples(
    data: AnySource, dataset: Dataset, split_off: SplitOff, classes: list[int]
) -> AnySource | None:
    """Return settings with which no example that the full problem tests on is used.

    The rows of a class are split off in an order of their own, first those for testing. So it is
    enough that each of the two classes has as many test examples as in the full problem.

    Args:
        data: with the two classes.
        dataset: of the full problem.
        split_off: what was split off for the full problem.
        classes: their numbers in the full problem.

    Returns: None if the classes have too few examples.
    """
    sizes, test, validation = split_off.sizes[classes], 0, 0
    n = int(sizes.sum())
    if "test" in split_off.splits and dataset.test is not None:
        counts = np.bincount(dataset.test.labels, minlength=dataset.classes)[classes]
        test = int(np.max(-(-counts * n // sizes)))
    if "validation" in split_off.splits:
        validation = splitting.count(data.validation, n)
        if isinstance(data.validation, int):
            validation = max(1, min(validation, (n - test) // 2))
            data = replace(data, validation=validation)
    left = n - test - validation
    if left < len(classes):
        return None
    return replace(data, test=test or None, train=min(data.train or left, left))


def _select(split: Split, first: int, second: int) -> Labels:
    return split.labels[np.isin(split.labels, (first, second))]


def representative_count(labels: Labels) -> int:
    """Return how many first labels contain half of each class's share: ``EXAMPLES`` or more.

    Args:
        labels: (examples,), at least one.
    """
    counts, n = np.bincount(labels), EXAMPLES
    while n < len(labels):
        present = np.bincount(labels[:n], minlength=len(counts))
        if (2 * present * len(labels) + len(labels) > counts * n).all():  # up to half an example
            return n
        n *= 2
    return len(labels)


LEVEL = 0.001
"""Significance level of being better than chance; low, as several trials are tested."""


class ChanceLevel(NamedTuple):
    """The accuracy of guessing: predicting the largest class for every example."""

    share: float
    """The largest class's share, which is the accuracy of guessing."""
    limit: float | None
    """The lowest accuracy that is better than chance; None if there are too few examples."""

    def is_beaten_by(self, accuracy: float) -> bool:
        """Return whether an accuracy is better than chance."""
        return self.limit is not None and accuracy >= self.limit


def chance_level(labels: Labels) -> ChanceLevel:
    """Return the accuracy of guessing on labels, by the exact binomial distribution.

    Args:
        labels: (examples,), at least one.
    """
    from scipy.special import bdtrc  # noqa: PLC0415 - a tenth of a second to import

    n = len(labels)
    share = float(np.bincount(labels).max() / n)
    correct = np.arange(1, n + 1)
    better = correct[bdtrc(correct - 1, n, share) <= LEVEL] if share < 1 else correct[:0]
    return ChanceLevel(share, float(better[0] / n) if len(better) else None)

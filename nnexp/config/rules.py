"""Rules that involve several settings: defaults that depend on others, clashes and warnings.

What a single setting may be is part of its type.
"""

from __future__ import annotations

from collections.abc import Container
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import numpy as np

from nnexp.config.messages import listed
from nnexp.config.model import Config, PerExample
from nnexp.datasets.sources import Idx
from nnexp.nn import costs
from nnexp.optim.schedules import Constant, HalveOnPlateau
from nnexp.streams import Network2
from nnexp.training import memory
from nnexp.training.stopping import Accuracy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nnexp.config.problem import Path

MOST_DRAWS = 10**9
"""What network2 may have drawn before a net: minutes of replaying."""


FAR = 4.0
"""Times the threshold at which a learning rate is warned of; thresholds are known to a factor."""


class Clash(NamedTuple):
    """A combination that cannot work: the keys involved, the likeliest culprit first."""

    paths: tuple[Path, ...]
    message: str


def problems(config: Config) -> list[Clash]:
    """Return every combination of settings that cannot work."""
    return [*_network(config), *_training(config), *_monitoring(config), *_data(config)]


def _training(config: Config) -> Iterator[Clash]:
    optimizer, name = config.optimizer, config.optimizer.__struct_config__.tag
    if optimizer.default_learning_rate is None and config.learning_rate is not None:
        message = f"{name} chooses its step by a line search and takes none: leave it out or null"
        yield Clash((("learning_rate",), ("optimizer",)), message)
    elif optimizer.default_learning_rate is not None and config.learning_rate is None:
        yield Clash((("learning_rate",),), f"{name} needs one, got null")
    if config.learning_rate is None and not isinstance(config.schedule, Constant):
        message = f"{name} has no learning rate that a schedule could change: leave it out"
        yield Clash((("schedule",), ("optimizer",)), message)
    if optimizer.full_batch and config.batch_size != "all":
        message = (
            f"{name} takes all examples at each step: leave it out or all, got {config.batch_size}"
        )
        yield Clash((("batch_size",), ("optimizer",)), message)
    if optimizer.full_batch and config.dtype != "float64":
        message = f"{name} needs dtype: float64, got {config.dtype}"
        yield Clash((("dtype",), ("optimizer",)), message)


def _network(config: Config) -> Iterator[Clash]:
    least = (1, *config.hidden, 2)  # whatever the data: an input and two classes
    itemsize = np.dtype(config.dtype).itemsize
    if too_large := memory.why_not(least, config.optimizer, config.batch_size, itemsize):
        yield Clash((("hidden",),), too_large)
    if reason := costs.why_not(config.cost, config.output):
        yield Clash((("cost",), ("output",)), reason)
    if isinstance(config.rng, Network2) and config.seed >= 2**32:
        message = f"network2 takes seeds below 2**32 = 4294967296, got {config.seed}"
        yield Clash((("seed",), ("rng",)), message)
    if isinstance(config.rng, Network2) and config.rng.draws() > MOST_DRAWS:
        message = f"stands for {config.rng.draws():g} draws; the limit is {MOST_DRAWS:g}"
        yield Clash((("rng", "before"), ("rng",)), message)


def _monitoring(config: Config) -> Iterator[Clash]:
    monitor = config.monitor
    if repeated := [split for split in dict.fromkeys(monitor) if monitor.count(split) > 1]:
        yield Clash((("monitor",),), f"names {listed(repeated)} more than once")
    if config.patience is not None and "validation" not in monitor:
        message = "patience watches the validation data: set patience: null, or monitor validation"
        yield Clash((("monitor",), ("patience",)), message)
    if not isinstance(config.schedule, HalveOnPlateau):
        return
    own = config.schedule.patience
    if "validation" not in monitor:
        message = "halve-on-plateau watches the validation data: monitor validation"
        yield Clash((("monitor",), ("schedule",)), message)
    if config.patience is not None and not own < config.patience:
        message = (
            f"halve-on-plateau's own patience of {own} must be smaller than patience, or "
            f"patience null, since it would end the run before a cut; got {config.patience}"
        )
        yield Clash((("patience",), ("schedule", "patience")), message)


def _data(config: Config) -> Iterator[Clash]:
    classes = config.data.classes
    if classes is not None and len(set(classes)) < len(classes):
        yield Clash((("data", "classes"),), "names a class more than once")
    elif classes is not None and len(classes) < 2:  # noqa: PLR2004 - it takes two to classify
        yield Clash((("data", "classes"),), f"must name at least 2 classes, got {len(classes)}")
    if isinstance(config.data, Idx):
        yield from _idx(config.data)


def _idx(data: Idx) -> Iterator[Clash]:
    """Find what idx's files lack: images and labels come in pairs, or from the directory."""
    train = (data.train_images, data.train_labels)
    if data.directory is None and None in train:
        message = "idx needs 'directory', or both 'train_images' and 'train_labels'"
        yield Clash((("data",),), message)
    pairs = {"validation": (data.validation_images, data.validation_labels)}
    if data.directory is None:
        pairs["test"] = (data.test_images, data.test_labels)
    for split, (images, labels) in pairs.items():
        if (images is None) != (labels is None):
            given, missing = ("images", "labels") if labels is None else ("labels", "images")
            message = f"{split}_{given} needs {split}_{missing} beside it"
            yield Clash((("data", f"{split}_{given}"),), message)


def doomed(config: Config, n: int) -> list[str]:
    """Return warnings of what is legal but will not do what was hoped, for n training examples."""
    return [
        *_flipping_decay(config, n),
        *_large_batch(config, n),
        *_equal_neurons(config),
        *_idle(config),
    ]


def unscaled(config: Config, n: int, other: Config, other_n: int, name: str) -> Iterator[str]:
    """Yield a warning if λ stayed what it is in another run whose n differs: λ goes with n.

    Source: Nielsen (2015), chapter 3: λ = 0.1 for 1,000 images is λ = 5 for 50,000.
    """
    strength = config.lambda_
    if isinstance(strength, PerExample) or strength != other.lambda_ or not strength:
        return
    if n != other_n and config.regularizer == other.regularizer:
        yield (
            f"lambda is {strength:g} as in {name}, but n is {n} and was {other_n} there: λ/n goes "
            f"from {strength / other_n:g} to {strength / n:g}; lambda: {strength / other_n * n:g} "
            f"keeps it, and so does {{per_example: {strength / other_n:g}}} in both"
        )


def overshooting(config: Config, threshold: float, source: str) -> Iterator[str]:
    """Yield a warning if η is far over the threshold that was found for the problem."""
    eta = config.learning_rate
    if eta is not None and eta >= FAR * threshold:
        yield (
            f"learning_rate {eta:g} is {eta / threshold:.3g} times the threshold {threshold:g} of "
            f"this problem ({source}): expect the cost to oscillate or to rise; the chapter takes "
            f"half the threshold, {threshold / 2:g}"
        )


def _idle(config: Config) -> Iterator[str]:
    """Yield a warning for each setting that changes nothing beside the others."""
    if config.dropout and not config.hidden:
        yield "dropout leaves out hidden neurons, and there are none: it changes nothing"
    if config.regularizer != "l2" and config.lambda_ in {0.0, PerExample(0.0)}:
        yield f"regularizer {config.regularizer} changes nothing while lambda is 0"
    if not isinstance(config.stopping, Accuracy) and config.patience is None:
        name = config.stopping.__struct_config__.tag
        yield f"stopping {name} changes nothing while patience is null"


def _flipping_decay(config: Config, n: int) -> Iterator[str]:
    """Weight decay is w <- (1 - ηλ/n) w at each step. Source: Nielsen (2015), eq. 93."""
    eta, strength = config.learning_rate or 0.0, config.lambda_
    if config.regularizer != "l2" or config.optimizer.decay_factor(0.0) is None:
        return
    if isinstance(strength, PerExample):
        decay, algebra = eta * strength.per_example, f"{eta:g}·{strength.per_example:g}"
    else:
        decay, algebra = eta * strength / n, f"{eta:g}·{strength:g}/{n}"
    if not decay < 2:  # noqa: PLR2004 - 1 - 2 = -1
        yield (
            f"weight decay multiplies every weight by 1 - ηλ/n = 1 - {algebra} = {1 - decay:g} "
            "at each step: weights flip sign and do not shrink (|1 - ηλ/n| must be below 1)"
        )


def _large_batch(config: Config, n: int) -> Iterator[str]:
    if config.batch_size != "all" and config.batch_size > n:
        yield (
            f"batch_size {config.batch_size} is more than the {n} training examples: "
            "every epoch is one batch, one step"
        )


def _equal_neurons(config: Config) -> Iterator[str]:
    if config.initializer == "zeros" and config.hidden:
        yield (
            "initializer zeros gives all hidden neurons of a layer the same outgoing weights: "
            "no gradient tells them apart by these, and the hidden layers hardly learn"
        )


def settled(config: Config, given: Container[str]) -> Config:
    """Return the config with the defaults that its optimizer and schedule have for other keys.

    Args:
        config: converted, with the model's own defaults in the keys that are not given.
        given: the keys that are.
    """
    defaults: dict[str, Any] = {"learning_rate": config.optimizer.default_learning_rate}
    if config.optimizer.full_batch:
        defaults["batch_size"] = "all"
    if config.schedule.ends_the_run:
        defaults["patience"] = None
    fill = {key: value for key, value in defaults.items() if key not in given}
    return msgspec.structs.replace(config, **fill)

"""Rules that involve several settings: dependent defaults, clashes and warnings.

The range of a single setting is part of its type.
"""

from __future__ import annotations

from collections.abc import Container
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import msgspec
from msgspec import structs

from nnexp.config.messages import listed, plain
from nnexp.config.model import Config, FromRun, PerExample
from nnexp.datasets.sources import Csv, Idx, Source, has_own
from nnexp.nn import costs
from nnexp.optim.schedules import Constant, HalveOnPlateau, Piecewise
from nnexp.streams import Network2
from nnexp.training import memory
from nnexp.training.stopping import Accuracy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nnexp.config.problem import Path

ITEMSIZE = {"float32": 4, "float64": 8}
"""Bytes of a number; NumPy knows them too, but takes long to load."""

MAX_DRAWS = 10**9
"""Maximum draws that network2 replays before a net; this many take minutes."""


WARN_FACTOR = 4.0
"""Warn of a learning rate from this multiple of the threshold, which is only an estimate."""


HELD_OUT: tuple[Literal["validation"], Literal["test"]] = ("validation", "test")


class Clash(NamedTuple):
    """An invalid combination: the keys involved, the most likely culprit first."""

    paths: tuple[Path, ...]
    message: str


def problems(config: Config) -> list[Clash]:
    """Return all invalid combinations of settings."""
    return [
        *_network(config),
        *_initialization(config),
        *_training(config),
        *_monitoring(config),
        *_data(config),
    ]


def _training(config: Config) -> Iterator[Clash]:
    optimizer, name = config.optimizer, config.optimizer.__struct_config__.tag
    yield from _learning_rate(config)
    if optimizer.full_batch and config.batch_size != "all":
        message = (
            f"{name} uses all examples in each step; leave it out, or set it to all, "
            f"got {config.batch_size}"
        )
        yield Clash((("batch_size",), ("optimizer",)), message)
    if optimizer.full_batch and config.dtype != "float64":
        message = f"{name} needs dtype: float64, got {config.dtype}"
        yield Clash((("dtype",), ("optimizer",)), message)


def _learning_rate(config: Config) -> Iterator[Clash]:
    optimizer, name = config.optimizer, config.optimizer.__struct_config__.tag
    eta, schedule = config.learning_rate, config.schedule
    if isinstance(schedule, Piecewise) and 1 not in schedule.rates:
        found = plain(min(schedule.rates)) if schedule.rates else "an empty mapping"
        message = f"must begin with epoch 1, as in {{1: 0.5, 16: 0.1}}, got {found}"
        yield Clash((("schedule", "rates"), ("schedule",)), message)
    if optimizer.default_learning_rate is None:
        if eta is not None:
            message = f"{name} chooses its step size by a line search"
            message = f"{message}; leave it out, or set it to null"
            yield Clash((("learning_rate",), ("optimizer",)), message)
        if not isinstance(schedule, Constant):
            message = f"{name} has no learning rate for a schedule to change; leave it out"
            yield Clash((("schedule",), ("optimizer",)), message)
    elif isinstance(schedule, Piecewise) and eta is not None:
        message = (
            "piecewise gives the learning rate of every epoch; leave it out, or set it to null, "
            f"got {plain(eta)}"
        )
        yield Clash((("learning_rate",), ("schedule",)), message)
    elif not isinstance(schedule, Piecewise) and eta is None:
        yield Clash((("learning_rate",),), f"{name} needs a number, got null")


def _network(config: Config) -> Iterator[Clash]:
    sizes = (1, *config.hidden, 2)  # the least that any data needs: an input and two classes
    itemsize = ITEMSIZE[config.dtype]
    if too_large := memory.why_not(sizes, config.optimizer, config.batch_size, itemsize):
        yield Clash((("hidden",),), too_large)
    if reason := costs.why_not(config.cost, config.output):
        yield Clash((("cost",), ("output",)), reason)
    if isinstance(config.rng, Network2) and config.seed >= 2**32:
        message = f"network2 takes seeds below 2**32 = 4294967296, got {config.seed}"
        yield Clash((("seed",), ("rng",)), message)
    if isinstance(config.rng, Network2) and config.rng.draws() > MAX_DRAWS:
        message = f"describes {config.rng.draws():g} draws; the limit is {MAX_DRAWS:g}"
        yield Clash((("rng", "before"), ("rng",)), message)


def _initialization(config: Config) -> Iterator[Clash]:
    if isinstance(config.initializer, FromRun) and config.bias_initializer != "standard-normal":
        message = "a run's biases are taken with its weights; leave it out"
        yield Clash((("bias_initializer",), ("initializer",)), message)


def _monitoring(config: Config) -> Iterator[Clash]:
    monitor = config.monitor
    if repeated := [split for split in dict.fromkeys(monitor) if monitor.count(split) > 1]:
        yield Clash((("monitor",),), f"names {listed(repeated)} more than once")
    if config.patience is not None and "validation" not in monitor:
        message = "must include validation, which patience needs; or set patience: null"
        yield Clash((("monitor",), ("patience",)), message)
    if not isinstance(config.schedule, HalveOnPlateau):
        return
    schedule_patience = config.schedule.patience
    if "validation" not in monitor:
        message = "must include validation, which halve-on-plateau needs"
        yield Clash((("monitor",), ("schedule",)), message)
    if config.patience is not None and not schedule_patience < config.patience:
        message = (
            f"must be greater than halve-on-plateau's own patience of {schedule_patience}, or "
            f"null; otherwise it ends the run before the first cut; got {config.patience}"
        )
        yield Clash((("patience",), ("schedule", "patience")), message)


def _data(config: Config) -> Iterator[Clash]:
    classes = config.data.classes
    if classes is not None and len(set(classes)) < len(classes):
        yield Clash((("data", "classes"),), "names a class more than once")
    elif classes is not None and len(classes) < 2:  # noqa: PLR2004 - a classifier needs two
        yield Clash((("data", "classes"),), f"must name at least 2 classes, got {len(classes)}")
    yield from _splitting(config.data)
    if isinstance(config.data, Csv) and config.data.delimiter is not None:
        yield from _delimiter(config.data.delimiter)
    if isinstance(config.data, Idx):
        yield from _idx(config.data)


def _delimiter(delimiter: str) -> Iterator[Clash]:
    """Yield a clash for a delimiter that cannot stand between numbers."""
    if len(delimiter) != 1:
        message = f'must be one character, such as "\\t", got {delimiter!r}'
        yield Clash((("data", "delimiter"),), message)
    elif delimiter in '\r\n"+-.' or delimiter.isalnum():
        message = (
            f'must be no line end, quote, letter, digit or sign, but such as ";" or "\\t", got '
            f"{delimiter!r}"
        )
        yield Clash((("data", "delimiter"),), message)


def _splitting(data: Source) -> Iterator[Clash]:
    """Yield a clash for settings of splitting and standardizing that exclude each other."""
    fractions = {}
    for split in HELD_OUT:
        requested = getattr(data, split)
        if not isinstance(requested, float):
            continue
        fractions[split] = requested
        if has_own(data, split):
            message = (
                f"{requested:g} is a fraction of the training examples to split off, but {split} "
                "examples of its own are given; give a count, or leave it out"
            )
            yield Clash((("data", split),), message)
    if not sum(fractions.values()) < 1:
        yield Clash(
            (("data", "validation"), ("data", "test")), "leaves no training examples; lower it"
        )
    if data.standardize and data.scale != _default_scale(type(data)):
        message = f"standardize replaces scale; leave one of them out, got scale {data.scale:g}"
        yield Clash((("data", "scale"), ("data", "standardize")), message)


def _default_scale(source: type[Source]) -> object:
    """Return the scale of a source that names none; msgspec takes half a millisecond for it."""
    return {field.name: field.default for field in structs.fields(source)}["scale"]


def _idx(data: Idx) -> Iterator[Clash]:
    """Yield a clash for each missing file: images and labels come in pairs, or by directory."""
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
            message = f"{split}_{given} also needs {split}_{missing}"
            yield Clash((("data", f"{split}_{given}"),), message)


def warnings(config: Config, n: int) -> list[str]:
    """Return warnings of valid settings that are probably a mistake, for n training examples."""
    return [
        *_flipping_decay(config, n),
        *_large_batch(config, n),
        *_equal_neurons(config),
        *_ineffective(config),
    ]


def lambda_warning(config: Config, n: int, other: Config, other_n: int, name: str) -> Iterator[str]:
    """Yield a warning if λ equals another run's although n differs (λ should scale with n).

    Source: Nielsen (2015), chapter 3: λ = 0.1 for 1,000 images is λ = 5 for 50,000.
    """
    strength = config.lambda_
    if isinstance(strength, PerExample) or strength != other.lambda_ or not strength:
        return
    if n != other_n and config.regularizer == other.regularizer:
        yield (
            f"lambda is {strength:g} as in {name}, but n is {n} and was {other_n} there: λ/n "
            f"changes from {strength / other_n:g} to {strength / n:g}; to keep it, set "
            f"lambda: {strength / other_n * n:g}, or {{per_example: {strength / other_n:g}}} in "
            "both"
        )


def learning_rate_warning(config: Config, threshold: float, source: str) -> Iterator[str]:
    """Yield a warning if η is far above the threshold that was measured for the problem."""
    eta = _largest_learning_rate(config)
    if eta is not None and eta >= WARN_FACTOR * threshold:
        yield (
            f"learning_rate {eta:g} is {eta / threshold:.3g} times the threshold {threshold:g} of "
            f"this problem ({source}): expect the cost to oscillate or to rise; the chapter takes "
            f"half the threshold, {threshold / 2:g}"
        )


def _largest_learning_rate(config: Config) -> float | None:
    """Return the largest learning rate of any epoch; only piecewise can rise above the first."""
    if not isinstance(config.schedule, Piecewise):
        return config.learning_rate
    rates = config.schedule.rates
    return max(rate for epoch, rate in rates.items() if epoch <= config.epochs)


def _ineffective(config: Config) -> Iterator[str]:
    """Yield a warning for each setting that has no effect in combination with the others."""
    if config.dropout and not config.hidden:
        yield "dropout has no effect: there are no hidden neurons"
    if config.regularizer != "l2" and config.lambda_ in {0.0, PerExample(0.0)}:
        yield f"regularizer {config.regularizer} has no effect while lambda is 0"
    if not isinstance(config.stopping, Accuracy) and config.patience is None:
        name = config.stopping.__struct_config__.tag
        yield f"stopping {name} has no effect while patience is null"
    if isinstance(config.schedule, Piecewise):
        for epoch, rate in config.schedule.rates.items():
            if epoch > config.epochs:
                yield (
                    f"schedule.rates.{epoch}: {rate:g} has no effect while epochs is "
                    f"{config.epochs}"
                )


def _flipping_decay(config: Config, n: int) -> Iterator[str]:
    """Yield a warning if weight decay, w <- (1 - ηλ/n) w, flips signs.

    Source: Nielsen (2015), eq. 93.
    """
    eta, strength = _largest_learning_rate(config) or 0.0, config.lambda_
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
            "initializer zeros gives all hidden neurons of a layer the same outgoing weights, "
            "hence the same gradients: the hidden layers hardly learn"
        )


def with_constant_rate(config: Config) -> Config:
    """Return the config with its first epoch's learning rate in every epoch."""
    rate, schedule = config.learning_rate, config.schedule
    if isinstance(schedule, Piecewise):
        rate = schedule.rates[1]
    return msgspec.structs.replace(config, learning_rate=rate, schedule=Constant())


def with_dependent_defaults(config: Config, given: Container[str]) -> Config:
    """Return the config with the defaults that depend on its optimizer and schedule.

    Args:
        config: a converted config, with the model's defaults for the keys that are not given.
        given: the keys that are given.
    """
    defaults: dict[str, Any] = {"learning_rate": config.optimizer.default_learning_rate}
    if isinstance(config.schedule, Piecewise):
        defaults["learning_rate"] = None
    if config.optimizer.full_batch:
        defaults["batch_size"] = "all"
    if config.schedule.ends_the_run:
        defaults["patience"] = None
    fill = {key: value for key, value in defaults.items() if key not in given}
    return msgspec.structs.replace(config, **fill)

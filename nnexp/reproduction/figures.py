"""The book's figures: their nets as configs, and the published numbers.

The nets of a figure were trained one after another in one process, whose generators were seeded
once; the ``rng.before`` of each net lists the draws and shuffles of that process before it.
Source: Nielsen (2015), chapter 3, and the companion code's fig/*.py.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, TypeAlias

from nnexp.config.model import Config, PerExample
from nnexp.datasets.sources import Mnist
from nnexp.streams import Drawn, Network2, Trained

SEED = 12345678
EXAMPLES = 50_000
LARGE = "standard-normal"

Promise: TypeAlias = Literal["points", "numbers", "band"]
"""The part of a net's results that must be exact.

Either every point; or the numbers in the book's text, if rounding errors change a count by one here
and there; or none, only a band, if rounding errors change the whole curve.
"""


class Headline(NamedTuple):
    """A number in the book's text that describes a curve."""

    series: str
    """A key of metrics.jsonl."""
    measure: str
    """A name in ``measures.MEASURES``."""
    published: float
    """Accuracies in per cent."""
    digits: int
    """Decimals that were published."""


class Net(NamedTuple):
    """One training of a figure."""

    name: str
    """Distinguishes it within the figure, as part of run names; empty if it is the only net."""
    config: Config
    headlines: tuple[Headline, ...]
    promise: Promise = "points"
    """The part of its results that must be exact."""

    def is_exact_promised(self, *, against: bool) -> bool:
        """Return whether a comparison, with an author's file or without one, must be exact."""
        return self.promise == "points" or (self.promise == "numbers" and not against)


class BookFigure(NamedTuple):
    """A figure of the book; its name in ``FIGURES`` is that of the author's file."""

    title: str
    nets: tuple[Net, ...]


def parameters(hidden: int) -> int:
    """Return the number of weights and biases of a net of the book with one hidden layer."""
    return (784 + 1) * hidden + (hidden + 1) * 10


def _config(before: tuple[Trained | Drawn, ...], **keys: Any) -> Config:  # noqa: ANN401 - a config's keys
    common: dict[str, Any] = {
        "data": Mnist(scale=256),
        "patience": None,
        "dtype": "float64",
        "seed": SEED,
    }
    return Config(**common | {"rng": Network2(before=before)} | keys)


def _percent(series: str, measure: str, published: float) -> Headline:
    return Headline(series, measure, published, 2)


def _epoch(series: str, measure: str, published: int) -> Headline:
    return Headline(series, measure, published, 0)


def _weight_initialization(hidden: int, published: tuple[tuple[float, float], ...]) -> BookFigure:
    """One net: trained with the new initialization, then redrawn with the large one and trained."""
    keys = {"hidden": (hidden,), "learning_rate": 0.1, "lambda_": 5.0, "epochs": 30}
    keys["monitor"] = ("validation",)
    history = (Drawn(parameters(hidden)), Trained(EXAMPLES, 30))
    configs = (_config((), **keys), _config(history, initializer=LARGE, **keys))
    nets = [
        Net(name, config, tuple(_percent("validation_accuracy", m, p) for m, p in measured))
        for name, config, measured in zip(
            ("new", "large"),
            configs,
            [zip(("first", "last"), pair, strict=True) for pair in published],
            strict=True,
        )
    ]
    return BookFigure(
        f"validation accuracy with {hidden} hidden neurons, new and large initialization",
        tuple(nets),
    )


def _multiple_eta() -> BookFigure:
    """A new net for each learning rate."""
    published = {0.025: (0.8781, 0.3392), 0.25: (0.4950, 0.3388), 2.5: (0.9249, 0.8607)}
    nets: list[Net] = []
    for number, (eta, (first, last)) in enumerate(published.items()):
        before = (Drawn(parameters(30)), Trained(EXAMPLES, 30)) * number
        config = _config(before, learning_rate=eta, lambda_=5.0, epochs=30, monitor=("train",))
        headlines = (
            Headline("train_cost", "first", first, 4),
            Headline("train_cost", "last", last, 4),
        )
        nets.append(
            Net(f"eta-{eta}", config, headlines, "band" if eta == max(published) else "points")
        )
    return BookFigure("training cost under three learning rates", tuple(nets))


def _large(
    title: str,
    config: dict[str, Any],
    headlines: tuple[Headline, ...],
    promise: Promise = "points",
) -> BookFigure:
    """One net, created and then drawn again by the large rule; evaluated on the test data.

    With a penalty, the norms of the weights are monitored to convert its evaluation cost.
    """
    norms = ("norms",) if config.get("lambda_") else ()
    keys = {"initializer": LARGE, "learning_rate": 0.5, "monitor": ("train", "test", *norms)}
    made = _config((Drawn(parameters(30)),), **keys | config)
    return BookFigure(title, (Net("", made, headlines, promise),))


def _small() -> dict[str, Any]:
    return {"data": Mnist(scale=256, train=1000), "epochs": 400}


def _more_data() -> BookFigure:
    """One net, on which the large rule is drawn anew for each number of images."""
    sizes = (100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000)
    published = (69.09, 76.37, 85.29, 88.85, 91.27, 93.24, 94.89, 95.85, 95.97)
    before: tuple[Trained | Drawn, ...] = (Drawn(parameters(30)),)
    nets: list[Net] = []
    for examples, accuracy in zip(sizes, published, strict=True):
        epochs = 1_500_000 // examples
        config = _config(
            before,
            data=Mnist(scale=256, train=examples if examples < EXAMPLES else None),
            initializer=LARGE,
            lambda_=PerExample(1e-4),
            epochs=epochs,
            evaluate_every=-(-epochs // 30),
            monitor=("validation",),
        )
        nets.append(
            Net(str(examples), config, (_percent("validation_accuracy", "last", accuracy),))
        )
        before += (Drawn(parameters(30)), Trained(examples, epochs, shared=False))
    return BookFigure("validation accuracy against the number of training images", tuple(nets))


FIGURES: dict[str, BookFigure] = {
    "weight_initialization_30": _weight_initialization(30, ((92.70, 96.50), (86.43, 96.37))),
    "weight_initialization_100": _weight_initialization(100, ((92.95, 97.81), (89.94, 97.42))),
    "multiple_eta": _multiple_eta(),
    "overfitting": _large(
        "1,000 training images without regularization",
        _small(),
        (
            _percent("test_accuracy", "highest", 82.27),
            _epoch("test_accuracy", "highest epoch", 375),
            _epoch("train_accuracy", "full epoch", 68),
            _epoch("train_accuracy", "full for good epoch", 74),
            _epoch("test_cost", "lowest epoch", 15),
        ),
    ),
    "overfitting_full": _large(
        "all training images without regularization",
        {"epochs": 30},
        (_percent("test_accuracy", "highest", 95.33),),
        "band",
    ),
    "regularized": _large(
        "1,000 training images, λ = 0.1",
        {"lambda_": 0.1, **_small()},
        (
            _percent("test_accuracy", "highest", 87.10),
            _epoch("test_accuracy", "highest epoch", 384),
            _epoch("train_accuracy", "full epoch", 69),
            _epoch("train_accuracy", "full for good epoch", 73),
        ),
    ),
    "regularized_full": _large(
        "all training images, λ = 5",
        {"lambda_": 5.0, "epochs": 30},
        (_percent("test_accuracy", "highest", 96.49), _epoch("test_accuracy", "highest epoch", 29)),
        "numbers",
    ),
    "more_data": _more_data(),
}

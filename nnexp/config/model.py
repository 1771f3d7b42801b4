"""The config's model: every key with its type, range and default.

Components (data, optimizer, schedule, …) declare their settings in their own modules; this one
combines them. ``load`` reads a config from YAML, and ``rules`` checks combinations of settings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from msgspec import Meta, Struct

from nnexp.datasets.sources import AnySource, Mnist
from nnexp.nn.activations import ActivationName
from nnexp.nn.costs import CostName
from nnexp.nn.initializers import BiasInitializerName, InitializerName
from nnexp.nn.outputs import OutputName
from nnexp.nn.penalties import RegularizerName
from nnexp.optim.optimizers import Optimizer
from nnexp.optim.schedules import Constant, Schedule
from nnexp.optim.sgd import Sgd
from nnexp.streams import Pcg64, Rng
from nnexp.training.stopping import Accuracy, Stopping


class PerExample(Struct, frozen=True, forbid_unknown_fields=True):
    """Regularization strength given as λ/n, which keeps its meaning when n changes."""

    per_example: Annotated[float, Meta(ge=0, description="λ/n: λ for each training example.")]


class FromRun(Struct, frozen=True, forbid_unknown_fields=True, tag_field="name", tag="run"):
    """The weights and biases that another run's network had after an epoch."""

    path: Annotated[str, Meta(description="The other run's directory.")]
    epoch: Annotated[
        Literal["best", "last"] | Annotated[int, Meta(ge=1, le=1_000_000)],
        Meta(description="best, last, or the number of an epoch whose checkpoint is kept."),
    ] = "best"


Positive = Annotated[int, Meta(ge=1, le=1_000_000_000)]


class Config(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"lambda_": "lambda"}
):
    """A complete description of an experiment: the same config gives the same bytes."""

    data: Annotated[
        AnySource,
        Meta(description="The examples: mnist, or your own: csv, npz, idx or images."),
    ] = Mnist()
    hidden: Annotated[
        tuple[Annotated[int, Meta(ge=1, le=1_000_000)], ...],
        Meta(max_length=100, description="Sizes of the hidden layers; [] for none."),
    ] = (30,)
    activation: Annotated[ActivationName, Meta(description="The hidden neurons' nonlinearity.")] = (
        "sigmoid"
    )
    output: Annotated[OutputName, Meta(description="The output neurons.")] = "sigmoid"
    cost: Annotated[
        CostName,
        Meta(description="The cost to minimize; must suit the output."),
    ] = "cross-entropy"
    class_weights: Annotated[
        Literal["balanced"] | tuple[Annotated[float, Meta(gt=0, le=1e6)], ...] | None,
        Meta(
            description="Factors of the cost of each class's examples: a list, or balanced, "
            "n/(k n_c) for n_c of n training examples and k classes; null for none."
        ),
    ] = None
    initializer: Annotated[
        InitializerName | FromRun,
        Meta(
            description="The weights' distribution: lecun-normal is N(0, 1/fan_in), "
            "standard-normal is N(0, 1), the older rule; or run: another run's weights."
        ),
    ] = "lecun-normal"
    bias_initializer: Annotated[
        BiasInitializerName, Meta(description="The biases' distribution.")
    ] = "standard-normal"
    optimizer: Annotated[Optimizer, Meta(description="The rule that updates the parameters.")] = (
        Sgd()
    )
    learning_rate: Annotated[
        Annotated[float, Meta(gt=0)] | None,
        Meta(
            description="η, the first epoch's step size; adam's default is 0.001, newton's and "
            "hessian-free's 1; null for methods with a line search, which choose the step size, "
            "and under piecewise."
        ),
    ] = 0.5
    schedule: Annotated[Schedule, Meta(description="How η changes from epoch to epoch.")] = (
        Constant()
    )
    lambda_: Annotated[
        Annotated[float, Meta(ge=0)] | PerExample,
        Meta(description="λ, the regularization's strength, or {per_example: λ/n}."),
    ] = 0.0
    regularizer: Annotated[RegularizerName, Meta(description="The penalty: l2 is (λ/2n)Σw².")] = (
        "l2"
    )
    dropout: Annotated[
        float,
        Meta(ge=0, lt=1, description="The fraction of hidden neurons dropped in each mini-batch."),
    ] = 0.0
    batch_size: Annotated[
        Positive | Literal["all"],
        Meta(description="Examples per mini-batch; all for full-batch methods."),
    ] = 10
    epochs: Annotated[
        int, Meta(ge=1, le=1_000_000, description="Maximum passes over the training data.")
    ] = 30
    evaluate_every: Annotated[
        int,
        Meta(
            ge=1,
            le=1_000_000,
            description="Epochs between evaluations, which write a metrics row and a checkpoint.",
        ),
    ] = 1
    stopping: Annotated[Stopping, Meta(description="The quantity that patience monitors.")] = (
        Accuracy()
    )
    patience: Annotated[
        Positive | None,
        Meta(
            description="Stop after this many epochs without improvement (no-improvement-in-n); "
            "null: never, the default under halve-on-plateau, which ends the run itself."
        ),
    ] = 10
    monitor: Annotated[
        tuple[Literal["train", "validation", "test", "saturation", "norms", "running_cost"], ...],
        Meta(
            description="Measured at each evaluation: train, validation, test, "
            "saturation (of hidden neurons), norms (of weights and gradient), running_cost "
            "(of the mini-batches, in each tenth of the epoch)."
        ),
    ] = ("train", "validation")
    dtype: Annotated[
        Literal["float32", "float64"], Meta(description="The precision of all arithmetic.")
    ] = "float32"
    rng: Annotated[
        Rng, Meta(description="Random streams: pcg64, or network2, those of the book.")
    ] = Pcg64()
    seed: Annotated[int, Meta(ge=0, le=2**63 - 1, description="The seed of all random draws.")] = 0


if TYPE_CHECKING:

    class CheckedConfig(Config, frozen=True):
        """A validated config: each value is of its type and in its range, and none clash.

        ``load`` returns such configs, and no other code validates them again. To change one, call
        ``load.changed``: ``structs.replace`` does not validate, although a type checker accepts
        its result as a CheckedConfig.
        """
else:  # NewType would be simpler, but mypy 2.4 crashes on one of a Struct
    CheckedConfig = Config

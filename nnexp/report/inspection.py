"""The result of inspect as a document and as a value for JSON."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from nnexp.analysis.initial_layers import Layer, Scope
from nnexp.analysis.inspection import Inspection
from nnexp.report.document import Document, Sentences, Table, plain
from nnexp.report.text import percent


def document(inspection: Inspection, config: str) -> Document:
    """Return the network, its layers under each initializer, and notes on the steps.

    Args:
        inspection: of the config.
        config: its name, the title.
    """
    steps = list(_steps(inspection))
    return plain(
        Sentences([_data(inspection)]),
        _network(inspection),
        _layers(inspection),
        Sentences(list(_legend(inspection.scope))),
        Sentences(steps) if steps else None,
        title=config,
    )


def _data(inspection: Inspection) -> str:
    counts = f"{inspection.examples} training examples"
    if inspection.known > inspection.examples:
        counts += f", {inspection.known} including validation"
    return f"{counts}; mean square of an input {inspection.mean_square:.4g}"


def _network(inspection: Inspection) -> Table:
    sizes = inspection.sizes
    shapes = zip(sizes[:-1], sizes[1:], inspection.parameters, strict=True)
    rows = [[str(number), *map(str, shape)] for number, shape in enumerate(shapes, 1)]
    rows.append(["all", "", "", str(sum(inspection.parameters))])
    return Table(["layer", "inputs", "neurons", "parameters"], rows)


def _layers(inspection: Inspection) -> Table:
    own = inspection.initialized[0]
    rows = [
        [
            str(number) if network is own else "",
            network.initializer,
            *_cells(network.layers[number - 1]),
        ]
        for number in range(1, len(inspection.parameters) + 1)
        for network in inspection.initialized
    ]
    header = ("layer", "initializer", "variance", "root", "measured", "saturated")
    return Table([*header, "gradient", "weights"], rows, left=2)


def _cells(layer: Layer) -> list[str]:
    norms = [f"{value:.3g}" for value in (layer.gradient_norm, layer.weight_norm)]
    deviations = [_deviation(layer.predicted), _deviation(layer.measured)]
    return [f"{layer.predicted**2:.4g}", *deviations, percent(layer.saturated), *norms]


def _deviation(value: float) -> str:
    needs_no_exponent = value == 0 or 0.1 <= value < 1e6  # noqa: PLR2004 - two decimals suffice
    return f"{value:.2f}" if needs_no_exponent else f"{value:.3g}"


def _legend(scope: Scope) -> Iterator[str]:
    """Explain the columns."""
    yield (
        "variance: of z, neurons' inputs, predicted as inputs · E[x²] · var(w) + var(b), with "
        "E[x²] of the data in layer 1 and, in later layers, of the activations for normally "
        "distributed z; root: its square root, the standard deviation of z. measured: the same on "
        f"{_count(scope.examples, 'training example')} and {_count(scope.networks, 'draw')} of the "
        "initial parameters, the first of them from the config's seed."
    )
    yield "saturated: the share of hidden activations whose slope is below 0.05."
    yield (
        "gradient, weights: the norms of a layer's gradient and weights, averaged over "
        f"{_count(scope.networks, 'draw')} with {_count(scope.batches, 'mini-batch', 'es')} of "
        f"{scope.rows} each; their ratio is the rate at which weights can change."
    )


def _count(number: int, noun: str, plural: str = "s") -> str:
    return f"{number} {noun}{'' if number == 1 else plural}"


def _steps(inspection: Inspection) -> Iterator[str]:
    """Describe how weights decay, and yield the notes on the steps."""
    if (decay := inspection.decay) is not None:
        text = (
            f"decay: a step multiplies weights by 1 - ηλ/n = {decay.algebra} = {decay.step:.8g}, "
            f"{_count(decay.steps, 'step')} an epoch by {decay.epoch:.4g}"
            f"{' (momentum counted in)' if decay.lasting != decay.step else ''}"
        )
        if decay.halving is not None:
            epochs = f"{decay.halving:.3g} epoch"
            text += f"; alone it would halve them in {epochs}{'s' * (epochs != '1 epoch')}"
        yield f"{text}. The penalty's gradient is λ/n = {decay.strength:g} times the weights."
    yield from inspection.notes


class ParametersOutput(Struct, frozen=True, kw_only=True):
    """Numbers of parameters."""

    layers: list[int]
    all: int


class LayerOutput(Struct, frozen=True, kw_only=True):
    """A layer under an initializer; null for a number that is not finite."""

    predicted: float | None
    """The standard deviation of z, like the next."""
    measured: float | None
    saturated: float | None
    """The fraction of saturated neurons and examples; null for output neurons."""
    gradient_norm: float | None
    weight_norm: float | None


class DecayOutput(Struct, frozen=True, kw_only=True):
    """How L2 alone shrinks weights; null for a number that is not finite."""

    algebra: str
    """1 - ηλ/n with its numbers."""
    strength: float | None
    """λ/n."""
    step: float | None
    """1 - ηλ/n."""
    steps: int
    """In an epoch."""
    lasting: float | None
    """The factor per step over many steps."""
    epoch: float | None
    """The factor per epoch."""
    halving: float | None
    """The number of epochs in which weights halve; null if they do not shrink."""


class InspectOutput(Struct, frozen=True, kw_only=True):
    """The result of inspect; null for a number that is not finite."""

    sizes: list[int]
    parameters: ParametersOutput
    examples: int
    mean_square: float | None
    measured_on: Scope
    initializers: dict[str, list[LayerOutput]]
    """The layers, by initializer."""
    decay: DecayOutput | None
    notes: list[str]
    warnings: list[str]


def output(inspection: Inspection) -> InspectOutput:
    """Return an inspection as a value for JSON."""
    decay = inspection.decay
    return InspectOutput(
        sizes=list(inspection.sizes),
        parameters=ParametersOutput(
            layers=list(inspection.parameters), all=sum(inspection.parameters)
        ),
        examples=inspection.examples,
        mean_square=inspection.mean_square,
        measured_on=inspection.scope,
        initializers={
            network.initializer: [_layer(layer) for layer in network.layers]
            for network in inspection.initialized
        },
        decay=decay and DecayOutput(**decay._asdict(), halving=decay.halving),
        notes=inspection.notes,
        warnings=inspection.warnings,
    )


def _layer(layer: Layer) -> LayerOutput:
    fields = layer._asdict()
    del fields["histogram"]
    return LayerOutput(**fields)

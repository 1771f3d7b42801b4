"""nnexp inspect: what to expect of a config before any training."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nnexp.cli import options
from nnexp.cli.output import put, say
from nnexp.errors import printable
from nnexp.report.text import as_json as json_line
from nnexp.report.text import percent, table, wrapped

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nnexp.analysis.initial_layers import Layer
    from nnexp.analysis.inspection import Decay, Inspection
    from nnexp.report.outputs import InspectOutput

WIDTH = 80


@click.command()
@click.argument("config", type=options.CONFIG)
@options.settings
@click.option(
    "--plot",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Also draw how z is distributed, layer by layer (.png, .svg or .pdf).",
)
@options.as_json
def inspect(config: Path, settings: tuple[str, ...], plot: Path | None, as_json: bool) -> None:
    """Say what to expect of CONFIG before any training: z, saturation, gradients, decay.

    \b
    Example:
      nnexp inspect configs/init-large.yaml --plot z.png
      nnexp inspect configs/quickstart.yaml --set initializer=he-normal

    Under the config's initializer and, beside it, the chapter's old and new rules,
    standard-normal and lecun-normal. Trains nothing and creates no run.
    """
    from nnexp.analysis import inspection
    from nnexp.config import load
    from nnexp.report.figure import check_target

    if plot is not None:
        check_target(plot)
    read = load.read(config, settings)
    found = inspection.inspect(read)
    for warning in found.warnings:
        say(f"warning: {warning}")
    if plot is not None:
        from nnexp.report import distributions, renderer

        renderer.save(distributions.figure(found, read.activation), plot)
    put(json_line(_output(found)) if as_json else _text(printable(str(config)), found))


def _output(found: Inspection) -> InspectOutput:
    from nnexp.report.outputs import InspectOutput

    decay = found.decay
    return InspectOutput(
        sizes=list(found.sizes),
        parameters={"layers": list(found.parameters), "all": sum(found.parameters)},
        examples=found.examples,
        mean_square=_finite(found.mean_square),
        measured_on=found.scope._asdict(),
        initializers={
            each.initializer: [_finites(layer._replace(histogram=None)) for layer in each.layers]
            for each in found.initialized
        },
        decay=None if decay is None else _finites(decay) | {"halving": decay.halving},
        notes=found.notes,
        warnings=found.warnings,
    )


def _finites(numbers: Layer | Decay) -> dict[str, Any]:
    """Return what is said of a layer or of the decay, its picture left out."""
    named = numbers._asdict().items()
    return {key: _finite(value) for key, value in named if key != "histogram"}


def _finite(value: Any) -> Any:  # noqa: ANN401 - any value of JSON
    """Return a value, or None for a number that JSON cannot say."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _text(name: str, found: Inspection) -> str:
    blocks = [_network(name, found), _layers(found), "\n".join(_legend(found)), *_steps(found)]
    return "\n\n".join(blocks)


def _network(name: str, found: Inspection) -> str:
    shapes = zip(found.sizes[:-1], found.sizes[1:], found.parameters, strict=True)
    rows = [[str(number), *map(str, shape)] for number, shape in enumerate(shapes, 1)]
    rows.append(["all", "", "", str(sum(found.parameters))])
    head = f"{name}\n{found.examples} training examples; "
    if found.known > found.examples:
        head += f"{found.known} with validation's; "
    head += f"mean square of an input {found.mean_square:.4g}"
    return f"{head}\n\n{table(('layer', 'inputs', 'neurons', 'parameters'), rows)}"


def _layers(found: Inspection) -> str:
    first = found.initialized[0].initializer
    rows = [
        [
            str(number) if each.initializer == first else "",
            each.initializer,
            *_cells(each.layers[number - 1]),
        ]
        for number in range(1, len(found.parameters) + 1)
        for each in found.initialized
    ]
    header = ("layer", "initializer", "z predicted", "measured", "saturated", "gradient", "weights")
    return table(header, rows, left=2)


def _cells(layer: Layer) -> list[str]:
    norms = [f"{value:.3g}" for value in (layer.gradient_norm, layer.weight_norm)]
    return [_spread(layer.predicted), _spread(layer.measured), percent(layer.saturated), *norms]


def _spread(value: float) -> str:
    plain = value == 0 or 0.1 <= value < 1e6  # noqa: PLR2004 - two decimals say enough
    return f"{value:.2f}" if plain else f"{value:.3g}"


def _legend(found: Inspection) -> Iterator[str]:
    """Say what the columns are."""
    examples, networks, batches, rows = found.scope
    yield _wrapped(
        "z: the standard deviation of what comes into a neuron. Predicted: "
        "sqrt(inputs · E[x²] · var(w) + var(b)), with E[x²] of the data in layer 1, and of "
        "what normal z before it give in a later layer. Measured: on "
        f"{_count(examples, 'training example')} and {_count(networks, 'draw')} of the initial "
        "parameters, the seed's own the first."
    )
    yield _wrapped("saturated: the share of hidden neurons and examples whose slope is below 0.05.")
    yield _wrapped(
        "gradient, weights: norms of a layer's weights and of the cost's gradient there, the mean "
        f"over {_count(networks, 'draw')}, {_count(batches, 'mini-batch', 'es')} of {rows} each; "
        "their ratio says how fast weights can change."
    )


def _count(number: int, what: str, plural: str = "s") -> str:
    return f"{number} {what}{'' if number == 1 else plural}"


def _steps(found: Inspection) -> Iterator[str]:
    """Say how weights decay, and what else is to be known of the steps."""
    lines = [_wrapped(note) for note in found.notes]
    if (decay := found.decay) is not None:
        said = (
            f"decay: a step multiplies weights by 1 - ηλ/n = {decay.algebra} = {decay.step:.8g}, "
            f"{_count(decay.steps, 'step')} an epoch by {decay.epoch:.4g}"
            f"{' (momentum counted in)' if decay.lasting != decay.step else ''}"
        )
        if decay.halving is not None:
            epochs = f"{decay.halving:.3g} epoch"
            said += f"; alone it would halve them in {epochs}{'s' * (epochs != '1 epoch')}"
        said += f". The penalty's gradient is λ/n = {decay.strength:g} times the weights."
        lines.insert(0, _wrapped(said))
    if lines:
        yield "\n".join(lines)


def _wrapped(text: str) -> str:
    return wrapped(text, WIDTH)

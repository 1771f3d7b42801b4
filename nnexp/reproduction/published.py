"""Read the published curves strictly: fig/*.json of the book's companion code.

The curves of a net are four lists, [evaluation cost, evaluation accuracy, training cost, training
accuracy], with one value per epoch, or none if they were not monitored; accuracies are counts. The
file of more_data has one percentage per net.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import msgspec
from msgspec import Meta, Struct

from nnexp.config.model import Config
from nnexp.datasets.files import named_by_user, open_binary
from nnexp.errors import DataError
from nnexp.reproduction.figures import BookFigure
from nnexp.reproduction.measures import Curve

LIMIT = 1 << 20
"""Maximum bytes of a file; the author's largest has some 20,000."""

MOST = 1e300
Values: TypeAlias = Annotated[
    list[Annotated[float, Meta(ge=0, le=MOST)]], Meta(max_length=1_000_000)
]
Four: TypeAlias = tuple[Values, Values, Values, Values]
Percentage: TypeAlias = Annotated[float, Meta(ge=0, le=100)]
Published: TypeAlias = dict[str, Curve]
"""A net's published series by their keys in metrics.jsonl; accuracies as counts."""

VALIDATION_EXAMPLES = 10_000


class Initializations(Struct, frozen=True, forbid_unknown_fields=True):
    """The content of weight_initialization_*.json."""

    default_weight_initialization: Four
    large_weight_initialization: Four


def read(path: Path, name: str, figure: BookFigure, configs: Sequence[Config]) -> list[Published]:
    """Return the published curves of each net of a figure, from an author's file.

    Args:
        path: the file.
        name: of the figure, which determines the file's structure.
        figure: the figure.
        configs: the nets' configs, with any settings applied.

    Raises:
        DataError: the file is missing, too large, not JSON, or of another figure.
        DiskError: the file cannot be read.
    """
    tree = _tree(path)
    try:
        if name == "more_data":
            shares = _convert(tree, list[Percentage], len(figure.nets))
            return [
                _final(share, net.config.epochs)
                for share, net in zip(shares, figure.nets, strict=True)
            ]
        return [
            _series(four, config)
            for four, config in zip(_fours(tree, name, figure), configs, strict=True)
        ]
    except (msgspec.ValidationError, ValueError) as error:
        raise DataError(f"{path}: is not the file of {name}: {error}") from error


def _tree(path: Path) -> Any:  # noqa: ANN401 - any JSON
    content = _content(path)
    try:
        return json.loads(content, parse_constant=_no_constant, object_pairs_hook=_distinct)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: is not JSON: {error}") from error


def _content(path: Path) -> bytes:
    with named_by_user(path), open_binary(path) as file:
        content = file.read(LIMIT + 1)
    if len(content) > LIMIT:
        raise DataError(f"{path}: is larger than {LIMIT} bytes; the author's files are smaller")
    return content


def _no_constant(text: str) -> float:
    raise ValueError(f"{text} is not a JSON number")


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) < len(pairs):
        raise ValueError("a key occurs twice")
    return dict(pairs)


def _convert(tree: Any, kind: Any, length: int) -> Any:  # noqa: ANN401 - msgspec's own types
    return msgspec.convert(tree, Annotated[kind, Meta(min_length=length, max_length=length)])


def _fours(tree: Any, name: str, figure: BookFigure) -> list[Four]:  # noqa: ANN401 - any JSON
    """Return the four lists of each net, in the figure's order."""
    if name.startswith("weight_initialization"):
        curves = msgspec.convert(tree, Initializations)
        return [curves.default_weight_initialization, curves.large_weight_initialization]
    if len(figure.nets) == 1:
        return [msgspec.convert(tree, Four)]
    fours: list[Four] = _convert(tree, list[Four], len(figure.nets))
    return fours


def _series(four: Four, config: Config) -> Published:
    """Return the nonempty series of one net.

    Raises:
        ValueError: they do not match each other or the net's monitor.
    """
    evaluation = "test" if "test" in config.monitor else "validation"
    keys = [f"{split}_{kind}" for split in (evaluation, "train") for kind in ("cost", "accuracy")]
    held = {key: values for key, values in zip(keys, four, strict=True) if values}
    lengths = {len(values) for values in held.values()}
    if len(lengths) != 1:
        raise ValueError(
            f"series of {sorted(lengths)} epochs" if lengths else "all series are empty"
        )
    for key, values in held.items():
        if key.endswith("accuracy") and not all(value.is_integer() for value in values):
            raise ValueError(f"{key} has counts that are not whole numbers")
        if (split := key.partition("_")[0]) not in config.monitor:
            raise ValueError(f"contains {key}, but monitor has no {split}")
    epochs = range(1, lengths.pop() + 1)
    return {key: Curve(epochs, values) for key, values in held.items()}


def _final(percentage: float, epochs: int) -> Published:
    count = round(percentage * VALIDATION_EXAMPLES / 100)
    return {"validation_accuracy": Curve([epochs], [count])}

"""Names that a config accepts, as messages list them: a new one changes no test."""

from __future__ import annotations

from typing import Any, get_args

from nnexp.datasets.sources import AnySource
from nnexp.nn import activations
from nnexp.optim.optimizers import Optimizer


def _tags(union: Any) -> str:  # noqa: ANN401 - a union of types
    return ", ".join(str(each.__struct_config__.tag) for each in get_args(union))


OPTIMIZERS = _tags(Optimizer)
SOURCES = _tags(AnySource)
ACTIVATIONS = ", ".join(sorted(activations.ACTIVATIONS))

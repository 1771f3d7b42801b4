"""Option types for quantities: sizes of memory, times and budgets."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

import click

from nnexp.cli.options import option_name, rejection

if TYPE_CHECKING:
    from nnexp.tune.trials import Budget

_SECONDS = {"s": 1, "m": 60, "h": 3600}
_EPOCHS = re.compile(r"\d{1,9}", re.ASCII)
_TIME = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)([smh])", re.ASCII)


class Size(click.ParamType[int]):
    """``500M`` or ``1.5G``: bytes, by powers of 1024."""

    name = "size"

    def convert(
        self, value: str | int, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """Return the bytes. Raises: UsageError."""
        from nnexp.config.sizes import parse_size

        del ctx
        if isinstance(value, int):
            return value
        try:
            return parse_size(value)
        except ValueError:
            raise rejection(option_name(param), "a size such as 500M or 1.5G", value) from None


class Seconds(click.ParamType[float]):
    """A positive, finite number of seconds."""

    name = "seconds"

    def convert(
        self, value: str | float, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the seconds. Raises: UsageError."""
        del ctx
        return _positive(value, param, "a number of seconds > 0")


class Amount(click.ParamType[float]):
    """A positive, finite number in a metric's unit: 0.2 and 0.2% are 0.2 points of an accuracy."""

    name = "number"

    def convert(
        self, value: str | float, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the number. Raises: UsageError."""
        del ctx
        allowed = "a number > 0 in the metric's unit, such as 0.2 for 0.2 points of an accuracy"
        number = value.removesuffix("%") if isinstance(value, str) else value
        return _positive(number, param, allowed)


def _positive(value: str | float, param: click.Parameter | None, allowed: str) -> float:
    """Return a positive, finite number. Raises: UsageError."""
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise rejection(option_name(param), allowed, value)
    return number


class Spending(click.ParamType["Budget"]):
    """``200`` is 200 epochs, ``90s``, ``2.5m`` and ``1h`` are times."""

    name = "budget"

    def convert(
        self,
        value: Any,  # noqa: ANN401 - click's own
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> Budget:
        """Return the budget. Raises: UsageError."""
        from nnexp.tune.trials import Budget

        del ctx
        if isinstance(value, Budget):
            return value
        if _EPOCHS.fullmatch(value) and int(value):
            return Budget(epochs=int(value))
        match = _TIME.fullmatch(value)
        if match is None or not float(match[1]):
            allowed = "a number of epochs, such as 200, or a time, such as 90s, 2.5m or 1h"
            raise rejection(option_name(param), allowed, value)
        return Budget(seconds=_SECONDS[match[2]] * float(match[1]))

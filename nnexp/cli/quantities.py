"""Option types for quantities: sizes of memory, times and budgets."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

import click

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
        """Return the bytes."""
        from nnexp.study.local import process

        if isinstance(value, int):
            return value
        try:
            return process.parse_size(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class Seconds(click.ParamType[float]):
    """A positive, finite number of seconds."""

    name = "seconds"

    def convert(
        self, value: str | float, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the seconds."""
        try:
            seconds = float(value)
        except ValueError:
            seconds = math.nan
        if not 0 < seconds < math.inf:
            self.fail(f"must be a number of seconds > 0, got {value!r}", param, ctx)
        return seconds


class Spending(click.ParamType["Budget"]):
    """``200`` is 200 epochs, ``90s``, ``2.5m`` and ``1h`` are times."""

    name = "budget"

    def convert(
        self,
        value: Any,  # noqa: ANN401 - click's own
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> Budget:
        """Return the budget."""
        from nnexp.tune.trials import Budget

        if isinstance(value, Budget):
            return value
        if _EPOCHS.fullmatch(value) and int(value):
            return Budget(epochs=int(value))
        match = _TIME.fullmatch(value)
        if match is None or not float(match[1]):
            examples = "200 is 200 epochs; 90s, 2.5m and 1h are times"
            self.fail(f"{value!r} is no budget; {examples}", param, ctx)
        return Budget(seconds=_SECONDS[match[2]] * float(match[1]))

"""Quantities as options have them: sizes of memory, and times."""

from __future__ import annotations

import math

import click


class Size(click.ParamType[int]):
    """``500M`` or ``1.5G``: bytes, by powers of 1024."""

    name = "size"

    def convert(
        self, value: str | int, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """Return the bytes."""
        from nnexp.sweep import limits

        if isinstance(value, int):
            return value
        try:
            return limits.size(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class Seconds(click.ParamType[float]):
    """A time that passes: neither 0 nor infinite."""

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

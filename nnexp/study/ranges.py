"""Ranges of numbers: check their ends, and map u in [0, 1) to a value.

``space`` draws u at random; ``samplers`` step through it for grids.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

from nnexp.config import keys
from nnexp.config.messages import closest, shortened, shown

CALL = re.compile(r"\s*([A-Za-z_-]+)\s*\((.*)\)\s*", re.DOTALL)
_START = re.compile(r"\s*([A-Za-z_-]+)\s*\(")

LIST = "a list of values"
SPAN = re.compile(r"\d+-\d+", re.ASCII)
"""Whole numbers in the notation of ``--seeds``, which values do not have."""
SHOWN = 9
"""Numbers after the first that a message lists."""

LARGEST = 10**12
"""Bound of whole-number ranges: up to it, random numbers have enough bits to reach every value."""


def ends(kind: str, bounds: object) -> tuple[Any, ...]:
    """Check and return the two ends of a range, or () for a choice.

    Raises: ValueError if they are not valid for this kind of range.
    """
    if kind == "choice" and isinstance(bounds, list) and bounds:
        return ()
    if kind == "choice":
        raise ValueError(f"must be {LIST}, got {shown(bounds)}")
    noun, types, most = "numbers", {int, float}, sys.float_info.max
    if RANGES[kind].is_whole:
        noun, types, most = "whole numbers", {int}, LARGEST
    pair: list[Any] = bounds if isinstance(bounds, list) and len(bounds) == 2 else [None, None]  # noqa: PLR2004 - low, high
    low, high = pair
    if not (set(map(type, pair)) <= types and -math.inf < low < high < math.inf):
        message = f"must be two {noun}, the smaller first, got {shortened(repr(bounds))}"
        raise ValueError(message)
    if max(-low, high) > most:
        raise ValueError(f"must be two {noun} up to {most:g}, got {shortened(repr(bounds))}")
    if RANGES[kind].is_log and not low > 0:
        raise ValueError(f"must be two {noun} > 0, got {shortened(repr(bounds))}")
    return low, high


def hint(text: object, *, in_braces: bool) -> str:
    """Return a hint on how to fix an incomplete range call, or "" for other text.

    Within YAML braces, a comma ends the text of an unquoted call.
    """
    if not isinstance(text, str) or "(" not in text:
        return ""
    if text.count("(") == text.count(")"):
        return "; a range stands alone, as in log-uniform(0.01, 1)"
    if not in_braces or "," in text:
        return "; the closing ')' is missing"
    return '; within braces a call needs quotes: "uniform(0, 1)"'


def is_call(text: str) -> bool:
    """Return whether text is meant as a range, even if misspelt or unclosed."""
    start = _START.match(text)
    return start is not None and bool(CALL.fullmatch(text) or closest(start[1], KINDS))


def is_value(key: str, tree: object) -> bool:
    """Return whether a tree is a single value of a key, not a list of values or a range."""
    if isinstance(tree, list):
        return keys.takes_lists(key) and not any(isinstance(item, list) for item in tree)
    if isinstance(tree, dict) and len(tree) == 1:
        ((kind, values),) = tree.items()
        is_setting = f"{key}.{kind}" in keys.known() or not isinstance(values, list)
        return kind not in KINDS and is_setting
    return not (isinstance(tree, str) and is_call(tree))


def fault(key: str, values: list[Any]) -> str | None:
    """Return what is wrong with an option's list of values: it is empty, or has 0-4 of --seeds."""
    if not values:
        return f"must be {LIST}, got an empty list"
    spans = [value for value in values if isinstance(value, str) and SPAN.fullmatch(value)]
    if not spans or not keys.takes_numbers(key):
        return None
    first, last = sorted(map(int, spans[0].split("-")))
    numbers = ",".join(map(str, range(first, min(last, first + SHOWN) + 1)))
    rest = f",…,{last}" if last > first + SHOWN else ""
    return f"{key}: must be numbers separated by commas, got {spans[0]}; write {numbers}{rest}"


def uniform(low: float, high: float, u: float) -> float:
    """Map u in [0, 1) to [low, high], uniformly."""
    return _rounded(low * (1 - u) + high * u, low, high)


def log_uniform(low: float, high: float, u: float) -> float:
    """Map u in [0, 1) to [low, high], uniformly in the logarithm."""
    return _rounded(math.exp(math.log(low) * (1 - u) + math.log(high) * u), low, high)


def _rounded(value: float, low: float, high: float) -> float:
    """Round to six significant digits, so that tables show the exact value that was trained."""
    return float(min(max(float(f"{value:.6g}"), low), high))


def integers(low: int, high: int, u: float) -> int:
    """Map u in [0, 1) to the integers low to high inclusive, uniformly."""
    return low + int(u * (high - low + 1))


def log_integers(low: int, high: int, u: float) -> int:
    """Map u in [0, 1) to the integers low to high inclusive, uniformly in the logarithm.

    A number that is log-uniform on [low - 1/2, high + 1/2) is rounded to the nearest integer:

        k = floor(exp((1 - u) ln(low - 1/2) + u ln(high + 1/2)) + 1/2)

    so that P(k) = ln((k + 1/2) / (k - 1/2)) / ln((high + 1/2) / (low - 1/2)): nearly
    proportional to 1/k, and positive for every k. Optuna samples log-integers the same way.
    """
    k = math.floor(math.exp(math.log(low - 0.5) * (1 - u) + math.log(high + 0.5) * u) + 0.5)
    return min(max(k, low), high)


class Range(NamedTuple):
    """A distribution of numbers between two ends."""

    value: Callable[[Any, Any, float], Any]
    """Maps low, high and u in [0, 1) to a number between the ends."""
    is_whole: bool = False
    is_log: bool = False
    """Whether its values are spaced by ratio instead of by difference."""


RANGES = {
    "uniform": Range(uniform),
    "log-uniform": Range(log_uniform, is_log=True),
    "integers": Range(integers, is_whole=True),
    "log-integers": Range(log_integers, is_whole=True, is_log=True),
}

KINDS = (*RANGES, "choice")

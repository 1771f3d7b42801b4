"""Names of runs and lists of seeds: their syntax and limits."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

NAME_LENGTH = 100
NAME = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._-]{{0,{NAME_LENGTH - 1}}}", re.ASCII)


MAX_CLASSES = 10_000
"""Maximum output neurons; more classes are probably a misread column."""

MAX_SEEDS = 100_000
SEED_WIDTH = 40
"""Maximum characters of an invalid seed in a message."""
_SEEDS = re.compile(r"(\d{1,18})(?:-(\d{1,18}))?", re.ASCII)


def seeds(given: str | Sequence[int | str]) -> list[int]:
    """Parse seeds: ``5`` is 0 to 4, and ``0-4,7`` is a list with a range.

    In a list from a file, a single number is a seed: [7] is seed 7 only.

    Raises:
        ValueError: a part is not a seed or a range, a seed is repeated, or there are too many.
    """
    text = given if isinstance(given, str) else ",".join(map(str, given))
    parts = [part.strip() for part in text.split(",")]
    is_count = isinstance(given, str) and len(parts) == 1
    ranges = [_seed_range(part, is_count=is_count) for part in parts]
    if (count := sum(map(len, ranges))) > MAX_SEEDS:
        raise ValueError(f"must be at most {MAX_SEEDS:,} seeds, got {count:,}")
    counts = Counter(seed for part in ranges for seed in part)
    if len(counts) < count:
        raise ValueError(f"seed {counts.most_common(1)[0][0]} is given twice; give each seed once")
    return list(counts)


def _seed_range(part: str, *, is_count: bool) -> range:
    """Parse one part of a list; if is_count, a single number is the number of seeds."""
    match = _SEEDS.fullmatch(part)
    if part.isdecimal() and match is None:
        raise ValueError(f"a seed has at most 18 digits, got {len(part):,}")
    if match is None:
        shown = repr(part if len(part) <= SEED_WIDTH else f"{part[: SEED_WIDTH - 1]}…")
        raise ValueError(
            f"{shown} is neither a seed nor a range of seeds; "
            "5 is seeds 0 to 4, and 0-4,7 is 0, 1, 2, 3, 4, 7"
        )
    first, last = int(match[1]), int(match[2] or match[1])
    if is_count and match[2] is None:
        if not first:
            raise ValueError("must be at least 1 seed, got 0; 5 is seeds 0 to 4, and 0-0 is seed 0")
        return range(first)
    if last < first:
        raise ValueError(f"the range {part} is empty; write {last}-{first}")
    return range(first, last + 1)


def is_run_name(name: str) -> bool:
    """Return whether a name is valid for a run: letters, digits and ``._-``, at most 100."""
    return NAME.fullmatch(name) is not None


_SEEDED = re.compile(r"(.+)-s\d{1,18}", re.ASCII)


def is_derived(name: str) -> bool:
    """Return whether a run's name was derived from its config and data, not given by hand."""
    _, dash, digits = without_seed(name).rpartition("-")
    return bool(dash) and len(digits) == DIGITS and set(digits) <= set("0123456789abcdef")


def without_seed(name: str) -> str:
    """Return a run's name without ``-s`` and any seed."""
    match = _SEEDED.fullmatch(name)
    return match[1] if match else name


DIGITS = 12
"""Hexadecimal digits, of a digest of config and data, in a name that is not given by hand."""


def stem(name: str, seed: int | None) -> str:
    """Return a run's name without ``-s`` and this seed: the part common to all seeds."""
    return name.removesuffix(f"-s{seed}")

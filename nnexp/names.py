"""Names of runs and lists of seeds: their grammar, and the limits on both."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

NAME_LENGTH = 100
NAME = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._-]{{0,{NAME_LENGTH - 1}}}", re.ASCII)


MOST_CLASSES = 10_000
"""A class is an output neuron: more than this is a misread column, not a classifier."""

MOST_SEEDS = 100_000
WIDEST_SEED = 40
"""Characters that a message shows of what is no seed."""
_SEEDS = re.compile(r"(\d{1,18})(?:-(\d{1,18}))?", re.ASCII)


def seeds(given: str | Sequence[int | str]) -> list[int]:
    """Return the seeds that ``5`` (0 to 4) or ``0-4,7`` (a list with ranges) stands for.

    A list from a file is the same without the commas, so that [7] is seed 7 alone.

    Raises:
        ValueError: it says what is wrong with the first part that is no seed, or with all.
    """
    text = given if isinstance(given, str) else ",".join(map(str, given))
    parts = [part.strip() for part in text.split(",")]
    is_count = isinstance(given, str) and len(parts) == 1
    ranges = [_seed_range(part, is_count=is_count) for part in parts]
    if (count := sum(map(len, ranges))) > MOST_SEEDS:
        raise ValueError(f"must be at most {MOST_SEEDS:,} seeds, got {count:,}")
    found = Counter(seed for part in ranges for seed in part)
    if len(found) < count:
        raise ValueError(f"seed {found.most_common(1)[0][0]} is given twice; give each seed once")
    return list(found)


def _seed_range(part: str, *, is_count: bool) -> range:
    """Return the seeds of a part of a list; a number that stands alone is their count."""
    match = _SEEDS.fullmatch(part)
    if part.isdecimal() and match is None:
        raise ValueError(f"a seed has at most 18 digits, got {len(part):,}")
    if match is None:
        shown = repr(part if len(part) <= WIDEST_SEED else f"{part[: WIDEST_SEED - 1]}…")
        raise ValueError(
            f"{shown} is no seed and no range of seeds; "
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
    """Return whether a run may be called so: letters, digits, ``._-``, at most 100."""
    return NAME.fullmatch(name) is not None


_SEEDED = re.compile(r"(.+)-s\d{1,18}", re.ASCII)


def without_seed(name: str) -> str:
    """Return what a run's name has in common with those of its config's other seeds."""
    match = _SEEDED.fullmatch(name)
    return match[1] if match else name


def stem(name: str, seed: int | None) -> str:
    """Return a run's name without ``-s`` and its own seed: what it shares with other seeds'."""
    return name.removesuffix(f"-s{seed}")

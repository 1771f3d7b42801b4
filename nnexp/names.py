"""Names of runs and lists of seeds: their grammar, and the limits on both."""

from __future__ import annotations

import re

NAME_LENGTH = 100
NAME = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._-]{{0,{NAME_LENGTH - 1}}}", re.ASCII)


MOST_CLASSES = 10_000
"""A class is an output neuron: more than this is a misread column, not a classifier."""

MOST_SEEDS = 100_000
_SEEDS = re.compile(r"(\d{1,18})(?:-(\d{1,18}))?", re.ASCII)


def seeds(text: str) -> list[int]:
    """Return the seeds that ``5`` (0 to 4) or ``0-4,7`` (a list with ranges) stands for.

    Raises:
        ValueError: it is no list of different seeds.
    """
    parts = [_SEEDS.fullmatch(part.strip()) for part in text.split(",")]
    if len(parts) == 1 and parts[0] and parts[0][2] is None:
        ranges = [range(int(parts[0][1]))]
    else:
        ranges = [range(int(p[1]), int(p[2] or p[1]) + 1) if p else range(0) for p in parts]
    count = sum(map(len, ranges))
    if not all(ranges) or count > MOST_SEEDS or len(set().union(*ranges)) != count:
        raise ValueError(
            f"{text!r} is no list of different seeds; "
            "5 is seeds 0 to 4, and 0-4,7 is 0, 1, 2, 3, 4, 7"
        )
    return [seed for part in ranges for seed in part]


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

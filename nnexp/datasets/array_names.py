"""Recognize the arrays of an archive by their names: nnexp's own, Keras's, MedMNIST's, and others.

A name consists of a word for features or labels and one for the split, in either order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from nnexp.datasets.files import MalformedError
from nnexp.datasets.name_lists import listed, yaml_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nnexp.datasets.npz import Header
    from nnexp.datasets.sources import Arrays

SPLITS = ("train", "validation", "test")

SHOWN = 8
"""Maximum number of arrays that a message lists."""

SPLIT_WORDS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("validation", "valid", "val", "dev"), "validation"),
    **dict.fromkeys(("test", "testing"), "test"),
}
KIND_WORDS = {
    **dict.fromkeys(("x", "images", "data", "features", "inputs"), "x"),
    **dict.fromkeys(("y", "labels", "label", "targets", "target"), "y"),
}


def role(name: str) -> str | None:
    """Return the role of an array by its name, such as x_train, or None if it has none."""
    lower = name.lower()
    if lower in {"class_names", "label_names", "target_names"}:
        return "class_names"
    if lower in KIND_WORDS:
        return f"{KIND_WORDS[lower]}_train"
    first, _, second = lower.partition("_")
    for kind, split in ((first, second), (second, first)):
        if kind in KIND_WORDS and split in SPLIT_WORDS:
            return f"{KIND_WORDS[kind]}_{SPLIT_WORDS[split]}"
    return None


def choose(headers: Mapping[str, Header], given: Arrays) -> dict[str, str]:
    """Return the name of the array for each role that an archive fills.

    Args:
        headers: of the archive's arrays.
        given: names that the config gives.

    Raises: MalformedError if an array is missing, or one is unknown and no names are given.
    """
    chosen = {key: name for key, name in msgspec.structs.asdict(given).items() if name is not None}
    has_names = bool(chosen)
    for key, name in chosen.items():
        if name not in headers:
            raise MalformedError(
                f"contains no {name!r}, which data.arrays.{key} names; it contains "
                f"{_contents(headers)}"
            )
    unknown = []
    for name in sorted(headers, key=lambda name: (name != role(name), name)):
        own = role(name)
        if name in chosen.values():
            continue
        if own is None:
            unknown.append(name)
        elif own not in chosen:
            chosen[own] = name
        elif not has_names:
            raise MalformedError(
                f"contains both {chosen[own]} and {name}, which could be {own}; choose one by "
                f"data.arrays: {{{own}: {yaml_name(name)}}}"
            )
    _check(chosen, headers, [] if has_names else unknown)
    return {key: chosen[key] for key in sorted(chosen)}


def _check(chosen: Mapping[str, str], headers: Mapping[str, Header], unknown: list[str]) -> None:
    for needed in ("x_train", "y_train"):
        if needed not in chosen:
            raise MalformedError(
                f"contains no {needed}; it contains {_contents(headers)}; name the array by "
                f"data.arrays: {_proposal(chosen, headers)}"
            )
    for split in SPLITS:
        x, y = f"x_{split}", f"y_{split}"
        if (x in chosen) != (y in chosen):
            have, lacks = (x, y) if x in chosen else (y, x)
            raise MalformedError(
                f"{x} and {y} go together, contains only one of them, {chosen[have]!r}; name the "
                f"second array by data.arrays: {{{lacks}: …}}"
            )
    if unknown:
        raise MalformedError(
            f"contains an unknown array {unknown[0]!r} (known: x_train, y_train, x_validation, "
            "…, y_test, class_names); name the arrays to use by data.arrays: "
            f"{_proposal(chosen, headers)}, and the rest is left out"
        )


def _proposal(chosen: Mapping[str, str], headers: Mapping[str, Header]) -> str:
    """Return a value of data.arrays, with the first arrays that have no role where one lacks."""
    free = (name for name in headers if name not in chosen.values())
    needed = {key: chosen.get(key) or next(free, "NAME") for key in ("x_train", "y_train")}
    return f"{{{', '.join(f'{key}: {yaml_name(name)}' for key, name in needed.items())}}}"


def _contents(headers: Mapping[str, Header]) -> str:
    return listed(sorted(headers), SHOWN) or "no arrays"

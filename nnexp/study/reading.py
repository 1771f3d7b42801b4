"""What a sweep is said to be: by a sweep file, by options, or by both together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from nnexp.config import load, overrides
from nnexp.config.problem import Place, Problem
from nnexp.errors import ConfigError
from nnexp.study import axes
from nnexp.study.axes import Axis, Choice
from nnexp.study.definition import Definition
from nnexp.study.sweep_file import Sheet, is_sheet, kept


def read(
    path: str,
    settings: Sequence[str] = (),
    grids: Sequence[str] = (),
    seeds: list[int] | None = None,
) -> Definition:
    """Return the sweep of a config or a sweep file, with options put over it.

    Raises: ConfigError with every problem; DiskError when a file cannot be read.
    """
    problems: list[str] = []
    document = load.document(path)
    if is_sheet(document):
        found = Sheet(document, problems).definition()
    else:
        found = Definition(path, document, [], [], None, [])
    problems += _overruled(found.fixed, found.axes)
    said: list[Choice] = []
    for each in settings:
        if (override := kept(problems, partial(overrides.parse, each))) is not None:
            key, place = ".".join(override.path), override.value.source
            said.append(Choice(key, override.value.root, place))
    for each in grids:
        if (axis := kept(problems, partial(axes.from_setting, each))) is not None:
            found.axes.append(axis)
    problems += _overruled(said, found.axes)
    found.fixed.extend(said)
    found = found if seeds is None else found._replace(seeds=seeds)
    told = document.place(("seeds",)) if seeds is None else Place("--seeds", is_setting=True)
    problems += _told_twice(found, told)
    problems += [str(each) for each in (*_seeds_swept(found.axes), *_dropped(found))]
    if problems:
        raise ConfigError(problems)
    return found


def _overruled(fixed: Sequence[Choice], varied: Sequence[Axis]) -> list[str]:
    """Return what is wrong where a key has a value for every point and is swept, too."""
    swept = {choice.key: choice.place for axis in varied for choice in axis.rows[0]}
    message = "is swept at {}, so that this value would have no say: leave one of them out"
    return [
        str(Problem(each.place, each.path, message.format(swept[each.key])))
        for each in fixed
        if each.key in swept
    ]


def _told_twice(found: Definition, seeds: Place) -> list[str]:
    """Return what is wrong where two axes, or an axis and the seeds, vary the same key."""
    first: dict[str, Place] = {}
    problems = []
    choices = [choice for axis in found.axes for choice in axis.rows[0]]
    for each in choices:
        if each.key in first:
            message = f"is swept twice, here and at {first[each.key]}: leave one of them out"
            problems.append(str(Problem(each.place, each.path, message)))
        first.setdefault(each.key, each.place)
    for each in found.fixed if found.seeds is not None else []:
        if each.key == "seed":
            message = f"seed and seeds, which are at {seeds}: leave one of them out"
            problems.append(str(Problem(each.place, (), message)))
    return problems


def _seeds_swept(varied: Sequence[Axis]) -> Iterator[Problem]:
    """Generate what is wrong where seeds are an axis: the ranking is the mean over them."""
    for axis in varied:
        for choice in axis.rows[0]:
            if choice.key == "seed":
                message = "is no key to rank by: give --seeds, or a sweep file's seeds"
                yield Problem(choice.place, choice.path, message)


def _dropped(found: Definition) -> Iterator[Problem]:
    """Generate what is wrong where a later value replaces a whole of which a part was given."""
    given = [*found.fixed, *(choice for axis in found.axes for choice in axis.rows[0])]
    for place, part in enumerate(given):
        for whole in given[max(place + 1, len(found.fixed)) :]:
            if len(whole.path) < len(part.path) and part.path[: len(whole.path)] == whole.path:
                message = (
                    f"has no say, since {whole.key} comes after it and replaces it "
                    f"({whole.place}): sweep {whole.key} first, or say it in its values, "
                    f"as in {{name: ..., {'.'.join(part.path[len(whole.path) :])}: ...}}"
                )
                yield Problem(part.place, part.path, message)

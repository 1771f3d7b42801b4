"""A sweep file, read.

It is YAML as strict as a config, with the keys of ``KEYS``; only ``config`` is needed:

    config: configs/quickstart.yaml
    set: {epochs: 10}
    grid: {learning_rate: [0.1, 1], optimizer.mu: [0.5, 0.9]}
    zip: {hidden: [[30], [100]], lambda: [1, 5]}
    random: {draws: 20, seed: 0, from: {dropout: {uniform: [0, 0.5]}}}
    seeds: 0-4
    exclude: [{learning_rate: 1, lambda: 5}]

Keys of configs are dotted, as in ``--set``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import chain
from typing import Any, TypeVar

from nnexp import checks
from nnexp.config import load, problem
from nnexp.config.document import Document
from nnexp.config.problem import Place, refusal
from nnexp.config.wording import listed, shown, unknown_key
from nnexp.errors import ConfigError
from nnexp.study import axes
from nnexp.study.axes import Axis, Choice
from nnexp.study.definition import Definition, Exclusion

T = TypeVar("T")

KEYS = ("config", "set", "grid", "zip", "random", "seeds", "exclude")
RANDOM_KEYS = ("draws", "seed", "from")


def is_sheet(document: Document) -> bool:
    """Return whether a file describes a sweep: it has a key that no config has."""
    return bool(set(document.root) & set(KEYS))


def kept(problems: list[str], step: Callable[[], T]) -> T | None:
    """Return what a step returns, or None and note its problems."""
    try:
        return step()
    except ConfigError as error:
        problems += error.problems
        return None


class Sheet:
    """Reads a sweep file's document; what is wrong gathers in ``problems``."""

    def __init__(self, document: Document, problems: list[str]) -> None:
        self._document = document
        self._problems = problems

    def definition(self) -> Definition:
        """Return what the file says.

        Raises: ConfigError where nothing can be said without knowing more.
        """
        root, problems = self._document.root, self._problems
        if self._document.problems:
            raise problem.error(self._document.problems)
        for key in root:
            if key not in KEYS:
                message = unknown_key(key, KEYS, (), "a sweep")
                problems += self._refusal((key,), message, key=True).problems
        config = root.get("config")
        if not isinstance(config, str):
            message = f"a sweep needs 'config', the base config's file, got {shown(config)}"
            raise ConfigError([*problems, *self._refusal(("config",), message).problems])
        base = kept(problems, partial(load.document, config))
        fixed = [Choice(key, v, self._place(("set", key))) for key, v in self._items("set")]
        varied = [*self._grid(), *self._zip(), *self._random()]
        seeds, exclusions = self._seeds(), self._exclusions(varied)
        if base is None:
            raise ConfigError(problems)
        return Definition(config, base, fixed, varied, seeds, exclusions)

    def _refusal(
        self, path: tuple[str | int, ...], message: str, *, key: bool = False
    ) -> ConfigError:
        place = self._document.keys[path] if key else self._place(path)
        return refusal(place, message, path)

    def _place(self, path: tuple[str | int, ...]) -> Place:
        return self._document.place(path)

    def _keep(self, step: Callable[[], T]) -> T | None:
        return kept(self._problems, step)

    def _items(self, *path: str) -> list[tuple[str, Any]]:
        """Return the keys and values of a mapping that may be absent; every key is checked."""
        tree: Any = self._document.root
        for key in path:
            tree = tree.get(key) if isinstance(tree, dict) else None
        if tree is None:
            return []
        if not isinstance(tree, dict):
            message = f"must be a mapping of keys, got {shown(tree)}"
            self._problems += self._refusal(path, message).problems
            return []
        for key in tree:
            self._keep(partial(axes.check_key, key, self._document.keys[*path, key]))
        return list(tree.items())

    def _grid(self) -> list[Axis]:
        items = self._items("grid")
        made = [self._keep(partial(axes.grid, k, self._document, ("grid", k))) for k, _ in items]
        return [axis for axis in made if axis is not None]

    def _zip(self) -> list[Axis]:
        items = self._items("zip")
        lists = [self._keep(partial(axes.choices, k, self._document, ("zip", k))) for k, _ in items]
        columns = [column for column in lists if column is not None]
        if not columns:
            return []
        axis = self._keep(partial(axes.zipped, columns, self._place(("zip",))))
        return [] if axis is None else [axis]

    def _random(self) -> list[Axis]:
        given = dict(self._items("random"))
        for key in given:
            if key not in RANDOM_KEYS:
                message = unknown_key(key, RANDOM_KEYS, (), "random")
                self._problems += self._refusal(("random", key), message, key=True).problems
        if not given:
            return []
        ranges = {
            key: self._keep(partial(axes.read_range, self._document, ("random", "from", key)))
            for key, _ in self._items("random", "from")
        }
        if not ranges:
            message = "needs 'from', a mapping of keys to ranges"
            self._problems += self._refusal(("random",), message).problems
        draws, seed = self._whole("draws", 1, axes.MOST), self._whole("seed", 0, 2**63 - 1)
        sound = {key: found for key, found in ranges.items() if found is not None}
        return [axes.drawn(sound, draws, seed)] if sound and draws else []

    def _whole(self, key: str, least: int, most: int) -> int:
        """Return a whole number of the random section; the seed is 0 unless it is given."""
        value = self._document.root["random"].get(key, 0 if key == "seed" else None)
        if type(value) is int and least <= value <= most:
            return value
        message = f"must be a whole number from {least} to {most}, got {shown(value)}"
        self._problems += self._refusal(("random", key), message).problems
        return 0

    def _seeds(self) -> list[int] | None:
        value = self._document.root.get("seeds")
        if value is None:
            return None
        try:
            return checks.seeds(_seeds_text(value))
        except ValueError as error:
            self._problems += self._refusal(("seeds",), str(error)).problems
            return None

    def _exclusions(self, varied: Sequence[Axis]) -> list[Exclusion]:
        given = self._document.root.get("exclude")
        if given is None:
            return []
        if not isinstance(given, list) or not all(isinstance(each, dict) for each in given):
            message = f"must be a list of mappings of swept keys to values, got {shown(given)}"
            self._problems += self._refusal(("exclude",), message).problems
            return []
        known = list(chain(("seed",), *(axis.keys for axis in varied)))
        for number, each in enumerate(given):
            for key in each:
                if key not in known:
                    message = f"{key} is not swept (swept: {listed(known)})"
                    path = ("exclude", number, key)
                    self._problems += self._refusal(path, message, key=True).problems
        return [
            Exclusion(
                {key: value if isinstance(value, list) else [value] for key, value in each.items()},
                self._place(("exclude", number)),
            )
            for number, each in enumerate(given)
        ]


def _seeds_text(value: object) -> str:
    """Return seeds as the command line has them: 7 is seeds 0 to 6, and [7] is seed 7.

    Raises: ValueError.
    """
    numbers = value if isinstance(value, list) else [value]
    if not numbers or any(type(number) not in {int, str} for number in numbers):
        raise ValueError(f"must be seeds, such as 5, 0-4 or [1, 3], got {shown(value)}")
    if not isinstance(value, list):
        return str(value)
    return ",".join(f"{each}-{each}" if type(each) is int else each for each in value)

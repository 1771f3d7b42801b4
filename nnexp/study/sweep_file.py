"""What is varied, read from files and from options: one reader and one grammar for all of them.

A sweep file is YAML as strict as a config, with the keys of ``SECTIONS``; only config is needed:

    config: configs/quickstart.yaml
    set: {epochs: 10}
    grid: {learning_rate: [0.1, 1], optimizer.mu: [0.5, 0.9]}
    zip: {hidden: [[30], [100]], lambda: [1, 5]}
    random: {draws: 20, seed: 0, from: {dropout: {uniform: [0, 0.5]}}}
    seeds: 0-4
    exclude: [{learning_rate: 1, lambda: 5}]

A key, dotted as in ``--set``, has a list of values or a range:

    [A, B]                         in an option also A,B
    {log-uniform: [LOW, HIGH]}     or log-uniform(LOW, HIGH); likewise for all of ``KINDS``

A file of ``--space`` has keys at its top, or the sections grid, zip, random (from), seeds, exclude.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import chain
from pathlib import Path as FilePath
from typing import Any, NamedTuple, TypeVar

from nnexp import names
from nnexp.config import dump, keys, load, overrides, problem, reader
from nnexp.config.document import INVALID, YamlDocument
from nnexp.config.messages import listed, shortened, shown, unknown, unknown_key
from nnexp.config.problem import Path, Place, Problem, refusal
from nnexp.errors import ConfigError, UsageError, printable
from nnexp.study import ranges, space
from nnexp.study.ranges import KINDS
from nnexp.study.space import MOST, Choice, Dimension, Exclusion, Seeds, Space, keys_of

T = TypeVar("T")

SECTIONS = ("config", "set", "grid", "zip", "random", "seeds", "exclude")
DRAWS = {"draws": (1, MOST), "seed": (0, 2**63 - 1)}
"""The numbers of the random section: the least and the most."""
OPTIONS = {"config": "CONFIG", "set": "--set", "draws": "--trials", "seed": "--seed"}
"""The arguments of a search for what a sweep has in its file."""

LIST = "a list of values"
ANY = f"{LIST}, or a range of {listed(KINDS)}"


class Sweep(NamedTuple):
    """A sweep, before its points are made."""

    config: str
    """The base config's file, as it was written."""
    base: YamlDocument
    fixed: list[Choice]
    """What every point has in place of the file's values."""
    space: Space
    """Of lists alone: random points are a list, too."""

    @property
    def stem(self) -> str:
        """The beginning of the runs' names, as under ``nnexp train``."""
        return FilePath(self.config).stem

    @property
    def seeds(self) -> tuple[int, ...] | None:
        """The seeds of each point; None: the config's own."""
        return None if self.space.seeds is None else self.space.seeds.numbers


def read(
    path: str,
    settings: Sequence[str] = (),
    grids: Sequence[str] = (),
    seeds: Sequence[int] | None = None,
) -> Sweep:
    """Return the sweep of a config or a sweep file, with options put over it.

    Raises: ConfigError with every problem; DiskError when a file cannot be read.
    """
    problems: list[str] = []
    document = load.document(path)
    is_sweep_file = bool(set(document.root) & set(SECTIONS))
    if not is_sweep_file:
        _check_not_space(path, document)
    file = _File(document if is_sweep_file else document._replace(root={}), problems)
    config, base = file.base() if is_sweep_file else (path, document)
    fixed, lists = file.settings(), [*file.section("grid"), *file.zipped()]
    drawn, draws = file.drawn(), file.draws()
    own, exclusions = file.seeds(), file.exclusions()
    problems += map(str, space.overruled(fixed, [*lists, *drawn]))
    said = _sound(overrides.parse, settings, problems)
    given = [Choice(".".join(path), value.root, value.source) for path, value in said]
    documents = _sound(partial(_option, "--grid"), grids, problems)
    options = [each for one in documents for each in _File(one, problems).section()]
    before, after = ([each for each in part if each.rows] for part in (lists, options))
    drawn += [each for each in (*lists, *options) if each.ends]
    varied = [*before, *drawn, *after]
    problems += map(str, space.overruled(given, varied))
    file.check_draws(drawn)
    own = own if seeds is None else Seeds(tuple(seeds), Place("--seeds", is_setting=True))
    fixed += given
    problems += map(str, space.clashes(fixed, varied, own))
    problems += map(str, space.unvaried(exclusions, ["seed", *keys_of(varied)], "swept"))
    if problems or base is None:
        raise ConfigError(problems)
    if drawn:
        rows = space.draw(drawn, *draws)
        before.append(Dimension(keys_of(drawn), "zip", drawn[0].place, rows))
    return Sweep(config, base, fixed, Space((*before, *after), tuple(exclusions), own))


def _check_not_space(path: str, document: YamlDocument) -> None:
    """Refuse a search space where a config is wanted. Raises: ConfigError."""
    if document.root and not any(ranges.is_value(*each) for each in document.root.items()):
        message = (
            f"this is a search space: nnexp search CONFIG --space {path}; "
            "a sweep file has its values under grid, and config beside it"
        )
        raise refusal(document.place(()), message)


def read_space(sources: Sequence[str]) -> tuple[Space, list[str]]:
    """Return what is sound of files and of KEY=VALUES or KEY=RANGE, and the problems of the rest.

    Raises: UsageError where there is nothing to vary; DiskError where a file cannot be read.
    """
    problems: list[str] = []
    found: list[Dimension] = []
    exclusions: list[Exclusion] = []
    seeds: list[Seeds] = []
    for document in _sound(_source, sources, problems):
        problems += map(str, document.problems)
        file = _File(document, problems, is_search=True)
        for each in file.searched():
            problems += (twice := [*map(str, space.twice([*found, each], "searched"))])
            if not twice and not document.problems:  # what could not be read is no value
                found.append(each)
        exclusions += file.exclusions()
        seeds += filter(None, [file.seeds()])
    if not found and not problems:
        example = "--space 'learning_rate=log-uniform(0.01, 10)'"
        raise UsageError(f"a search needs a space, such as {example}")
    for more in seeds[1:]:
        message = f"seeds are also at {seeds[0].place}: leave one of them out"
        problems += refusal(more.place, message).problems
    sound = Space(tuple(found), tuple(exclusions), next(iter(seeds), None))
    unknown_keys = list(space.unvaried(exclusions, sound.keys, "searched"))
    problems += map(str, unknown_keys or sound.problems())
    return sound, problems


def _dimension(document: YamlDocument, path: Path, wanted: str = ANY) -> Dimension:
    """Return the list of values or the range of a key, which is the last of a path.

    Raises: ConfigError where it is neither.
    """
    key, tree, place, inner = str(path[-1]), document.at(path), document.place(path), path
    if isinstance(tree, str) and (call := ranges.CALL.fullmatch(tree)):
        # A call is the mapping that it stands for, all of it at the call's place.
        found = reader.read(f"{{{call[1]}: [{call[2]}]}}", place._replace(is_setting=True))
        if found.problems:
            raise problem.error(Problem(place, (*path, *e.path), e.message) for e in found.problems)
        document, tree = YamlDocument(None, {}, {}, [], place), found.root
    kind, values = "choice", tree
    if isinstance(tree, dict) and len(tree) == 1:
        ((kind, values),) = tree.items()
        inner = (*path, kind)
    if not isinstance(values, list) and (inner == path or kind not in KINDS):
        hint = ranges.hint(tree, in_braces=not place.is_setting)
        raise refusal(place, f"must be {wanted}, got {shown(tree)}{hint}", path)
    if kind not in KINDS:
        raise refusal(place, unknown("range", kind, KINDS), path)
    try:
        ends = ranges.ends(kind, values)
    except ValueError as reason:
        raise refusal(document.place(inner), str(reason), inner) from None
    is_in = keys.could_be_in if keys.takes_lists(key) else lambda *_: False
    if alone := [each for each in values if is_in(key, each)]:
        whole = dump.inline([[each] if each in alone else each for each in values])
        written = f"{key}{'=' if place.is_setting else ': '}{shortened(whole)}"
        message = f"must be a list of lists, such as {written}, got {shown(alone[0])}"
        raise refusal(place, message, (key,))
    places = [document.place((*path, n)) if inner == path else place for n in range(len(values))]
    rows = [(Choice(key, *pair),) for pair in zip(values, places, strict=True)]
    return Dimension((key,), kind, place, () if ends else rows, ends)


def _option(name: str, setting: str) -> YamlDocument:
    """Return KEY=V,... as a file has it, KEY: [V, ...]; brackets around all values may be given.

    One value alone, such as ``lambda=5``, is a list of one.

    Raises: ConfigError for a setting that has not this form.
    """
    place = Place(f"{name} {shortened(printable(setting))}", is_setting=True)
    key, equals, text = setting.partition("=")
    key, tree = key.strip(), text
    if not equals:
        raise refusal(place, "must have the form KEY=VALUES, such as --grid learning_rate=0.1,1")
    if not ranges.is_call(text):
        found = reader.read(f"[{text}]", place)
        if found.problems:
            raise problem.error(each._replace(path=(key,)) for each in found.problems)
        if not found.root:
            raise refusal(place, f"must be {LIST}, got an empty list")
        is_one = len(found.root) == 1 and not ranges.is_value(key, found.root[0])
        tree = found.root[0] if is_one else found.root
    return YamlDocument({key: tree}, {}, {(key,): place}, [], place)


def _source(source: str) -> YamlDocument:
    """Return what one ``--space`` says. Raises: ConfigError, UsageError, DiskError."""
    if "=" in source:
        return _option("--space", source)
    if _is_known(source):
        raise UsageError(f"--space {source}: a key has its range behind it, {source}=RANGE")
    return load.document(source)


class _File:
    """Reads what a document varies, section by section; what is wrong gathers in ``problems``."""

    def __init__(
        self, document: YamlDocument, problems: list[str], *, is_search: bool = False
    ) -> None:
        self._document = document
        self._problems = problems
        self._is_search = is_search

    def base(self) -> tuple[str, YamlDocument | None]:
        """Return the base config's file, and its document if that can be read.

        Raises: ConfigError where nothing can be said without knowing more.
        """
        if self._document.problems:
            raise problem.error(self._document.problems)
        self._check_names((), SECTIONS, "a sweep")
        config = self._document.root.get("config")
        if not isinstance(config, str):
            message = f"a sweep needs 'config', the base config's file, got {shown(config)}"
            if config is None:
                file = self._document.place(()).source
                message += f"; a search space goes to nnexp search CONFIG --space {file}"
            self._refuse(("config",), message)
            raise ConfigError(self._problems)
        return config, next(_sound(load.document, [config], self._problems), None)

    def settings(self) -> list[Choice]:
        """Return what every point has in place of the base config's values."""
        place = self._document.place
        return [Choice(k, v, place(("set", k))) for k, v in self._items("set").items()]

    def searched(self) -> list[Dimension]:
        """Return what a file of ``--space`` varies, with keys at its top or in sections."""
        for key, argument in OPTIONS.items():
            path = ("random", key) if key in DRAWS else (key,)
            if path in self._document.keys:
                message = f"is given to a search as {argument}: leave it out here"
                if key == "config":
                    file = self._document.keys[path].source
                    message = f"this is a sweep file: nnexp sweep {file}; to search, leave it out"
                self._refuse(path, message, is_key=True)
        top = [key for key in self._document.root if key not in SECTIONS]
        found = [each for key in top for each in self._dimensions((), [key], ANY)]
        found += [*self.section("grid", wanted=ANY), *self.zipped(), *self.drawn()]
        return [each for each in found if all(map(_is_known, each.keys))]

    def section(self, *path: str, wanted: str = LIST) -> list[Dimension]:
        """Return a dimension for each key of a section."""
        return self._dimensions(path, list(self._items(*path)), wanted)

    def zipped(self) -> list[Dimension]:
        """Return the dimension of lists that go together: the first of each, the second, ..."""
        found = self.section("zip")
        lists = [each for each in found if each.rows]
        for each in found:
            if each.ends:
                message = f"lists that go together need values, got {each.call}: list them"
                self._refuse(("zip", each.key), message)
        if len({len(each.rows) for each in lists}) > 1:
            lengths = ", ".join(f"{each.key} {len(each.rows)}" for each in lists)
            self._refuse(("zip",), f"lists that go together are equally long, got {lengths}")
        elif lists:
            rows = [tuple(chain(*row)) for row in zip(*(e.rows for e in lists), strict=True)]
            return [Dimension(keys_of(lists), "zip", self._document.place(("zip",)), rows)]
        return []

    def drawn(self) -> list[Dimension]:
        """Return what the random section draws from."""
        self._check_names(("random",), (*DRAWS, "from"), "random")
        return self.section("random", "from", wanted=ANY)

    def draws(self) -> tuple[int, int]:
        """Return how many points are drawn, and from which seed."""
        given = self._items("random")
        numbers = [given.get("draws"), given.get("seed", 0)]
        for (key, (least, most)), value in zip(DRAWS.items(), numbers, strict=True):
            if given and not (type(value) is int and least <= value <= most):
                message = f"must be a whole number from {least} to {most}, got {shown(value)}"
                self._refuse(("random", key), message)
        return numbers[0], numbers[1]

    def check_draws(self, drawn: Sequence[Dimension]) -> None:
        """Refuse ranges of a sweep that draws nothing, and draws without ranges."""
        given = self._items("random")
        if given and not drawn and not given.get("from"):
            self._refuse(("random",), "needs 'from', a mapping of keys to ranges")
        for each in drawn if not given else ():
            message = (
                f"a grid needs values, got {each.call}: list them; to draw from the range, use "
                f"random in a sweep file, or nnexp search --space '{each.key}={each.call}'"
            )
            self._problems += refusal(each.place, message, (each.key,)).problems

    def seeds(self) -> Seeds | None:
        """Return the seeds, if any are given."""
        value, place = self._document.root.get("seeds"), self._document.place(("seeds",))
        try:
            return None if value is None else Seeds(tuple(_seeds(value)), place)
        except ValueError as error:
            self._refuse(("seeds",), str(error))
            return None

    def exclusions(self) -> list[Exclusion]:
        """Return what is left out; whether its keys are varied is yet to be checked."""
        given = self._document.root.get("exclude")
        found = [] if given is None else given
        if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
            verb = "searched" if self._is_search else "swept"
            message = f"must be a list of mappings of {verb} keys to values, got {shown(found)}"
            self._refuse(("exclude",), message)
            return []
        return [self._exclusion(("exclude", number), tree) for number, tree in enumerate(found)]

    def _exclusion(self, path: Path, tree: dict[str, Any]) -> Exclusion:
        values = {key: each if isinstance(each, list) else [each] for key, each in tree.items()}
        places = {key: self._document.keys[*path, key] for key in tree}
        return Exclusion(values, self._document.place(path), path, places)

    def _refuse(self, path: Path, message: str, *, is_key: bool = False) -> None:
        place = self._document.keys[path] if is_key else self._document.place(path)
        found = refusal(place, message, path).problems
        self._problems += [each for each in found if each not in self._problems]

    def _items(self, *path: str) -> dict[str, Any]:
        """Return a mapping that may be absent."""
        tree = self._document.at(path)
        if tree is None or isinstance(tree, dict):
            return tree or {}
        self._refuse(path, f"must be a mapping of keys, got {shown(tree)}")
        return {}

    def _check_names(self, path: tuple[str, ...], known: Sequence[str], whose: str) -> None:
        for key in self._items(*path):
            if key not in known:
                self._refuse((*path, key), unknown_key(key, known, (), whose), is_key=True)

    def _dimensions(self, path: Path, names: Sequence[str], wanted: str) -> list[Dimension]:
        """Return the dimensions of keys under a path; for a search, a config must have the keys."""
        at = self._document.at
        names = [k for k in names if not (k.endswith(")") and at((*path, k)) is None)]  # a cut call
        if self._is_search and "seed" in names:
            message = "is not searched; --seeds says which seeds each trial is trained with"
            self._refuse((*path, "seed"), message)
            names = [key for key in names if key != "seed"]
        for key in names:
            place, parts = self._document.keys[*path, key], key.split(".")
            if not all(parts) or len(parts) > reader.MAX_DEPTH:
                message = f"a key must be a name, or names joined by dots, got {shown(key)}"
                self._problems += refusal(place, message).problems
            elif self._is_search and not _is_known(key):
                message = unknown_key(key, keys.known(), (), "a config")
                self._problems += refusal(place, message, (key,)).problems
        paths = [(*path, key) for key in names if at((*path, key)) is not INVALID]
        return list(_sound(lambda p: _dimension(self._document, p, wanted), paths, self._problems))


def _seeds(value: object) -> list[int]:
    """Return a file's seeds: 7 is seeds 0 to 6, and [7] is seed 7. Raises: ValueError."""
    numbers: list[Any] = value if isinstance(value, list) else [value]
    if not numbers or any(type(number) not in {int, str} for number in numbers):
        raise ValueError(f"must be seeds, such as 5, 0-4 or [1, 3], got {shown(value)}")
    return names.seeds(numbers if isinstance(value, list) else str(value))


def _sound(step: Callable[[Any], T], items: Iterable[Any], problems: list[str]) -> Iterator[T]:
    """Yield what a step returns for each item; note the problems of the others."""
    for item in items:
        try:
            yield step(item)
        except ConfigError as error:
            problems += error.problems


def _is_known(key: str) -> bool:
    return key.removesuffix(".name") in keys.known()

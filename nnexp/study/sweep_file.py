"""Parse sweep files, ``--space`` files and options, which share one grammar, into spaces.

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
from typing import Any, NamedTuple, TypeVar

from nnexp.config import dump, keys, load, overrides, problem, reader
from nnexp.config.argument import required_stem
from nnexp.config.document import INVALID, YamlDocument
from nnexp.config.messages import listed, shortened, shown, unknown, unknown_key
from nnexp.config.problem import Path, Place, Problem, refusal
from nnexp.errors import ConfigError, UsageError, printable
from nnexp.study import ranges, space
from nnexp.study.ranges import KINDS, LIST
from nnexp.study.space import MOST, Choice, Dimension, Exclusion, Seeds, Space, keys_of

T = TypeVar("T")

SECTIONS = ("config", "set", "grid", "zip", "random", "seeds", "exclude")
DRAWS = {"draws": (1, MOST), "seed": (0, 2**63 - 1)}
"""The numbers of the random section, with their minimum and maximum."""
OPTIONS = {"config": "CONFIG", "set": "--set", "draws": "--trials", "seed": "--seed"}
"""The arguments of ``nnexp search`` that correspond to keys of a sweep file."""

ANY = f"{LIST}, or a range of {listed(KINDS)}"


class Sweep(NamedTuple):
    """A parsed sweep; ``plan`` expands its points."""

    config: str
    """The base config's file, as the user named it."""
    base: YamlDocument
    fixed: list[Choice]
    """Values set at every point, overriding the file's."""
    space: Space
    """Contains lists only; random points have been drawn into one."""

    @property
    def stem(self) -> str:
        """The stem of the runs' names, as for ``nnexp train``."""
        return required_stem(self.config)

    @property
    def seeds(self) -> tuple[int, ...] | None:
        """The seeds of each point; None for the config's own."""
        return None if self.space.seeds is None else self.space.seeds.numbers


def read(
    path: str,
    settings: Sequence[str] = (),
    grids: Sequence[str] = (),
    seeds: Sequence[int] | None = None,
) -> Sweep:
    """Parse a config or a sweep file, with overriding options, into a sweep.

    Raises: ConfigError with every problem; DiskError when a file cannot be read.
    """
    problems: list[str] = []
    document = load.document(path)
    is_sweep_file = bool(set(document.root) & set(SECTIONS))
    if not is_sweep_file:
        _check_not_space(path, document)
    file = _File(document if is_sweep_file else document._replace(root={}), problems)
    config, base = file.base() if is_sweep_file else (path, document)
    fixed, lists = file.settings(), [*file.section("grid"), *file.zip_section()]
    random, draws = file.random_section(), file.draws()
    own, exclusions = file.seeds(), file.exclusions()
    problems += map(str, space.fixed_and_swept(fixed, [*lists, *random]))
    parsed = _parse_all(overrides.parse, settings, problems)
    given = [Choice(".".join(path), value.root, value.source) for path, value in parsed]
    documents = _parse_all(partial(_option, "--grid"), grids, problems)
    options = [d for document in documents for d in _File(document, problems).section()]
    before, after = ([d for d in part if d.rows] for part in (lists, options))
    random += [d for d in (*lists, *options) if d.ends]
    varied = [*before, *random, *after]
    problems += map(str, space.fixed_and_swept(given, varied))
    file.check_draws(random)
    own = own if seeds is None else Seeds(tuple(seeds), Place("--seeds", is_setting=True))
    fixed += given
    problems += map(str, space.conflicts(fixed, varied, own))
    keys_varied = ["seed", *keys_of(varied)]
    problems += map(str, space.unknown_exclusions(exclusions, keys_varied, "swept"))
    if problems or base is None:
        raise ConfigError(problems)
    if random:
        drawn = space.draw(random, *draws)
        before.append(Dimension(keys_of(random), "zip", random[0].place, drawn))
    return Sweep(config, base, fixed, Space((*before, *after), tuple(exclusions), own))


def _check_not_space(path: str, document: YamlDocument) -> None:
    """Check that a file is not a search space. Raises: ConfigError."""
    if document.root and not any(ranges.is_value(*item) for item in document.root.items()):
        message = (
            f"this is a search space: nnexp search CONFIG --space {path}; "
            "a sweep file has its values under grid, and config beside it"
        )
        raise refusal(document.place(()), message)


def read_space(sources: Sequence[str]) -> tuple[Space, list[str]]:
    """Parse files and KEY=VALUES or KEY=RANGE into a space; also return the problems found.

    Raises: UsageError if nothing is varied; DiskError if a file cannot be read.
    """
    problems: list[str] = []
    dimensions: list[Dimension] = []
    exclusions: list[Exclusion] = []
    seeds: list[Seeds] = []
    for document in _parse_all(_source, sources, problems):
        problems += map(str, document.problems)
        file = _File(document, problems, is_search=True)
        for dimension in file.search_sections():
            repeated = [*map(str, space.duplicates([*dimensions, dimension], "searched"))]
            problems += repeated
            if not repeated and not document.problems:  # else parts of it are INVALID
                dimensions.append(dimension)
        exclusions += file.exclusions()
        seeds += filter(None, [file.seeds()])
    if not dimensions and not problems:
        example = "--space 'learning_rate=log-uniform(0.01, 10)'"
        raise UsageError(f"a search needs a space, such as {example}")
    for more in seeds[1:]:
        message = f"seeds are also given at {seeds[0].place}; remove one of the two"
        problems += refusal(more.place, message).problems
    result = Space(tuple(dimensions), tuple(exclusions), next(iter(seeds), None))
    unknown_keys = list(space.unknown_exclusions(exclusions, result.keys, "searched"))
    problems += map(str, unknown_keys or result.problems())
    return result, problems


def _dimension(document: YamlDocument, path: Path, wanted: str = ANY) -> Dimension:
    """Parse the list of values or the range of a key, the last element of a path.

    Raises: ConfigError if it is neither.
    """
    key, tree, place, inner = str(path[-1]), document.at(path), document.place(path), path
    if isinstance(tree, str) and (call := ranges.CALL.fullmatch(tree)):
        # Parse log-uniform(1, 2) as {log-uniform: [1, 2]}, with the call's place throughout.
        mapping = reader.read(f"{{{call[1]}: [{call[2]}]}}", place._replace(is_setting=True))
        if faults := mapping.problems:
            raise problem.error(Problem(place, (*path, *e.path), e.message) for e in faults)
        document, tree = YamlDocument(None, {}, {}, [], place), mapping.root
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
    if single := [value for value in values if is_in(key, value)]:
        lists = dump.inline([[value] if value in single else value for value in values])
        example = f"{key}{'=' if place.is_setting else ': '}{shortened(lists)}"
        message = f"must be a list of lists, such as {example}, got {shown(single[0])}"
        raise refusal(place, message, (key,))
    places = [document.place((*path, n)) if inner == path else place for n in range(len(values))]
    rows = [(Choice(key, *pair),) for pair in zip(values, places, strict=True)]
    return Dimension((key,), kind, place, () if ends else rows, ends)


def _option(name: str, setting: str) -> YamlDocument:
    """Parse KEY=V,... into the document KEY: [V, ...]; brackets around the values are optional.

    A single value, such as ``lambda=5``, becomes a list of one.

    Raises: ConfigError if the setting does not have this form.
    """
    place = Place(f"{name} {shortened(printable(setting))}", is_setting=True)
    key, equals, text = setting.partition("=")
    key, tree = key.strip(), text
    if not equals:
        raise refusal(place, "must have the form KEY=VALUES, such as --grid learning_rate=0.1,1")
    if not ranges.is_call(text):
        document = reader.read(f"[{text}]", place)
        if document.problems:
            raise problem.error(fault._replace(path=(key,)) for fault in document.problems)
        if fault := ranges.fault(key, document.root):
            raise refusal(place, fault)
        is_nested = len(document.root) == 1 and not ranges.is_value(key, document.root[0])
        tree = document.root[0] if is_nested else document.root
    return YamlDocument({key: tree}, {}, {(key,): place}, [], place)


def _source(source: str) -> YamlDocument:
    """Parse one ``--space`` option. Raises: ConfigError, UsageError, DiskError."""
    if "=" in source:
        return _option("--space", source)
    if _is_known(source):
        raise UsageError(f"--space {source}: this is a key without a range; write {source}=RANGE")
    return load.document(source)


class _File:
    """Parses a document section by section, collecting errors in ``problems``."""

    def __init__(
        self, document: YamlDocument, problems: list[str], *, is_search: bool = False
    ) -> None:
        self._document = document
        self._problems = problems
        self._is_search = is_search

    def base(self) -> tuple[str, YamlDocument | None]:
        """Return the base config's file, and its document if it can be parsed.

        Raises: ConfigError if the document is malformed or names no base config.
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
        return config, next(_parse_all(load.document, [config], self._problems), None)

    def settings(self) -> list[Choice]:
        """Parse the set section: values set at every point."""
        place = self._document.place
        return [Choice(k, v, place(("set", k))) for k, v in self._items("set").items()]

    def search_sections(self) -> list[Dimension]:
        """Parse the dimensions of a ``--space`` file, at its top level or in sections."""
        for key, argument in OPTIONS.items():
            path = ("random", key) if key in DRAWS else (key,)
            if path in self._document.keys:
                message = f"is given to nnexp search as {argument}; remove it here"
                if key == "config":
                    file = self._document.keys[path].source
                    message = (
                        f"this is a sweep file: nnexp sweep {file}; to search it, remove config"
                    )
                self._refuse(path, message, is_key=True)
        top = [key for key in self._document.root if key not in SECTIONS]
        dimensions = [d for key in top for d in self._dimensions((), [key], ANY)]
        dimensions += [*self.section("grid", wanted=ANY), *self.zip_section()]
        dimensions += self.random_section()
        return [dimension for dimension in dimensions if all(map(_is_known, dimension.keys))]

    def section(self, *path: str, wanted: str = LIST) -> list[Dimension]:
        """Parse a section into a dimension for each key."""
        return self._dimensions(path, list(self._items(*path)), wanted)

    def zip_section(self) -> list[Dimension]:
        """Parse the zip section into one dimension, whose lists are varied in parallel."""
        columns = self.section("zip")
        lists = [column for column in columns if column.rows]
        for column in columns:
            if column.ends:
                message = f"zip needs lists of values, got the range {column.call}"
                self._refuse(("zip", column.key), message)
        if len({len(column.rows) for column in lists}) > 1:
            lengths = ", ".join(f"{column.key} {len(column.rows)}" for column in lists)
            self._refuse(("zip",), f"lists must be equally long, got {lengths}")
        elif lists:
            rows = [
                tuple(chain(*row)) for row in zip(*(column.rows for column in lists), strict=True)
            ]
            return [Dimension(keys_of(lists), "zip", self._document.place(("zip",)), rows)]
        return []

    def random_section(self) -> list[Dimension]:
        """Parse the lists and ranges of the random section."""
        self._check_names(("random",), (*DRAWS, "from"), "random")
        return self.section("random", "from", wanted=ANY)

    def draws(self) -> tuple[int, int]:
        """Return the number of random points and their seed."""
        given = self._items("random")
        numbers = [given.get("draws"), given.get("seed", 0)]
        for (key, (least, most)), value in zip(DRAWS.items(), numbers, strict=True):
            if given and not (type(value) is int and least <= value <= most):
                message = f"must be a whole number from {least} to {most}, got {shown(value)}"
                self._refuse(("random", key), message)
        return numbers[0], numbers[1]

    def check_draws(self, random: Sequence[Dimension]) -> None:
        """Report ranges without a random section, and a random section without ranges."""
        given = self._items("random")
        if given and not random and not given.get("from"):
            self._refuse(("random",), "needs 'from', a mapping of keys to ranges")
        for dimension in random if not given else ():
            message = (
                f"a grid needs a list of values, got {dimension.call}; for a range, use random in "
                f"a sweep file, or nnexp search --space '{dimension.key}={dimension.call}'"
            )
            self._problems += refusal(dimension.place, message, (dimension.key,)).problems

    def seeds(self) -> Seeds | None:
        """Parse the seeds, if there are any."""
        value, place = self._document.root.get("seeds"), self._document.place(("seeds",))
        try:
            return None if value is None else Seeds(tuple(space.parse_seeds(value)), place)
        except ValueError as error:
            self._refuse(("seeds",), str(error))
            return None

    def exclusions(self) -> list[Exclusion]:
        """Parse the exclusions, without checking that their keys are varied."""
        tree = self._document.root.get("exclude")
        items = [] if tree is None else tree
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
            verb = "searched" if self._is_search else "swept"
            message = f"must be a list of mappings of {verb} keys to values, got {shown(items)}"
            self._refuse(("exclude",), message)
            return []
        return [self._exclusion(("exclude", index), item) for index, item in enumerate(items)]

    def _exclusion(self, path: Path, tree: dict[str, Any]) -> Exclusion:
        values = {key: v if isinstance(v, list) else [v] for key, v in tree.items()}
        places = {key: self._document.keys[*path, key] for key in tree}
        return Exclusion(values, self._document.place(path), path, places)

    def _refuse(self, path: Path, message: str, *, is_key: bool = False) -> None:
        place = self._document.keys[path] if is_key else self._document.place(path)
        new = refusal(place, message, path).problems
        self._problems += [text for text in new if text not in self._problems]

    def _items(self, *path: str) -> dict[str, Any]:
        """Return the mapping at a path, or {} if it is absent."""
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
        """Parse keys under a path into dimensions; in a search, only keys of a config are valid."""
        at = self._document.at
        names = [
            k for k in names if not (k.endswith(")") and at((*path, k)) is None)
        ]  # a call cut by a comma
        if self._is_search and "seed" in names:
            message = "cannot be searched; give the seeds of each trial by --seeds"
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
        parse = partial(_dimension, self._document, wanted=wanted)
        return list(_parse_all(parse, paths, self._problems))


def _parse_all(parse: Callable[[Any], T], items: Iterable[Any], problems: list[str]) -> Iterator[T]:
    """Yield the parsed items; the ConfigErrors of the others are added to ``problems``."""
    for item in items:
        try:
            yield parse(item)
        except ConfigError as error:
            problems += error.problems


def _is_known(key: str) -> bool:
    return keys.is_known(key.removesuffix(".name"))

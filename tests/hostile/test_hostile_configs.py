"""Hostile configs end at once with their exit code and a few harmless lines."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

if TYPE_CHECKING:
    from tests.hostile.conftest import Hostile


class Case(NamedTuple):
    """A config, what is said of it, and what is added to ``train c.yaml``."""

    content: str | bytes
    told: str
    arguments: tuple[str, ...] = ()
    code: int = 2


def data(settings: str) -> str:
    return f"data: {{name: npz, {settings}}}\nhidden: [5]\n"


SMALL = data("file: tiny.npz")

YAML: dict[str, Case] = {
    # Bombs
    "laughs": Case(
        "&a hidden: " + "[" * 9 + "*a, " * 5000 + "]" * 9 + "\n",
        "at most 5000 keys and values",
    ),
    "anchor": Case("hidden: &a [5]\n", "anchors (&) are not allowed"),
    "alias": Case("hidden: *a\n", "aliases (*) are not allowed"),
    "a loop": Case("hidden: &a [*a]\n", "anchors (&) are not allowed"),
    "anchored key": Case("&a hidden: [5]\n", "a key cannot have an anchor"),
    "merge": Case("<<: {epochs: 3}\n", "merge keys (<<) are not allowed"),
    "merge of a list": Case("<<: [{epochs: 3}, {epochs: 4}]\n", "merge keys (<<)"),
    "lists in lists": Case("hidden: " + "[" * 20_000 + "]" * 20_000, "nested more than 20"),
    "lists without end": Case("hidden: " + "[" * 60_000, "nested more than 20"),
    "mappings in mappings": Case("{a: " * 10_000, "nested more than 20"),
    "deep blocks": Case("".join(" " * n + "a:\n" for n in range(300)), "nested more than 20"),
    "dashes": Case("hidden:\n " + "- " * 20_000 + "1\n", "nested more than 20"),
    "deep keys": Case("? " * 20_000 + "a\n", "at most 5000 keys and values"),
    "thousands of values": Case(f"hidden: [{'1,' * 30_000}]", "at most 5000 keys and values"),
    "thousands of keys": Case("".join(f"k{n}:\n" for n in range(6000)), "at most 5000 keys"),
    "a long word": Case(f"activation: {'a' * 65_000}\n", "unknown activation 'aaa"),
    "a long key": Case(f"{'k' * 1000}: 1\n", "unknown key 'kkk"),
    "a longer key": Case(f"{'k' * 1025}: 1\n", "a ':' is not allowed here"),
    "a long text": Case("activation: |\n" + "  x\n" * 16_000, "unknown activation"),
    "too large": Case("# " + "x" * 65_536, "at most 65536 bytes"),
    "much too large": Case(b"#" * (50 << 20), "at most 65536 bytes"),
    "only quotes": Case("'" * 65_001, "not closed before the end"),
    "only colons": Case(":" * 65_000, "a ':' is not allowed here"),
    "only commas": Case("[" + "," * 60_000, "a value is missing here"),
    "only question marks": Case("? " * 1000, "a key must be a name"),
    # Tags
    "a call": Case("hidden: !!python/object/apply:os.system [id]\n", "tags (!) are not allowed"),
    "a name": Case("activation: !!python/name:os.system\n", "tags (!) are not allowed"),
    "a module": Case("!!python/module:os : 1\n", "a key cannot have an anchor (&) or a tag"),
    "a new object": Case(
        "!!python/object/new:type {args: [x, [], {}]}\n", "tags (!) are not allowed"
    ),
    "binary": Case("activation: !!binary aGVsbG8=\n", "tags (!) are not allowed"),
    "a set": Case("hidden: !!set {5}\n", "tags (!) are not allowed"),
    "a directive": Case("%YAML 9999999999.1\n---\na: 1\n", "not valid YAML"),
    "a long version": Case(f"%YAML {'9' * 5000}.1\n---\na: 1\n", "out of range"),
    "a tag's directive": Case("%TAG ! tag:x,2000:\n---\nhidden: !y [5]\n", "tags (!)"),
    # Shapes
    "a list": Case("- 1\n- 2\n", "must be a mapping"),
    "a word": Case("train\n", "must be a mapping"),
    "a number": Case("5\n", "must be a mapping"),
    "two documents": Case("epochs: 3\n---\nepochs: 4\n", "a second document starts here"),
    "twice": Case("epochs: 3\nepochs: 4\n", "duplicate key 'epochs'"),
    "twice inside": Case(data("file: a, file: b"), "duplicate key 'file'"),
    "a whole number as key": Case("1: 2\n", "unknown key '1'"),
    "another number as key": Case("1.5: 2\n", "a key must be a name"),
    "null as key": Case("~: 2\n", "a key must be a name"),
    "a list as key": Case("[a]: 2\n", "a key must be a name"),
    "nothing as key": Case("'': 2\n", "unknown key ''"),
    "not closed": Case("activation: 'tanh\n", "a quoted value is not closed"),
    "a tab": Case("hidden:\n\t- 5\n", "a tab is not allowed here"),
    # Characters
    "NUL": Case("epochs: 3\0\n", "U+0000 is not allowed"),
    "escape": Case("epochs: \x1b[2J\n", "U+001B is not allowed"),
    "C1": Case("epochs: \x9b31m\n", "U+009B is not allowed"),
    "bell in a key": Case("ep\aochs: 3\n", "U+0007 is not allowed"),
    "line separator": Case("epochs: a\u2028b\n", "U+2028 is not allowed"),
    "a second mark": Case("\ufeff\ufeffepochs: 3\n", "U+FEFF is not allowed"),
    "written escape": Case('activation: "\\x1b[31mred"\n', "\\x1b[31mred"),
    "written NUL": Case(data('file: "a\\0b"'), "U+0000 is not allowed"),
    "written surrogate": Case(data('file: "\\ud800"'), "U+D800 is not allowed"),
    "written escape in a key": Case('"\\e[31mred": 1\n', "\\x1b[31mred"),
    "written newline": Case(data('file: "a\\nb.npz"'), "a\\nb.npz: No such file"),
    "bidi": Case("activation: \u202eselgnis\n", "\\u202eselgnis"),
    "bidi in a key": Case("\u2066ephocs\u2069: 1\n", "\\u2066ephocs\\u2069"),
    "bidi in a name": Case(data("file: \u202ezpn.a"), "\\u202ezpn.a: No such file"),
    "written beyond": Case('activation: "\\UFFFFFFFF"\n', "out of range"),
    "UTF-16": Case("epochs: 3\n".encode("utf-16"), "not UTF-8 text"),
    "UTF-16, no mark": Case("epochs: 3\n".encode("utf-16-be"), "U+0000 is not allowed"),
    "UTF-32": Case("epochs: 3\n".encode("utf-32"), "not UTF-8 text"),
    "Latin-1": Case("activation: sigmöid\n".encode("latin-1"), "not UTF-8 text"),
    "overlong": Case(b"epochs: \xc0\xb3\n", "not UTF-8 text"),
    "half a pair": Case(b"epochs: \xed\xa0\x80\n", "not UTF-8 text"),
    "a program": Case(b"\x7fELF\x02\x01\x01" + bytes(2000), "U+007F is not allowed"),
    "noise": Case(bytes(range(128, 256)) * 100, "not UTF-8 text"),
}

NUMBERS: dict[str, Case] = {
    "digits": Case(f"epochs: {'9' * 60_000}\n", "60000 digits is too long"),
    "many digits": Case(f"seed: {'9' * 399}\n", "seed: must be"),
    "many hexadecimal digits": Case(f"seed: 0x{'f' * 398}\n", "seed: must be"),
    "many zeros": Case(f"learning_rate: 0.{'0' * 60_000}1\n", "must be a number > 0"),
    "a large exponent": Case("learning_rate: 1e999999999\n", "must be a finite number"),
    "nan": Case("learning_rate: .nan\n", "must be a finite number"),
    "inf": Case("lambda: .inf\n", "must be a finite number"),
    "nan as dropout": Case("dropout: .NaN\n", "dropout: must be"),
    "negative rate": Case("learning_rate: -1\n", "must be a number > 0"),
    "no rate": Case("learning_rate: 0\n", "must be a number > 0"),
    "negative strength": Case("lambda: {per_example: -1e-9}\n", "must be a number ≥ 0"),
    "all dropped": Case("dropout: 1\n", "dropout: must be"),
    "no neurons": Case("hidden: [0]\n", "hidden[0]: must be a whole number ≥ 1"),
    "fewer": Case("hidden: [-5]\n", "hidden[0]: must be a whole number ≥ 1"),
    "half a neuron": Case("hidden: [2.5]\n", "hidden[0]: must be a whole number"),
    "a billion neurons": Case("hidden: [1000000000]\n", "hidden[0]: must be"),
    "a million neurons": Case("hidden: [1000000]\n", "GiB of memory to train; the limit is"),
    "a billion weights": Case("hidden: [1000000, 1000000]\n", "GiB of memory to train"),
    "with the data only": Case(
        SMALL.replace("[5]", "[400000]") + "dtype: float64\n",
        "hidden: a network of 5600003 parameters would take about 8.1 GiB",
    ),
    "as deep as can be": Case(f"hidden: [{'1000000,' * 100}]\n", "GiB of memory to train"),
    "too deep": Case(f"hidden: [{'1,' * 101}]\n", "must have at most 100 items"),
    "l-bfgs": Case(
        SMALL.replace("[5]", "[20000, 1000]")
        + "optimizer: {name: l-bfgs, memory: 1000}\ndtype: float64\nlearning_rate: null\n",
        "GiB of memory to train",
    ),
    "newton": Case(
        SMALL.replace("[5]", "[1000]") + "optimizer: newton\ndtype: float64\n",
        "optimizer: newton would need",
    ),
    "epochs": Case("epochs: 1000000000000\n", "epochs: must be a whole number"),
    "no epochs": Case("epochs: 0\n", "epochs: must be a whole number"),
    "half an epoch": Case("epochs: 1.5\n", "epochs: must be a whole number"),
    "batch": Case("batch_size: 1e30\n", "batch_size: must be"),
    "no batch": Case("batch_size: 0\n", "batch_size: must be"),
    "every": Case("evaluate_every: 99999999\n", "evaluate_every: must be"),
    "seed": Case("seed: 9223372036854775808\n", "seed: must be"),
    "negative seed": Case("seed: -1\n", "seed: must be"),
    "network2's seed": Case("rng: network2\nseed: 4294967296\n", "seeds below 2**32"),
    "patience": Case("patience: 1e18\n", "patience: must be"),
    "scale": Case(data("file: tiny.npz, scale: 0"), "data.scale: must be a number > 0"),
    "counts": Case(data("file: tiny.npz, train: 1000000000"), "asks for 1000000000 examples"),
    "more counts": Case(data("file: tiny.npz, train: 1e300"), "data.train: must be"),
    "classes": Case(data(f"file: tiny.npz, classes: [0, {'9' * 300}]"), "no example of class"),
    "same classes": Case(data("file: tiny.npz, classes: [1, 1]"), "names a class more than once"),
    "negative classes": Case(data("file: tiny.npz, classes: [-1, 0]"), "no example of class -1"),
    "words": Case("hidden: thirty\n", "hidden: must be a list"),
    "true": Case("epochs: true\n", "epochs: must be a whole number"),
    "quoted": Case('seed: "1"\n', "seed: must be"),
    "a date": Case("seed: 2026-01-01\n", "seed: must be"),
    "sexagesimal": Case("epochs: 12:30\n", "epochs: must be"),
    "a list for a number": Case("learning_rate: [1]\n", "learning_rate: must be"),
    "a mapping for a number": Case("seed: {a: 1}\n", "seed: must be"),
    "a mapping for a list": Case("hidden: {a: 1}\n", "hidden: must be a list"),
    "a list in a list": Case("hidden: [[30]]\n", "hidden[0]: must be"),
    "nothing for a list": Case("hidden: null\n", "hidden: must be a list"),
    "a number for a name": Case("activation: 3\n", "activation: must be"),
    "an attribute": Case("optimizer: __class__\n", "unknown optimizer '__class__'"),
    "a list for a name": Case("optimizer: {name: [sgd]}\n", "optimizer.name: must be"),
    "a nameless one": Case("optimizer: {mu: 1}\n", "optimizer: needs a 'name'"),
    "an import": Case("cost: os.system\n", "unknown cost 'os.system'"),
    "dtype": Case("dtype: object\n", "unknown dtype 'object'"),
    "repeated": Case(f"monitor: [{'train, ' * 2000}]\n", "monitor: "),
}

SETTINGS: dict[str, Case] = {
    "no equals": Case("", "must have the form KEY=VALUE", ("--set", "epochs")),
    "no key": Case("", "the key must be a name", ("--set", "=3")),
    "empty parts": Case("", "the key must be a name", ("--set", "data..train=3")),
    "a deep key": Case("", "the key must be a name", ("--set", ".".join("a" * 5000) + "=1")),
    "a dunder": Case("", "unknown key '__class__'", ("--set", "__class__=1")),
    "a dunder inside": Case("", "unknown key '__init__'", ("--set", "data.__init__=1")),
    "a set alias": Case("", "aliases (*)", ("--set", "seed=*a")),
    "a set tag": Case("", "tags (!)", ("--set", "seed=!!python/name:os.system")),
    "a set escape": Case("", "\\x1b", ("--set", "activation=\x1b[31m")),
    "an escaped key": Case("", "\\x1b", ("--set", "\x1b[31m=1")),
    "two documents set": Case("", "second document", ("--set", "seed=1\n---\n2")),
    "a long setting": Case("", "seed: must be", ("--set", f"seed={'9' * 390}")),
    "half a character": Case("", "not UTF-8 text", ("--set", "seed=\udcff")),
    "endless seeds": Case("", "must be at most 100,000 seeds", ("--seeds", "0-99999999999999999")),
    "seeds out of range": Case("", "a seed has at most 18 digits", ("--seeds", "9" * 5000)),
    "negative seeds": Case("", "is neither a seed nor a range of seeds", ("--seeds=-5",)),
    "until nothing": Case("", "--until must be a whole number", ("--until", "0")),
    "a file for a folder": Case("", "must be a directory", ("--runs", "tiny.npz")),
    "an option with an escape": Case("", "unknown option", ("--\x1b[31m",)),
    **{
        f"the name {name[:20]!r}": Case(SMALL, "cannot name a run", (f"--name={name}",))
        for name in (
            *("", ".", "..", "../x", "a/b", "/etc/x", ".hidden", "-dash", "_x", "a b", "ä", "a\n"),
            *("a\x1b[31m", "a\u202eb", "a\udcff", "x" * 101, "~", "$(id)", "a\\b", "*"),
        )
    },
    "a name with seeds": Case(SMALL, "cannot name a run", ("--name", "../x", "--seeds", "2")),
}

CASES = YAML | NUMBERS | SETTINGS

FILES: dict[str, str] = {
    "/dev/zero": "not a regular file",
    "/dev/stdin": "not a regular file",
    "/proc/self/mem": "",
    "/proc/kmsg": "",
    "fifo": "not a regular file",
    "folder": "is a directory",
    "loop": "Too many levels of symbolic links",
    "dangling": "No such file",
    "folder/../folder": "is a directory",
    "tiny.npz/x": "Not a directory",
    "": "is a directory",
    "x" * 5000: "File name too long",
    "c.yaml": "not a zip file",
}
"""Places that a config may name in place of its data, and what is said of them."""


@pytest.mark.parametrize("name", CASES)
def test_a_hostile_config_ends_at_once_in_a_few_lines(hostile: Hostile, name: str) -> None:
    case = CASES[name]
    hostile.config(case.content)
    hostile.holds("train", "c.yaml", *case.arguments, code=case.code, told=case.told)


@pytest.mark.parametrize(
    "name",
    [
        *("laughs", "lists in lists", "deep keys", "much too large", "thousands of values"),
        *("a call", "a million neurons", "a billion weights", "as deep as can be", "newton"),
        *("UTF-16", "many digits", "counts", "the name '../x'"),
    ],
)
def test_a_process_of_its_own_takes_neither_time_nor_memory(hostile: Hostile, name: str) -> None:
    case = CASES[name]
    hostile.config(case.content)
    hostile.process_holds("train", "c.yaml", *case.arguments, code=case.code, told=case.told)


def places(hostile: Hostile) -> None:
    """Make what is no file."""
    os.mkfifo(hostile.folder / "fifo")
    (hostile.folder / "folder").mkdir()
    (hostile.folder / "loop").symlink_to("loop")
    (hostile.folder / "dangling").symlink_to("nowhere")


def settings(kind: str, place: str) -> str:
    """Return a config that takes its data from a place."""
    keys = {"npz": "file: {}", "csv": "train_file: {}", "idx": "train_images: {}, train_labels: {}"}
    return f"data: {{name: {kind}, {keys[kind].replace('{}', repr(place))}}}\n"


@pytest.mark.parametrize("kind", ["npz", "csv", "idx"])
@pytest.mark.parametrize("place", FILES)
def test_data_that_is_no_file_of_data_is_refused(hostile: Hostile, kind: str, place: str) -> None:
    if place.startswith("/") and not Path(place).exists():
        pytest.skip(f"there is no {place} here")
    places(hostile)
    hostile.config(settings(kind, place))
    told = FILES[place] if place != "c.yaml" else ""
    hostile.holds("train", "c.yaml", code=2, told=told)


@pytest.mark.parametrize("place", ["folder", "/dev/zero", "loop", "fifo", "dangling", "x" * 5000])
def test_a_directory_of_idx_files_that_is_none_is_refused(hostile: Hostile, place: str) -> None:
    places(hostile)
    hostile.config(f"data: {{name: idx, directory: {place}}}\n")
    hostile.holds("train", "c.yaml", code=2, told="")


@pytest.mark.parametrize(
    ("place", "code", "told"),
    [
        ("/dev/zero", 2, "is neither a file nor a run"),
        ("/dev/stdin", 2, "is neither a file nor a run"),
        ("/proc/self/mem", 74, "cannot be read"),
        ("fifo", 2, "nothing was written to this pipe"),
        ("folder", 2, "is neither a file nor a run"),
        ("loop", 74, "cannot be read"),
        ("dangling", 2, "there is no such file"),
        ("missing.yaml", 2, "there is no such file"),
        ("x" * 5000, 74, "cannot be read"),
        ("\x1b[31m\u202e.yaml", 2, "\\x1b[31m\\u202e.yaml: there is no such file"),
        ("\udcff.yaml", 2, "\\udcff.yaml: there is no such file"),
        ("a\nb.yaml", 2, "a\\nb.yaml: there is no such file"),
        ("tiny.npz", 2, "is an archive, not a config"),
    ],
)
def test_a_config_that_is_no_file_of_text_is_refused(
    hostile: Hostile, monkeypatch: pytest.MonkeyPatch, place: str, code: int, told: str
) -> None:
    monkeypatch.setattr("nnexp.config.argument.WAIT", 0.1)  # of a pipe that nobody writes to
    if place.startswith("/") and not Path(place).exists():
        pytest.skip(f"there is no {place} here")
    places(hostile)
    hostile.holds("train", place, code=code, told=told)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("place", "told"),
    [("fifo", "nothing was written to this pipe"), ("/dev/zero", "is neither a file nor a run")],
)
def test_a_process_does_not_wait_for_what_never_comes(
    hostile: Hostile, place: str, told: str
) -> None:
    places(hostile)
    hostile.process_holds("train", place, code=2, told=told)
    hostile.config(settings("npz", place))
    hostile.process_holds("train", "c.yaml", code=2, told="not a regular file")


@pytest.mark.parametrize("stem", ["-x", ".x", "a b", "ä", "\x1b[31m", "a\nb", "x" * 90])
def test_a_config_s_name_that_no_run_may_have_is_told(hostile: Hostile, stem: str) -> None:
    hostile.config(SMALL, f"{stem}.yaml")
    hostile.holds("train", "--", f"./{stem}.yaml", code=2, told="cannot begin a run's name")


def test_every_problem_is_told_up_to_a_limit(hostile: Hostile) -> None:
    """Three lines are promised of files with three problems or fewer; others get a line each."""
    hostile.config("".join(f"key{n}: 1\n" for n in range(1000)))
    said = hostile.bench("train", "c.yaml")
    assert said.code == 2
    lines = said.err.splitlines()
    assert len(lines) == 51
    assert lines[-1] == "c.yaml: … and 950 more"


def test_there_are_as_many_hostile_configs_as_promised() -> None:
    assert len(CASES) >= 80

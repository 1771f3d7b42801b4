"""nnexp compare: the keys that differ and no others, what came of them, and the picture."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pytest

from nnexp.store.lock import Lock

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Bench

ROWS_A = [(0.25, 0.90), (0.2, 0.9499), (0.15, 0.93), (0.125, 0.976)]
ROWS_B = [(0.5, 0.5), (0.25, 0.95), (0.2, 0.95)]


def history(rows: list[tuple[float, float]]) -> bytes:
    """Return metrics of (cost, accuracy) on the validation data, and twice the cost in training."""
    lines = [
        {"epoch": epoch, "learning_rate": 0.5}
        | {"train_cost": 2 * cost, "train_accuracy": 1.0}
        | {"validation_cost": cost, "validation_accuracy": accuracy}
        for epoch, (cost, accuracy) in enumerate(rows, 1)
    ]
    return b"".join(msgspec.json.encode(line) + b"\n" for line in lines)


@pytest.fixture
def two(bench: Bench) -> Bench:
    """Two interrupted runs with curves that were made up, so that the answers are known."""
    for name, rows, *settings in (
        ("a", ROWS_A),
        ("b", ROWS_B, "learning_rate=1", "lambda=5", "data.train=100", "patience=null"),
    ):
        given = [argument for each in settings for argument in ("--set", str(each))]
        bench("train", "tiny.yaml", *given, "--name", name, "--until", "1", "-q")
        (bench.folder / f"runs/{name}/metrics.jsonl").write_bytes(history(rows))
        bench.commit(f"runs/{name}")
    return bench


def test_the_whole_text(two: Bench) -> None:
    assert two("compare", "runs/a", "runs/b") == (
        0,
        """\
A  runs/a  interrupted
B  runs/b  interrupted

config           A    B
data.train       -  100
learning_rate  0.5  1.0
lambda         0.0  5.0
patience        10    -

result                                       A         B
best validation accuracy               97.60 %   95.00 %
  at epoch                                   4         2
test accuracy there                          -         -
last train accuracy                   100.00 %  100.00 %
last train cost                         0.2500    0.4000
last validation accuracy               97.60 %   95.00 %
last validation cost                    0.1250    0.2000
epochs                                       4         3
epochs to 90 % validation accuracy           1         2
epochs to 93 % validation accuracy           2         2
epochs to 95 % validation accuracy           4         2
epochs to 96 % validation accuracy           4         -
epochs to 97 % validation accuracy           4         -
epochs to 97.5 % validation accuracy         4         -
epochs to 98 % validation accuracy           -         -
""",
        "",
    )


def test_json_says_the_same(two: Bench) -> None:
    code, out, err = two("compare", "runs/a", "runs/b", "--json")
    assert (code, out.count("\n"), err) == (0, 1, "")
    told = json.loads(out)
    assert told["differences"] == {
        "data.train": {"a": None, "b": 100},
        "learning_rate": {"a": 0.5, "b": 1.0},
        "lambda": {"a": 0.0, "b": 5.0},
        "patience": {"a": 10, "b": None},
    }
    assert told["levels_of"] == "validation_accuracy"
    reached = {"90": 1, "93": 2, "95": 4, "96": 4, "97": 4, "97.5": 4, "98": None}
    assert told["a"]["reached"] == reached
    assert (told["a"]["run"], told["a"]["status"]) == ("runs/a", "interrupted")
    assert (told["b"]["best"]["epoch"], told["b"]["last"]["epoch"]) == (2, 3)
    assert told["b"]["test_accuracy"] is None


def test_equal_configs_are_called_the_same(bench: Bench) -> None:
    bench("train", "tiny.yaml", "--name", "a", "-q")
    bench("train", "tiny.yaml", "--name", "b", "-q", "--set", "learning_rate=0.50")
    code, out, _ = bench("compare", "runs/a/", "./runs/b")
    result = json.loads((bench.folder / "runs/a/result.json").read_text())
    assert code == 0
    assert out.startswith(
        "A  runs/a  finished\nB  runs/b  finished\n\nThe configs are the same.\n\n"
    )
    test = f"{100 * result['test_accuracy']:.2f} %"
    line = next(line for line in out.splitlines() if line.startswith("test accuracy there"))
    assert line.split()[3:] == [*test.split(), *test.split()]


def test_a_running_run_can_be_compared(two: Bench) -> None:
    held = Lock(two.folder / "runs/a/LOCK")
    held.acquire()
    code, out, _ = two("compare", "runs/a", "runs/b")
    held.release()
    assert (code, out.splitlines()[0]) == (0, "A  runs/a  running")


def test_levels_are_of_an_accuracy_that_both_have(bench: Bench) -> None:
    for name, monitor in (("a", "[train, test]"), ("b", "[test]"), ("c", "[train]"), ("d", "[]")):
        given = ("--set", f"monitor={monitor}", "--set", "patience=", "--name", name)
        assert bench("train", "tiny.yaml", *given, "-q").code == 0
    assert "epochs to 90 % test accuracy" in bench("compare", "runs/a", "runs/b").out
    assert "epochs to 90 % train accuracy" in bench("compare", "runs/a", "runs/c").out
    out = bench("compare", "runs/c", "runs/d").out
    assert [line.split() for line in out.splitlines() if line.startswith("best")] == [
        ["best", "validation", "accuracy", "-", "-"]
    ]


def test_a_run_without_epochs_can_be_compared(bench: Bench) -> None:
    bench("train", "tiny.yaml", "--name", "a", "-q")
    bench("train", "tiny.yaml", "--name", "b", "--set", "learning_rate=1e30", "-q")
    code, out, _ = bench("compare", "runs/a", "runs/b", "--plot", "c.png")
    assert (code, out.splitlines()[1]) == (0, "B  runs/b  diverged")
    assert (bench.folder / "c.png").exists()


# Pictures


def colours(path: Path) -> set[tuple[int, ...]]:
    """Return the colours that are in a picture."""
    from matplotlib import image  # noqa: PLC0415 - slow to import

    pixels = (255 * image.imread(path)[..., :3]).round().astype(int)
    return set(map(tuple, np.unique(pixels.reshape(-1, 3), axis=0).tolist()))


def test_the_picture_shows_a_curve_of_each_run(two: Bench) -> None:
    code, out, err = two("compare", "runs/a", "runs/b", "--plot", "curves.png")
    assert (code, err) == (0, "")
    assert out == two("compare", "runs/a", "runs/b").out
    blue, vermilion = (0x00, 0x72, 0xB2), (0xD5, 0x5E, 0x00)
    assert {blue, vermilion} <= colours(two.folder / "curves.png")


@pytest.mark.parametrize(("ending", "head"), [("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_other_formats_of_the_picture(two: Bench, ending: str, head: bytes) -> None:
    assert two("compare", "runs/a", "runs/b", "--plot", f"c.{ending}").code == 0
    assert (two.folder / f"c.{ending}").read_bytes().startswith(head)


@pytest.mark.parametrize(
    ("picture", "code", "told"),
    [
        ("c.gif", 2, "c.gif: a picture's name ends in .png, .svg, .pdf\n"),
        ("c", 2, "c: a picture's name ends in .png, .svg, .pdf\n"),
        ("nix/c.png", 74, "nix/c.png: no such file or directory\n"),
    ],
)
def test_a_picture_that_cannot_be_is_all_that_is_said(
    two: Bench, picture: str, code: int, told: str
) -> None:
    assert two("compare", "runs/a", "runs/b", "--plot", picture) == (code, "", told)


# What goes wrong


def test_a_run_that_is_not_there_exits_2(two: Bench) -> None:
    assert two("compare", "runs/a", "runs/x") == (2, "", "runs/x: there is no such run\n")
    assert two("compare", "tiny.yaml", "runs/a") == (2, "", "tiny.yaml: there is no such run\n")
    assert two("compare", "runs/a").code == 2


def test_a_folder_that_is_no_run_exits_5(two: Bench) -> None:
    assert two("compare", "runs/a", "runs") == (
        5,
        "",
        "runs: is not a run: it has no run.json\n",
    )


@pytest.mark.parametrize("file", ["run.json", "metrics.jsonl", "result.json"])
def test_a_damaged_run_exits_5_and_names_the_file(bench: Bench, file: str) -> None:
    bench("train", "tiny.yaml", "--name", "a", "-q")
    path = bench.folder / "runs/a" / file
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    code, out, err = bench("compare", "runs/a", "runs/a")
    assert (code, out, err.count("\n")) == (5, "", 1)
    assert err.startswith(f"runs/a/{file}: is damaged: ")


def test_broken_lines_of_a_stopped_run_exit_5(two: Bench) -> None:
    (two.folder / "runs/b/metrics.jsonl").write_text("{}\n")
    code, _, err = two("compare", "runs/a", "runs/b")
    assert (code, err.endswith("rows in metrics.jsonl are damaged\n")) == (5, True)

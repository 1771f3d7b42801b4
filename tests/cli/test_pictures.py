"""Pictures do not depend on the user's matplotlib, and a failure to draw loses no result."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from nnexp.report import renderer

if TYPE_CHECKING:
    from tests.conftest import Bench, Once

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(renderer.__file__).parents[2])}
COMPARE = ("compare", "runs/a-s0", "runs/b-s0", "--plot", "p.png")
COMMANDS = {
    "compare": COMPARE,
    "inspect": ("inspect", "tiny.yaml", "--plot", "p.png"),
    "inspect --data": ("inspect", "tiny.yaml", "--data", "--plot", "p.png"),
    "show": ("show", "runs/a-s0", "--images", "p.png"),
    "predict": ("predict", "runs/a-s0", "tiny.npz", "--shown", "p.png"),
    "find-rate": ("find-rate", "tiny.yaml", "--plot", "p.png"),
    "sweep": ("sweep", "tiny.yaml", "--grid", "learning_rate=0.4,0.5", "--plot", "p.png"),
    "race": ("race", "runs/a", "runs/b", "--metric", "last_train_cost", "--plot", "p.png"),
    "search": ("search", "tiny.yaml", "--space", "lambda=[0,1]", "--trials", "2", "--confirm", "0",
               "--plot", "p.png"),
}  # fmt: skip


@pytest.fixture
def two(once: Once) -> Bench:
    return once(make_two)


def make_two(bench: Bench) -> None:
    """Train two runs on images."""
    with np.load(bench.folder / "tiny.npz") as data:
        arrays = {name: data[name] for name in data.files}
    images = {
        name: array[..., :9].reshape(-1, 3, 3) if name[0] == "x" else array
        for name, array in arrays.items()
    }
    np.savez(bench.folder / "tiny.npz", **images)
    bench("train", "tiny.yaml", "-q", "--name", "a", "--set", "learning_rate=0.001")
    bench("train", "tiny.yaml", "-q", "--name", "b", "--set", "learning_rate=1")


def fresh(bench: Bench, *command: str, **variables: str) -> tuple[int, str, str]:
    """Run a command in a fresh interpreter, which imports matplotlib anew."""
    done = subprocess.run(
        [sys.executable, "-m", "nnexp", *command],
        cwd=bench.folder,
        env=ENVIRONMENT | variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    return done.returncode, done.stdout, done.stderr


BACKENDS = ("evil", "module://matplotlib_inline.backend_inline", "TkAgg")
SETTINGS = {
    "usetex": "text.usetex: True\n",
    "looks": 'font.size: 40\naxes.prop_cycle: cycler(color=["white"])\nimage.lut: 2\n',
    "nonsense": "font.size: large enough\nno colon\nnone.such: 3\n",
    "undecodable": "\udcff\udcfe",
}


@pytest.mark.parametrize("where", ["working directory", "MATPLOTLIBRC", "MPLCONFIGDIR"])
@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS.keys())
@pytest.mark.slow
def test_no_matplotlibrc_changes_a_picture(two: Bench, settings: str, where: str) -> None:
    plain = fresh(two, *COMPARE)
    expected = (two.folder / "p.png").read_bytes()
    folder = two.folder if where.startswith("working") else two.folder / "settings"
    folder.mkdir(exist_ok=True)
    (folder / "matplotlibrc").write_bytes(settings.encode("utf-8", "surrogateescape"))
    variables = {} if folder == two.folder else {where: str(folder)}
    assert fresh(two, *COMPARE, **variables) == plain
    assert (two.folder / "p.png").read_bytes() == expected


@pytest.mark.parametrize("backend", BACKENDS)
def test_no_backend_of_the_environment_is_needed(two: Bench, backend: str) -> None:
    """As case 04: Jupyter exports a backend to the commands that it starts."""
    code, out, err = fresh(two, *COMPARE, MPLBACKEND=backend)
    assert (code, err) == (0, "")
    assert out.startswith("   run ")
    assert (two.folder / "p.png").read_bytes().startswith(b"\x89PNG")


def test_settings_of_a_pipe_do_not_block(two: Bench) -> None:
    os.mkfifo(two.folder / "matplotlibrc")
    assert fresh(two, *COMPARE)[0] == 0


def test_settings_of_the_process_change_no_picture(
    two: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python code that uses nnexp may have settings of its own."""
    import matplotlib as mpl  # noqa: PLC0415 - slow

    two(*COMPARE)
    expected = (two.folder / "p.png").read_bytes()
    monkeypatch.setitem(mpl.rcParams, "font.size", 40.0)
    two(*COMPARE)
    assert (two.folder / "p.png").read_bytes() == expected
    assert mpl.rcParams["font.size"] == 40.0


@pytest.mark.parametrize("name", COMMANDS)
def test_an_error_of_drawing_comes_after_the_table_and_in_one_line(
    two: Bench, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = two(*COMMANDS[name])
    assert expected.code == 0, expected

    def fail(_: object) -> None:
        raise RuntimeError("Failed to process string with tex:\nlatex could not be found")

    (two.folder / "p.png").unlink()
    monkeypatch.setattr(renderer, "drawing", fail)
    said = two(*COMMANDS[name])
    told = "p.png: cannot be drawn: RuntimeError: Failed to process string with tex:\n"
    assert (said.code, re.sub(r"\d+\.\d+ s|seconds.*", "", said.out)) == (
        1,
        re.sub(r"\d+\.\d+ s|seconds.*", "", expected.out),
    )
    assert said.err.endswith(told)
    assert not (two.folder / "p.png").exists()


def test_a_report_that_cannot_be_drawn_is_one_line(
    two: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nnexp.report import comparison_page  # noqa: PLC0415

    def fail(_: object) -> str:
        raise ValueError("no")

    monkeypatch.setattr(comparison_page, "report", fail)
    said = two("report", "runs/a-s0", "-o", "r.html")
    assert said == (1, "", "r.html: cannot be drawn: ValueError: no\n")

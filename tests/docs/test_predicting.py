"""The session of docs/predicting.md prints what the page shows, but for the last digits."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from nnexp.datasets.idx import MNIST_DIRECTORY

pytestmark = [pytest.mark.docs, pytest.mark.slow]

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "predicting.md").read_text(encoding="utf-8")


def run(line: str, folder: Path) -> str:
    """Return the output of a command of the page."""
    for name, module in (("nnexp", "nnexp"), ("python", "")):
        line = re.sub(rf"^{name} ", f'"{sys.executable}" {f"-m {module} " if module else ""}', line)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = ["bash", "-c", line]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout


def test_the_session_is_what_is_printed(tmp_path: Path) -> None:
    sessions = re.findall(r"(?:^    .*\n)+", PAGE, re.MULTILINE)
    lines = [line[4:] for line in sessions[0].splitlines()]
    commands = [line[2:] for line in lines if line.startswith("$ ")]
    shown = [line.split() for line in lines if not line.startswith("$ ")]
    printed = [row.split() for command in commands for row in run(command, tmp_path).splitlines()]
    assert len(printed) == len(shown) == 6
    assert printed[:2] == shown[:2]
    for ours, theirs in zip(printed[2:], shown[2:], strict=True):
        assert ours[:2] == theirs[:2]
        outputs = [[float(row[k]) for k in (2, 4)] for row in (ours, theirs)]
        assert outputs[0] == pytest.approx(outputs[1], abs=0.15)  # by other arithmetic
    for kind in ("images-idx3", "labels-idx1"):
        shutil.copy(MNIST_DIRECTORY / f"t10k-{kind}-ubyte", tmp_path / f"new-{kind}-ubyte")
    (evaluate,) = (line[6:] for line in sessions[1].splitlines())
    measured = json.loads(run(f"{evaluate} --json", tmp_path))
    result = json.loads((tmp_path / shown[0][0] / "result.json").read_text())
    assert measured["runs"][0]["accuracy"] == result["test_accuracy"]

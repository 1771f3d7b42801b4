"""The examples of optimizers that beat SGD run, and give what the page shows."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.docs, pytest.mark.slow]

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "techniques.md").read_text("utf-8")
TEST = "test accuracy, best epoch"
NOISE = 7.1
"""By how many standard errors means over five seeds differ once in ten thousand times (8 d.f.)."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the configs, their data and the command."""
    pytest.importorskip("sklearn", reason="scikit-learn, which the data is from, is not installed")
    made = tmp_path_factory.mktemp("techniques")
    shutil.copytree(ROOT / "configs", made / "configs")
    data = [sys.executable, "-m", "benchmarks.data_sets", str(made / "data")]
    subprocess.run(data, cwd=ROOT, check=True)
    command = made / "bin" / "nnexp"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m nnexp "$@"\n')
    command.chmod(0o755)
    return made


def cells(lines: list[str]) -> tuple[list[tuple[float, float]], str]:
    """Return the test accuracies of A and B with their deviations over seeds, and the verdict."""
    (line,) = (line for line in lines if re.match(rf" *{TEST}  ", line))
    pairs = re.findall(r"([\d.]+) ± ([\d.]+)", line)
    return [(float(mean), float(deviation)) for mean, deviation in pairs[:2]], line.split()[-1]


def mean_accuracy(first: Path) -> float:
    """Return the mean test accuracy of seeds 0 to 4; of a run that diverged it is 0."""
    results = [
        json.loads((first.with_name(f"{first.name[:-1]}{seed}") / "result.json").read_text())
        for seed in range(5)
    ]
    return sum(result["test_accuracy"] or 0.0 for result in results) / 5


@pytest.mark.parametrize("name", ["momentum", "newton"])
def test_it_is_better_than_sgd(name: str, folder: Path) -> None:
    found = re.search(
        rf"```sh\n((?:(?!```).)*)```\n\n<!-- output: {name} -->\n(.*?)<!-- end -->", PAGE, re.DOTALL
    )
    assert found is not None
    path = f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
    printed = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", found[1]],
        cwd=folder,
        env={**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=900,
        check=True,
    ).stdout.splitlines()
    obtained, verdict = cells(printed)
    shown, promised = cells(found[2].splitlines())
    assert promised == "better"
    assert verdict in {"better", "~"}  # processors round differently, which is like other seeds
    for (mean, deviation), (expected, other) in zip(obtained, shown, strict=True):
        error = ((deviation**2 + other**2) / 5) ** 0.5
        assert mean == pytest.approx(expected, abs=NOISE * error + 0.5)
    (problem,) = re.findall(r"nnexp compare runs/(\w+)-sgd-", found[1])
    rivals = [mean_accuracy(run) for run in (folder / "runs").glob(f"{problem}-sgd-*-s0")]
    assert len(rivals) == 4
    assert 100 * max(rivals) < obtained[1][0]

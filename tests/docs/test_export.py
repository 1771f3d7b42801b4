"""Every snippet of docs/export.md runs, where the packages that it needs are installed."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import Bench

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "export.md").read_text("utf-8")
SNIPPETS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
COMMANDS = [line.split()[1:] for line in PAGE.splitlines() if line.startswith("nnexp ")]
PACKAGES = {"torch", "safetensors", "onnxruntime", "pandas", "polars", "duckdb"}
"""Packages of the extra ``interop``, which may be missing."""


def needed(snippet: str) -> list[str]:
    """Return the packages that a snippet imports, besides NumPy and nnexp."""
    imported = re.findall(r"^(?:import|from) (\w+)", snippet, re.MULTILINE)
    return [name for name in imported if name in PACKAGES]


def needs(command: list[str]) -> str:
    """Return the package that an export needs."""
    kind = command[command.index("--to") + 1] if "--to" in command else ""
    return {"tensorboard": "tensorboardX", "csv": ""}.get(kind, kind)


def is_installed(name: str) -> bool:
    return importlib.util.find_spec(name) is not None


@pytest.fixture
def exported(bench: Bench) -> Bench:
    """What the page's commands write, as far as their packages are installed."""
    for command in COMMANDS:
        if not needs(command) or is_installed(needs(command)):
            short = ["--set", "epochs=2"] if command[0] == "train" else []
            said = bench(*command, *short)
            assert (said.code, said.err) == (0, "")
    return bench


@pytest.mark.slow
@pytest.mark.parametrize("snippet", SNIPPETS, ids=lambda text: "-".join(needed(text)) or "numpy")
def test_a_snippet_runs(exported: Bench, snippet: str) -> None:
    if missing := [name for name in needed(snippet) if not is_installed(name)]:
        pytest.skip(f"{', '.join(missing)} is not installed")
    done = subprocess.run(
        [sys.executable, "-c", snippet],
        cwd=exported.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout
    if not needed(snippet):
        assert float(done.stdout) > 0.9


def test_a_missing_package_is_named_with_its_command(bench: Bench) -> None:
    bench("train", "tiny.yaml", "-q", "--name", "a")
    for command in COMMANDS:
        package = needs(command)
        if package and not is_installed(package):
            kind = command[command.index("--to") + 1]
            target = "logs" if kind == "tensorboard" else f"a.{kind}"
            said = bench("export", "runs/a", "--to", kind, "-o", target)
            assert said.code == 2
            fact = f"--to {kind} needs {package}, which is not installed"
            assert said.err == f"{fact}: pip install 'nnexp[{kind}]'\n"

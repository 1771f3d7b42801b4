"""Search spaces for tests: how they are read, drawn from and written to files."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from nnexp.study import sweep_file
from nnexp.study.space import Space

needs_optuna = pytest.mark.skipif(find_spec("optuna") is None, reason="Optuna is not installed")
RATE = "learning_rate=log-uniform(0.01, 10)"


def read(*sources: str) -> Space:
    found, problems = sweep_file.read_space(sources)
    assert problems == []
    return found


def file(text: str, name: str = "s.yaml") -> str:
    Path(name).write_text(text, encoding="utf-8")
    return name

"""No file of a run is read that is larger than its config allows."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nnexp.store import growth_index, metrics
from nnexp.store.metrics import Timing
from nnexp.store.run import Run
from nnexp.training.history import Row

if TYPE_CHECKING:
    from tests.conftest import Bench

LAYERS = 40
LONGEST = -1.2345678901234567e-300
"""No number takes more characters in JSON."""


def test_the_longest_row_is_shorter_than_the_limit() -> None:
    text = json.dumps(LONGEST)
    tuples = {"saturation", "weight_norms", "gradient_norms", "running_costs"}
    row = dict.fromkeys(Row.__struct_fields__, LONGEST) | {
        **{name: [LONGEST] * LAYERS for name in tuples},
        "running_costs": [LONGEST] * 10,
        "epoch": 1_000_000,
        "numerics": "0" * 64,
    }
    assert len(text) == 24
    assert len(json.dumps(row)) < metrics.ROW_SIZE + LAYERS * metrics.LAYER_SIZE
    timing = dict.fromkeys(Timing.__struct_fields__, LONGEST)
    assert 1.5 * len(json.dumps(timing)) < metrics.TIMING_SIZE


@pytest.mark.parametrize(
    ("config", "rows"),
    [
        ({"epochs": 30, "evaluate_every": 1}, 31),
        ({"epochs": 30, "evaluate_every": 7}, 5),
        ({"epochs": 30}, 30),
        ({}, 1_000_000),
        ({"epochs": 10**30, "evaluate_every": 0}, 1_000_000),
        ({"epochs": True}, 1_000_000),
    ],
)
def test_the_limit_follows_from_the_config(config: dict[str, object], rows: int) -> None:
    row = metrics.ROW_SIZE + 3 * metrics.LAYER_SIZE
    limit = min(rows * row + metrics.SPARE, metrics.MAX_SIZE)
    assert metrics.max_size({**config, "hidden": [100, 50]}) == limit


@pytest.fixture
def run(bench: Bench) -> Path:
    bench("train", "tiny.yaml", "-q", "--name", "x")
    bench("train", "tiny.yaml", "-q", "--name", "y", "--set", "learning_rate=1")
    return bench.folder / "runs/x-s0"


@pytest.mark.parametrize("state", ["finished", "interrupted"])
def test_metrics_larger_than_the_config_allows_are_damaged_and_not_read(
    bench: Bench, run: Path, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    """As faults/3: 1,000 MB of zeros were read into memory."""
    if state == "interrupted":
        (run / "result.json").unlink()
    limit = metrics.max_size(Run(run).record.config)
    os.truncate(run / "metrics.jsonl", limit + 1)
    sizes: list[int] = []
    real = os.read

    def read(file: int, size: int) -> bytes:
        sizes.append(size)
        return real(file, size)

    monkeypatch.setattr(os, "read", read)
    told = f"runs/x-s0/metrics.jsonl: has {limit + 1} bytes, more than the {limit} allowed"
    for command, code in (("compare", 5), ("show", 5), ("report", 5), ("replay", 5), ("runs", 1)):
        others = {"compare": ("runs/x-s0", "runs/y-s0"), "runs": ()}.get(command, ("runs/x-s0",))
        said = bench(command, *others)
        assert (said.code, told in said.err) == (code, True), said
    assert bench("train", "tiny.yaml", "-q", "--name", "x").code == 5
    assert max(sizes) < limit


def test_times_beyond_the_limit_are_left_out(bench: Bench, run: Path) -> None:
    before = bench("show", "runs/x-s0").out
    content = (run / "timing.jsonl").read_bytes()
    for rest in (b"\0", b"\n"):
        (run / "timing.jsonl").write_bytes(content + rest * (2 << 20))
        assert bench("show", "runs/x-s0") == (0, before, "")
    assert len(Run(run).timing()) == 3


def test_an_index_larger_than_its_folder_s_runs_explain_is_ignored(
    bench: Bench, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = run.parent / growth_index.FOLDER / growth_index.FILE
    monkeypatch.setattr(growth_index, "LIMIT", len(index.read_bytes()))
    index.write_bytes(index.read_bytes() + b"\n" * 4096)
    said = bench("train", "tiny.yaml", "--set", "epochs=4")
    assert said.code == 0
    assert "epochs 1 to 3 are taken" in said.err


def test_a_file_that_was_extended_is_no_reason_to_read_it(bench: Bench, run: Path) -> None:
    checkpoint = max(run.glob("checkpoints/*"))
    os.truncate(checkpoint, 1 << 32)
    said = bench("verify", "-q", "runs/x-s0")
    assert (said.code, checkpoint.name in said.out + said.err) == (7, True), said

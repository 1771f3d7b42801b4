"""Crashes that leave structurally different states to resume from."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from tests.faults.tracing import METRICS, Tracing


class Crash(NamedTuple):
    """What a first kill leaves: at the first call of a name on a path."""

    name: str
    path: str
    torn: int = 0
    """Bytes that metrics.jsonl lacks, as if a kill had cut the last write to it short."""

    def made(self, tracing: Tracing) -> Path:
        """Return what the crash leaves, kept for reset."""
        tracing.reset()
        calls = tracing.calls()
        place = next(c for c in calls if c.name.startswith(self.name) and c.path == self.path)
        tracing.reset()
        tracing.kill(place)
        if self.torn:
            metrics = tracing.run / METRICS
            os.truncate(metrics, metrics.stat().st_size - self.torn)
        return tracing.keep("crashed")


CRASHES = {
    "a run half built": Crash("fsync", "/runs/.n.new/config.yaml"),
    "a run built and not published": Crash("rename", "/runs/.n.new"),
    "a run published and not begun": Crash("openat", "/runs/n/log.txt"),
    "a row without its checkpoint": Crash("openat", "/runs/n/checkpoints/.epoch-000002.npz.tmp"),
    "half a row": Crash("openat", "/runs/n/checkpoints/.epoch-000002.npz.tmp", torn=60),
    "a checkpoint not in its place": Crash("rename", "/runs/n/checkpoints/.epoch-000003.npz.tmp"),
    "a checkpoint too many": Crash("unlink", "/runs/n/checkpoints/epoch-000001.npz"),
    "predictions without a result": Crash("openat", "/runs/n/.result.json.tmp"),
    "a result half written": Crash("fsync", "/runs/n/.result.json.tmp"),
}

"""Crashes that leave structurally different states to resume from."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from tests.faults.tracing import METRICS, Tracing


class Crash(NamedTuple):
    """The state after a kill at the first call of a name on a path."""

    name: str
    path: str
    torn: int = 0
    """Bytes cut from the end of metrics.jsonl, as by a kill during its last write."""

    def made(self, tracing: Tracing) -> Path:
        """Return a training in the state that the crash leaves, kept for reset."""
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
    "a run half built": Crash("fsync", "/runs/.n-s0.new/config.yaml"),
    "a run built and not published": Crash("rename", "/runs/.n-s0.new"),
    "a run published and not begun": Crash("openat", "/runs/n-s0/log.txt"),
    "a row without its checkpoint": Crash("openat", "/runs/n-s0/checkpoints/.epoch-000002.npz.tmp"),
    "half a row": Crash("openat", "/runs/n-s0/checkpoints/.epoch-000002.npz.tmp", torn=60),
    "a checkpoint not in its place": Crash(
        "rename", "/runs/n-s0/checkpoints/.epoch-000003.npz.tmp"
    ),
    "a checkpoint too many": Crash("unlink", "/runs/n-s0/checkpoints/epoch-000001.npz"),
    "predictions without a result": Crash("openat", "/runs/n-s0/.result.json.tmp"),
    "a result half written": Crash("fsync", "/runs/n-s0/.result.json.tmp"),
}

"""The optimizers a config can name."""

from __future__ import annotations

from typing import TypeAlias

from nnexp.optim.sgd import Sgd

Optimizer: TypeAlias = Sgd

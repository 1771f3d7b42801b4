"""Defaults that follow from another key: they fill in what the config does not say."""

from __future__ import annotations

from collections.abc import Container
from typing import Any

import msgspec

from nnexp.config.model import Config


def settled(config: Config, given: Container[str]) -> Config:
    """Return the config with the defaults that its optimizer and schedule have for other keys.

    Args:
        config: converted, with the model's own defaults in the keys that are not given.
        given: the keys that are.
    """
    defaults: dict[str, Any] = {"learning_rate": config.optimizer.default_learning_rate}
    if config.optimizer.full_batch:
        defaults["batch_size"] = "all"
    if config.schedule.ends_the_run:
        defaults["patience"] = None
    fill = {key: value for key, value in defaults.items() if key not in given}
    return msgspec.structs.replace(config, **fill)

"""Run an nnexp command and print its phases: ``-m benchmarks.phases train …``.

The functions of each phase are replaced by ones that measure the processor's time; the last line of
the output is a JSON object of seconds by phase. Of nested phases, time counts for the inner one.
"""

from __future__ import annotations

import builtins
import importlib
import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from types import GeneratorType
from typing import Any

REST = "everything else"
IMPORTS = "Python's start and imports"


class Phases:
    """A stopwatch with a hand for each phase."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._open = [REST]
        self._since = time.process_time()

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Measure a block as part of a phase."""
        self._switch()
        self._open.append(name)
        try:
            yield
        finally:
            self._switch()
            self._open.pop()

    def stop(self) -> None:
        """Add the time since the last change to the open phase."""
        self._switch()

    def _switch(self) -> None:
        now = time.process_time()
        name = self._open[-1]
        self.seconds[name] = self.seconds.get(name, 0.0) + now - self._since
        self._since = now


def measured(phases: Phases, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function, or generator function, whose calls are measured as a phase."""

    @wraps(function)
    def wrapper(*args: object, **options: object) -> Any:  # noqa: ANN401 - whatever it returns
        with phases.phase(name):
            result = function(*args, **options)
        return steps(phases, name, result) if isinstance(result, GeneratorType) else result

    return wrapper


def steps(phases: Phases, name: str, generator: Iterator[Any]) -> Iterator[Any]:
    """Yield the items of a generator, measuring each of its steps."""
    while True:
        with phases.phase(name):
            try:
                item = next(generator)
            except StopIteration:
                return
        yield item


def measure_all(phases: Phases) -> None:
    """Replace the functions of all phases, importing their modules."""
    for owner, function in ((builtins, "__import__"), (importlib, "import_module")):
        replace(phases, IMPORTS, owner, function)
    for name, functions in FUNCTIONS.items():
        for module, path in functions:
            *parents, function = path.split(".")
            owner = importlib.import_module(f"nnexp.{module}")
            for parent in parents:
                owner = getattr(owner, parent)
            replace(phases, name, owner, function)


def replace(phases: Phases, name: str, owner: Any, function: str) -> None:  # noqa: ANN401 - any
    """Replace a function of a module or class by one that is measured."""
    setattr(owner, function, measured(phases, name, getattr(owner, function)))


def main() -> None:
    """Run the command and print its phases."""
    phases = Phases()
    phases.seconds[IMPORTS] = time.process_time()
    measure_all(phases)
    cli = importlib.import_module("nnexp.cli")
    code = 0
    try:
        cli.main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    phases.stop()
    print(json.dumps(phases.seconds))
    sys.exit(code)


FUNCTIONS = {
    "reading MNIST": [("datasets.loading", "Data.__call__"), ("datasets.loading", "load")],
    "fingerprint of the arithmetic": [("runner.backends", "fingerprint")],
    "CSR form of the examples": [("training.native_backend", "examples_of")],
    "training": [("training.trainer", "Trainer.epoch")],
    "evaluation": [
        ("runner.assembly", "Assembly.monitored"),
        ("runner.assembly", "Assembly.evaluate"),
    ],
    "recording": [
        ("store.writer", "create"),
        ("store.writer", "Writer.time"),
        ("store.writer", "Writer.commit"),
        ("store.writer", "Writer.finish"),
    ],
}
"""The functions of each phase, by module and name."""


if __name__ == "__main__":
    main()

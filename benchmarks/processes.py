"""Contenders as processes that take turns on one processor, and what they measure."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from statistics import median
from typing import Any, Self

HERE = Path(__file__).parent
OWN = "nnexp"
NUMPY = "NumPy"

TOLERANCE = 1e-4
"""Largest relative distance of a result from the NumPy backend's."""

Rates = dict[str, float]
"""Examples a second by contender."""


def bind() -> None:
    """Bind this process, and those that it will start, to one processor, where that is possible."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def environment(kernels: str | None = None) -> dict[str, str]:
    """Return variables for one thread, and for the fastest kernels that OpenBLAS has.

    Args:
        kernels: of the native backend; None for the fastest.
    """
    variables = dict(os.environ)
    for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
        variables.pop(name, None)
    for library in ("OPENBLAS", "OMP", "MKL"):
        variables[f"{library}_NUM_THREADS"] = "1"
    variables["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    variables["JAX_PLATFORMS"] = "cpu"
    if kernels is not None:
        variables["NNEXP_NATIVE_KERNELS"] = kernels
    return variables


def print_machine(environment: Mapping[str, str]) -> None:
    """Print the machine and the versions as a list."""
    command = [sys.executable, str(HERE / "machine.py")]
    subprocess.run(command, env=environment, check=True)  # noqa: S603 - our own interpreter


class ContenderProcess:
    """A process that runs one contender.

    Args:
        name: a contender of ``own.py`` or ``peers.py``.
        environment: its variables.
    """

    def __init__(self, name: str, environment: Mapping[str, str]) -> None:
        self.name = name
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter
            [sys.executable, "-m", "benchmarks.contender", name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
            cwd=HERE.parent,
        )

    def request(self, cell: Mapping[str, object] | None) -> dict[str, Any]:
        """Send a cell, or None to run, and return the answer."""
        if self._process.stdin is None or self._process.stdout is None:
            raise TypeError("the process has no pipes")
        self._process.stdin.write(json.dumps(cell) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.name}: the process exited without an answer")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


class Contenders:
    """The contenders of a benchmark; a context manager.

    Args:
        names: of the contenders.
        environment: their variables.
    """

    def __init__(self, names: Iterable[str], environment: Mapping[str, str]) -> None:
        self._processes = {name: ContenderProcess(name, environment) for name in names}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        for process in self._processes.values():
            process.close()

    def measure(self, cell: Mapping[str, object], rounds: int) -> Rates:
        """Return the median rate of each contender on a cell; drop those that are not installed."""
        for name, process in list(self._processes.items()):
            answer = process.request(cell)
            if "missing" in answer:
                self._drop(name, answer)
            elif not answer["distance"] < TOLERANCE:
                print(f"{name} is not comparable on {cell}: {answer['distance']:.1%} away")
        rates: dict[str, list[float]] = {name: [] for name in self._processes}
        for _ in range(rounds):
            for name, process in self._processes.items():
                rates[name].append(process.request(None)["rate"])
        return {name: median(values) for name, values in rates.items()}

    def _drop(self, name: str, answer: Mapping[str, Any]) -> None:
        """Leave out a peer. Raises: SystemExit for nnexp itself."""
        if name in {OWN, NUMPY}:
            raise SystemExit(f"{name}: {answer['because']}")
        print(f"{name} is left out: {answer['missing']} is not installed", flush=True)
        self._processes.pop(name).close()

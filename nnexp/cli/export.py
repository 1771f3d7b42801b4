"""nnexp export: trained networks and their metrics in the formats of other tools."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nnexp.cli import options
from nnexp.cli.output import put
from nnexp.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nnexp.analysis.experiments import Experiment
    from nnexp.store.run import Run

SUFFIXES = {"onnx": ".onnx", "safetensors": ".safetensors", "csv": ".csv", "tensorboard": ""}
"""The formats, with the ending of their files; tensorboard makes a folder."""


@click.command()
@click.argument("runs", nargs=-1, required=True, metavar="RUN...", type=options.RUN)
@click.option("--to", "to", type=options.OneOf(tuple(SUFFIXES)), required=True, help="The format.")
@click.option(
    "-o",
    "--output",
    type=options.AnyPath(),
    required=True,
    metavar="PATH",
    help="The file, or the log directory of TensorBoard; an existing file is replaced.",
)
def export(runs: tuple[Path, ...], to: str, output: Path) -> None:
    """Write a run's best network, or the metrics of runs, in the format of other tools.

    \b
    Example:
      nnexp export runs/A-s0 --to onnx -o a.onnx
      nnexp export runs/A-s0 --to safetensors -o a.safetensors
      nnexp export runs/A runs/B --to csv -o metrics.csv
      nnexp export 'runs/*' --to tensorboard -o logs

    onnx and safetensors hold the network of the best epoch of one RUN, with its preprocessing
    and the names of its classes. csv and tensorboard hold every metric of every epoch; RUN may
    be an experiment or a pattern. docs/export.md shows what to do with the files.
    """
    from nnexp.analysis.experiments import gather

    suffix = SUFFIXES[to]
    if suffix and output.suffix != suffix:
        raise UsageError(f"--output: the name of a file for {to} ends in {suffix}, got {output}")
    experiments = gather(runs)
    with _extra(to):
        if to == "csv":
            _write_table(experiments, output)
        elif to == "tensorboard":
            _write_events(experiments, output)
        else:
            _write_network(_single(experiments, to), to, output)
    put(str(output))


@contextmanager
def _extra(to: str) -> Iterator[None]:
    """Convert a missing package to an error that says how to install it."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise UsageError(
            f"--to {to} needs {error.name}, which is not installed: pip install 'nnexp[{to}]'"
        ) from error


def _single(experiments: Sequence[Experiment], to: str) -> Run:
    runs = [run for experiment in experiments for run in experiment.runs]
    if len(runs) > 1:
        raise UsageError(f"--to {to} exports one run, got {len(runs)}; name a seed: {runs[0].path}")
    return runs[0]


def _write_network(run: Run, to: str, output: Path) -> None:
    from nnexp.export.trained import trained
    from nnexp.store import disk

    if to == "onnx":
        from nnexp.export.onnx_model import model

        disk.write_atomically(output, model(trained(run)))
    else:
        from nnexp.export.tensors import tensors

        disk.write_atomically(output, tensors(trained(run)))


def _write_table(experiments: Sequence[Experiment], output: Path) -> None:
    from nnexp.export.metrics_table import table
    from nnexp.report.document import as_csv
    from nnexp.store import disk

    disk.write_atomically(output, f"{as_csv(*table(experiments))}\n".encode())


def _write_events(experiments: Sequence[Experiment], output: Path) -> None:
    from nnexp.export import tensorboard

    for experiment in experiments:
        for run in experiment.runs:
            tensorboard.write(run, output)

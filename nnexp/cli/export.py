"""nnexp export: trained networks and their metrics in the formats of other tools."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nnexp import paths
from nnexp.cli import options
from nnexp.cli.output import put
from nnexp.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nnexp.store.run import Run

SUFFIXES = {"onnx": ".onnx", "safetensors": ".safetensors", "csv": ".csv"}
"""The endings of files by format."""
NUMPY = ("numpy", "npz", "npy")
"""The format that a run's checkpoints have."""
LOGS = "tensorboard"
"""The format that makes a folder for each run."""


class Format(options.OneOf):
    """A format to export to; a run has NumPy's by itself."""

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the format. Raises: UsageError."""
        if value.lower() in NUMPY:
            raise UsageError(
                f"--to {value}: a run's checkpoints are npz archives already, which numpy.load "
                "reads: RUN/checkpoints/epoch-NNNNNN.npz; see docs/export.md"
            )
        return super().convert(value, param, ctx)


@click.command()
@click.argument("runs", nargs=-1, required=True, metavar="RUN...", type=options.RUN)
@click.option("--to", "to", type=Format((*SUFFIXES, LOGS)), required=True, help="The format.")
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
    from nnexp.analysis.experiments import named_runs

    _check_output(to, output)
    named = named_runs(runs)
    with _extra(to):
        if to == "csv":
            _write_table(named, output)
        elif to == LOGS:
            _write_events(named, output)
        else:
            _write_network(_single(named, to), to, output)
    put(str(output))


def _check_output(to: str, output: Path) -> None:
    """Check, before any work is done, that output can be written. Raises: UsageError, DiskError."""
    from nnexp.store import disk

    mode = disk.mode(output)
    if to == LOGS:
        if mode and not stat.S_ISDIR(mode):
            raise options.rejection("-o", "a directory, not a file", str(output))
        disk.check_directory(output)
        return
    if mode and stat.S_ISDIR(mode):
        raise options.rejection("-o", "a file, not a directory", str(output))
    if output.suffix != SUFFIXES[to]:
        raise options.rejection("-o", f"a file whose name ends in {SUFFIXES[to]}", str(output))
    if not paths.is_folder(output.parent):
        raise UsageError(f"{output}: {paths.no_folder(output.parent)}")


@contextmanager
def _extra(to: str) -> Iterator[None]:
    """Convert a missing package to an error that says how to install it."""
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "nnexp").partition(".")[0]
        if package == "nnexp":
            raise
        raise UsageError(
            f"--to {to} needs {package}, which is not installed: pip install 'nnexp[{to}]'"
        ) from error


def _single(runs: Sequence[Run], to: str) -> Run:
    if len(runs) > 1:
        raise UsageError(f"--to {to} exports one run, got {len(runs)}; name one: {runs[0].path}")
    return runs[0]


def _write_network(run: Run, to: str, output: Path) -> None:
    from nnexp.export.trained import trained
    from nnexp.store import disk

    if to == "onnx":
        from nnexp.export.onnx_model import model

        disk.publish(output, model(trained(run)))
    else:
        from nnexp.export.tensors import tensors

        disk.publish(output, tensors(trained(run)))


def _write_table(runs: Sequence[Run], output: Path) -> None:
    from nnexp.export.metrics_table import table
    from nnexp.report.document import as_csv
    from nnexp.store import disk

    disk.publish(output, f"{as_csv(*table(runs))}\n".encode(errors="surrogateescape"))


def _write_events(runs: Sequence[Run], output: Path) -> None:
    from nnexp.export import tensorboard
    from nnexp.store import disk

    by_name: dict[str, Run] = {}
    for run in runs:
        if (other := by_name.setdefault(run.name, run)) is not run:
            raise UsageError(
                f"{other.path} and {run.path} have the same name; export them to different "
                "directories"
            )
    for run in runs:
        content = tensorboard.events(run)
        disk.make_directories(output / run.name)
        disk.publish(output / run.name / tensorboard.FILE, content)

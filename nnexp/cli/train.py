"""nnexp train: a config into a run, or several runs over seeds."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nnexp import checks
from nnexp.cli import options, signals, training
from nnexp.cli.text import as_json as json_line
from nnexp.cli.text import put, say
from nnexp.errors import (
    CorruptError,
    DivergedError,
    InterruptedRunError,
    NewerError,
    NnexpError,
    UsageError,
)

if TYPE_CHECKING:
    from nnexp.config.model import CheckedConfig
    from nnexp.store.run import Run


class Seeds(click.ParamType[list[int]]):
    """``5`` is seeds 0 to 4; ``0-4,7`` is a list with ranges."""

    name = "seeds"

    def convert(
        self, value: str | list[int], param: click.Parameter | None, ctx: click.Context | None
    ) -> list[int]:
        """Return the seeds in the order given."""
        if isinstance(value, list):
            return value
        try:
            return checks.seeds(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


@click.command()
@click.argument("config", type=options.CONFIG)
@options.settings
@options.runs
@click.option("--name", help="The run's name, in place of the one that follows from the config.")
@click.option(
    "--seeds", type=Seeds(), metavar="N|LIST", help="One run for each seed: 5 is 0 to 4; or 0-4,7."
)
@click.option(
    "--until", type=click.IntRange(1), metavar="E", help="Stop once epoch E is committed."
)
@click.option(
    "--against",
    type=options.RUN,
    metavar="RUN",
    help="Warn if lambda is RUN's and the number n of training examples is not: λ goes with n.",
)
@click.option(
    "--other-numerics",
    is_flag=True,
    help="Go on also where this machine's arithmetic gives other last digits; the run records it.",
)
@click.option(
    "--restart",
    is_flag=True,
    help="Where a run is damaged beyond going on, keep it as NAME.damaged-1 and train it again.",
)
@options.as_json
@options.quiet
def train(
    config: Path,
    settings: tuple[str, ...],
    runs: Path,
    name: str | None,
    seeds: list[int] | None,
    until: int | None,
    against: Path | None,
    other_numerics: bool,
    restart: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Train the experiment described in CONFIG; print its run directory.

    \b
    Example:
      nnexp train configs/quickstart.yaml --set learning_rate=0.25
      nnexp train configs/quickstart.yaml --seeds 5

    A finished run says so at once; an interrupted one goes on from its last checkpoint.
    Nothing is ever overwritten.
    """
    from nnexp.config import load
    from nnexp.store.run import Run, at

    described = load.read(config, settings)
    named = None if against is None else at(against)
    if seeds is not None and any(each.partition("=")[0].strip() == "seed" for each in settings):
        raise UsageError("--set seed and --seeds: give one of them")
    planned = _planned(described, config.stem, runs, name, seeds)
    failures: list[NnexpError] = []
    with signals.noted() as signal:
        follow = partial(
            training.follow,
            signal=signal,
            until=until,
            against=named,
            other_numerics=other_numerics,
            restart=restart,
            quiet=quiet,
        )
        for each, run in planned:
            try:
                trained = follow(each, run)
                if not quiet:
                    say(f"{run.path}: {outcome(Run(run.path)) if trained else 'already done'}")
            except InterruptedRunError:
                raise
            except NnexpError as error:
                failures.append(_advised(error, run, restart=restart))
                if seeds is not None:
                    say(str(failures[-1]))
                if not isinstance(error, DivergedError):
                    continue  # what stands there is damaged or not this command's
            put(json_line(summary(run)) if as_json else str(run.path))
    if failures:
        if seeds is None:
            raise failures[0]
        click.get_current_context().exit(failures[0].exit_code)


def _planned(
    config: CheckedConfig, stem: str, runs: Path, name: str | None, seeds: list[int] | None
) -> list[tuple[CheckedConfig, Run]]:
    """Return the configs to train and their runs, every name checked."""
    from nnexp.config import load
    from nnexp.runner.train import run_name
    from nnexp.store.run import named

    if seeds is None:
        return [(config, named(runs, run_name(config, stem) if name is None else name))]
    largest = load.changed(config, "--seeds", seed=max(seeds))
    configs = [load.changed(largest, seed=seed) for seed in seeds]
    names = [run_name(c, stem) if name is None else f"{name}-s{c.seed}" for c in configs]
    return [(c, named(runs, n)) for c, n in zip(configs, names, strict=True)]


def _advised(error: NnexpError, run: Run, *, restart: bool) -> NnexpError:
    """Return an error; that of a run which is damaged beyond going on says what would help."""
    is_damage = isinstance(error, CorruptError) and not isinstance(error, NewerError)
    if restart or not is_damage or not run.is_there():
        return error
    advice = "--restart sets the run aside and trains it again from its first epoch"
    return CorruptError(f"{error}; {advice}")


def outcome(run: Run) -> str:
    """Return in words how a run ended."""
    from nnexp.cli.text import percent

    result = run.result
    if result is None or result.best is None:
        return "stopped as asked; the same command without --until goes on"
    words = f"done after epoch {result.epochs}"
    if result.reason == "patience":
        words += " (no improvement)"
    if isinstance(result.best.validation_accuracy, float):
        words += f"; best validation {percent(result.best.validation_accuracy)}"
        words += f" at epoch {result.best.epoch}"
    if result.test_accuracy is not None:
        words += f", test {percent(result.test_accuracy)}"
    return words


def summary(run: Run) -> dict[str, object]:
    """Return what a script may want to know of a run."""
    import msgspec

    from nnexp.store.run import Run

    fresh = Run(run.path)
    result = msgspec.to_builtins(fresh.result) if fresh.result else {}
    kept = ("reason", "epochs", "best", "final", "test_accuracy", "test_cost", "fault")
    return {
        "run": str(run.path),
        "name": run.name,
        "status": fresh.status,
        **{key: result[key] for key in kept if key in result},
    }

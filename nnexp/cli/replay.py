"""nnexp replay: where other stopping rules would have ended a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from nnexp.cli import options
from nnexp.cli.output import put
from nnexp.errors import UsageError, printable
from nnexp.report.text import as_json as json_line
from nnexp.report.text import percent, table

if TYPE_CHECKING:
    from nnexp.analysis.replay import Replayed
    from nnexp.store.run import Run
    from nnexp.training.history import Row
    from nnexp.training.stopping import Stopping

METRICS = ("validation_accuracy", "test_accuracy")
RULES = ("accuracy", "cost", "average")


PATIENCE = click.IntRange(1, 1_000_000_000)


@click.command()
@click.argument("run", type=options.RUN)
@click.argument("further", metavar="[N]...", nargs=-1, type=PATIENCE)
@click.option(
    "--patience",
    "patiences",
    type=PATIENCE,
    multiple=True,
    show_default="5 10 20 50",
    metavar="N...",
    help="Epochs without improvement before stopping: one number or several, after RUN.",
)
@click.option(
    "--rule",
    "names",
    type=click.Choice(RULES),
    multiple=True,
    help="What patience watches; repeatable. By default all that the run's metrics allow.",
)
@click.option(
    "--metric",
    type=click.Choice(METRICS),
    default=METRICS[0],
    show_default=True,
    help="The accuracy that counts; rules watch its split.",
)
@options.as_json
def replay(
    run: Path,
    further: tuple[int, ...],
    patiences: tuple[int, ...],
    names: tuple[str, ...],
    metric: str,
    as_json: bool,
) -> None:
    """Say where stopping rules would have ended RUN, what that costs and what it saves.

    \b
    Example:
      nnexp replay runs/A --patience 5 10 20 50
      nnexp replay runs/A --rule cost --metric test_accuracy

    Trains nothing: it reads the metrics of a finished, an interrupted or a running run.
    """
    from nnexp.analysis import replay as replaying
    from nnexp.report.outputs import ReplayedOutput, ReplayOutput
    from nnexp.store.run import at

    if further and not patiences:
        raise UsageError(f"unexpected extra argument ({further[0]}); --patience takes numbers")
    tried = dict.fromkeys((*patiences, *further) or (5, 10, 20, 50))
    found = at(run)
    history = found.history()
    rules = _rules(found, history, metric, names)
    replayed = replaying.replay(history, rules, list(tried), metric)
    best, epoch = replaying.peak(history, metric)
    if as_json:
        outputs = [ReplayedOutput(**each._asdict()) for each in replayed]
        epochs = history[-1].epoch
        put(
            json_line(
                ReplayOutput(
                    run=str(run),
                    metric=metric,
                    best=best,
                    best_epoch=epoch,
                    epochs=epochs,
                    replayed=outputs,
                )
            )
        )
        return
    what = metric.replace("_", " ")
    name, last = printable(str(run)), history[-1].epoch
    put(f"{name}: best {what} {percent(best)} at epoch {epoch} of {last}\n")
    put(_table(replayed))


def _rules(run: Run, history: list[Row], metric: str, names: tuple[str, ...]) -> list[Stopping]:
    """Return the rules that were asked for, the run's own with its own settings.

    Raises:
        UsageError: the run has not recorded what they need.
    """
    from nnexp.analysis.replay import RULES, recorded

    if not history:
        raise UsageError(f"{run.path}: has no evaluated epoch yet")
    if not recorded(history, metric):
        others = [other for other in METRICS if recorded(history, other)]
        hint = f"; try --metric {others[0]}" if others else ""
        raise UsageError(f"{run.path}: did not record {metric}{hint}")
    own = run.config.stopping
    known = RULES | {str(own.__struct_config__.tag): own}
    allowed = [name for name in known if recorded(history, metric, known[name])]
    if missing := [name for name in names if name not in allowed]:
        raise UsageError(f"{run.path}: did not record what rule {missing[0]} watches")
    return [known[name] for name in dict.fromkeys(names or allowed)]


def _table(replayed: list[Replayed]) -> str:
    rows = [
        [
            each.rule,
            str(each.patience),
            "-" if each.stopped is None else str(each.stopped),
            percent(each.best),
            str(each.best_epoch),
            f"{100 * each.lost:.2f}",
            str(each.saved),
        ]
        for each in replayed
    ]
    header = ("rule", "patience", "stops at", "best by then", "at", "points lost", "epochs saved")
    return table(header, rows)

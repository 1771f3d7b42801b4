"""nnexp replay: where other stopping rules would have ended a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from nnexp.cli import options
from nnexp.cli.output import put
from nnexp.errors import UsageError
from nnexp.report.document import as_text
from nnexp.report.text import as_json as json_line

if TYPE_CHECKING:
    from nnexp.store.run import Run
    from nnexp.training.history import Row
    from nnexp.training.stopping import Stopping

METRICS = ("validation_accuracy", "test_accuracy")
RULES = ("accuracy", "cost", "average")


PATIENCE = options.WholeNumber(1, 1_000_000_000, "--patience")


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
    help="Epochs without improvement before stopping; one or more numbers, after RUN.",
)
@click.option(
    "--rule",
    "names",
    type=options.OneOf(RULES),
    multiple=True,
    help="The quantity that has to improve; repeatable (default: all that the run recorded).",
)
@click.option(
    "--metric",
    type=options.OneOf(METRICS),
    default=METRICS[0],
    show_default=True,
    help="The accuracy to report; the rules use the same split.",
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
    """Show where other stopping rules would have ended RUN, with what savings and losses.

    \b
    Example:
      nnexp replay runs/A --patience 5 10 20 50
      nnexp replay runs/A --rule cost --metric test_accuracy

    Nothing is trained: the metrics of the run are read. It need not be finished.
    """
    from nnexp.analysis.replay import peak
    from nnexp.analysis.replay import replay as replay_rules
    from nnexp.report import replays
    from nnexp.store.run import at

    if further and not patiences:
        raise UsageError(f"unexpected extra argument ({further[0]}); --patience takes numbers")
    tried = list(dict.fromkeys((*patiences, *further) or (5, 10, 20, 50)))
    recorded_run = at(run)
    history = recorded_run.history()
    rules = _rules(recorded_run, history, metric, names)
    replayed = replay_rules(history, rules, tried, metric)
    best, epochs = peak(history, metric), history[-1].epoch
    result = replays.output(str(run), metric, best, epochs, replayed)
    put(json_line(result) if as_json else as_text(replays.document(result)))


def _rules(run: Run, history: list[Row], metric: str, names: tuple[str, ...]) -> list[Stopping]:
    """Return the rules of these names; the run's own rule has the run's settings.

    Raises:
        UsageError: the run did not record their metrics.
    """
    from nnexp.analysis.replay import RULES, recorded

    if not history:
        raise UsageError(f"{run.path}: has no evaluated epoch yet")
    if not recorded(history, metric):
        usable = [name for name in METRICS if recorded(history, name)]
        hint = f"; try --metric {usable[0]}" if usable else ""
        raise UsageError(f"{run.path}: did not record {metric}{hint}")
    own = run.config.stopping
    known = RULES | {str(own.__struct_config__.tag): own}
    allowed = [name for name in known if recorded(history, metric, known[name])]
    if missing := [name for name in names if name not in allowed]:
        raise UsageError(f"{run.path}: did not record the metric that --rule {missing[0]} needs")
    return [known[name] for name in dict.fromkeys(names or allowed)]

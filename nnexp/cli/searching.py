"""How a search is told: its progress on stderr, its end as tables or as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from nnexp.cli import comparing
from nnexp.cli.text import Told, columns, percent, say, table, wrapped

if TYPE_CHECKING:
    from nnexp.analysis.comparison import Comparison, Sample
    from nnexp.study.search import Event, Found, Searching
    from nnexp.study.trials import Outcome, Trial

GIVEN = "as given"


class View:
    """Says on stderr what a search does: a line a trial, or a bar on a terminal.

    Args:
        searching: the search.
        quiet: say nothing but warnings.
    """

    def __init__(self, searching: Searching, *, quiet: bool) -> None:
        self._searching = searching
        self._quiet = quiet
        self._bar: Any = None
        self._warned: set[str] = set()
        self.place = "its beginning"
        """The trial that is trained, in words."""
        self.is_idle = True
        """Nothing has been trained yet."""

    def __enter__(self) -> Self:
        if not self._quiet and Told().columns() > 0:
            from tqdm import tqdm

            self._bar = tqdm(
                total=self._searching.steps,
                desc="search",
                dynamic_ncols=True,
                file=Told(),
                bar_format="{desc} {percentage:3.0f}%|{bar:10}| {elapsed}{postfix}",
            )
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def show(self, event: Event) -> None:
        """Say what happened."""
        from nnexp.runner.recording import Evaluated, Warned
        from nnexp.study.search import Began, Ended, Trained

        match event:
            case Began(trial):
                self.place, self.is_idle = self._named(trial), False
                if self._bar is not None:
                    self._bar.set_description_str(self.place, refresh=False)
                    self._bar.set_postfix_str(self._best().strip())
            case Trained(trial, Warned(message)) if message not in self._warned:
                self._warned.add(message)
                self._say(f"{self._named(trial)}: warning: {message}")
            case Trained(trial, Evaluated(row)) if self._bar is not None:
                epochs = trial.config.epochs
                self._bar.set_postfix_str(f"epoch {row.epoch}/{epochs}{self._best()}")
            case Ended(outcome, was_done) if not self._quiet:
                self._ended(outcome, was_done=was_done)

    def _ended(self, outcome: Outcome, *, was_done: bool) -> None:
        if self._bar is not None:
            self._bar.update(1)
            return
        if was_done:
            return

        trial = outcome.trial
        words = [self._named(trial)]
        if not trial.is_baseline:
            words.append(self._searching.found.definition.space.described(trial.values))
        told = "diverged" if outcome.score is None else f"validation {percent(outcome.score)}"
        if outcome.epoch < trial.config.epochs:
            told += f" by epoch {outcome.epoch}"
        self._say("  ".join([*words, told]) + self._best())

    def _best(self) -> str:
        best = self._searching.found.best
        if best is None:
            return ""
        return f"  best {percent(best.score)} (trial {best.trial.number})"

    def _named(self, trial: Trial) -> str:
        if trial.is_baseline:
            return f"config {GIVEN}"
        trials = self._searching.trials
        return f"trial {trial.number:{len(str(trials))}}/{trials}"

    def _say(self, line: str) -> None:
        if self._bar is not None:
            self._bar.clear()
        say(line)
        if self._bar is not None:
            self._bar.refresh()


def text(found: Found, compared: Comparison | None, *, curves: bool) -> str:
    """Return all that is to be said: the trials, then the best ones beside the config as given."""
    blocks = [table(*_trials(found), left=1 + len(found.definition.space.keys))]
    blocks.append(_summary(found))
    if compared is not None:
        blocks.append(comparing.text(compared, curves=curves))
    return "\n\n".join(blocks)


def _trials(found: Found) -> tuple[list[str], list[list[str]]]:
    """Return the trials as a table, the best first; the config as given stands where it ranks."""
    keys = found.definition.space.keys
    header = ["trial", *keys, "epochs", "validation", "test"]
    return header, [_row(found, each) for each in found.ranked]


def _row(found: Found, outcome: Outcome) -> list[str]:
    from nnexp.config import dump
    from nnexp.report import comparisons

    trial = outcome.trial
    values = found.values(outcome)
    epochs = sorted({each.epochs for each in outcome.standings})
    return [
        GIVEN if trial.is_baseline else str(trial.number),
        *(comparisons.MISSING if value is None else dump.inline(value) for value in values),
        "-".join(map(str, epochs[:: max(1, len(epochs) - 1)])),
        "diverged" if outcome.score is None else _cell(outcome.validation),
        _cell(outcome.test),
    ]


def _cell(sample: Sample) -> str:
    from nnexp.analysis.verdicts import ACCURACY
    from nnexp.report import comparisons

    return f"{comparisons.cell(sample, ACCURACY)} %" if sample.is_whole else comparisons.MISSING


def _summary(found: Found) -> str:
    from nnexp.study import search

    definition, best = found.definition, found.best
    count = len(found.outcomes)
    told = f"{count} trial{'s' * (count != 1)} ({definition.method}"
    told += "" if definition.method == "grid" else f", seed {definition.seed}"
    different = len({each.trial.paths for each in found.outcomes})
    told += "" if different == count else f", {different:,} of them different"
    told += f"), {found.examples:,} training examples seen"
    if found.baseline is not None:
        told += f"; the config as given: {search.seen([found.baseline]):,}"
    lines = [told]
    if best is not None:
        where = best.trial.paths[0] / "config.yaml"
        lines.append(f"best: {definition.space.described(best.trial.values)}, as in {where}")
        if found.baseline is not None and best.trial.paths == found.baseline.trial.paths:
            lines.append("that is the config as given")
        if not best.is_whole:
            lines.append(
                f"no trial was trained to its end: this one was left behind after epoch "
                f"{best.epoch}, and all that went further diverged"
            )
        given = found.baseline and found.baseline.score
        if best.is_whole and given is not None and best.score is not None and given > best.score:
            lines.append("the config as given did better than every trial")
    if found.baseline is not None and found.baseline.score is None:
        lines.append("the config as given diverged, so that nothing is compared with it")
    return wrapped("\n".join(lines), columns())


def tree(found: Found, compared: Comparison | None) -> dict[str, Any]:
    """Return the same as plain values; accuracies are fractions, null stands for what is not."""
    definition, best = found.definition, found.best
    return {
        "config": definition.config,
        "method": definition.method,
        "seed": definition.seed,
        "space": {each.key: {each.kind: each.bounds} for each in definition.space.columns},
        "exclude": [each.values for each in definition.space.exclusions],
        "halving": definition.factor,
        "best": None if best is None else best.trial.number,
        "examples": found.examples,
        "baseline": None if found.baseline is None else _leaf(found, found.baseline),
        "trials": [_leaf(found, each) for each in found.outcomes],
        "comparison": None if compared is None else comparing.tree(compared, []),
    }


def _leaf(found: Found, outcome: Outcome) -> dict[str, Any]:
    validation, test = outcome.validation, outcome.test
    pairs = zip(found.definition.space.keys, found.values(outcome), strict=True)
    return {
        "trial": outcome.trial.number,
        "values": dict(pairs),
        "runs": [str(path) for path in outcome.trial.paths[: len(outcome.standings)]],
        "epochs": [each.epochs for each in outcome.standings],
        "examples": [each.examples for each in outcome.standings],
        "validation_accuracy": {"mean": outcome.score, "values": list(validation.values)},
        "test_accuracy": {"mean": test.mean, "values": list(test.values)},
    }

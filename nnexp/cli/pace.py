"""How long the rest of a sweep takes, if it goes on as it did."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nnexp.study.plan import Trial

LEAST = 0.05
"""Trials' worth of work; less is too little to judge by."""


class Pace:
    """What a sweep has worked, in trials, and what is left to it.

    Epochs that an earlier sweep trained are no work of this one, and a trial that failed is
    only worth the epochs that it came to.

    Args:
        trials: those of the plan.
    """

    def __init__(self, trials: Sequence[Trial]) -> None:
        self._trials = trials
        self._before: dict[int, int] = {}
        """Epochs that a trial had when this sweep began with it."""
        self._reached: dict[int, int] = {}
        self._ended: set[int] = set()
        self._worked = 0.0
        """By what has ended."""

    def told(self, trial: int, epoch: int) -> None:
        """Note that a trial committed an epoch."""
        first = epoch - self._trials[trial].config.evaluate_every
        self._before.setdefault(trial, max(0, first))
        self._reached[trial] = epoch

    def ended(self, trial: int, *, failed: bool, was_done: bool) -> None:
        """Note that a trial is over; one that ended well may have stopped early, and is whole."""
        if was_done:
            self._reached.pop(trial, None)
        elif failed:
            self._worked += self._share(trial)
        else:
            reached = max(1, self._reached.get(trial, 1))
            self._worked += 1 - self._before.get(trial, 0) / reached
        self._ended.add(trial)

    def left(self, seconds: float) -> float | None:
        """Return the seconds that the rest takes, after those that it has taken; None: unknown."""
        running = [trial for trial in self._reached if trial not in self._ended]
        worked = self._worked + sum(map(self._share, running))
        if worked < LEAST:
            return None
        rest = len(self._trials) - len(self._ended)
        return seconds * (rest - sum(self._reached[t] / self._epochs(t) for t in running)) / worked

    def _share(self, trial: int) -> float:
        """Return what this sweep has trained of a trial."""
        reached = self._reached.get(trial, 0)
        return (reached - self._before.get(trial, 0)) / self._epochs(trial)

    def _epochs(self, trial: int) -> int:
        return self._trials[trial].config.epochs

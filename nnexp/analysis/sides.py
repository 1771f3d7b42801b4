"""An experiment with what its runs have to say: one side of a comparison."""

from __future__ import annotations

from typing import NamedTuple

from nnexp.analysis.experiments import Experiment
from nnexp.analysis.metrics import Facts
from nnexp.training.history import Row


class Side(NamedTuple):
    """An experiment with what its runs have to say."""

    experiment: Experiment
    facts: tuple[Facts, ...]

    @property
    def histories(self) -> list[list[Row]]:
        """The rows of each run."""
        return [facts.history for facts in self.facts]

    @property
    def statuses(self) -> dict[str, int]:
        """How many of its runs stand how."""
        statuses = [run.status for run in self.experiment.runs]
        return {status: statuses.count(status) for status in dict.fromkeys(statuses)}

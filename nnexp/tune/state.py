"""What a tuning knows at any moment: the problem as tuned so far, its quick likeness, decisions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any

from msgspec import Meta, Struct
from msgspec.structs import replace

from nnexp.config.model import Config
from nnexp.runner.assembly import per_example, sizes
from nnexp.tune.choice import rounded
from nnexp.tune.decision import Decision
from nnexp.tune.quick_problem import Guessing, guessing
from nnexp.tune.trials import Trials


class Sitting(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Times that may be compared: of trials trained one after another, whole, on one machine."""

    load: float = 0.0
    """The highest load of the machine meanwhile."""
    cores: int = 1
    seconds: dict[str, list[Annotated[float, Meta(ge=0)]]] = {}
    """What each epoch took, by the run's name."""


@dataclass
class TuneState:
    """A tuning under way; its stages change it one after another."""

    config: Config
    """The full problem, as tuned so far."""
    quick: Config
    """The problem that the stages before the last work on; the same one with ``--full``."""
    trials: Trials
    threshold: float
    """The largest learning rate that is steady on the quick problem, as far as is known."""
    chosen: frozenset[str]
    """What is to be decided; the rest stays as the config has it."""
    sitting: Sitting
    """When trials were last compared by time."""
    keep: Callable[[Sitting], None] = lambda _: None
    """Is given a new sitting, so that it lasts."""
    decisions: list[Decision] = field(default_factory=list)

    @property
    def examples(self) -> int:
        """Training examples of the quick problem."""
        return len(self.trials.dataset(self.quick).train.labels)

    @property
    def all_examples(self) -> int:
        """Training examples of the full problem."""
        return len(self.trials.dataset(self.config).train.labels)

    def validated(self, config: Config) -> int:
        """Return how many validation examples a config has."""
        return sizes(self.trials.dataset(config)).validation

    def guessing(self, config: Config) -> Guessing:
        """Return what guessing comes to on a config's validation examples."""
        validation = self.trials.dataset(config).validation
        if validation is None:
            raise ValueError("a problem that is tuned has validation examples")
        return guessing(validation.labels)

    def settle(self, decision: Decision, **keys: Any) -> None:  # noqa: ANN401 - a config's values
        """Take up a decision; the keys are the quick problem's, and λ goes with n."""
        self.decisions.append(decision)
        if not keys:
            return
        self.quick = replace(self.quick, **keys)
        if "lambda_" in keys:
            strength = per_example(self.quick, self.examples) * self.all_examples
            keys["lambda_"] = rounded(strength)
        self.config = replace(self.config, **keys)

"""The state of tuning: the full and the quick problem as tuned so far, and the decisions."""

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
from nnexp.tune.quick_problem import ChanceLevel, chance_level
from nnexp.tune.trials import Trials


class TimingSession(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Comparable times: of trials fully trained one after another on one machine."""

    load: float = 0.0
    """The machine's highest load during the session."""
    cores: int = 1
    seconds: dict[str, list[Annotated[float, Meta(ge=0)]]] = {}
    """Seconds of each epoch, by the run's name."""


@dataclass
class TuneState:
    """The state of tuning, which the stages modify one after another."""

    config: Config
    """The full problem, as tuned so far."""
    quick: Config
    """The problem of all stages but the last; the full problem with ``--full``."""
    trials: Trials
    threshold: float
    """The largest steady learning rate on the quick problem, as estimated so far."""
    chosen: frozenset[str]
    """What is to be tuned; the rest stays as in the config."""
    session: TimingSession
    """The times with which trials were last compared."""
    keep: Callable[[TimingSession], None] = lambda _: None
    """Called with a new session, to save it."""
    rate_of_lambda: float | None = None
    """η/m when λ was chosen on the quick problem; None if it was not, or a line search steps."""
    has_new_size: bool = False
    """Whether the mini-batch size has changed since η was found for it."""
    decisions: list[Decision] = field(default_factory=list)

    @property
    def is_full(self) -> bool:
        """Whether the quick problem is the full one."""
        return (self.quick.data, self.quick.hidden) == (self.config.data, self.config.hidden)

    @property
    def examples(self) -> int:
        """Training examples of the quick problem."""
        return self.trials.training_examples(self.quick)

    @property
    def all_examples(self) -> int:
        """Training examples of the full problem."""
        return self.trials.training_examples(self.config)

    def validated(self, config: Config) -> int:
        """Return the number of validation examples of a config."""
        return sizes(self.trials.dataset(config)).validation

    def chance_level(self, config: Config) -> ChanceLevel:
        """Return the accuracy of guessing on a config's validation examples."""
        validation = self.trials.dataset(config).validation
        if validation is None:
            raise ValueError("tuning needs validation examples")
        return chance_level(validation.labels)

    def settle(self, decision: Decision, **keys: Any) -> None:  # noqa: ANN401 - a config's values
        """Record a decision and apply its keys, of the quick problem; λ is scaled with n."""
        self.decisions.append(decision)
        if not keys:
            return
        self.quick = replace(self.quick, **keys)
        if "lambda_" in keys:
            strength = per_example(self.quick, self.examples) * self.all_examples
            keys["lambda_"] = rounded(strength)
        self.config = replace(self.config, **keys)

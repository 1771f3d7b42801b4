"""The confirmation of a search's or sweep's winner, as sections of a document and for JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from nnexp.config.messages import ranges
from nnexp.report import comparison_output, comparisons
from nnexp.report.comparison_output import CompareOutput
from nnexp.report.document import Section, Sentences

if TYPE_CHECKING:
    from nnexp.analysis.comparison import Comparison
    from nnexp.study.confirmation import Confirmation

CONFIRMED = (
    "confirmation with {seeds}, which no {noun} used: A is the config as given, B the best {noun}; "
    "these runs had no part in the choice, so that their accuracies are not optimistic"
)
FAILED = "no verdict: {count} of the {total} runs with {seeds}, which confirm it, failed"
NEEDLESS = "nothing to confirm: the best {noun} equals the config as given"
NO_WINNER = "nothing to confirm: no {noun} was trained to its end with every seed"


def sections(
    confirmation: Confirmation | None,
    compared: Comparison | None,
    noun: Literal["trial", "point"],
    *,
    with_curves: bool = False,
) -> Iterator[Section]:
    """Yield the comparison of the winner with the config as given, or why there is none.

    Args:
        confirmation: None if there is no winner.
        compared: its runs; None if it is needless or a run failed.
        noun: what was chosen from.
        with_curves: include curves for a terminal.
    """
    if confirmation is None:
        sentence = NO_WINNER.format(noun=noun)
    elif confirmation.is_needless:
        sentence = NEEDLESS.format(noun=noun)
    else:
        counts = {"count": len(confirmation.failures), "total": len(confirmation.jobs)}
        text = FAILED if compared is None else CONFIRMED
        named = f"seed{'s' * (len(confirmation.seeds) > 1)} {ranges(confirmation.seeds)}"
        sentence = text.format(seeds=named, noun=noun, **counts)
    yield Section("confirmation", "", [Sentences([sentence])])
    if compared is not None:
        yield from comparisons.document(compared, with_curves=with_curves, advises=False).sections
        needed = comparisons.seeds_needed(compared).get("B")
        if needed is not None:
            advice = f"to know, repeat the command with --confirm {needed}"
            yield Section("advice", "", [Sentences([advice])])


class ConfirmationOutput(Struct, frozen=True, kw_only=True):
    """The winner and the config as given, trained with seeds that had no part in the choice."""

    seeds: list[int]
    given: list[str]
    """The runs of the config as given, by seed."""
    winner: list[str]
    """The runs of the winner; the same as ``given`` if it equals the config as given."""
    comparison: CompareOutput | None
    """A is the config as given, B the winner; null if they are equal, or if a run failed."""


def output(
    confirmation: Confirmation | None, compared: Comparison | None
) -> ConfirmationOutput | None:
    """Return a confirmation as a value for JSON."""
    if confirmation is None:
        return None
    return ConfirmationOutput(
        seeds=list(confirmation.seeds),
        given=[str(job.run.path) for job in confirmation.given],
        winner=[str(job.run.path) for job in confirmation.winner],
        comparison=None if compared is None else comparison_output.output(compared),
    )

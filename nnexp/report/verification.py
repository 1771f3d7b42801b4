"""The result of verify: whether a run that is trained again is identical."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from nnexp.report.document import Document, Sentences, plain
from nnexp.runner.verification import Mismatch
from nnexp.training.history import Stretch


class VerifyOutput(Struct, frozen=True, kw_only=True):
    """The result of verify."""

    run: str
    identical: bool
    same_numerics: bool
    """Whether both were trained under the same arithmetic."""
    difference: Mismatch | None
    """The first one."""


def document(result: VerifyOutput, trained_under: Sequence[Stretch]) -> Document:
    """Return a sentence about an identical run, and none about another.

    Args:
        result: of the verification.
        trained_under: the arithmetic of the recorded run.
    """
    if not result.identical:
        return plain()
    words = "identical"
    if len(trained_under) > 1:
        since = trained_under[1].since
        words = f"the same numbers, though its numerics changed with epoch {since}"
    return plain(Sentences([f"{result.run}: {words}"]))


def failure(result: VerifyOutput, trained_under: Sequence[Stretch]) -> str:
    """Return the error message about a run that differs."""
    cause = ""
    if not result.same_numerics and len(trained_under) == 1:
        cause = " (this machine's arithmetic gives other last digits)"
    elif not result.same_numerics:
        cause = f" (its numerics changed with epoch {trained_under[1].since})"
    return f"{result.run}: trained again it differs: {result.difference}{cause}"

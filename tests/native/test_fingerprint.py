"""The kernels' arithmetic is known by one number on every processor."""

from __future__ import annotations

from tests.native.requirements import require_extension

require_extension()

from nnexp.native import _kernels  # noqa: E402 - it may be missing
from nnexp.native.fingerprint import fingerprint  # noqa: E402 - likewise
from nnexp.training import memory  # noqa: E402 - likewise

KNOWN = "ff398e47ca9296705ab25b3ad78764be4ccec396af515ec6903f3f263c8eeff5"
"""Change it only with a change of the kernels' results, which CHANGELOG.md must tell of: runs that
were begun before cannot be resumed, grown or verified to the bit."""


def test_the_fingerprint_is_the_known_one_on_every_processor() -> None:
    assert fingerprint.__wrapped__() == KNOWN


def test_the_estimate_of_memory_knows_the_workspace() -> None:
    assert memory.WORKSPACE == _kernels.CHUNK

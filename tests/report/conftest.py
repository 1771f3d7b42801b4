"""A browser for the tests of pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.report import browser as browsers

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[browsers.Browser]:
    """Chromium with a profile of its own and no network."""
    yield from browsers.opened(tmp_path_factory.mktemp("chromium"))

"""Arguments of searches in the event log."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pytest

from twofold import Application, Event
from twofold_memory import InMemory


class Unnamed(Event):
    number: int


@pytest.fixture
def anyio_backend() -> str:
    """Run in memory."""
    return "asyncio"


@pytest.mark.parametrize(
    "wrong",
    [
        {"limit": 0},
        {"limit": 10_001},
        {"limit": True},
        {"search": 0},
        {"after": -1},
        {"before": "7"},
        {"since": datetime(2024, 1, 1)},  # noqa: DTZ001 -- without a time zone on purpose
        {"until": datetime(2024, 1, 1)},  # noqa: DTZ001
    ],
)
async def test_a_wrong_argument_is_refused(wrong: Mapping[str, Any]) -> None:
    """A number out of range and a time without a time zone are refused by their names."""
    async with Application("browsing", write=InMemory()) as app:
        with pytest.raises(ValueError, match=next(iter(wrong))):
            await app.operations.events(**wrong)


async def test_a_class_without_a_name_is_refused() -> None:
    """A class that is never stored selects no events, and not all of them."""
    async with Application("browsing", write=InMemory()) as app:
        with pytest.raises(ValueError, match="no stable names"):
            await app.operations.events(types=[Unnamed])


async def test_an_empty_log_has_one_empty_page() -> None:
    """A search in an empty log ends immediately, in both directions."""
    async with Application("browsing", write=InMemory()) as app:
        for newest_first in (False, True):
            page = await app.operations.events(newest_first=newest_first)
            assert (page.events, page.next) == ((), None)

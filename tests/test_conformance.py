"""The conformance suites explain their failures."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.mutants.combinators import ignoring
from tests.mutants.places import at
from twofold import View
from twofold.ports import WriteStore
from twofold.testing.conformance import SnapshotSuite
from twofold_memory import InMemory


@asynccontextmanager
async def keeping_none(views: Sequence[type[View]]) -> AsyncIterator[WriteStore]:
    """Open a store that keeps no snapshot."""
    broken: Any = at("transaction.snapshots", ignoring("put"))(InMemory())
    await broken.create_schema(views)
    await broken.open(views)
    yield broken


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_failing_case_shows_the_compared_values() -> None:
    """The error of a failing case contains the value that was found, and the value that was expected."""
    with pytest.raises(AssertionError, match=r"assert None == Snapshot\(version=10"):
        await SnapshotSuite().test_an_older_one_does_not_replace_a_newer(keeping_none)

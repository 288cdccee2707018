"""The suite fails on every store that is broken on purpose, and for that reason."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TypeAlias

import anyio
import pytest

from twofold import TwofoldError, View
from twofold.ports import WriteStore
from twofold.testing.conformance import LeaseSuite
from twofold.testing.conformance.mutants._broken import unbroken
from twofold.testing.conformance.mutants._leases import LEASES
from twofold.testing.conformance.mutants._mutant import Mutant

NewStore: TypeAlias = Callable[[Sequence[type[View]]], AbstractAsyncContextManager[WriteStore]]
NOTICED = AssertionError, TwofoldError, ExceptionGroup, pytest.fail.Exception


def breaking(new_store: NewStore, break_store: Callable[[WriteStore], WriteStore]) -> NewStore:
    """Break every store that is opened."""

    @asynccontextmanager
    async def broken(views: Sequence[type[View]]) -> AsyncIterator[WriteStore]:
        async with new_store(views) as store:
            yield break_store(store)

    return broken


@pytest.mark.parametrize("mutant", LEASES, ids=lambda mutant: mutant.name)
async def test_a_mutant_is_killed(mutant: Mutant, new_store: NewStore) -> None:
    """The named test notices what is broken, and does not merely hang."""
    test = getattr(LeaseSuite(), mutant.killed_by)

    with pytest.raises(NOTICED), anyio.fail_after(10):
        await test(breaking(new_store, mutant.break_store))


@pytest.mark.parametrize("name", sorted({mutant.killed_by for mutant in LEASES}))
async def test_the_wrappers_themselves_break_nothing(name: str, new_store: NewStore) -> None:
    """The same test passes on a store that is wrapped and not broken."""
    await getattr(LeaseSuite(), name)(breaking(new_store, unbroken))

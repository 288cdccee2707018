"""How a suite is shown to fail on stores that are broken on purpose."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from inspect import signature
from typing import Any, ClassVar

import anyio
import pytest

from tests.stores import STORES
from twofold._definitions.view import View
from twofold.errors import TwofoldError
from twofold.ports import WriteStore
from twofold.testing.conformance._tools.in_time import patience
from twofold.testing.conformance._tools.opened import NewStore

from .broken import Break, unbroken
from .mutant import Mutant

NOTICED = AssertionError, TwofoldError, ExceptionGroup, pytest.fail.Exception
"""What a test raises that noticed something. A test that only hangs has not."""


class MutantSuite:
    """Shows that a suite fails on each of its mutants, and that it does so because of what is broken.

    Derive a class in a test module, as from any suite:

        class TestMutants(MutantSuite):
            suite = TransactionSuite
            mutants = TRANSACTIONS

    Attributes:
        suite: the suite; the tests that the mutants name take a `new_store`, and `capabilities` or not.
        mutants: what is broken, and which test has to notice.
        kinds: the adapters that `--everywhere` runs the mutants on. By default, only the first one is used.
        patience: how long a test waits for what should come soon, in seconds.
        deadline: how long a test may take to notice, in seconds.
    """

    suite: ClassVar[type[Any]]
    mutants: ClassVar[Sequence[Mutant]]
    kinds: ClassVar[Sequence[str]] = STORES
    patience: ClassVar[float] = 2.0
    deadline: ClassVar[float] = 10.0

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Run the first test below for each mutant, and the second for each test that one of them names."""
        if "mutant" in metafunc.fixturenames:
            metafunc.parametrize("mutant", self.mutants, ids=lambda mutant: mutant.name)
        if "killer" in metafunc.fixturenames:
            metafunc.parametrize("killer", sorted({mutant.killed_by for mutant in self.mutants}))

    async def test_a_mutant_is_killed(
        self, mutant: Mutant, new_store: NewStore, request: pytest.FixtureRequest
    ) -> None:
        """The named test notices what is broken, and does not merely hang."""
        test = self._test(mutant.killed_by, request)
        patience.set(self.patience)
        with pytest.raises(NOTICED), anyio.fail_after(self.deadline):
            await test(breaking(new_store, mutant.break_store))

    async def test_the_wrappers_themselves_break_nothing(
        self, killer: str, new_store: NewStore, request: pytest.FixtureRequest
    ) -> None:
        """The same test passes on a store that is wrapped and not broken."""
        await self._test(killer, request)(breaking(new_store, unbroken))

    def _test(self, name: str, request: pytest.FixtureRequest) -> Callable[[NewStore], Awaitable[None]]:
        """Return a test that still has to be given its stores; one that the adapter skips is skipped for its mutants."""
        test: Callable[..., Awaitable[None]] = getattr(self.suite(), name)
        if "capabilities" in signature(test).parameters:
            return partial(test, capabilities=request.getfixturevalue("capabilities"))
        return test


def breaking(new_store: NewStore, break_store: Break) -> NewStore:
    """Break every store that is opened."""

    @asynccontextmanager
    async def broken(views: Sequence[type[View]]) -> AsyncIterator[WriteStore]:
        async with new_store(views) as store:
            yield break_store(store)

    return broken

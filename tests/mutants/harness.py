"""How a suite is shown to fail on adapters that are broken on purpose."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from inspect import signature
from typing import Any, ClassVar

import anyio
import pytest

from tests.mutants.broken import unbroken
from tests.mutants.mutant import Mutant
from tests.stores import STORES
from twofold.errors import TwofoldError
from twofold.testing.conformance._tools.in_time import CEILING, patience

NOTICED = AssertionError, TwofoldError, ExceptionGroup, pytest.fail.Exception
"""What a test raises that noticed something. A test that only hangs has not."""


class MutantSuite:
    """Shows that a suite fails on each of its mutants, and that it does so because of what is broken.

    Derive a class in a test module, as from any suite:

        class TestMutants(MutantSuite):
            suite = TransactionSuite
            mutants = TRANSACTIONS

    Attributes:
        suite: the suite.
        mutants: what is broken, and which test has to notice.
        kinds: the adapters that `--everywhere` runs the mutants on. By default, only the first one is used.
        opener: the fixture that opens an adapter for the suite.
        unbroken: wraps all that mutants wrap, and breaks nothing.
        patience: how long a test waits for what should come soon, in seconds.
        deadline: how long a test may take to notice, in seconds. Only a test that hangs takes so long.
    """

    suite: ClassVar[type[Any]]
    mutants: ClassVar[Sequence[Mutant]]
    kinds: ClassVar[Sequence[str]] = STORES
    opener: ClassVar[str] = "new_store"
    unbroken: ClassVar[Any] = staticmethod(unbroken)
    patience: ClassVar[float] = 2.0
    deadline: ClassVar[float] = CEILING

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Run the first test below for each mutant, and the second for each test that one of them names."""
        if "mutant" in metafunc.fixturenames:
            metafunc.parametrize("mutant", self.mutants, ids=lambda mutant: mutant.name)
        if "killer" in metafunc.fixturenames:
            metafunc.parametrize("killer", sorted({mutant.killed_by for mutant in self.mutants}))

    @pytest.fixture
    def given(self, kind: str, request: pytest.FixtureRequest) -> dict[str, Any]:
        """Give what tests of the suite take. Opening a server that is not there skips a mutant like the test itself."""
        return {name: request.getfixturevalue(name) for name in (self.opener, "capabilities")}

    async def test_a_mutant_is_killed(self, mutant: Mutant, given: dict[str, Any]) -> None:
        """The named test notices what is broken, and does not merely hang."""
        patience.set(self.patience)
        with pytest.raises(NOTICED), anyio.fail_after(self.deadline):
            await self._run(mutant.killed_by, mutant.broken, given)

    async def test_the_wrappers_themselves_break_nothing(self, killer: str, given: dict[str, Any]) -> None:
        """The same test passes on an adapter that is wrapped and not broken."""
        await self._run(killer, type(self).unbroken, given)

    async def _run(self, name: str, broken: Callable[[Any], Any], given: dict[str, Any]) -> None:
        test = getattr(self.suite(), name)
        taken = {**given, self.opener: breaking(given[self.opener], broken)}
        await test(**{each: taken[each] for each in signature(test).parameters})


def breaking(
    opener: Callable[..., AbstractAsyncContextManager[Any]], broken: Callable[[Any], Any]
) -> Callable[..., AbstractAsyncContextManager[Any]]:
    """Break every adapter that is opened."""

    @asynccontextmanager
    async def opened(*args: Any) -> AsyncIterator[Any]:
        async with opener(*args) as adapter:
            yield broken(adapter)

    return opened

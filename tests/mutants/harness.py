"""Run suites on adapters that are broken on purpose, and check that they fail."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from inspect import signature
from typing import Any, ClassVar, TypeAlias

import anyio
import pytest

from tests.mutants.combinators import Wrap
from tests.mutants.places import unbroken_store
from tests.stores import STORES
from twofold.errors import TwofoldError
from twofold.testing.conformance._tools.in_time import CEILING, patience

Mutants: TypeAlias = Mapping[str, Mapping[str, Wrap]]
"""The mutants by description, for each test that must detect them.

A mutant is a function that returns a replacement for an adapter, or for a function that opens connections to a broker.
"""

NOTICED = AssertionError, TwofoldError, ExceptionGroup, pytest.fail.Exception
"""The errors of a test that has detected a fault. A timeout is not such an error."""


class MutantSuite:
    """Checks that a suite fails on each of its mutants, because of the fault and not because of a timeout.

    Derive a class in a test module, as from any suite:

        class TestMutants(MutantSuite):
            suite = TransactionSuite
            mutants = {"test_a_rollback_keeps_nothing": {"rollback commits": commits_anyway}}

    Attributes:
        suite: the suite.
        mutants: the mutants, by the test that must detect them.
        kinds: the adapters that `--everywhere` runs the mutants on. By default, only the first one is used.
        opener: the fixture that opens an adapter for the suite.
        fixtures: further fixtures that tests of the suite take.
        unbroken: wraps the same objects as the mutants, without a fault.
        deadline: the maximum duration of a test, in seconds. Only a test that hangs takes so long.
    """

    suite: ClassVar[type[Any]]
    mutants: ClassVar[Mutants]
    kinds: ClassVar[Sequence[str]] = STORES
    opener: ClassVar[str] = "new_store"
    fixtures: ClassVar[Sequence[str]] = ()
    unbroken: ClassVar[Any] = staticmethod(unbroken_store)
    deadline: ClassVar[float] = CEILING

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Run the first test below for each mutant, and the second for each test that one of them names."""
        if "broken" in metafunc.fixturenames:
            mutants = [(killer, name, broken) for killer, each in self.mutants.items() for name, broken in each.items()]
            ids = [name for _, name, _ in mutants]
            metafunc.parametrize(("killer", "broken"), [(killer, broken) for killer, _, broken in mutants], ids=ids)
        else:
            metafunc.parametrize("killer", self.mutants)

    @pytest.fixture
    def given(self, kind: str, request: pytest.FixtureRequest) -> dict[str, Any]:
        """Return the fixtures for tests of the suite. A missing server skips a mutant like the test itself."""
        return {name: request.getfixturevalue(name) for name in (self.opener, "capabilities", *self.fixtures)}

    async def test_a_mutant_is_killed(self, killer: str, broken: Wrap, kind: str, given: dict[str, Any]) -> None:
        """The named test detects the fault, and does not only hang."""
        # Most mutants are noticed by a missing result, so this is how long their tests take. A lease of 3 s is renewed
        # after 1 s; a shorter wait would fail before the renewal, and for another reason than the mutant.
        patience.set(1.5 if kind.startswith("memory") else 2.0)
        with pytest.raises(NOTICED), anyio.fail_after(self.deadline):
            await self._run(killer, broken, given)

    async def test_the_wrappers_themselves_break_nothing(self, killer: str, given: dict[str, Any]) -> None:
        """The same test passes on an adapter that is wrapped and not broken."""
        await self._run(killer, type(self).unbroken, given)

    async def _run(self, name: str, broken: Wrap, given: dict[str, Any]) -> None:
        test = getattr(self.suite(), name)
        taken = {**given, self.opener: breaking(given[self.opener], broken)}
        await test(**{each: taken[each] for each in signature(test).parameters})


def breaking(
    opener: Callable[..., AbstractAsyncContextManager[Any]], broken: Wrap
) -> Callable[..., AbstractAsyncContextManager[Any]]:
    """Break every adapter that is opened."""

    @asynccontextmanager
    async def opened(*args: Any) -> AsyncIterator[Any]:
        async with opener(*args) as adapter:
            yield broken(adapter)

    return opened

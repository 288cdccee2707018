"""How the suites of small ports are shown to fail on adapters that are broken on purpose."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, ClassVar

import anyio
import pytest

from twofold.testing.conformance._tools.in_time import patience

from .harness import NOTICED
from .mutant import PortMutant


class PortMutantSuite:
    """Shows that a suite fails on each of its mutants; see `MutantSuite`. Needs the fixture `new_adapter`.

    Attributes:
        suite: the suite; its tests take what opens an adapter, and nothing else.
        mutants: what is broken, and which test has to notice.
        kinds: the adapters that `--everywhere` runs the mutants on. By default, only the first one is used.
        unbroken: wraps all that mutants wrap, and breaks nothing.
    """

    suite: ClassVar[type[Any]]
    mutants: ClassVar[Sequence[PortMutant]]
    kinds: ClassVar[Sequence[str]]
    unbroken: ClassVar[Any]

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Run the first test below for each mutant, and the second for each test that one of them names."""
        if "mutant" in metafunc.fixturenames:
            metafunc.parametrize("mutant", self.mutants, ids=lambda mutant: mutant.name)
        if "killer" in metafunc.fixturenames:
            metafunc.parametrize("killer", sorted({mutant.killed_by for mutant in self.mutants}))

    async def test_a_mutant_is_killed(
        self, mutant: PortMutant, new_adapter: Callable[[], AbstractAsyncContextManager[Any]]
    ) -> None:
        """The named test notices what is broken, and does not merely hang."""
        patience.set(2.0)
        with pytest.raises(NOTICED), anyio.fail_after(10):
            await getattr(self.suite(), mutant.killed_by)(_breaking(new_adapter, mutant.broken))

    async def test_the_wrappers_themselves_break_nothing(
        self, killer: str, new_adapter: Callable[[], AbstractAsyncContextManager[Any]]
    ) -> None:
        """The same test passes on an adapter that is wrapped and not broken."""
        await getattr(self.suite(), killer)(_breaking(new_adapter, self.unbroken))


def _breaking(
    new_adapter: Callable[[], AbstractAsyncContextManager[Any]], broken: Callable[[Any], Any]
) -> Callable[[], AbstractAsyncContextManager[Any]]:
    @asynccontextmanager
    async def new() -> AsyncIterator[Any]:
        async with new_adapter() as adapter:
            yield broken(adapter)

    return new

"""How the suites of brokers are shown to fail on brokers that are broken on purpose."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from inspect import signature
from typing import Any, ClassVar, TypeAlias

import anyio
import pytest

from twofold.testing.conformance._tools.capabilities import Capabilities
from twofold.testing.conformance._tools.in_time import patience
from twofold.testing.conformance._tools.transport_opened import Connect, NewBroker

from .harness import NOTICED

Break: TypeAlias = Callable[[], Callable[[Any], Any]]
"""Called for each broker; what it returns wraps each connection to it."""


@dataclass(frozen=True, slots=True)
class BrokerMutant:
    """A way to break any broker, and the test that has to notice.

    Attributes:
        name: what is broken, in words.
        killed_by: the method of the suite that fails on it.
        break_broker: breaks each connection to a broker.
    """

    name: str
    killed_by: str
    break_broker: Break


class BrokerMutantSuite:
    """Shows that a suite of brokers fails on each of its mutants; see `MutantSuite`.

    Attributes:
        suite: the suite.
        mutants: what is broken, and which test has to notice.
        kinds: the adapters that `--everywhere` runs the mutants on. By default, only the first one is used.
        unbroken: wraps all that mutants wrap, and breaks nothing.
        patience: how long a test waits for what should come soon, in seconds.
        deadline: how long a test may take to notice, in seconds.
    """

    suite: ClassVar[type[Any]]
    mutants: ClassVar[Sequence[BrokerMutant]]
    kinds: ClassVar[Sequence[str]]
    unbroken: ClassVar[Any]
    patience: ClassVar[float] = 2.0
    deadline: ClassVar[float] = 10.0

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Run the first test below for each mutant, and the second for each test that one of them names."""
        if "mutant" in metafunc.fixturenames:
            metafunc.parametrize("mutant", self.mutants, ids=lambda mutant: mutant.name)
        if "killer" in metafunc.fixturenames:
            metafunc.parametrize("killer", sorted({mutant.killed_by for mutant in self.mutants}))

    async def test_a_mutant_is_killed(
        self, mutant: BrokerMutant, new_broker: NewBroker, capabilities: Capabilities
    ) -> None:
        """The named test notices what is broken, and does not merely hang."""
        patience.set(self.patience)
        with pytest.raises(NOTICED), anyio.fail_after(self.deadline):
            await self._run(mutant.killed_by, new_broker, capabilities, mutant.break_broker)

    async def test_the_wrappers_themselves_break_nothing(
        self, killer: str, new_broker: NewBroker, capabilities: Capabilities
    ) -> None:
        """The same test passes on a broker that is wrapped and not broken."""
        await self._run(killer, new_broker, capabilities, lambda: self.unbroken)

    async def _run(self, name: str, new_broker: NewBroker, capabilities: Capabilities, broken: Break) -> None:
        test = getattr(self.suite(), name)
        given = {"capabilities": capabilities} if "capabilities" in signature(test).parameters else {}
        await test(_breaking(new_broker, broken), **given)


def _breaking(new_broker: NewBroker, broken: Break) -> NewBroker:
    @asynccontextmanager
    async def new() -> AsyncIterator[Connect]:
        wrap = broken()
        async with new_broker() as connect:

            async def wrapped() -> Any:
                return wrap(await connect())

            yield wrapped

    return new

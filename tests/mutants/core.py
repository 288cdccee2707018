"""Run tests of the core while one of its mechanisms is broken on purpose, and check that they fail."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from inspect import isawaitable, signature
from itertools import product
from typing import Any, ClassVar, TypeAlias

import anyio
import pytest

from tests.mutants.harness import NOTICED
from twofold.testing.conformance._tools.in_time import CEILING, patience

Fault: TypeAlias = Callable[[pytest.MonkeyPatch], None]
"""Breaks a mechanism until the monkeypatch is undone."""

Faults: TypeAlias = Mapping[Callable[..., Any], Mapping[str, Fault]]
"""The faults by description, for each test that must detect them."""


def replacing(where: object, name: str, make: Callable[[Any], Any]) -> Fault:
    """Replace an attribute of a module or a class.

    Args:
        where: the module or the class.
        name: the attribute.
        make: returns the replacement, given the attribute.
    """
    return lambda patch: patch.setattr(where, name, make(getattr(where, name)))


def setting(where: object, name: str, value: object) -> Fault:
    """Replace an attribute of a module or a class by a value."""
    return replacing(where, name, lambda _: value)


def at_once(*faults: Fault) -> Fault:
    """Break several mechanisms."""

    def apply(patch: pytest.MonkeyPatch) -> None:
        for fault in faults:
            fault(patch)

    return apply


def choosing(test: Callable[..., Any], **arguments: Any) -> Callable[..., Any]:
    """Return a parametrized test with one choice of its parameters.

    The runs of a test share its fixtures. A test that changes what its fixtures return needs this.
    """
    return partial(test, **arguments)


class FaultSuite:
    """Checks that each fault makes its test fail, and that the test passes in the same conditions without a fault.

    Attributes:
        mutants: the faults, by the test that must detect them.
        kinds: the adapters that `--everywhere` runs the faults on. By default, only the first one is used.
        given: for the names of fixtures that tests take, functions that return a new value.
        before: applied with each fault, such as a lower ceiling of a wait that is expected to fail.
        patience: seconds after which a wait fails.
    """

    mutants: ClassVar[Faults]
    kinds: ClassVar[Sequence[str]] = ("memory-asyncio",)
    given: ClassVar[Mapping[str, Callable[[], Any]]] = {}
    before: ClassVar[Fault] = staticmethod(at_once())
    patience: ClassVar[float] = 2.0

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Run the first test below for each fault, and the second for each test that one of them names."""
        if "fault" not in metafunc.fixturenames:
            metafunc.parametrize("killer", self.mutants, ids=[_name(killer) for killer in self.mutants])
            return
        faults = [(test, name, fault) for test, each in self.mutants.items() for name, fault in each.items()]
        ids = [name for _, name, _ in faults]
        metafunc.parametrize(("killer", "fault"), [(test, fault) for test, _, fault in faults], ids=ids)

    @pytest.fixture
    def values(self, killer: Callable[..., Any], kind: str, request: pytest.FixtureRequest) -> dict[str, Any]:
        """Return the fixtures that the test takes. A missing server skips the fault like the test itself."""
        parametrized = {name for each in arguments_of(killer) for name in each}
        taken = _taken(killer) - parametrized - self.given.keys()
        return {name: request.getfixturevalue(name) for name in sorted(taken)}

    async def test_a_fault_is_detected(
        self, killer: Callable[..., Any], fault: Fault, values: dict[str, Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The named test detects the fault with one of its parameters, and does not only hang."""
        self._prepare(monkeypatch)
        fault(monkeypatch)
        with pytest.raises(NOTICED), anyio.fail_after(CEILING):
            await self._run(killer, values)

    async def test_the_test_passes_without_a_fault(
        self, killer: Callable[..., Any], values: dict[str, Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The named test passes with all of its parameters, so that it is the fault that it detects."""
        self._prepare(monkeypatch)
        with anyio.fail_after(CEILING):
            await self._run(killer, values)

    def _prepare(self, patch: pytest.MonkeyPatch) -> None:
        patience.set(self.patience)
        type(self).before(patch)

    async def _run(self, killer: Callable[..., Any], values: dict[str, Any]) -> None:
        for arguments in arguments_of(killer):
            new = {name: make() for name, make in self.given.items() if name in _taken(killer)}
            result = killer(**{**values, **new, **arguments})
            if isawaitable(result):
                await result


def _name(test: Callable[..., Any]) -> str:
    named: Any = test.func if isinstance(test, partial) else test
    return str(named.__name__)


def _taken(test: Callable[..., Any]) -> set[str]:
    """Return the parameters of a test that have no value yet."""
    return {name for name, each in signature(test).parameters.items() if each.default is each.empty}


def arguments_of(test: Callable[..., Any]) -> Iterator[dict[str, Any]]:
    """Yield the arguments of each run of a test that `pytest.mark.parametrize` causes, without those of fixtures."""
    marks = [mark for mark in getattr(test, "pytestmark", ()) if mark.name == "parametrize"]
    marks = [mark for mark in marks if not mark.kwargs.get("indirect")]
    for each in product(*(_arguments(*mark.args) for mark in marks)):
        yield {name: value for arguments in each for name, value in arguments.items()}


def _arguments(names: str | Sequence[str], values: Iterable[Any]) -> Iterator[dict[str, Any]]:
    split = [name.strip() for name in names.split(",")] if isinstance(names, str) else names
    for value in values:
        row = value.values if hasattr(value, "marks") else value if len(split) > 1 else (value,)
        yield dict(zip(split, row, strict=True))

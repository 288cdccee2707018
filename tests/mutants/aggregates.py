"""State of aggregates that is loaded with wrong values, or is overwritten."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.mutants.combinators import Wrap, both, changing, changing_result, for_each, instead
from tests.mutants.places import at
from twofold.errors import ConcurrencyConflict
from twofold.ports import Versioned
from twofold.testing.conformance._tools.proxy import Proxy


def state(broken: Wrap) -> Wrap:
    """Break the state of every type."""
    return at("transaction.state", broken)


def remembering(broken: Callable[[Any, dict[object, Any]], Any]) -> Wrap:
    """Break the state of every type with a dictionary that lives as long as the store."""

    def make(_: Any) -> Wrap:
        kept: dict[object, Any] = {}
        return state(lambda inner: broken(inner, kept))

    return for_each(make)


async def _update_any(state: Any, id: str, aggregate: Any, *, expected: int) -> None:
    await state.update(id, aggregate, expected=await state.version(id) or expected)


async def _delete_any(state: Any, id: str, aggregate: Any, *, expected: int) -> None:
    await state.delete(id, aggregate, expected=await state.version(id) or expected)


async def _update_what_is_there(state: Any, id: str, aggregate: Any, *, expected: int) -> None:
    if await state.version(id) is not None:
        await state.update(id, aggregate, expected=expected)


async def _check_and_drop(state: Any, id: str, aggregate: Any, *, expected: int) -> None:
    actual = await state.version(id)
    if actual != expected:
        raise ConcurrencyConflict(id, expected=expected, actual=actual or 0)


async def _delete_when_refused(state: Any, id: str, aggregate: Any, *, expected: int) -> None:
    if await state.version(id) != expected:
        await state.delete(id, aggregate, expected=expected)


class Shares(Proxy):
    """Loads the same object for as long as its version stays."""

    def __init__(self, inner: Any, given: dict[object, Any]) -> None:
        super().__init__(inner)
        self._given = given

    async def load(self, id: str) -> Any:
        found = await self.inner.load(id)
        return found and self._given.setdefault((id, found.version), found)


deleting_any_version = state(instead(delete=_delete_any))
updating_nothing = state(instead(update=_update_what_is_there))
dropping_updates = state(instead(update=_check_and_drop))
keeping_deleted = state(instead(delete=_delete_when_refused))
folding_ids = state(changing("load", "insert", id=str.lower))
sharing = remembering(Shares)
one_version = state(
    both(
        instead(update=_update_any),
        changing_result("load", to=lambda found: found and Versioned(found.aggregate, 1)),
        changing_result("version", to=lambda found: found and 1),
    )
)

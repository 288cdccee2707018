"""Stores that keep the state of aggregates wrongly."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from tests.mutants.aggregates import (
    deleting_any_version,
    dropping_updates,
    folding_ids,
    keeping_deleted,
    one_version,
    remembering,
    sharing,
    state,
    updating_nothing,
)
from tests.mutants.combinators import Wrap, changing_result, instead, raising, suppressing
from tests.mutants.harness import Mutants, MutantSuite
from tests.mutants.transactions import commits_anyway, quietly
from twofold.errors import ConcurrencyConflict, NotStorable, StorageError
from twofold.ports import Versioned
from twofold.testing.conformance import StateSuite
from twofold.testing.conformance._tools.proxy import Proxy


async def _update_until_done(state: Any, id: str, aggregate: Any, *, expected: int) -> None:
    while (stands := await state.version(id)) is not None:
        try:
            await state.update(id, aggregate, expected=stands)
        except ConcurrencyConflict:  # it moved in between, while this writer waited for its turn
            continue
        return


async def _update_twice(state: Any, id: str, aggregate: Any, *, expected: int) -> None:
    await state.update(id, aggregate, expected=expected)
    if await state.version(id) == expected + 1:
        aggregate.saves += 1
        await state.update(id, aggregate, expected=expected + 1)


async def _update_what_did_not_change(state: Any, id: str, aggregate: Any, *, expected: int) -> None:
    await state.update(id, aggregate, expected=expected)
    if await state.version(id) == expected:
        aggregate.saves += 1
        await state.update(id, aggregate, expected=expected)


async def _insert_or_update(state: Any, id: str, aggregate: Any) -> None:
    version = await state.version(id)
    if version is None:
        await state.insert(id, aggregate)
    else:
        await state.update(id, aggregate, expected=version)


async def _insert_when_free(state: Any, id: str, aggregate: Any) -> None:
    if await state.version(id) is None:
        await state.insert(id, aggregate)


async def _insert_more_than_an_id(state: Any, id: str, aggregate: Any) -> None:
    if set(vars(aggregate)) - {"id"}:
        await state.insert(id, aggregate)


class SharesInserted(Proxy):
    """Loads the very object that was inserted."""

    def __init__(self, inner: Any, given: dict[object, Any]) -> None:
        super().__init__(inner)
        self._given = given

    async def insert(self, id: str, aggregate: Any) -> None:
        await self.inner.insert(id, aggregate)
        self._given[id] = aggregate

    async def load(self, id: str) -> Any:
        found = await self.inner.load(id)
        return found and Versioned(self._given.get(id, found.aggregate), found.version)


def loading(field: str, change: Callable[[Any], Any]) -> Wrap:
    """Change a field of each aggregate that is loaded."""

    def changed(found: Any) -> Any:
        if found:
            setattr(found.aggregate, field, change(getattr(found.aggregate, field)))
        return found

    return state(changing_result("load", to=changed))


def _with_defaults(found: Any) -> Any:
    found.aggregate.fee = type(found.aggregate.fee)()
    return found


MUTANTS: Mutants = {
    "test_a_state_that_does_not_fit_is_refused": {
        "a state that does not fit is lost": state(suppressing(NotStorable, "insert", "update"))
    },
    "test_a_new_default_leaves_old_states_alone": {
        "defaults are not stored": state(changing_result("load", to=_with_defaults))
    },
    "test_a_state_of_an_older_class_is_named": {
        "an unreadable state is nobody's": state(
            raising(lambda _: StorageError("cannot load a state"), "load", of=StorageError)
        ),
        "an unreadable state is quoted": state(
            raising(lambda error: StorageError(f"{error} The value is 'many'."), "load", of=StorageError)
        ),
    },
    "test_an_id_alone_is_a_state": {"an id alone is not kept": state(instead(insert=_insert_more_than_an_id))},
    "test_a_stale_update_is_refused": {
        "an update ignores the version": state(instead(update=_update_until_done)),
        "an update of nothing passes": updating_nothing,
        "a conflict hides the version found": state(
            raising(
                lambda conflict: ConcurrencyConflict(conflict.stream, expected=conflict.expected, actual=None),
                "update",
                of=ConcurrencyConflict,
            )
        ),
    },
    "test_concurrent_increments": {
        "concurrent updates overwrite each other": state(instead(update=_update_until_done))
    },
    "test_a_stale_delete_is_refused": {"a delete ignores the version": deleting_any_version},
    "test_an_update_bumps_the_version": {
        "an update does not bump the version": one_version,
        "an update bumps the version twice": state(instead(update=_update_twice)),
        "updates are lost": dropping_updates,
    },
    "test_an_unchanged_state_is_not_written": {
        "an unchanged state is written": state(instead(update=_update_what_did_not_change))
    },
    "test_a_second_insert_is_refused": {
        "an insert overwrites": state(instead(insert=_insert_or_update)),
        "a second insert is lost quietly": state(instead(insert=_insert_when_free)),
    },
    "test_loaded_aggregates_are_not_shared": {
        "loads share an object": sharing,
        "what was inserted is shared": remembering(SharesInserted),
    },
    "test_delete": {"a delete deletes nothing": keeping_deleted},
    "test_nothing_there": {
        "a missing aggregate has a version": state(changing_result("version", to=lambda version: version or 0))
    },
    "test_ids": {"ids ignore upper and lower case": folding_ids},
    "test_values_survive": {
        "decimals lose their exponent": loading("balance", lambda balance: balance.normalize()),
        "decimals become floats": loading(
            "limits", lambda limits: {name: Decimal(float(limit)) for name, limit in limits.items()}
        ),
        "times lose their zone": loading("opened", lambda opened: opened.replace(tzinfo=None)),
        "enums become texts": loading("kind", lambda kind: kind.value),
        "models become mappings": loading("address", lambda address: address.model_dump()),
        "tuples become lists": loading("former", list),
    },
    "test_a_rollback_undoes_everything": {"a rollback commits": commits_anyway},
    "test_a_reader_cannot_write": {"a reader's writes are lost quietly": quietly("state", "insert")},
}


class TestMutants(MutantSuite):
    """Broken state."""

    suite = StateSuite
    mutants = MUTANTS

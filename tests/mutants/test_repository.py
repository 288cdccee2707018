"""Stores whose aggregates are loaded with wrong values, or overwrite each other."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from functools import partial
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
from tests.mutants.combinators import changing, changing_result, for_each, ignoring, instead
from tests.mutants.harness import Mutants, MutantSuite
from tests.mutants.logs import empty_unchecked, no_stream_ignored, unchecked
from tests.mutants.places import at
from tests.mutants.transactions import commits_anyway
from twofold.errors import ConcurrencyConflict
from twofold.ports import Versioned, WriteStore
from twofold.testing.conformance import RepositorySuite
from twofold.testing.conformance._tools.proxy import Proxy


async def _overwrite(transaction: Any, state: Any, id: str, aggregate: Any, *, expected: int) -> None:
    """Update whatever the version is, also when it changes while this transaction waits for its turn."""
    while (stands := await state.version(id)) is not None:
        with suppress(ConcurrencyConflict):
            async with transaction.savepoint():
                await state.update(id, aggregate, expected=stands)
            return


def _overwriting(transaction: Any) -> Any:
    return at("state", instead(update=partial(_overwrite, transaction)))(transaction)


async def _read_by_prefix(store: WriteStore, _: Any, stream: str, *, after: int = 0) -> AsyncIterator[Any]:
    for event in (await store.log.read_all()).events:
        if event.stream.startswith(stream):
            yield event


class LoadsOldVersion(Proxy):
    """Loads the newest state with the version at which an aggregate was first loaded."""

    def __init__(self, inner: Any, first: dict[object, Any]) -> None:
        super().__init__(inner)
        self._first = first

    async def load(self, id: str) -> Any:
        found = await self.inner.load(id)
        return found and Versioned(found.aggregate, self._first.setdefault(id, found.version))


class LoadsOldState(Proxy):
    """Loads the newest version with the state that it had one save ago."""

    def __init__(self, inner: Any, last: dict[object, Any]) -> None:
        super().__init__(inner)
        self._last = last

    async def load(self, id: str) -> Any:
        found = await self.inner.load(id)
        return found and Versioned(self._last.get(id, found.aggregate), found.version)

    async def update(self, id: str, aggregate: Any, *, expected: int) -> None:
        before = await self.inner.load(id)
        await self.inner.update(id, aggregate, expected=expected)
        self._last[id] = before and before.aggregate


overwriting = at("transaction", _overwriting)


MUTANTS: Mutants = {
    "test_one_of_several_changes_of_one_version_succeeds": {
        "conflict check dropped for state": overwriting,
        "conflict check dropped for streams": unchecked,
    },
    "test_get_or_begin_begins_once": {"no stream ignored, begun": no_stream_ignored},
    "test_with_retries_every_increment_counts": {"updates of state are lost, retried": overwriting},
    "test_the_value_is_the_number_of_successes": {"successes are lost": dropping_updates},
    "test_an_existing_id_is_refused": {"no stream ignored": no_stream_ignored},
    "test_one_of_several_additions_of_one_id_succeeds": {"no stream ignored, at once": no_stream_ignored},
    "test_a_removed_id_stays_taken": {"no stream ignored, removed": no_stream_ignored},
    "test_removing_an_aggregate_that_was_changed_meanwhile": {
        "removal ignores the version": deleting_any_version,
        "removal ignores the stream": unchecked,
    },
    "test_changing_an_aggregate_that_was_removed_meanwhile": {
        "change of nothing": updating_nothing,
        "change of a removed stream": unchecked,
    },
    "test_an_expected_version_is_checked_again_at_the_end": {
        "empty append unchecked": empty_unchecked,
        "unchanged unchecked": overwriting,
    },
    "test_an_expected_version_is_checked": {"versions are not counted": one_version},
    "test_add_get_change_and_remove": {
        "updates are lost": dropping_updates,
        "an old version is loaded": remembering(LoadsOldVersion),
        "an old state is loaded": remembering(LoadsOldState),
        "the last event is not read": at(
            "transaction.log", changing_result("read", to=lambda events: events[:-1] if len(events) > 1 else events)
        ),
        "removal keeps the row": keeping_deleted,
    },
    "test_nothing_there": {"removed is found": keeping_deleted},
    "test_one_object_within_a_unit": {"removed in a unit is kept": keeping_deleted},
    "test_the_loaded_is_not_shared": {"loads share an object": sharing},
    "test_aggregates_are_kept_apart": {
        "ids ignore upper and lower case": folding_ids,
        "streams ignore upper and lower case": at("transaction.log", changing("append", "read", stream=str.lower)),
        "streams are found by prefix": for_each(
            lambda store: at("writing.log", instead(read=partial(_read_by_prefix, store)))
        ),
    },
    "test_ids_that_no_store_can_keep": {
        "long ids are cut": state(changing("load", "insert", "update", id=lambda text: text[:371]))
    },
    "test_a_type_is_kept_in_one_way": {
        "the way is forgotten": at("transaction.storage_kinds", ignoring("get")),
        "the way is not noted": at("transaction.storage_kinds", ignoring("add")),
    },
    "test_undone_changes_are_not_stored": {"the way is noted in any case": commits_anyway},
}


class TestMutants(MutantSuite):
    """Stores that break repositories."""

    suite = RepositorySuite
    mutants = MUTANTS

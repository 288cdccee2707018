"""Stores that write rows wrongly."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any

from tests.mutants.combinators import Wrap, changing, changing_result, for_each, instead, raising
from tests.mutants.harness import Mutants, MutantSuite
from tests.mutants.places import at, unbroken_read_store
from tests.mutants.rows import guard, reading, refusing_as_broken, refusing_quietly, rows, writing
from tests.mutants.transactions import commits_anyway, quietly
from tests.stores import READ_STORES
from twofold.errors import StorageError, TransientFailure, UnreadableRow
from twofold.ports import RowChange
from twofold.testing.conformance import RowsSuite
from twofold.testing.conformance._stores.row_limits import Narrow
from twofold.testing.conformance._tools.proxy import Proxy


def reading_texts(change: Callable[[str], Any]) -> Wrap:
    """Change each text of the rows that are read."""
    return reading(lambda value: change(value) if isinstance(value, str) else value)


def reading_times(**change: Any) -> Wrap:
    """Change each time of the rows that are read."""
    return reading(lambda value: value.replace(**change) if isinstance(value, datetime) else value)


def writing_fields(change: Callable[[Any], Any]) -> Wrap:
    """Write other values in the fields that are not keys."""

    def changed(each: Any) -> Any:
        if each.row is None:
            return each
        values = {name: value if value == each.key else change(value) for name, value in each.row.__dict__.items()}
        return RowChange(each.key, each.row.model_copy(update=values), each.position)

    return writing(lambda changes: [changed(each) for each in changes])


def asking(change: Callable[[Any], Any]) -> Wrap:
    """Ask for other keys than those that are given."""
    return rows(changing("get_many", keys=lambda keys: [change(each) for each in keys]))


def asking_texts(change: Callable[[str], str]) -> Wrap:
    """Ask for other keys that are texts."""
    return asking(lambda key: change(key) if isinstance(key, str) else key)


def _quoting(error: Any) -> UnreadableRow:
    return UnreadableRow(error.view, error.key, f"{error.found}. It is 'sesame'")


def _shortest(value: Any) -> Any:
    short = isinstance(value, Decimal) and len(value.as_tuple().digits) < 9  # others would be rounded
    return value.normalize() if short else value


def _without_narrow(found: Mapping[object, Any]) -> Mapping[object, Any]:
    return {key: row for key, row in found.items() if type(row) is not Narrow}


def _without_deletes(changes: Sequence[Any]) -> Sequence[Any]:
    return [each for each in changes if each.row]


class RefusesLate(Proxy):
    """A transaction whose commit refuses a row that is not ASCII, or a long number."""

    _refused = False

    def rows(self, view: Any, **how: Any) -> Any:
        return changing("write", changes=self._kept)(self.inner.rows(view, **how))

    def _kept(self, changes: Sequence[Any]) -> Sequence[Any]:
        strange = [each for each in changes if each.row and not (each.row.team + (each.row.note or "")).isascii()]
        strange += [each for each in changes if each.row and each.row.rank.bit_length() > 64]
        self._refused = self._refused or bool(strange)
        return [each for each in changes if each not in strange]

    async def commit(self) -> None:
        if self._refused:
            raise StorageError("cannot commit: Task has a strange value")
        await self.inner.commit()


async def _in_another_transaction(store: Any, view: Any, method: str, _: Any, argument: Any, **options: Any) -> Any:
    other = await store.begin(read_only=True)
    try:
        return await getattr(other.rows(view), method)(argument, **options)
    finally:
        await other.rollback()


def _reopening(store: Any) -> Wrap:
    """Read rows in a new transaction each time."""

    def rows(transaction: Any, view: Any) -> Any:
        asks = {
            method: partial(_in_another_transaction, store, view, method) for method in ("get_many", "select", "count")
        }
        return instead(**asks)(transaction.rows(view))

    return at("transaction", instead(rows=rows))


class StaysDisconnected(Proxy):
    """Does not connect again."""

    _disconnected = False

    async def disconnect(self) -> None:
        await self.inner.disconnect()
        self._disconnected = True

    async def begin(self, *, read_only: bool = False) -> Any:
        if self._disconnected:
            raise TransientFailure("the store is disconnected")
        return await self.inner.begin(read_only=read_only)


MUTANTS: Mutants = {
    "test_a_disconnected_store_connects_again": {"stays disconnected": StaysDisconnected},
    "test_a_row_that_cannot_be_stored_is_refused_by_the_write": {
        "rows are refused by the commit": at("transaction", RefusesLate)
    },
    "test_older_writes_lose_in_any_order": {
        "an older row overwrites a newer one": guard(lambda *_: True),
        "an older delete removes a newer row": guard(lambda new, old, change: new >= old or change.row is None),
        "a newer delete is ignored": guard(lambda new, old, change: new >= old and change.row is not None),
    },
    "test_older_writes_lose_inside_a_transaction": {
        "an older row overwrites a newer one of its transaction": guard(lambda *_: True)
    },
    "test_a_deleted_row_is_not_brought_back": {
        "deletes leave no tombstone": guard(lambda new, old, _: new >= old, keep_tombstones=False)
    },
    "test_the_same_position_applies": {"the same position is ignored": guard(lambda new, old, _: new > old)},
    "test_put_get_delete": {
        "deletes are ignored": writing(_without_deletes),
        "a new row keeps old values": guard(lambda *_: False),
    },
    "test_one_write_of_many_rows": {"a write stops at 1,000 rows": writing(lambda changes: changes[:1000])},
    "test_get_many": {
        "only 999 keys are asked for": rows(changing("get_many", keys=lambda keys: [*keys][:999])),
        "deleted rows are found": writing(_without_deletes),
    },
    "test_keys": {
        "keys ignore upper and lower case": asking_texts(str.lower),
        "keys lose the space behind them": asking_texts(str.rstrip),
    },
    "test_values_survive": {
        "decimals lose their exponent": reading(_shortest),
        "decimals become floats": reading(lambda value: Decimal(float(value)) if isinstance(value, Decimal) else value),
        "times lose their microseconds": reading_times(microsecond=0),
        "times lose their zone": reading_times(tzinfo=None),
        "an empty text becomes None": reading_texts(lambda text: text or None),
        "tuples become lists": reading(lambda value: list(value) if type(value) is tuple else value),
    },
    "test_a_row_is_kept_as_it_is_or_refused": {
        "a text ends at its NUL": writing_fields(
            lambda value: value.split("\0")[0] if isinstance(value, str) else value
        ),
        "a lone surrogate is replaced": writing_fields(
            lambda value: value.replace("\ud800", "?") if isinstance(value, str) else value
        ),
        "large numbers are clipped": writing_fields(
            lambda value: min(value, 2**63 - 1) if type(value) is int else value
        ),
        "what cannot be kept is lost quietly": refusing_quietly,
        "what cannot be kept looks like a store that failed": refusing_as_broken,
    },
    "test_a_view_with_a_field_less_reads_old_rows": {
        "rows of an older view are not found": rows(changing_result("get_many", to=_without_narrow))
    },
    "test_an_unreadable_row_affects_only_itself": {
        "an unreadable row is left out quietly": rows(changing("select", unreadable=lambda _: [])),
        "an unreadable row hides all others": rows(changing("select", unreadable=lambda _: None)),
        "an unreadable row is quoted": rows(raising(_quoting, "get_many", of=UnreadableRow)),
    },
    "test_own_writes_are_seen": {"own writes are not seen": for_each(_reopening)},
    "test_a_reader_sees_one_state": {"a reader sees what others commit": for_each(_reopening)},
    "test_a_reader_cannot_write_rows": {"a reader's writes are lost quietly": quietly("rows", "write")},
    "test_rolled_back_writes_leave_nothing": {"a rollback commits": commits_anyway},
}


class TestMutants(MutantSuite):
    """Broken rows."""

    suite = RowsSuite
    mutants = MUTANTS
    kinds = READ_STORES
    unbroken = staticmethod(unbroken_read_store)

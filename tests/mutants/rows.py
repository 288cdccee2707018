"""Stores that write rows wrongly."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from decimal import Decimal
from itertools import count
from typing import Any

from twofold.errors import NotStorable, StorageError, TransientFailure
from twofold.ports import Position, RowChange
from twofold.testing.conformance._stores.row_limits import Narrow

from .broken import Around, Break, WritesQuietly, appending, break_part, break_transaction, commits_anyway
from .mutant import Mutant


class Reads(Around):
    """Changes each row that is read."""

    def __init__(self, inner: Any, change: Callable[[Any], Any]) -> None:
        super().__init__(inner)
        self._change = change

    async def get_many(self, keys: Collection[object]) -> Mapping[object, Any]:
        return {key: self._changed(row) for key, row in (await self.inner.get_many(keys)).items()}

    async def select(self, selection: Any) -> Sequence[Any]:
        return [self._changed(row) for row in await self.inner.select(selection)]

    def _changed(self, row: Any) -> Any:
        return row.model_copy(update={name: self._change(value) for name, value in row})


class Writes(Around):
    """Writes other changes than those that it is given."""

    def __init__(self, inner: Any, change: Callable[[Sequence[Any]], Sequence[Any]]) -> None:
        super().__init__(inner)
        self._change = change

    async def write(self, changes: Sequence[Any]) -> None:
        await self.inner.write(self._change(changes))


class RefusesLate(Around):
    """A transaction whose commit refuses a row that is not ASCII, or a long number."""

    def __init__(self, inner: Any) -> None:
        super().__init__(inner)
        self._refused = False

    def rows(self, view: Any, **how: Any) -> Any:
        return Writes(self.inner.rows(view, **how), self._kept)

    def _kept(self, changes: Sequence[Any]) -> Sequence[Any]:
        strange = [each for each in changes if each.row and not (each.row.team + (each.row.note or "")).isascii()]
        strange += [each for each in changes if each.row and each.row.rank.bit_length() > 64]
        self._refused = self._refused or bool(strange)
        return [each for each in changes if each not in strange]

    async def commit(self) -> None:
        if self._refused:
            raise StorageError("cannot commit: Task has a strange value")
        await self.inner.commit()


class Keys(Around):
    """Looks for other keys than those that it is given."""

    def __init__(self, inner: Any, change: Callable[[list[Any]], list[Any]]) -> None:
        super().__init__(inner)
        self._change = change

    async def get_many(self, keys: Collection[object]) -> Any:
        return await self.inner.get_many(self._change(list(keys)))


class Reopens(Around):
    """Reads the rows in a new transaction each time."""

    def __init__(self, inner: Any, store: Any, view: Any) -> None:
        super().__init__(inner)
        self._store, self._view = store, view

    async def get_many(self, keys: Any) -> Any:
        return await self._ask("get_many", keys)

    async def select(self, selection: Any) -> Any:
        return await self._ask("select", selection)

    async def count(self, where: Any) -> Any:
        return await self._ask("count", where)

    async def _ask(self, method: str, argument: Any) -> Any:
        other = await self._store.begin(read_only=True)
        try:
            return await getattr(other.rows(self._view), method)(argument)
        finally:
            await other.rollback()


class ReopensRows(Around):
    """A transaction that reads outside of itself."""

    def __init__(self, inner: Any, store: Any, read_only: bool) -> None:
        super().__init__(inner)
        self._store = store

    def rows(self, view: Any) -> Any:
        return Reopens(self.inner.rows(view), self._store, view)


def reading(change: Callable[[Any], Any]) -> Break:
    """Break each value of the rows that are read."""
    return break_part("rows", lambda: lambda rows: Reads(rows, change))


def writing(change: Callable[[Sequence[Any]], Sequence[Any]]) -> Break:
    """Break what is written."""
    return break_part("rows", lambda: lambda rows: Writes(rows, change))


def keys(change: Callable[[list[Any]], list[Any]]) -> Break:
    """Break which keys are asked for."""
    return break_part("rows", lambda: lambda rows: Keys(rows, change))


def guard(applies: Callable[[Any, Any, Any], bool], *, keep_tombstones: bool = True) -> Break:
    """Replace the guard of older writes: the store sees only growing positions, and this decides what reaches it.

    Args:
        applies: whether a change is written: its position, the row's last one, and the change.
        keep_tombstones: remember the position of a delete.
    """

    def make() -> Callable[[Any], Any]:
        ticks, last = count(1), dict[object, Any]()

        def change(changes: Sequence[Any]) -> Sequence[Any]:
            written = []
            for each in changes:
                before = last.get(each.key)
                if before is None or applies(each.position, before, each):
                    last[each.key] = each.position
                    if each.row is None and not keep_tombstones:
                        del last[each.key]
                    written.append(RowChange(each.key, each.row, Position(next(ticks))))
            return written

        return lambda rows: Writes(rows, change)

    return break_part("rows", make)


class ReadsOldRowsAsNone(Around):
    """Finds no rows that were written with another view of the name."""

    async def get_many(self, keys: Collection[object]) -> Any:
        found = await self.inner.get_many(keys)
        return {key: row for key, row in found.items() if type(row) is not Narrow}


class RefusesQuietly(Around):
    """Loses a write that holds what it cannot keep, without a word."""

    async def write(self, changes: Sequence[Any]) -> None:
        with suppress(NotStorable):
            await self.inner.write(changes)


class RefusesAsBroken(Around):
    """Does not tell a row that cannot be kept from a store that has failed."""

    async def write(self, changes: Sequence[Any]) -> None:
        try:
            await self.inner.write(changes)
        except NotStorable as error:
            raise TransientFailure(str(error)) from error


def _with_fields(change: Callable[[Any], Any]) -> Callable[[Sequence[Any]], Sequence[Any]]:
    """Return what writes other values in the fields that are no keys."""

    def changed(each: Any) -> Any:
        if each.row is None:
            return each
        values = {name: value if value == each.key else change(value) for name, value in each.row.__dict__.items()}
        return RowChange(each.key, each.row.model_copy(update=values), each.position)

    return lambda changes: [changed(each) for each in changes]


def _shortest(value: Any) -> Any:
    short = isinstance(value, Decimal) and len(value.as_tuple().digits) < 9  # others would be rounded
    return value.normalize() if short else value


MUTANTS: Sequence[Mutant] = (
    Mutant(
        "rows are refused by the commit", "test_what_cannot_be_kept_is_refused_by_the_write", appending(RefusesLate)
    ),
    Mutant("an older row overwrites a newer one", "test_older_writes_lose_in_any_order", guard(lambda *_: True)),
    Mutant(
        "an older row overwrites a newer one of its transaction",
        "test_older_writes_lose_inside_a_transaction",
        guard(lambda *_: True),
    ),
    Mutant(
        "deletes leave no tombstone",
        "test_a_deleted_row_is_not_brought_back",
        guard(lambda new, old, _: new >= old, keep_tombstones=False),
    ),
    Mutant("the same position is ignored", "test_the_same_position_applies", guard(lambda new, old, _: new > old)),
    Mutant(
        "an older delete removes a newer row",
        "test_older_writes_lose_in_any_order",
        guard(lambda new, old, change: new >= old or change.row is None),
    ),
    Mutant(
        "a newer delete is ignored",
        "test_older_writes_lose_in_any_order",
        guard(lambda new, old, change: new >= old and change.row is not None),
    ),
    Mutant(
        "deletes are ignored", "test_put_get_delete", writing(lambda changes: [each for each in changes if each.row])
    ),
    Mutant("a write stops at 1,000 rows", "test_one_write_of_many_rows", writing(lambda changes: changes[:1000])),
    Mutant("a new row keeps old values", "test_put_get_delete", guard(lambda *_: False)),
    Mutant("only 999 keys are asked for", "test_get_many", keys(lambda keys: keys[:999])),
    Mutant("deleted rows are found", "test_get_many", writing(lambda changes: [each for each in changes if each.row])),
    Mutant(
        "keys ignore upper and lower case",
        "test_keys",
        keys(lambda keys: [key.lower() if isinstance(key, str) else key for key in keys]),
    ),
    Mutant(
        "keys lose the space behind them",
        "test_keys",
        keys(lambda keys: [key.rstrip() if isinstance(key, str) else key for key in keys]),
    ),
    Mutant(
        "decimals lose their exponent",
        "test_values_survive",
        reading(_shortest),
    ),
    Mutant(
        "decimals become floats",
        "test_values_survive",
        reading(lambda value: Decimal(float(value)) if isinstance(value, Decimal) else value),
    ),
    Mutant(
        "times lose their microseconds",
        "test_values_survive",
        reading(lambda value: value.replace(microsecond=0) if isinstance(value, datetime) else value),
    ),
    Mutant(
        "times lose their zone",
        "test_values_survive",
        reading(lambda value: value.replace(tzinfo=None) if isinstance(value, datetime) else value),
    ),
    Mutant(
        "an empty text becomes None",
        "test_values_survive",
        reading(lambda value: None if value == "" else value),
    ),
    Mutant(
        "tuples become lists",
        "test_values_survive",
        reading(lambda value: list(value) if type(value) is tuple else value),
    ),
    Mutant(
        "a text ends at its NUL",
        "test_a_row_is_kept_as_it_is_or_refused",
        writing(_with_fields(lambda value: value.split("\0")[0] if isinstance(value, str) else value)),
    ),
    Mutant(
        "a lone surrogate is replaced",
        "test_a_row_is_kept_as_it_is_or_refused",
        writing(_with_fields(lambda value: value.replace("\ud800", "?") if isinstance(value, str) else value)),
    ),
    Mutant(
        "large numbers are clipped",
        "test_a_row_is_kept_as_it_is_or_refused",
        writing(_with_fields(lambda value: min(value, 2**63 - 1) if type(value) is int else value)),
    ),
    Mutant(
        "what cannot be kept is lost quietly",
        "test_a_row_is_kept_as_it_is_or_refused",
        break_part("rows", lambda: RefusesQuietly),
    ),
    Mutant(
        "what cannot be kept looks like a store that failed",
        "test_a_row_is_kept_as_it_is_or_refused",
        break_part("rows", lambda: RefusesAsBroken),
    ),
    Mutant(
        "rows of an older view are not found",
        "test_a_view_with_a_field_less_reads_old_rows",
        break_part("rows", lambda: ReadsOldRowsAsNone),
    ),
    Mutant("own writes are not seen", "test_own_writes_are_seen", break_transaction(ReopensRows)),
    Mutant("a reader sees what others commit", "test_a_reader_sees_one_state", break_transaction(ReopensRows)),
    Mutant(
        "a reader's writes are lost quietly",
        "test_a_reader_cannot_write_rows",
        break_part("rows", lambda: WritesQuietly),
    ),
    Mutant("a rollback commits", "test_rolled_back_writes_leave_nothing", commits_anyway),
)

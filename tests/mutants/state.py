"""Stores that keep the state of aggregates wrongly."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from decimal import Decimal
from typing import Any

from twofold.errors import ConcurrencyConflict, NotStorable, StorageError
from twofold.ports import Versioned

from .broken import Around, Break, WritesQuietly, break_part, commits_anyway
from .mutant import Mutant


class UpdatesUnguarded(Around):
    """Takes whatever version is there for the one that is expected."""

    async def update(self, id: str, aggregate: Any, *, expected: int) -> None:
        while (stands := await self.inner.version(id)) is not None:
            try:
                await self.inner.update(id, aggregate, expected=stands)
            except ConcurrencyConflict:  # it moved in between, while this writer waited for its turn
                continue
            return


class DeletesUnguarded(Around):
    """Deletes whatever version is there."""

    async def delete(self, id: str, aggregate: Any, *, expected: int) -> None:
        await self.inner.delete(id, aggregate, expected=await self.inner.version(id) or expected)


class UpdatesNothing(Around):
    """Misses that there is nothing to update."""

    async def update(self, id: str, aggregate: Any, *, expected: int) -> None:
        if await self.inner.version(id) is not None:
            await self.inner.update(id, aggregate, expected=expected)


class DropsUpdates(Around):
    """Checks the version and forgets the new state."""

    async def update(self, id: str, aggregate: Any, *, expected: int) -> None:
        actual = await self.inner.version(id)
        if actual != expected:
            raise ConcurrencyConflict(id, expected=expected, actual=actual or 0)


class NamesWrongVersions(Around):
    """Refuses a stale update without the version that it found."""

    async def update(self, id: str, aggregate: Any, *, expected: int) -> None:
        try:
            await self.inner.update(id, aggregate, expected=expected)
        except ConcurrencyConflict as conflict:
            raise ConcurrencyConflict(conflict.stream, expected=expected, actual=None) from conflict


class OneVersion(Around):
    """Says that every aggregate was saved once."""

    async def load(self, id: str) -> Any:
        found = await self.inner.load(id)
        return found and Versioned(found.aggregate, 1)

    async def version(self, id: str) -> int | None:
        return await self.inner.version(id) and 1

    async def update(self, id: str, aggregate: Any, *, expected: int) -> None:
        await self.inner.update(id, aggregate, expected=await self.inner.version(id) or expected)


class BumpsTwice(Around):
    """Writes twice what is to be written once."""

    async def update(self, id: str, aggregate: Any, *, expected: int) -> None:
        await self.inner.update(id, aggregate, expected=expected)
        if await self.inner.version(id) == expected + 1:
            aggregate.saves += 1
            await self.inner.update(id, aggregate, expected=expected + 1)


class WritesUnchanged(Around):
    """Saves a state that did not change."""

    async def update(self, id: str, aggregate: Any, *, expected: int) -> None:
        await self.inner.update(id, aggregate, expected=expected)
        if await self.inner.version(id) == expected:
            aggregate.saves += 1
            await self.inner.update(id, aggregate, expected=expected)


class InsertOverwrites(Around):
    """Puts a new aggregate in place of the one that is there."""

    async def insert(self, id: str, aggregate: Any) -> None:
        version = await self.inner.version(id)
        if version is None:
            await self.inner.insert(id, aggregate)
        else:
            await self.inner.update(id, aggregate, expected=version)


class SecondInsertIgnored(Around):
    """Says nothing when an id is taken."""

    async def insert(self, id: str, aggregate: Any) -> None:
        if await self.inner.version(id) is None:
            await self.inner.insert(id, aggregate)


class Shares(Around):
    """Gives out one object for as long as its version stays."""

    def __init__(self, inner: Any, given: dict[object, Any]) -> None:
        super().__init__(inner)
        self._given = given

    async def load(self, id: str) -> Any:
        found = await self.inner.load(id)
        return found and self._given.setdefault((id, found.version), found)


class SharesInserted(Around):
    """Gives out the very object that was inserted."""

    def __init__(self, inner: Any, given: dict[object, Any]) -> None:
        super().__init__(inner)
        self._given = given

    async def insert(self, id: str, aggregate: Any) -> None:
        await self.inner.insert(id, aggregate)
        self._given[id] = aggregate

    async def load(self, id: str) -> Any:
        found = await self.inner.load(id)
        return found and Versioned(self._given.get(id, found.aggregate), found.version)


class KeepsDeleted(Around):
    """Forgets to delete."""

    async def delete(self, id: str, aggregate: Any, *, expected: int) -> None:
        if await self.inner.version(id) != expected:
            await self.inner.delete(id, aggregate, expected=expected)


class LoadsOther(Around):
    """Changes what is loaded."""

    def __init__(self, inner: Any, change: Callable[[Any], object]) -> None:
        super().__init__(inner)
        self._change = change

    async def load(self, id: str) -> Any:
        found = await self.inner.load(id)
        if found:
            self._change(found.aggregate)
        return found


class FoldsIds(Around):
    """Takes ids that differ in upper and lower case for the same."""

    async def load(self, id: str) -> Any:
        return await self.inner.load(id.lower())

    async def insert(self, id: str, aggregate: Any) -> None:
        await self.inner.insert(id.lower(), aggregate)


class NewVersion(Around):
    """Says that an aggregate which is not there has version 0."""

    async def version(self, id: str) -> int | None:
        return await self.inner.version(id) or 0


def state(part: Callable[[Any], Any]) -> Break:
    """Break the state of every type."""
    return break_part("state", lambda: part)


def loading(change: Callable[[Any], object]) -> Break:
    """Break the aggregates that are loaded."""
    return state(lambda inner: LoadsOther(inner, change))


def _round(loaded: Any) -> None:
    loaded.balance = loaded.balance.normalize()


def _float(loaded: Any) -> None:
    loaded.limits = {name: Decimal(float(limit)) for name, limit in loaded.limits.items()}


def _naive(loaded: Any) -> None:
    loaded.opened = loaded.opened.replace(tzinfo=None)


def _plain(loaded: Any) -> None:
    loaded.kind = loaded.kind.value


def _flat(loaded: Any) -> None:
    loaded.address = loaded.address.model_dump()


def _list(loaded: Any) -> None:
    loaded.former = list(loaded.former)


def _shared(part: Callable[[Any, dict[object, Any]], Any]) -> Break:
    def make() -> Callable[[Any], Any]:
        given: dict[object, Any] = {}
        return lambda inner: part(inner, given)

    return break_part("state", make)


class RefusesQuietly(Around):
    """Loses a state that does not fit, without a word."""

    async def insert(self, id: str, aggregate: Any) -> None:
        with suppress(NotStorable):
            await self.inner.insert(id, aggregate)

    async def update(self, id: str, aggregate: Any, *, expected: int) -> None:
        with suppress(NotStorable):
            await self.inner.update(id, aggregate, expected=expected)


class NamesNobody(Around):
    """Does not say whose state cannot be read."""

    async def load(self, id: str) -> Any:
        try:
            return await self.inner.load(id)
        except StorageError as error:
            raise StorageError("cannot load a state") from error


class KeepsNoIdAlone(Around):
    """Forgets a state that has nothing but its id."""

    async def insert(self, id: str, aggregate: Any) -> None:
        if set(vars(aggregate)) - {"id"}:
            await self.inner.insert(id, aggregate)


MUTANTS: Sequence[Mutant] = (
    Mutant("a state that does not fit is lost", "test_a_state_that_does_not_fit_is_refused", state(RefusesQuietly)),
    Mutant("an unreadable state is nobody's", "test_a_state_of_an_older_class_is_named", state(NamesNobody)),
    Mutant("an id alone is not kept", "test_an_id_alone_is_a_state", state(KeepsNoIdAlone)),
    Mutant("an update ignores the version", "test_a_stale_update_is_refused", state(UpdatesUnguarded)),
    Mutant("concurrent updates overwrite each other", "test_concurrent_increments", state(UpdatesUnguarded)),
    Mutant("an update of nothing passes", "test_a_stale_update_is_refused", state(UpdatesNothing)),
    Mutant("a conflict hides the version found", "test_a_stale_update_is_refused", state(NamesWrongVersions)),
    Mutant("a delete ignores the version", "test_a_stale_delete_is_refused", state(DeletesUnguarded)),
    Mutant("an update does not bump the version", "test_an_update_bumps_the_version", state(OneVersion)),
    Mutant("an update bumps the version twice", "test_an_update_bumps_the_version", state(BumpsTwice)),
    Mutant("updates are lost", "test_an_update_bumps_the_version", state(DropsUpdates)),
    Mutant("an unchanged state is written", "test_an_unchanged_state_is_not_written", state(WritesUnchanged)),
    Mutant("an insert overwrites", "test_a_second_insert_is_refused", state(InsertOverwrites)),
    Mutant("a second insert is lost quietly", "test_a_second_insert_is_refused", state(SecondInsertIgnored)),
    Mutant("loads share an object", "test_what_is_loaded_is_not_shared", _shared(Shares)),
    Mutant("what was inserted is shared", "test_what_is_loaded_is_not_shared", _shared(SharesInserted)),
    Mutant("a delete deletes nothing", "test_delete", state(KeepsDeleted)),
    Mutant("a missing aggregate has a version", "test_nothing_there", state(NewVersion)),
    Mutant("ids ignore upper and lower case", "test_ids", state(FoldsIds)),
    Mutant("decimals lose their exponent", "test_values_survive", loading(_round)),
    Mutant("decimals become floats", "test_values_survive", loading(_float)),
    Mutant("times lose their zone", "test_values_survive", loading(_naive)),
    Mutant("enums become texts", "test_values_survive", loading(_plain)),
    Mutant("models become mappings", "test_values_survive", loading(_flat)),
    Mutant("tuples become lists", "test_values_survive", loading(_list)),
    Mutant("a rollback commits", "test_a_rollback_undoes_everything", commits_anyway),
    Mutant("a reader's writes are lost quietly", "test_a_reader_cannot_write", state(WritesQuietly)),
)

"""Refused writes of state: an existing id, an outdated version, a read-only transaction."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from traceback import format_exception
from typing import Any, cast

import pytest

from twofold.errors import (
    AggregateExists,
    ConcurrencyConflict,
    NotStorable,
    ReadOnlyUnitOfWork,
    StorageError,
    TwofoldError,
    UnitOfWorkDoomed,
)
from twofold.ports import Expected, StateStore

from .._domain.state_samples import Account, Counted, Counter, Taken, account, insert, load, save_again, version
from .._tools.opened import NewStore, reading, undone, writing
from .event_log import event, stream_of

REFUSED: dict[str, tuple[type[TwofoldError], Callable[[StateStore[Account]], Awaitable[None]]]] = {
    "a taken id": (AggregateExists, lambda state: state.insert("1", account())),
    "a stale update": (ConcurrencyConflict, lambda state: state.update("1", account(saves=77), expected=1)),
    "an update of nothing": (ConcurrencyConflict, lambda state: state.update("3", account("3"), expected=1)),
    "a stale delete": (ConcurrencyConflict, lambda state: state.delete("1", account(), expected=1)),
    "a delete of nothing": (ConcurrencyConflict, lambda state: state.delete("3", account("3"), expected=1)),
}
"""Writes that are refused if account 1 has version 2, and their errors."""

USES: dict[str, Callable[[StateStore[Account]], Awaitable[Any]]] = {
    "load": lambda state: state.load("1"),
    "version": lambda state: state.version("1"),
    "insert": lambda state: state.insert("4", account("4")),
    "update": lambda state: state.update("1", account(saves=5), expected=2),
    "delete": lambda state: state.delete("1", account(), expected=2),
}
"""Operations on state. All of them work in a transaction that is not doomed."""


class StateRefusals:
    """The cases of `StateSuite` about refused writes."""

    async def test_a_second_insert_is_refused(self, new_store: NewStore) -> None:
        """Inserting an existing id is refused, in another transaction and in the same one. The existing state stays."""
        async with new_store([]) as store:
            await insert(store, account(saves=1))
            with pytest.raises(AggregateExists):
                await insert(store, account(saves=2))
            async with undone(store) as transaction:
                await transaction.state(Account).insert("2", account("2"))
                with pytest.raises(AggregateExists):
                    await transaction.state(Account).insert("2", account("2"))
            found = await load(store)
            assert found is not None
            assert (found[0].saves, found[1]) == (1, 1)
            assert await load(store, "2") is None, "a failed transaction left something"

    async def test_a_state_that_does_not_fit_is_refused(self, new_store: NewStore) -> None:
        """An attribute that does not fit its annotation is refused before any write. The error names the attribute."""
        async with new_store([]) as store:
            await insert(store, account("kept"))
            wrong = account("kept")
            wrong.saves = cast(int, "many")
            new = account("new")
            new.tags = cast(list[str], ["a", object()])
            writes: list[tuple[Callable[[StateStore[Account]], Awaitable[None]], str, str]] = [
                (lambda state: state.update("kept", wrong, expected=1), "kept", "saves"),
                (lambda state: state.insert("new", new), "new", "tags"),
            ]
            for write, whose, attribute in writes:
                async with undone(store) as transaction:
                    with pytest.raises(NotStorable, match=f"Account {whose}.*{attribute}"):
                        await write(transaction.state(Account))
            assert (await version(store, "kept"), await version(store, "new")) == (1, None)

    async def test_a_state_of_an_older_class_is_named(self, new_store: NewStore) -> None:
        """Loading a stored state that no longer fits its class raises an error that names the aggregate and its id.

        The error and its traceback name the attribute, and never its value.
        """
        old = Counted()
        old.id, old.count = "no. 7", "many"
        async with new_store([]) as store:
            async with writing(store) as transaction:
                await transaction.state(Counted).insert(old.id, old)
            async with reading(store) as transaction:
                with pytest.raises(StorageError, match=r"Counter no\. 7.*count") as refused:
                    await transaction.state(Counter).load(old.id)
        assert "many" not in "".join(format_exception(refused.value))

    async def test_an_id_alone_is_a_state(self, new_store: NewStore) -> None:
        """An aggregate with no field but its id is stored and loaded."""
        taken = Taken()
        taken.id = "ada"
        async with new_store([]) as store:
            async with writing(store) as transaction:
                await transaction.state(Taken).insert("ada", taken)
            with pytest.raises(AggregateExists):
                async with writing(store) as transaction:
                    await transaction.state(Taken).insert("ada", taken)
            async with reading(store) as transaction:
                found = await transaction.state(Taken).load("ada")
            assert found is not None
            assert vars(found.aggregate) == {"id": "ada"}

    async def test_a_stale_update_is_refused(self, new_store: NewStore) -> None:
        """Saving with an outdated version is refused with both versions. Nothing is written."""
        async with new_store([]) as store:
            await insert(store, account())
            await save_again(store)
            for wrong in (1, 3):
                with pytest.raises(ConcurrencyConflict) as refused:
                    async with writing(store) as transaction:
                        await transaction.state(Account).update("1", account(saves=77), expected=wrong)
                assert (refused.value.expected, refused.value.actual) == (wrong, 2)
            with pytest.raises(ConcurrencyConflict) as refused:
                async with writing(store) as transaction:
                    await transaction.state(Account).update("nobody", account("nobody"), expected=1)
            assert (refused.value.expected, refused.value.actual) == (1, 0)
            found = await load(store)
            assert found is not None
            assert (found[0].saves, found[1]) == (1, 2)

    async def test_a_stale_delete_is_refused(self, new_store: NewStore) -> None:
        """Deleting with an outdated version is refused with both versions. Nothing is deleted."""
        async with new_store([]) as store:
            await insert(store, account())
            await save_again(store)
            with pytest.raises(ConcurrencyConflict) as refused:
                async with writing(store) as transaction:
                    await transaction.state(Account).delete("1", account(), expected=1)
            assert (refused.value.expected, refused.value.actual) == (1, 2)
            assert await version(store) == 2
            with pytest.raises(ConcurrencyConflict) as refused:
                async with writing(store) as transaction:
                    await transaction.state(Account).delete("nobody", account("nobody"), expected=1)
            assert refused.value.actual == 0

    async def test_a_reader_cannot_write(self, new_store: NewStore) -> None:
        """A read-only transaction refuses to insert."""
        async with new_store([]) as store:
            with pytest.raises(ReadOnlyUnitOfWork):
                async with reading(store) as transaction:
                    await transaction.state(Account).insert("1", account())
            assert await load(store) is None

    async def test_a_refused_write_dooms_its_transaction(self, new_store: NewStore) -> None:
        """After a refused write of state, the transaction can be neither used nor committed.

        Its earlier writes are gone.
        """
        async with new_store([]) as store:
            await insert(store, account())
            await save_again(store)
            for (what, (error, write)), (how, use) in zip(REFUSED.items(), USES.items(), strict=True):
                async with undone(store) as transaction:
                    state = transaction.state(Account)
                    await state.insert("2", account("2"))
                    await transaction.log.append("account-2", [event()], expected=0)
                    with pytest.raises(error):
                        await write(state)
                    for each in (use, USES["load"]):
                        with pytest.raises(UnitOfWorkDoomed):
                            await each(state)
                    with pytest.raises(UnitOfWorkDoomed):
                        await transaction.log.append("account-2", [event()], expected=Expected.ANY)
                    with pytest.raises(UnitOfWorkDoomed):
                        await transaction.commit()
                left = await version(store), await version(store, "2"), await stream_of(store, "account-2")
                assert left == (2, None, []), f"{what}, then {how}"

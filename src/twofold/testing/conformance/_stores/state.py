"""The state of aggregates: stored unchanged, with a version that only one of several concurrent writers can increase."""

from __future__ import annotations

from collections import Counter
from datetime import date
from decimal import Decimal
from typing import cast

import anyio
import pytest

from twofold.errors import ConcurrencyConflict

from .._domain.state_samples import (
    Account,
    NewFee,
    NewTariff,
    OldFee,
    OldTariff,
    Other,
    account,
    insert,
    load,
    save_again,
    version,
)
from .._tools.capabilities import Capabilities
from .._tools.opened import NewStore, failed_savepoint, reading, undone, writing
from .state_refusals import StateRefusals


class StateSuite(StateRefusals):
    """The promises of every store about the state of aggregates. Needs the fixtures `new_store` and `capabilities`."""

    async def test_values_survive(self, new_store: NewStore) -> None:
        """Decimals, times, enums, nested models, tuples and mappings are returned equal, in a new object of the class."""
        made = account()
        async with new_store([]) as store:
            await insert(store, made)
            found = await load(store)

        assert found is not None
        loaded, at = found
        assert at == 1
        assert type(loaded) is Account
        assert vars(loaded) == vars(made)
        assert str(loaded.balance) == "2.50"
        assert {name: str(limit) for name, limit in loaded.limits.items()} == {
            "ä": "12345678901234567890.0123456789",
            "": "1E+3",
        }
        assert type(loaded.former) is tuple
        assert loaded.recorded == ()

    async def test_a_new_default_leaves_old_states_alone(self, new_store: NewStore) -> None:
        """A nested model that was stored with its default keeps the value when a later release has another default."""
        old = OldTariff()
        old.id, old.fee = "1", OldFee()
        async with new_store([]) as store:
            async with writing(store) as transaction:
                await transaction.state(OldTariff).insert(old.id, old)
            async with reading(store) as transaction:
                found = await transaction.state(NewTariff).load(old.id)
        assert found is not None
        assert cast(NewTariff, found.aggregate).fee == NewFee(amount=Decimal("1.00"), currency="EUR")

    async def test_nothing_there(self, new_store: NewStore) -> None:
        """An unknown id has no aggregate and no version."""
        async with new_store([]) as store:
            assert await load(store) is None
            assert await version(store) is None

    async def test_ids(self, new_store: NewStore) -> None:
        """Any text works as an id and finds exactly its aggregate."""
        texts = ("a", "A", "ä", "a\u0308", "東京", "a/b", "%", "'", " ", "x" * 200)
        async with new_store([]) as store:
            for number, text in enumerate(texts):
                await insert(store, account(text, saves=number))
            for number, text in enumerate(texts):
                found = await load(store, text)
                assert found is not None
                assert (found[0].id, found[0].saves) == (text, number)

    async def test_types_do_not_mix(self, new_store: NewStore) -> None:
        """Aggregates of two types may have the same id."""
        other = Other()
        other.id, other.text = "1", "other"
        async with new_store([]) as store:
            await insert(store, account())
            async with writing(store) as transaction:
                await transaction.state(Other).insert("1", other)
            await save_again(store)
            async with reading(store) as transaction:
                found = await transaction.state(Other).load("1")
            assert found is not None
            assert vars(found.aggregate) == {"id": "1", "text": "other"}
            assert (found.version, await version(store)) == (1, 2)

    async def test_loaded_aggregates_are_not_shared(self, new_store: NewStore) -> None:
        """Changing an inserted or loaded object changes neither the stored state nor the results of other loads."""
        made = account()
        async with new_store([]) as store:
            async with writing(store) as transaction:
                await transaction.state(Account).insert("1", made)
                made.tags.append("after the insert")
            async with writing(store) as transaction:
                state = transaction.state(Account)
                for _ in range(2):
                    found = await state.load("1")
                    assert found is not None
                    loaded = cast(Account, found.aggregate)
                    assert loaded.tags == ["b", "a"]
                    loaded.tags.append("after the load")
                    loaded.saves = 99
            found_again = await load(store)
            assert found_again is not None
            assert (found_again[0].tags, found_again[0].saves) == (["b", "a"], 0)

    async def test_an_update_bumps_the_version(self, new_store: NewStore) -> None:
        """Each save of a changed state increases the version by one, also several saves in one transaction."""
        async with new_store([]) as store:
            await insert(store, account())
            for expected in (2, 3):
                await save_again(store)
                assert await version(store) == expected
            async with writing(store) as transaction:
                state = transaction.state(Account)
                found = await state.load("1")
                assert found is not None
                changed = cast(Account, found.aggregate)
                for at in (3, 4):
                    changed.saves = 10 * at
                    changed.closed = date(2024, 1, at)
                    await state.update("1", changed, expected=at)
                    assert await state.version("1") == at + 1
            loaded = await load(store)
            assert loaded is not None
            assert (loaded[0].saves, loaded[0].closed, loaded[1]) == (40, date(2024, 1, 4), 5)

    async def test_an_unchanged_state_is_not_written(self, new_store: NewStore) -> None:
        """Saving an unchanged state that the transaction loaded or wrote keeps the version and skips the check."""
        async with new_store([]) as store:
            await insert(store, account())
            async with writing(store) as transaction:
                state = transaction.state(Account)
                found = await state.load("1")
                assert found is not None
                loaded = cast(Account, found.aggregate)
                await state.update("1", loaded, expected=found.version)
                await state.update("1", loaded, expected=found.version + 7)
                assert await state.version("1") == 1
                loaded.saves = 5
                for _ in range(2):
                    await transaction.state(Account).update("1", loaded, expected=1)
                await state.insert("2", account("2"))
                await state.update("2", account("2"), expected=1)
            assert (await version(store), await version(store, "2")) == (2, 1)

    async def test_an_aggregate_that_was_not_loaded_is_written(self, new_store: NewStore) -> None:
        """A state that the transaction has not loaded is checked and saved as the next version, even if it is unchanged."""
        async with new_store([]) as store:
            await insert(store, account())
            async with writing(store) as transaction:
                await transaction.state(Account).update("1", account(), expected=1)
            assert await version(store) == 2
            for wrong in (1, 3):
                with pytest.raises(ConcurrencyConflict):
                    async with writing(store) as transaction:
                        await transaction.state(Account).update("1", account(), expected=wrong)
            assert await version(store) == 2

    async def test_delete(self, new_store: NewStore) -> None:
        """A deleted aggregate is gone immediately for its own transaction, and for others after the commit."""
        async with new_store([]) as store:
            await insert(store, account())
            await insert(store, account("2"))
            async with writing(store) as transaction:
                state = transaction.state(Account)
                found = await state.load("1")
                assert found is not None
                await state.delete("1", cast(Account, found.aggregate), expected=1)
                assert await state.load("1") is None
                assert await state.version("1") is None
                assert await version(store) == 1
            assert await load(store) is None
            assert await version(store, "2") == 1

    async def test_a_deleted_id_is_free_again(self, new_store: NewStore) -> None:
        """A deleted id can be inserted again, in the same transaction or later, and starts at version 1."""
        async with new_store([]) as store:
            for saves in (1, 2):
                await insert(store, account(saves=saves))
                await save_again(store)
                async with writing(store) as transaction:
                    state = transaction.state(Account)
                    await state.delete("1", account(), expected=2)
                    await state.insert("1", account(saves=10 * saves))
                    await state.update("1", account(saves=11 * saves), expected=1)
                found = await load(store)
                assert found is not None
                assert (found[0].saves, found[1]) == (11 * saves, 2)
                async with writing(store) as transaction:
                    await transaction.state(Account).delete("1", account(), expected=2)
                assert await load(store) is None

    async def test_a_rollback_undoes_everything(self, new_store: NewStore) -> None:
        """A rollback removes inserted aggregates and restores changed and deleted ones."""
        async with new_store([]) as store:
            await insert(store, account())
            await insert(store, account("2"))
            async with undone(store) as transaction:
                state = transaction.state(Account)
                await state.insert("3", account("3"))
                await state.update("1", account(saves=5), expected=1)
                await state.delete("2", account("2"), expected=1)
                own = await state.load("1")
                assert own is not None
                assert (cast(Account, own.aggregate).saves, own.version) == (5, 2), "a transaction sees its own writes"
                assert await version(store, "3") is None, "nobody else sees them"
            for key, expected in (("1", 1), ("2", 1), ("3", None)):
                assert await version(store, key) == expected
            found = await load(store)
            assert found is not None
            assert found[0].saves == 0

    async def test_a_savepoint_undoes_an_update(self, new_store: NewStore, capabilities: Capabilities) -> None:
        """An update that a failed savepoint has undone can be repeated with the same state and version."""
        if not capabilities.savepoints:
            pytest.skip("the adapter has no savepoints")
        async with new_store([]) as store:
            await insert(store, account())
            async with writing(store) as transaction:
                state = transaction.state(Account)
                found = await state.load("1")
                assert found is not None
                changed = cast(Account, found.aggregate)
                changed.saves = 5
                async with failed_savepoint(transaction):
                    await state.update("1", changed, expected=1)
                    await state.insert("2", account("2"))
                assert await state.version("1") == 1
                assert await state.load("2") is None
                await state.update("1", changed, expected=1)
            loaded = await load(store)
            assert loaded is not None
            assert (loaded[0].saves, loaded[1]) == (5, 2)

    async def test_concurrent_increments(self, new_store: NewStore) -> None:
        """Exactly one of several concurrent saves of the same version wins.

        With retries, every increment counts once.
        """
        workers, rounds = 6, 4
        outcomes: Counter[str] = Counter()
        all_loaded, waiting = anyio.Event(), Counter[str]()

        async with new_store([]) as store:
            await insert(store, account())

            async def work() -> None:
                for number in range(rounds):
                    while True:
                        found = await load(store)
                        assert found is not None
                        loaded, at = found
                        if number == 0 and not all_loaded.is_set():  # all first attempts are from the same version
                            waiting["first"] += 1
                            if waiting["first"] == workers:
                                all_loaded.set()
                            await all_loaded.wait()
                        loaded.saves += 1
                        try:
                            async with writing(store) as transaction:
                                await transaction.state(Account).update("1", loaded, expected=at)
                        except ConcurrencyConflict:
                            outcomes["conflict"] += 1
                        else:
                            outcomes["success"] += 1
                            break

            async with anyio.create_task_group() as tasks:
                for _ in range(workers):
                    tasks.start_soon(work)

            found = await load(store)
            assert found is not None
            assert outcomes["success"] == workers * rounds
            assert found[0].saves == outcomes["success"]
            assert found[1] == 1 + outcomes["success"]
            assert outcomes["conflict"] >= workers - 1

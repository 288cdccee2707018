"""Shadow rows: a second set of rows of a view, which a rebuild fills and then swaps in."""

from __future__ import annotations

from decimal import Decimal

from twofold.ports import Position, ReadStore, RowChange

from .._domain.bank import Balance
from .._domain.row_samples import Task, all_of
from .._tools.opened import NewReadStore, reading, undone, writing

OLD, NEW = Task(id="a"), Task(id="a", rank=1)


async def write(store: ReadStore, key: str, row: Task | None, position: int, *, shadow: bool = False) -> None:
    """Commit a row, or its deletion."""
    async with writing(store) as transaction:
        await transaction.rows(Task, shadow=shadow).write([RowChange(key, row, Position(position))])


async def shadows_of(store: ReadStore) -> dict[object, Task]:
    """Return the committed shadow rows with the keys that these tests use."""
    async with reading(store) as transaction:
        return dict(await transaction.rows(Task, shadow=True).get_many(["a", "b"]))


async def swap(store: ReadStore) -> None:
    """Replace the rows with the shadow rows."""
    async with writing(store) as transaction:
        await transaction.shadows.swap([Task])


class ShadowRows:
    """The cases of `RebuildSuite` that use shadow rows without an application."""

    async def test_shadow_rows_are_apart(self, new_store: NewReadStore) -> None:
        """Readers of a view never see its shadow rows. Each row of the two sets has its own position."""
        async with new_store([Task]) as store:
            await store.create_shadows([Task])
            await write(store, "a", OLD, 5)
            await write(store, "a", NEW, 3, shadow=True)
            await write(store, "b", Task(id="b"), 4, shadow=True)
            assert await all_of(store, Task) == {"a": OLD}
            assert await shadows_of(store) == {"a": NEW, "b": Task(id="b")}

    async def test_a_swap_replaces_all_rows(self, new_store: NewReadStore) -> None:
        """After a swap, the view consists of the former shadow rows only.

        There are no shadow rows, and other views are unchanged.
        """
        other = Balance(account_id="a", balance=Decimal(1))
        async with new_store([Task, Balance]) as store:
            await store.create_shadows([Task, Balance])
            await write(store, "a", OLD, 5)
            await write(store, "b", Task(id="b"), 5, shadow=True)
            async with writing(store) as transaction:
                await transaction.rows(Balance).write([RowChange("a", other, Position(1))])
            await swap(store)
            assert await all_of(store, Task) == {"b": Task(id="b")}
            assert await all_of(store, Balance) == {"a": other}
            assert await shadows_of(store) == {}
            await swap(store)
            assert await all_of(store, Task) == {}

    async def test_swapped_rows_keep_their_positions(self, new_store: NewReadStore) -> None:
        """After a swap, a write that is older than a swapped row or deletion loses, and a newer write wins."""
        async with new_store([Task]) as store:
            await store.create_shadows([Task])
            await write(store, "a", OLD, 9)
            await write(store, "a", NEW, 4, shadow=True)
            await write(store, "b", None, 4, shadow=True)
            await swap(store)
            await write(store, "a", OLD, 3)
            await write(store, "b", Task(id="b"), 3)
            assert await all_of(store, Task) == {"a": NEW}
            await write(store, "a", OLD, 5)
            assert await all_of(store, Task) == {"a": OLD}

    async def test_a_swap_is_rolled_back(self, new_store: NewReadStore) -> None:
        """A rollback undoes a swap, and also the deletion of shadow rows."""
        async with new_store([Task]) as store:
            await store.create_shadows([Task])
            await write(store, "a", OLD, 5)
            await write(store, "a", NEW, 6, shadow=True)
            async with undone(store) as transaction:
                await transaction.shadows.swap([Task])
            async with undone(store) as transaction:
                await transaction.shadows.clear([Task])
            assert await all_of(store, Task) == {"a": OLD}
            assert await shadows_of(store) == {"a": NEW}

    async def test_shadows_are_cleared(self, new_store: NewReadStore) -> None:
        """Clearing deletes the shadow rows with their positions, and no other rows.

        Creating existing shadow tables changes nothing.
        """
        async with new_store([Task]) as store:
            await store.create_shadows([Task])
            await write(store, "a", OLD, 5)
            await write(store, "a", NEW, 6, shadow=True)
            await store.create_shadows([Task])
            assert await shadows_of(store) == {"a": NEW}
            async with writing(store) as transaction:
                await transaction.shadows.clear([Task])
            assert await all_of(store, Task) == {"a": OLD}
            assert await shadows_of(store) == {}
            await write(store, "a", OLD, 2, shadow=True)
            assert await shadows_of(store) == {"a": OLD}

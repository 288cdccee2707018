"""Shadow rows: a second set of a view's rows, which a rebuild fills and then puts in the place of the first."""

from __future__ import annotations

from decimal import Decimal

from twofold.ports import Position, ReadStore, RowChange

from .._domain.bank import Balance
from .._domain.row_samples import Task, all_of
from .._tools.opened import NewReadStore, reading, undone, writing

OLD, NEW = Task(id="a"), Task(id="a", rank=1)


async def write(store: ReadStore, key: str, row: Task | None, position: int, *, shadow: bool = False) -> None:
    """Commit one row, or its absence."""
    async with writing(store) as transaction:
        await transaction.rows(Task, shadow=shadow).write([RowChange(key, row, Position(position))])


async def shadows_of(store: ReadStore) -> dict[object, Task]:
    """Return the committed shadow rows with the keys that are used here."""
    async with reading(store) as transaction:
        return dict(await transaction.rows(Task, shadow=True).get_many(["a", "b"]))


async def swap(store: ReadStore) -> None:
    """Let the shadow rows take the place of the others."""
    async with writing(store) as transaction:
        await transaction.shadows.swap([Task])


class ShadowRows:
    """The cases of `RebuildSuite` about shadow rows alone."""

    async def test_shadow_rows_are_apart(self, new_store: NewReadStore) -> None:
        """Who reads a view finds no shadow row, and each row of the two sets has a position of its own."""
        async with new_store([Task]) as store:
            await store.create_shadows([Task])
            await write(store, "a", OLD, 5)
            await write(store, "a", NEW, 3, shadow=True)
            await write(store, "b", Task(id="b"), 4, shadow=True)
            assert await all_of(store, Task) == {"a": OLD}
            assert await shadows_of(store) == {"a": NEW, "b": Task(id="b")}

    async def test_a_swap_replaces_all_rows(self, new_store: NewReadStore) -> None:
        """After a swap there are the rows that were shadows, no others, and no shadows; other views are as they were."""
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
        """An older write loses against a row, or a deletion, that came by the swap; a newer one wins."""
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
        """A swap, or a clearing, that is not committed has changed nothing."""
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
        """Clearing removes the shadow rows with their positions and leaves the others; creating what is there does not."""
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

"""Which finds an index answers, and that whatever answers finds the same rows."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

import pytest
from redis.asyncio import Redis as Client

from twofold import View
from twofold.errors import SchemaMissing, StorageError
from twofold.ports import Condition, Operator, Ordering, Position, RowChange, Selection
from twofold_memory import InMemory
from twofold_redis import Redis
from twofold_redis._rows.index_plan import plan_for
from twofold_redis._rows.shape import shape_of

EQUAL, OTHER, ABOVE, AT_LEAST, BELOW, AT_MOST, ONE_OF, ANY_OF = (
    *(Operator.EQ, Operator.NE, Operator.GT, Operator.GE),
    *(Operator.LT, Operator.LE, Operator.ONE_OF, Operator.ANY_OF),
)


class Ticket(View, name="ticket", key="id", indexes=["team", ("team", "rank"), ("note", "rank")]):
    id: str
    team: str = ""
    rank: int = 0
    note: str | None = None
    other: int = 0


@pytest.mark.parametrize(
    ("where", "order", "index"),
    [
        ([], ["id"], ""),
        ([], ["-id"], ""),
        ([("id", EQUAL, "x")], ["id"], ""),
        ([("id", AT_LEAST, "x")], ["id"], ""),
        ([("team", EQUAL, "a")], ["id"], "team"),
        ([("team", EQUAL, "a")], ["team", "-id"], "team"),
        ([], ["team", "id"], "team"),
        ([("team", EQUAL, "a")], ["rank", "id"], "team,rank"),
        ([("team", EQUAL, "a"), ("rank", ABOVE, 3), ("rank", BELOW, 9)], ["-rank", "-id"], "team,rank"),
        ([], ["team", "rank", "id"], "team,rank"),
        ([("note", EQUAL, None)], ["rank", "id"], "note,rank"),
        ([("id", OTHER, "x")], [], ""),
        ([("team", OTHER, "a"), ("team", ABOVE, "A")], [], "team"),
        ([("team", ANY_OF, (Condition("team", BELOW, "b"), Condition("team", ONE_OF, ("x", "y"))))], [], "team"),
        ([("note", OTHER, "x")], [], "note,rank"),
    ],
)
def test_an_index_answers(where: list[tuple[str, Operator, Any]], order: list[str], index: str) -> None:
    """The cost of equal, compared and sorted fields in the order of an index depends only on the number of results."""
    ordering = tuple(Ordering(field.lstrip("-"), field.startswith("-")) for field in order)
    plan = plan_for(shape_of(Ticket), Selection(tuple(Condition(*each) for each in where), ordering))
    assert plan.index is not None
    assert (plan.index.name, plan.exact, plan.sorted) == (index, True, bool(order))


@pytest.mark.parametrize(
    ("where", "order"),
    [([("other", EQUAL, 1)], ["id"]), ([], ["other", "id"]), ([], ["team", "-rank", "id"]), ([], ["rank", "id"])],
)
def test_no_index_answers(where: list[tuple[str, Operator, Any]], order: list[str]) -> None:
    """A selection without a suitable index reads all rows."""
    ordering = tuple(Ordering(field.lstrip("-"), field.startswith("-")) for field in order)
    plan = plan_for(shape_of(Ticket), Selection(tuple(Condition(*each) for each in where), ordering))
    assert plan.index is None


@pytest.mark.parametrize("seed", range(6))
async def test_any_find_is_answered_as_in_memory(store: Redis, seed: int) -> None:
    """Random rows, changed and deleted, some not committed yet, and random finds: both stores agree."""
    random, memory = Random(seed), InMemory()
    for position in range(1, 4):
        changes = [_change(random, position) for _ in range(60)]
        for each in (store, memory):
            transaction = await each.begin()
            await transaction.rows(Ticket).write(list({change.key: change for change in changes}.values()))
            await transaction.commit()
    pending = list(
        {change.key: change for change in (_change(random, random.randint(2, 5)) for _ in range(9))}.values()
    )
    for uncommitted in ((), pending):
        ours, theirs = await store.begin(), await memory.begin()
        for transaction in (ours, theirs):
            await transaction.rows(Ticket).write(uncommitted)
        for _ in range(150):
            selection = _selection(random)
            expected = await theirs.rows(Ticket).select(selection)
            assert await ours.rows(Ticket).select(selection) == expected, selection
            assert await ours.rows(Ticket).count(selection.where) == await theirs.rows(Ticket).count(selection.where)
        await theirs.rollback()


def _change(random: Random, position: int) -> RowChange[Ticket]:
    key = random.choice(["", "a", "ab", "b", "é", "\x00", "a\x00", *map(str, range(30))])
    row = Ticket(
        id=key, team=random.choice(["", "a", "a\x00b", "b"]), rank=random.choice([-300, -1, 0, 1, 255, 256, 2**60]),
        note=random.choice([None, "", "x"]), other=random.randint(0, 3),
    )  # fmt: skip
    return RowChange(key, None if random.random() < 0.2 else row, Position(position))


def _selection(random: Random) -> Selection:
    values: dict[str, Sequence[Any]] = {
        "id": ["", "a", "ab", "7", "\x00"], "team": ["", "a", "b", "zz"], "rank": [-300, 0, 255, 7],
        "note": ["", "x"], "other": [0, 2],
    }  # fmt: skip
    where = [_condition(random, field, values[field]) for field in random.sample(sorted(values), random.randint(0, 3))]
    if where and random.random() < 0.3:
        where.append(_condition(random, where[0].field, values[where[0].field]))
    down = random.random() < 0.5
    order = [Ordering(field, down) for field in random.sample(["team", "rank", "other"], random.randint(0, 2))]
    order.append(Ordering("id", down if random.random() < 0.8 else not down))
    after = tuple(random.choice(values[term.field]) for term in order) if random.random() < 0.4 else None
    limit = random.choice([None, 1, 3, 20])
    return Selection(tuple(where), tuple(order), after, limit, random.choice([0, 0, 2]))


def _condition(random: Random, field: str, values: Sequence[Any], *, nested: bool = False) -> Condition:
    operators = [EQUAL, EQUAL, OTHER, ABOVE, AT_LEAST, BELOW, AT_MOST, ONE_OF]
    operator = random.choice(operators if nested else [*operators, ANY_OF, ANY_OF])
    if operator is ANY_OF:
        number = random.randint(2, 3)
        return Condition(field, operator, tuple(_condition(random, field, values, nested=True) for _ in range(number)))
    value: Any = random.choice(values)
    if operator is ONE_OF:
        options = [*values, None] if field == "note" else values
        value = tuple(random.sample(options, random.randint(0, 2)))
    elif operator in (EQUAL, OTHER) and field == "note" and random.random() < 0.5:
        value = None
    return Condition(field, operator, value)


def _version(indexes: list[str | tuple[str, ...]]) -> type[Any]:
    """Return a view whose indexes another release has changed."""

    class Item(View, name="item", key="id", indexes=indexes):
        id: str
        team: str = "a"
        rank: int = 0

    return Item


async def test_other_indexes_are_noticed_and_made(store: Redis) -> None:
    """Rows with other indexes are not read with wrong results. `create_schema` creates the new indexes."""
    old, new = _version(["team"]), _version(["rank"])
    for shadow in (False, True):
        transaction = await store.begin()
        rows = [RowChange(str(n), old(id=str(n), rank=-n), Position(n)) for n in range(1, 1200)]
        await transaction.rows(old, shadow=shadow).write(rows)
        await transaction.commit()
    with pytest.raises(SchemaMissing, match=r"rank:integer.*create_schema"):
        await store.open([new])
    reader = await store.begin(read_only=True)
    with pytest.raises(SchemaMissing):
        await reader.rows(new).count(())
    await store.create_schema([new])
    await store.open([new])
    selection = Selection(order_by=(Ordering("rank"), Ordering("id")), limit=2)
    for shadow in (False, True):
        reader = await store.begin(read_only=True)
        assert [row.rank for row in await reader.rows(new, shadow=shadow).select(selection)] == [-1199, -1198]


async def test_writes_for_older_indexes_are_refused(store: Redis) -> None:
    """A process of the older release cannot write rows that the new indexes would not find."""
    old, new = _version(["team"]), _version(["rank"])
    transaction = await store.begin()
    await transaction.rows(old).write([RowChange("a", old(id="a"), Position(1))])
    await transaction.commit()
    late = await store.begin()
    await late.rows(old).write([RowChange("b", old(id="b"), Position(2))])
    await store.create_schema([new])
    with pytest.raises(SchemaMissing):
        await late.commit()
    assert await (await store.begin()).rows(new).count(()) == 1


@pytest.mark.parametrize("step", ["swaps", "clears"])
async def test_a_rebuild_of_an_older_release_is_refused(store: Redis, step: str) -> None:
    """Shadow rows with other indexes are not swapped in."""
    old, new = _version(["team"]), _version(["rank"])
    transaction = await store.begin()
    await transaction.rows(old).write([RowChange("a", old(id="a"), Position(1))])
    await transaction.rows(old, shadow=True).write([RowChange("b", old(id="b"), Position(2))])
    await transaction.commit()
    await store.create_schema([new])
    late = await store.begin()
    await (late.shadows.swap([old]) if step == "swaps" else late.shadows.clear([old]))
    with pytest.raises(SchemaMissing):
        await late.commit()
    reader = await store.begin(read_only=True)
    assert list(await reader.rows(new).get_many(["a", "b"])) == ["a"]
    assert await reader.rows(new, shadow=True).count(()) == 1


async def test_indexes_that_are_wanted_no_more_are_removed(store: Redis, client: Client, prefix: str) -> None:
    """Indexes that a view no longer has are removed, also those of shadow rows."""
    old, new = _version(["team", ("team", "rank"), "rank"]), _version(["rank"])
    for shadow in (False, True):
        transaction = await store.begin()
        await transaction.rows(old, shadow=shadow).write([RowChange("a", old(id="a"), Position(1))])
        await transaction.commit()
    await store.create_schema([new])
    found = {key.decode().partition(":by:")[2] async for key in client.scan_iter(f"{{{prefix}}}:view:*:by:*", 1_000)}
    assert found == {"rank"}
    await store.create_schema([_version([])])
    assert [key async for key in client.scan_iter(f"{{{prefix}}}:view:*:by:*", 1_000)] == []
    assert [key async for key in client.scan_iter(f"{{{prefix}}}:view:*:members", 1_000)] == []


async def test_something_else_under_the_prefix(client: Client, prefix: str, store: Redis) -> None:
    """A key of another program under the prefix is not a transient failure."""
    await client.set(f"{{{prefix}}}:view:ticket:rows", "mine")
    with pytest.raises(StorageError, match="another prefix"):
        await (await store.begin()).rows(Ticket).get_many(["a"])

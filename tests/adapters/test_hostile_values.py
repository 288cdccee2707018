"""Every store gives the same answer to any key, condition, order or cursor of a client."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any, TypeAlias

import pytest

from tests.domains.hostile import HOSTILE, SAMPLES, Numbers, rows_of
from tests.stores import READ_STORES
from twofold import Keyset, Page, ReadModel, View, any_of, ge, gt, le, lt, ne, one_of
from twofold._background.shown import shown
from twofold._reading.find import MOST_ALTERNATIVES, MOST_VALUES
from twofold._reading.pages import LAST_ROW
from twofold._reading.read_model import CommittedRows, ProjectedRows
from twofold.errors import InvalidFind, InvalidKey, RowNotFound
from twofold.ports import Position, ReadStore
from twofold.testing.conformance import NewReadStore
from twofold.testing.conformance._domain.row_samples import put
from twofold.testing.conformance._tools.opened import reading, undone
from twofold_memory import InMemory

Call: TypeAlias = Callable[[ReadModel[Any]], Awaitable[Any]]

VIEWS = tuple(SAMPLES)

CONDITIONS: tuple[tuple[str, str, Callable[[Any], Any]], ...] = (
    ("value", "eq", lambda value: value),
    ("value", "ne", ne),
    ("value", "gt", gt),
    ("value", "le", le),
    ("value", "one_of", lambda value: one_of([value, value])),
    ("maybe", "ne", ne),
    ("maybe", "ge", ge),
    ("maybe", "lt", lt),
    ("maybe", "any_of", lambda value: any_of(gt(value), value, None)),
    ("id", "any_of", lambda value: any_of(lt(value), one_of([value]))),
)


ANSWERS: dict[type[View], list[Any]] = {}
"""The answers of the in-memory store, by view."""


def calls(view: type[View], value: Any) -> Iterator[tuple[str, Call]]:
    """Yield the calls that take a key, the value of a condition, or a hand-written cursor."""
    yield "get", lambda rows: rows.get(value)
    yield "get_many", lambda rows: rows.get_many([value])
    for field, name, condition in CONDITIONS:
        yield f"{field} {name}", partial(_find, field, partial(condition, value))
    for order, places in (("value", [value, value]), ("id", [value])):
        with suppress(Exception):  # many values have no JSON
            text = json.dumps(
                [f"{view.view_name}:{order}{',id' if order != 'id' else ''}", places], separators=(",", ":")
            )
            cursor = base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()
            yield f"cursor of {order}", partial(_page, order, cursor)


async def _find(field: str, condition: Callable[[], Any], rows: ReadModel[Any]) -> Any:
    return (await rows.find({field: condition()})).items, await rows.count({field: condition()})


async def _page(order: str, cursor: str, rows: ReadModel[Any]) -> Any:
    return (await rows.find(order_by=order, page=Keyset(2, after=cursor))).items


async def outcome(call: Awaitable[Any]) -> Any:
    """Return the result of a call, or the class of its error about the value of the client."""
    try:
        return await call
    except (InvalidFind, InvalidKey, RowNotFound) as error:
        return type(error)


@asynccontextmanager
async def filled(store: ReadStore, view: type[View]) -> AsyncIterator[ReadModel[Any]]:
    """Put the rows of a view into a store, and give them to read."""
    await put(store, rows_of(view))
    async with reading(store) as transaction:

        async def reader() -> Any:
            return transaction.rows(view)

        yield CommittedRows(view, reader)


async def _delete(rows: ProjectedRows[Any], value: Any) -> Any:
    await rows.delete(value)
    return [row.key for row in (await rows.find()).items]


async def _update(rows: ProjectedRows[Any], value: Any) -> Any:
    return await rows.update(value, maybe=None), (await rows.find({"maybe": ne(None)})).items


def asked(view: type[View]) -> Iterator[tuple[str, Any, Call]]:
    """Yield each call with each value."""
    for value in HOSTILE:
        for name, call in calls(view, value):
            yield name, value, call


async def answers_of_the_memory(view: type[View]) -> list[Any]:
    """Return the answers to all calls, which are found once for all stores."""
    if view not in ANSWERS:
        memory = InMemory()
        await memory.open([view])
        async with filled(memory, view) as rows:
            ANSWERS[view] = [await outcome(call(rows)) for _, _, call in asked(view)]
    return ANSWERS[view]


class TestHostileValues:
    """Each type of field, each value, each call, on every adapter."""

    kinds = tuple(kind for kind in READ_STORES if not kind.startswith("memory"))

    @pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.__name__)
    async def test_every_store_answers_alike(self, new_store: NewReadStore, view: type[View]) -> None:
        """The rows that are found, or the error, are those of the memory, whatever the value is."""
        expected = await answers_of_the_memory(view)
        different: list[str] = []
        async with new_store([view]) as store, filled(store, view) as found:
            for (name, value, call), theirs in zip(asked(view), expected, strict=True):
                ours = await outcome(call(found))
                if ours != theirs:
                    different.append(f"{name} {shown(value)}: {ours!r:.200}, in memory {theirs!r:.200}")
        assert different == []

    @pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.__name__)
    async def test_every_store_changes_the_same_rows(self, new_store: NewReadStore, view: type[View]) -> None:
        """The rows that a projection deletes or updates, or the error, are those of the memory."""
        memory = InMemory()
        await memory.open([view])
        async with new_store([view]) as store:
            for each in (store, memory):
                await put(each, rows_of(view))
            for value in HOSTILE:
                for change in (_delete, _update):
                    outcomes = []
                    for each in (store, memory):
                        async with undone(each) as transaction:
                            rows = ProjectedRows(view, transaction.rows(view))
                            rows.position = Position(9)
                            outcomes.append(await outcome(change(rows, value)))
                    assert outcomes[0] == outcomes[1], f"{change.__name__} {shown(value)}"

    async def test_the_limits_are_within_those_of_every_store(self, new_store: NewReadStore) -> None:
        """As many keys as one likes, as many values and alternatives as a find may have, and the last page."""
        async with new_store([Numbers]) as store, filled(store, Numbers) as rows:
            keys = set(SAMPLES[Numbers])
            assert set(await rows.get_many([*range(50_000), *keys])) == keys
            assert (await rows.find({"id": one_of(range(MOST_VALUES - 1)), "maybe": any_of(None)})).items == (
                Numbers(id=1, value=1, maybe=None),
                Numbers(id=7, value=7, maybe=None),
            )
            half = MOST_VALUES // 4
            several = {name: any_of(one_of(range(half - 1)), gt(2**62)) for name in ("id", "value", "maybe")}
            assert len((await rows.find(several, order_by="-value", page=Keyset(2))).items) == 2
            either = any_of(*(gt(number) for number in range(MOST_ALTERNATIVES)))
            assert await rows.count({"value": either, "id": either}) == 3
            last = await rows.find(page=Page(number=LAST_ROW, size=1))
            assert (last.items, last.total) == ((), len(keys))
            assert len((await rows.find(order_by="value", page=Keyset(LAST_ROW))).items) == len(keys)

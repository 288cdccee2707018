"""The rows of a view in one transaction: the rows in Redis, below the changes of the transaction."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from twofold import View
from twofold.errors import NotStorable, UnreadableRow
from twofold.ports import Condition, RowChange, Selection

from .._commit.commit import other_layout
from .._commit.state import TransactionState
from .._server.scripts import FIND
from .._server.server import Server
from .buffers import RowBuffers, Written
from .index_plan import Plan, plan_for
from .match import matching, page
from .ranges import Range
from .shape import Shape

V = TypeVar("V", bound=View)


class Found(NamedTuple):
    """The result of a search in Redis.

    Attributes:
        result: the stored rows, or their number.
        stored: for each row that was requested by name, its position and text, or None.
        gone: for each of these, the position at which it was deleted, or None.
    """

    result: Any
    stored: list[bytes | None]
    gone: list[bytes | None]


class RedisRows(Generic[V]):
    """A `RowWriter`. Each read is one script, and therefore sees one state of Redis.

    Args:
        server: runs scripts.
        shape: the view.
        shadow: whether these are the shadow rows.
        buffers: the uncommitted writes of the transaction.
        state: the state of the transaction.
    """

    def __init__(
        self, server: Server, shape: Shape[V], shadow: bool, buffers: RowBuffers, state: TransactionState
    ) -> None:
        self._server = server
        self._shape = shape
        self._shadow = shadow
        self._buffers = buffers
        self._state = state

    async def get_many(self, keys: Collection[object]) -> Mapping[object, V]:
        """Return the rows that exist, by key."""
        self._state.check()
        shape, changes = self._shape, self._changes()
        names = {key: shape.bare_key(key) for key in keys}
        if not names:
            return {}
        found = await self._find(Plan(), "none", list(names.values()))
        result: dict[object, V] = {}
        for (key, name), stored, gone in zip(names.items(), found.stored, found.gone, strict=True):
            mine = changes.get(name)
            if mine is not None and _is_newer(mine.change, stored, gone):
                row = mine.change.row
            else:
                row = None if stored is None else self._decode(stored)
            if row is not None:
                result[key] = row
        return result

    async def select(self, selection: Selection, *, unreadable: list[UnreadableRow] | None = None) -> Sequence[V]:
        """Return the rows of a selection, in its order."""
        self._state.check()
        plan, changes = plan_for(self._shape, selection), self._changes()
        if plan.index is not None and not plan.ranges:
            found = Found([], *(await self._find(plan, "rows", list(changes)))[1:]) if changes else Found([], [], [])
        elif plan.index is None:
            found = await self._find(plan, "all", list(changes))
        elif plan.exact and plan.sorted:
            offset = 0 if changes else selection.offset
            limit = None if selection.limit is None else selection.offset - offset + selection.limit + len(changes)
            found = await self._find(plan, "rows", list(changes), offset, limit)
            if not changes:
                return self._decode_all(found.result, unreadable)
        else:
            found = await self._find(plan, "rows", list(changes))
        rows = self._decode_all(found.result, unreadable)
        return page(self._shape, matching(self._shape, self._overlaid(rows, found), selection.where), selection)

    async def count(self, where: Sequence[Condition]) -> int:
        """Return how many rows match."""
        self._state.check()
        plan, changes = plan_for(self._shape, Selection(tuple(where))), self._changes()
        if not plan.exact or plan.index is None:
            what = "all" if plan.index is None else "rows"
            found = await self._find(plan, what, list(changes))
            unreadable: list[UnreadableRow] = []
            rows = self._overlaid(self._decode_all(found.result, unreadable), found)
            return len(matching(self._shape, rows, where)) + len(unreadable)
        found = await self._find(plan, "count", list(changes))
        replaced = [row for _, row, _ in self._newer(found) if row is not None]
        written = [change.row for change, *_ in self._newer(found) if change.row is not None]
        shape = self._shape
        return int(found.result) - len(matching(shape, replaced, where)) + len(matching(shape, written, where))

    async def write(self, changes: Sequence[RowChange[V]]) -> None:
        """Buffer changes until the commit, except those that are older than a buffered change.

        Raises:
            NotStorable: a row cannot be written as JSON, or does not fit an index.
        """
        self._state.check_writable()
        shape, mine = self._shape, self._changes()
        try:
            for change in changes:
                name = shape.row_name(change.key)
                before = mine.get(name)
                if before is None or before.change.position <= change.position:
                    mine[name] = Written(change, *shape.written(change, name))
        except NotStorable as error:
            raise self._state.broken(error) from error.__cause__

    def _changes(self) -> dict[bytes, Written[V]]:
        return self._buffers.of(self._shape.view, self._shadow).changes

    def _newer(self, found: Found) -> list[tuple[RowChange[V], V | None, bytes]]:
        """Return the changes that will apply, each with the stored row that it replaces."""
        return [
            (mine.change, None if stored is None else self._decode(stored), name)
            for (name, mine), stored, gone in zip(self._changes().items(), found.stored, found.gone, strict=True)
            if _is_newer(mine.change, stored, gone)
        ]

    def _overlaid(self, rows: Sequence[V], found: Found) -> list[V]:
        newer = self._newer(found)
        if not newer:
            return list(rows)
        replaced = {name for *_, name in newer}
        kept = [row for row in rows if self._shape.bare_key(row.key) not in replaced]
        return [*kept, *(change.row for change, *_ in newer if change.row is not None)]

    async def _find(
        self, plan: Plan, what: str, names: Sequence[bytes], offset: int = 0, limit: int | None = None
    ) -> Found:
        source = self._buffers.of(self._shape.view, self._shadow).source
        if source is None:
            return Found(0 if what == "count" else [], [None] * len(names), [None] * len(names))
        shape = self._shape
        index, tail = source.order, 0
        if plan.index is not None and not plan.index.is_order:
            index, tail = source.indexes[shape.indexes.index(plan.index)], shape.tail
        asked = {
            "layout": shape.layout,
            "what": what,
            "reverse": plan.reverse,
            "offset": offset,
            "limit": -1 if limit is None else limit,
            "tail": tail,
            "ranges": len(plan.ranges),
        }
        ranges = [bound for each in plan.ranges for bound in _bounds(each)]
        keys = source.rows, source.gone, index, source.layout
        attempt = f"read rows of {shape.view.__qualname__}"
        found = await self._state.guard(self._server.run(FIND, keys, [json.dumps(asked), *ranges, *names], attempt))
        if found[0] == b"layout":
            raise self._state.broken(other_layout(shape.view.view_name, found[1].decode(), shape.layout))
        return Found(*found[1:])

    def _decode_all(self, stored: Iterable[bytes], unreadable: list[UnreadableRow] | None) -> list[V]:
        return self._shape.codec.decode_all(((None, each.partition(b" ")[2]) for each in stored), unreadable)

    def _decode(self, stored: bytes) -> V:
        return self._shape.codec.decode(stored.partition(b" ")[2])


def _bounds(each: Range) -> tuple[bytes, bytes]:
    return b"[" + each.low, b"+" if each.high is None else b"(" + each.high


def _is_newer(change: RowChange[Any], stored: bytes | None, gone: bytes | None) -> bool:
    position = int(stored.partition(b" ")[0]) if stored is not None else int(gone or -1)
    return change.position >= position

"""The rows of a view in one transaction: what Redis has, under what the transaction wrote."""

from __future__ import annotations

import struct
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, NamedTuple, TypeVar

from twofold import View
from twofold.errors import NotStorable
from twofold.ports import Condition, RowChange, Selection

from ._commit import Commit, other_layout
from ._keys import RowKeys
from ._match import matching, page
from ._plan import Plan, Range, plan_for
from ._scripts import FIND
from ._server import Argument, Server
from ._shape import Shape
from ._turn import Turn

V = TypeVar("V", bound=View)


@dataclass(slots=True)
class RowBuffer(Generic[V]):
    """What a transaction wrote to a set of rows, and what lies under it.

    Attributes:
        source: where the rows under it are; None when there are none.
        changes: the newest change of each key, by the name of its row.
        encoded: for each of them that is no delete, the row as it is stored, and what it has in the indexes.
    """

    source: RowKeys | None
    changes: dict[bytes, RowChange[V]] = field(default_factory=dict)
    encoded: dict[bytes, tuple[str, bytes]] = field(default_factory=dict)


class Found(NamedTuple):
    """What Redis has found.

    Attributes:
        result: the stored rows, or their number.
        stored: for each row that was asked for by name, its position and text, or None.
        gone: for each of these, the position at which it was deleted, or None.
    """

    result: Any
    stored: list[bytes | None]
    gone: list[bytes | None]


class RedisRows(Generic[V]):
    """A `RowWriter`. Each read is one script, so its answer is one state of Redis.

    Args:
        server: runs scripts.
        shape: the view.
        buffer: returns what the transaction wrote to these rows; asked anew each time, since rows may be swapped.
        turn: whether the transaction can be used.
    """

    def __init__(self, server: Server, shape: Shape[V], buffer: Callable[[], RowBuffer[V]], turn: Turn) -> None:
        self._server = server
        self._shape = shape
        self._buffer = buffer
        self._turn = turn

    async def get_many(self, keys: Collection[object]) -> Mapping[object, V]:
        """Return the rows that exist, by key."""
        self._turn.check()
        shape, changes = self._shape, self._changes()
        names = {key: shape.bare_key(key) for key in keys if isinstance(key, shape.key.accepts)}
        if not names:
            return {}
        found = await self._find(Plan(), "none", list(names.values()))
        result: dict[object, V] = {}
        for (key, name), stored, gone in zip(names.items(), found.stored, found.gone, strict=True):
            change = changes.get(name)
            if change is not None and _is_newer(change, stored, gone):
                row = change.row
            else:
                row = None if stored is None else self._decode(stored)
            if row is not None:
                result[key] = row
        return result

    async def select(self, selection: Selection) -> Sequence[V]:
        """Return the rows of a selection, in its order."""
        self._turn.check()
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
                return [self._decode(row) for row in found.result]
        else:
            found = await self._find(plan, "rows", list(changes))
        rows = [self._decode(row) for row in found.result]
        return page(self._shape, matching(self._shape, self._overlaid(rows, found), selection.where), selection)

    async def count(self, where: Sequence[Condition]) -> int:
        """Return how many rows match."""
        self._turn.check()
        plan, changes = plan_for(self._shape, Selection(tuple(where))), self._changes()
        if not plan.exact or plan.index is None:
            what = "all" if plan.index is None else "rows"
            found = await self._find(plan, what, list(changes))
            rows = self._overlaid([self._decode(row) for row in found.result], found)
            return len(matching(self._shape, rows, where))
        found = await self._find(plan, "count", list(changes))
        replaced = [row for _, row, _ in self._newer(found) if row is not None]
        written = [change.row for change, *_ in self._newer(found) if change.row is not None]
        shape = self._shape
        return int(found.result) - len(matching(shape, replaced, where)) + len(matching(shape, written, where))

    async def write(self, changes: Sequence[RowChange[V]]) -> None:
        """Keep changes until the commit, except those that are older than one that is kept."""
        self._turn.check_writable()
        buffer = self._buffer()
        for change in changes:
            name, encoded = self._encode(change)
            before = buffer.changes.get(name)
            if before is None or before.position <= change.position:
                buffer.changes[name] = change
                buffer.encoded[name] = encoded

    def _encode(self, change: RowChange[V]) -> tuple[bytes, tuple[str, bytes]]:
        """Return the name of a row, its text and its members."""
        shape = self._shape
        try:
            name = shape.bare_key(change.key)
            if change.row is None:
                return name, ("", b"")
            members = [struct.pack(">I", len(each)) + each for each in shape.members(change.row, name)]
            return name, (shape.codec.encode(change.row), b"".join(members))
        except NotStorable as error:
            raise self._turn.broken(error) from error.__cause__
        except (ValueError, TypeError, AttributeError, ArithmeticError) as error:
            what = f"{shape.view.__qualname__} {change.key!r:.100}"
            refused = NotStorable(f"cannot keep {what} in its indexes: {error}. Write another value.")
            raise self._turn.broken(refused) from error

    def _changes(self) -> dict[bytes, RowChange[V]]:
        return self._buffer().changes

    def _newer(self, found: Found) -> list[tuple[RowChange[V], V | None, bytes]]:
        """Return the changes that will apply, each with the stored row that it replaces."""
        return [
            (change, None if stored is None else self._decode(stored), name)
            for (name, change), stored, gone in zip(self._changes().items(), found.stored, found.gone, strict=True)
            if _is_newer(change, stored, gone)
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
        source = self._buffer().source
        if source is None:
            return Found(0 if what == "count" else [], [None] * len(names), [None] * len(names))
        shape = self._shape
        index, tail = source.order, 0
        if plan.index is not None and not plan.index.is_order:
            index, tail = source.indexes[shape.indexes.index(plan.index)], shape.tail
        arguments: list[Argument] = [
            shape.layout,
            what,
            int(plan.reverse),
            offset,
            -1 if limit is None else limit,
            tail,
        ]
        ranges = [bound for each in plan.ranges for bound in _bounds(each)]
        keys = source.rows, source.gone, index, source.layout
        attempt = f"read rows of {shape.view.__qualname__}"
        found = await self._turn.guard(
            self._server.run(FIND, keys, [*arguments, len(plan.ranges), *ranges, *names], attempt)
        )
        if found[0] == b"layout":
            raise self._turn.broken(other_layout(shape.view.view_name, found[1].decode(), shape.layout))
        return Found(*found[1:])

    def _decode(self, stored: bytes) -> V:
        return self._shape.codec.decode(stored.partition(b" ")[2])


def _bounds(each: Range) -> tuple[bytes, bytes]:
    return b"[" + each.low, b"+" if each.high is None else b"(" + each.high


def _is_newer(change: RowChange[Any], stored: bytes | None, gone: bytes | None) -> bool:
    position = int(stored.partition(b" ")[0]) if stored is not None else int(gone or -1)
    return change.position >= position


def write_rows(commit: Commit, shape: Shape[Any], keys: RowKeys, buffer: RowBuffer[Any], log: str) -> None:
    """Add the changes of a buffer to a commit; they come from events of a log, where that is known."""
    commit.check_layout(shape.view.view_name, keys.layout, shape.layout)
    if log:
        commit.check_log(shape.view.view_name, keys.log, log)
    arguments: list[Argument] = [shape.layout, log, len(keys.indexes), len(buffer.changes)]
    for name, change in buffer.changes.items():
        arguments += [name, int(change.position), *buffer.encoded[name]]
    named = [keys.rows, keys.gone, keys.members, keys.order, keys.layout, keys.log, *keys.indexes]
    commit.step("rows", named, arguments)

"""Checkpoints and parked events."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import bindparam, insert, select, update

from twofold.errors import CheckpointMoved
from twofold.ports import Checkpoint, ParkedEvent

from ._database import Database
from ._events import EventColumns
from ._link import Link, Refused
from ._tables import Tables


class Checkpoints:
    """The subscriptions' rows.

    Args:
        database: the database.
        tables: Twofold's tables in it.
    """

    def __init__(self, database: Database, tables: Tables) -> None:
        self._database = database
        self._columns = columns = EventColumns(database.dialect)
        table, parked = tables.checkpoints, tables.parked
        self._insert = database.prepare(
            insert(table).values({column.name: bindparam(column.name) for column in table.columns})
        )
        self._update = database.prepare(
            update(table)
            .where(table.c.subscription == bindparam("of"))
            .where(table.c.position == bindparam("old_position"))
            .where(table.c.log == bindparam("old_log"))
            .where(table.c.parked == bindparam("old_parked"))
            .values(position=bindparam("new_position"), log=bindparam("new_log"), parked=bindparam("new_parked"))
        )
        self._one = database.prepare(
            select(table.c.position, table.c.log, table.c.parked).where(table.c.subscription == bindparam("of"))
        )
        held = (parked.c.key, parked.c.reason, parked.c.attempts, parked.c.parked_at)
        everything = (
            select(*columns.selected(parked), *held)
            .where(parked.c.subscription == bindparam("of"))
            .order_by(parked.c.number)
        )
        self._parked = database.prepare(everything)
        self._parked_of_key = database.prepare(everything.where(parked.c.key == bindparam("of_key")))
        self._keys = database.prepare(select(parked.c.key).where(parked.c.subscription == bindparam("of")).distinct())
        names = ("subscription", "position", "key", "reason", "attempts", "parked_at", *EventColumns.WRITTEN)
        self._park = database.prepare(
            database.dialect.insert_new(parked).values({name: bindparam(name) for name in names})
        )
        self._park_names = names

    async def one(self, subscription: str) -> Checkpoint | None:
        """Return the committed checkpoint, or None."""
        rows = await self._database.fetch(self._one, {"of": subscription}, f"read the checkpoint of {subscription}")
        return Checkpoint(*rows[0]) if rows else None

    async def advance(self, link: Link, subscription: str, expected: Checkpoint | None, to: Checkpoint) -> None:
        """Write a checkpoint where the expected one stands; see `SubscriptionTransaction.advance`."""
        attempt = f"advance the checkpoint of {subscription}"
        link.check_writable(attempt)
        new = {"position": to.position, "log": to.log, "parked": to.parked}
        if expected is None:
            try:
                await link.change(self._insert, {"subscription": subscription, **new}, attempt)
            except Refused as refused:
                raise _moved(subscription, expected) from refused.__cause__
            return
        old = {"old_position": expected.position, "old_log": expected.log, "old_parked": expected.parked}
        values = {"of": subscription, **old, **{f"new_{name}": value for name, value in new.items()}}
        if await link.change(self._update, values, attempt) != 1:
            moved = _moved(subscription, expected)
            link.doom(moved, mendable=True)
            raise moved

    async def park(self, link: Link, subscription: str, events: Sequence[ParkedEvent]) -> None:
        """Store parked events; one that is parked already is left as it is."""
        attempt = f"park events of {subscription}"
        link.check_writable(attempt)
        rows: list[tuple[object, ...]] = []
        for parked in events:
            event, time = parked.event, self._columns.time(parked.time)
            held = (subscription, event.position, parked.key, parked.reason, parked.attempts, time)
            values = dict(
                zip(self._park_names, held + self._columns.values(event.stream, event.version, event), strict=True)
            )
            rows.append(self._park.bind(values))
        if rows:
            await link.change_many(self._park, rows, attempt)

    async def parked(self, subscription: str, key: str | None) -> Sequence[ParkedEvent]:
        """Return the parked events in the order in which they were parked."""
        prepared = self._parked if key is None else self._parked_of_key
        rows = await self._database.fetch(
            prepared, {"of": subscription, "of_key": key}, f"read the parked events of {subscription}"
        )
        return [
            ParkedEvent(self._columns.stored(event), key, reason, attempts, self._columns.read_time(parked_at))
            for *event, key, reason, attempts, parked_at in rows
        ]

    async def parked_keys(self, subscription: str) -> frozenset[str]:
        """Return the keys that have a parked event."""
        rows = await self._database.fetch(self._keys, {"of": subscription}, f"read the parked keys of {subscription}")
        return frozenset(key for (key,) in rows)


def _moved(subscription: str, expected: Checkpoint | None) -> CheckpointMoved:
    stood = "none stands" if expected is None else f"it stands at {expected.position}"
    return CheckpointMoved(
        f"cannot advance the checkpoint of {subscription}: this worker believes that {stood}, and another worker moved it. "
        "Roll back and read the checkpoint again."
    )

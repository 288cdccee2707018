"""Checkpoints and parked events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, delete, func, insert, select, update

from twofold.errors import CheckpointMoved
from twofold.ports import Checkpoint, Lease, ParkedEvent, Position

from .._connection.database import Database
from .._connection.open_transaction import Link, Refused
from .._log.columns import EventColumns
from .._schema.tables import Tables


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
        given: dict[str, Any] = {
            name: bindparam(name) for name in ("subscription", "partition", "position", "log", "parked", "generation")
        }
        self._insert = database.prepare(insert(table).values({**given, "owner": None, "expires": 0.0}))
        move = (
            update(table)
            .where(table.c.subscription == bindparam("of"))
            .where(table.c.partition == bindparam("this"))
            .where(table.c.position == bindparam("old_position"))
            .where(table.c.log == bindparam("old_log"))
            .where(table.c.parked == bindparam("old_parked"))
            .values(position=bindparam("new_position"), log=bindparam("new_log"), parked=bindparam("new_parked"))
        )
        same_generation = table.c.generation == bindparam("expected")
        self._update = database.prepare(move)
        self._update_leased = database.prepare(move.where(same_generation))
        every = table.c.subscription == bindparam("of")
        self._drop = database.prepare(
            delete(table).where(every, table.c.partition == bindparam("this"), same_generation)
        )
        self._left = database.prepare(select(func.count()).select_from(table).where(every))
        self._one = database.prepare(
            select(table.c.position, table.c.log, table.c.parked).where(table.c.subscription == bindparam("of"))
        )
        held = (parked.c.key, parked.c.reason, parked.c.attempts, parked.c.parked_at, parked.c.again)
        everything = (
            select(*columns.selected(parked), *held)
            .where(parked.c.subscription == bindparam("of"))
            .order_by(parked.c.number)
        )
        self._parked = database.prepare(everything)
        self._parked_of_key = database.prepare(everything.where(parked.c.key == bindparam("of_key")))
        names = ("subscription", "position", "key", "reason", "attempts", "parked_at", "again", *EventColumns.WRITTEN)
        new: dict[str, Any] = {name: bindparam(name) for name in names}
        self._park = database.prepare(database.dialect.sql.insert_new(parked).values(new))
        mine = parked.c.subscription == bindparam("of")
        self._keys = database.prepare(select(parked.c.key, func.count()).where(mine).group_by(parked.c.key))
        one, of_key = parked.c.position == bindparam("at"), parked.c.key == bindparam("of_key")
        self._unpark_all = database.prepare(delete(parked).where(mine))
        self._adopt = database.prepare(update(parked).where(mine).values(subscription=bindparam("new_name")))
        self._unpark = database.prepare(delete(parked).where(mine, one))
        first = select(parked.c.position).where(mine, of_key).order_by(parked.c.number).limit(1)
        self._first = database.prepare(first)
        self._ask = database.prepare(update(parked).where(mine, one).values(again=bindparam("new_again")))
        self._held = database.prepare(select(parked.c.key, parked.c.again).where(mine, parked.c.again.is_not(None)))
        names_blamed = ("reason", "attempts", "parked_at", "again")
        blamed: dict[str, Any] = {name: bindparam(f"new_{name}") for name in names_blamed}
        self._blame = database.prepare(update(parked).where(mine, one).values(blamed))
        self._park_names = names

    async def one(self, subscription: str) -> Checkpoint | None:
        """Return the lowest committed checkpoint, or None."""
        rows = await self._database.fetch(self._one, {"of": subscription}, f"read the checkpoint of {subscription}")
        if not rows:
            return None
        position, log, _ = min(rows, key=lambda row: row[0])
        return Checkpoint(Position(position), log, sum(parked for _, _, parked in rows))

    async def advance(
        self, link: Link, subscription: str, expected: Checkpoint | None, to: Checkpoint, lease: Lease | None
    ) -> None:
        """Write a checkpoint where the expected one stands; see `SubscriptionTransaction.advance`."""
        attempt = f"advance the checkpoint of {subscription}"
        link.check_writable(attempt)
        if expected is None:
            await self._start(link, subscription, lease.partition if lease else 0, to, 0)
            return
        old = {"old_position": expected.position, "old_log": expected.log, "old_parked": expected.parked}
        new = {"new_position": to.position, "new_log": to.log, "new_parked": to.parked}
        where = {"of": subscription, "this": lease.partition if lease else 0}
        statement = self._update
        if lease is not None:
            statement, where["expected"] = self._update_leased, lease.generation
        if await link.change(statement, {**where, **old, **new}, attempt) != 1:
            raise _moved(link, subscription, f"it stands at {expected.position}")

    async def divide(
        self, link: Link, subscription: str, checkpoints: Sequence[Checkpoint], leases: Sequence[Lease]
    ) -> None:
        """Replace the partitions; see `SubscriptionTransaction.divide`."""
        attempt = f"divide {subscription}"
        link.check_writable(attempt)
        for lease in leases:
            held = {"of": subscription, "this": lease.partition, "expected": lease.generation}
            if await link.change(self._drop, held, attempt) != 1:
                raise _moved(link, subscription, f"it holds partition {lease.partition}")
        if (await link.fetch(self._left, {"of": subscription}, attempt))[0][0]:
            raise _moved(link, subscription, f"there are {len(leases)} partitions")
        generation = max((lease.generation for lease in leases), default=-1) + 1
        for partition, checkpoint in enumerate(checkpoints):
            await self._start(link, subscription, partition, checkpoint, generation)

    async def _start(self, link: Link, subscription: str, partition: int, to: Checkpoint, generation: int) -> None:
        place = {"subscription": subscription, "partition": partition, "generation": generation}
        values = {**place, "position": to.position, "log": to.log, "parked": to.parked}
        try:
            await link.change(self._insert, values, f"start {subscription}")
        except Refused as refused:
            raise _moved(link, subscription, "none stands") from refused.__cause__

    async def park(self, link: Link, subscription: str, events: Sequence[ParkedEvent]) -> None:
        """Store parked events; one that is parked already is left as it is."""
        attempt = f"park events of {subscription}"
        link.check_writable(attempt)
        rows: list[tuple[object, ...]] = []
        for parked in events:
            event, time = parked.event, self._columns.time(parked.time)
            again = self._columns.time(parked.again)
            held = (subscription, event.position, parked.key, parked.reason, parked.attempts, time, again)
            values = dict(
                zip(self._park_names, held + self._columns.values(event.stream, event.version, event), strict=True)
            )
            rows.append(self._park.bind(values))
        if rows:
            await link.change_many(self._park, rows, attempt)

    async def unpark(self, link: Link, subscription: str, positions: Sequence[Position]) -> int:
        """Forget parked events."""
        attempt = f"unpark events of {subscription}"
        link.check_writable(attempt)
        return sum([await link.change(self._unpark, {"of": subscription, "at": at}, attempt) for at in positions])

    async def adopt_parked(self, link: Link, subscription: str, of: str) -> None:
        """Let the parked events of another subscription take the place of this one's."""
        attempt = f"adopt the parked events of {of}"
        link.check_writable(attempt)
        await link.change(self._unpark_all, {"of": subscription}, attempt)
        await link.change(self._adopt, {"of": of, "new_name": subscription}, attempt)

    async def ask_retry(self, link: Link, subscription: str, key: str, at: datetime) -> bool:
        """Let the first parked event of a key be tried at a time."""
        attempt = f"ask for a retry of {key!r} of {subscription}"
        link.check_writable(attempt)
        for (position,) in await link.fetch(self._first, {"of": subscription, "of_key": key}, attempt):
            values = {"of": subscription, "at": position, "new_again": self._columns.time(at)}
            return await link.change(self._ask, values, attempt) > 0
        return False

    async def blame(self, link: Link, subscription: str, parked: ParkedEvent) -> None:
        """Write reason, attempts, time and next try of a parked event anew."""
        attempt = f"park an event of {subscription}"
        link.check_writable(attempt)
        why: dict[str, Any] = {"new_reason": parked.reason, "new_attempts": parked.attempts}
        when = {"new_parked_at": self._columns.time(parked.time), "new_again": self._columns.time(parked.again)}
        await link.change(self._blame, {"of": subscription, "at": parked.event.position, **why, **when}, attempt)

    async def retries(self, subscription: str) -> Mapping[str, datetime]:
        """Return the keys that are held, each with the time of its next try."""
        rows = await self._database.fetch(self._held, {"of": subscription}, f"read the retries of {subscription}")
        return {key: self._columns.read_time(again) for key, again in rows}

    async def parked(self, subscription: str, key: str | None) -> Sequence[ParkedEvent]:
        """Return the parked events in the order in which they were parked."""
        prepared = self._parked if key is None else self._parked_of_key
        rows = await self._database.fetch(
            prepared, {"of": subscription, "of_key": key}, f"read the parked events of {subscription}"
        )
        time = self._columns.read_time
        return [
            ParkedEvent(self._columns.stored(event), key, reason, attempts, time(parked_at), time(again))
            for *event, key, reason, attempts, parked_at, again in rows
        ]

    async def parked_keys(self, subscription: str) -> Mapping[str, int]:
        """Return the keys that have a parked event, each with how many."""
        rows = await self._database.fetch(self._keys, {"of": subscription}, f"read the parked keys of {subscription}")
        return dict(rows)


def _moved(link: Link, subscription: str, belief: str) -> CheckpointMoved:
    """Doom the transaction and return the error."""
    moved = CheckpointMoved(
        f"cannot advance the checkpoint of {subscription}: this worker believes that {belief}, and another worker was "
        "here. Roll back and read the checkpoint again."
    )
    link.doom(moved, mendable=True)
    return moved

"""Partitions of subscriptions, and their leases."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import bindparam, delete, func, insert, select, update

from twofold.ports import Checkpoint, Lease, Partition, Position

from .._connection.database import Database
from .._schema.tables import Tables


class SqlSubscriptions:
    """A `SubscriptionStore`. Leases end by the database's clock.

    Args:
        database: the database.
        tables: Twofold's tables in it.
    """

    def __init__(self, database: Database, tables: Tables) -> None:
        self._database = database
        prepare, now = database.prepare, database.dialect.sql.now()
        partitions, workers = tables.checkpoints, tables.workers
        of = partitions.c.subscription == bindparam("of")
        until = now + bindparam("seconds", type_=partitions.c.expires.type)
        place = (partitions.c.position, partitions.c.log, partitions.c.parked)
        self._checkpoint = prepare(select(*place).where(of))
        state = (*place, partitions.c.generation, partitions.c.owner)
        self._partitions = prepare(
            select(partitions.c.partition, *state, partitions.c.expires > now)
            .where(of)
            .order_by(partitions.c.partition)
        )
        this = (of, partitions.c.partition == bindparam("this"), partitions.c.generation == bindparam("expected"))
        taken = {"generation": partitions.c.generation + 1, "owner": bindparam("by"), "expires": until}
        self._claim = prepare(update(partitions).where(*this, partitions.c.expires <= now).values(taken))
        self._seize = prepare(update(partitions).where(*this).values(taken))
        self._renew = prepare(update(partitions).where(*this).values(expires=until))
        self._release = prepare(update(partitions).where(*this).values(expires=0.0, owner=None))
        here = (workers.c.subscription == bindparam("of"), workers.c.owner == bindparam("by"))
        self._stay = prepare(update(workers).where(*here).values(expires=until))
        self._come = prepare(insert(workers).values(subscription=bindparam("of"), owner=bindparam("by"), expires=until))
        same = workers.c.subscription == bindparam("of")
        self._forget = prepare(delete(workers).where(same, workers.c.expires <= now))
        self._count = prepare(select(func.count()).select_from(workers).where(same, workers.c.expires > now))

    async def checkpoint(self, subscription: str) -> Checkpoint | None:
        """Return the lowest committed checkpoint, or None when the subscription never ran here."""
        action = f"read the checkpoint of {subscription}"
        rows = await self._database.fetch(self._checkpoint, {"of": subscription}, action)
        if not rows:
            return None
        position, log, _ = min(rows, key=lambda row: row[0])
        return Checkpoint(Position(position), log, sum(parked for _, _, parked in rows))

    async def partitions(self, subscription: str) -> Sequence[Partition]:
        """Return the partitions by their numbers."""
        rows = await self._database.fetch(
            self._partitions, {"of": subscription}, f"read the partitions of {subscription}"
        )
        return [
            Partition(number, Checkpoint(Position(position), log, parked), generation, owner if held else None)
            for number, position, log, parked, generation, owner, held in rows
        ]

    async def claim(
        self, subscription: str, owner: str, *, seconds: float, limit: int, force: bool = False
    ) -> Sequence[Lease]:
        """Lease partitions that no worker holds, or all."""
        action = f"claim partitions of {subscription}"
        free = [each for each in await self.partitions(subscription) if force or each.owner is None][:limit]
        claim = self._seize if force else self._claim
        leases: list[Lease] = []
        if free:
            async with self._database.writing() as transaction:
                for each in free:
                    values = {"of": subscription, "this": each.number, "expected": each.generation}
                    if await transaction.change(claim, {**values, "by": owner, "seconds": seconds}, action):
                        leases.append(Lease(subscription, each.number, each.generation + 1))
        return leases

    async def renew(self, leases: Sequence[Lease], *, seconds: float) -> Sequence[Lease]:
        """Extend leases; return those that are still valid."""
        async with self._database.writing() as transaction:
            return [
                lease
                for lease in leases
                if await transaction.change(self._renew, {**_values(lease), "seconds": seconds}, "renew a lease")
            ]

    async def release(self, leases: Sequence[Lease]) -> None:
        """End leases."""
        async with self._database.writing() as transaction:
            for lease in leases:
                await transaction.change(self._release, _values(lease), "release a lease")

    async def attend(self, subscription: str, owner: str, *, seconds: float) -> int:
        """Register a worker; return the number of registered workers."""
        action = f"attend to {subscription}"
        async with self._database.writing() as transaction:
            await transaction.change(self._forget, {"of": subscription}, action)
            values = {"of": subscription, "by": owner, "seconds": seconds}
            if not await transaction.change(self._stay, values, action):
                await transaction.change(self._come, values, action)
            return int((await transaction.fetch(self._count, {"of": subscription}, action))[0][0])


def _values(lease: Lease) -> dict[str, object]:
    return {"of": lease.subscription, "this": lease.partition, "expected": lease.generation}

"""Partitions of subscriptions, and their leases."""

from __future__ import annotations

from collections.abc import Sequence

from twofold.ports import Checkpoint, Lease, Partition, Pause, Position

from .._connection.database import Database
from .subscription_statements import SubscriptionStatements


class SqlSubscriptions:
    """A `SubscriptionStore`. Leases end by the database's clock.

    Args:
        database: the database.
        statements: the statements on subscriptions.
    """

    def __init__(self, database: Database, statements: SubscriptionStatements) -> None:
        self._database = database
        self._statements = statements

    async def checkpoint(self, subscription: str) -> Checkpoint | None:
        """Return the lowest committed checkpoint, or None when the subscription never ran here."""
        action = f"read the checkpoint of {subscription}"
        rows = await self._database.fetch(self._statements.checkpoint, {"of": subscription}, action)
        if not rows:
            return None
        position, log, _, event, contents = min(rows, key=lambda row: row[0])
        return Checkpoint(
            Position(position), log, sum(row[2] for row in rows), self._statements.ids.decode(event), contents
        )

    async def partitions(self, subscription: str) -> Sequence[Partition]:
        """Return the partitions by their numbers."""
        return [partition for partition, _ in await self._read(subscription)]

    async def _read(self, subscription: str) -> Sequence[tuple[Partition, float]]:
        """Return the partitions, each with the time of the database's clock in seconds since 1970."""
        rows = await self._database.fetch(
            self._statements.partitions, {"of": subscription}, f"read the partitions of {subscription}"
        )
        return [
            (
                Partition(
                    number,
                    Checkpoint(Position(position), log, parked, self._statements.ids.decode(event), contents),
                    generation,
                    owner if held else None,
                    None if since is None else Pause(self._statements.times.decode(since), reason),
                ),
                now,
            )
            for number, position, log, parked, event, contents, generation, owner, held, now, since, reason in rows
        ]

    async def claim(
        self, subscription: str, owner: str, *, seconds: float, limit: int, force: bool = False
    ) -> Sequence[Lease]:
        """Lease partitions that no worker holds, or all."""
        action = f"claim partitions of {subscription}"
        free = [each for each in await self._read(subscription) if force or each[0].owner is None][:limit]
        claim = self._statements.seize if force else self._statements.claim
        leases: list[Lease] = []
        if free:
            async with self._database.writing() as transaction:
                for each, now in free:
                    generation = max(each.generation + 1, int(now * 1_000_000))
                    values = {"of": subscription, "this": each.number, "expected": each.generation, "new": generation}
                    if await transaction.change(claim, {**values, "by": owner, "seconds": seconds}, action):
                        leases.append(Lease(subscription, each.number, generation))
        return leases

    async def renew(self, leases: Sequence[Lease], *, seconds: float) -> Sequence[Lease]:
        """Extend leases; return those that are still valid."""
        async with self._database.writing() as transaction:
            return [
                lease
                for lease in leases
                if await transaction.change(
                    self._statements.renew, {**_values(lease), "seconds": seconds}, "renew a lease"
                )
            ]

    async def release(self, leases: Sequence[Lease]) -> None:
        """End leases."""
        async with self._database.writing() as transaction:
            for lease in leases:
                await transaction.change(self._statements.release, _values(lease), "release a lease")

    async def attend(self, subscription: str, owner: str, *, seconds: float) -> int:
        """Register a worker; return the number of registered workers."""
        action = f"register a worker of {subscription}"
        async with self._database.writing() as transaction:
            await transaction.change(self._statements.delete_expired, {"of": subscription}, action)
            values = {"of": subscription, "by": owner, "seconds": seconds}
            if not await transaction.change(self._statements.stay, values, action):
                await transaction.change(self._statements.come, values, action)
            return int((await transaction.fetch(self._statements.count, {"of": subscription}, action))[0][0])

    async def paused(self, subscription: str) -> Pause | None:
        """Return the pause of a subscription, or None."""
        rows = await self._database.fetch(
            self._statements.paused, {"of": subscription}, f"read the pause of {subscription}"
        )
        return Pause(self._statements.times.decode(rows[0][0]), rows[0][1]) if rows else None

    async def pause(self, subscription: str, pause: Pause) -> None:
        """Record a pause, unless there is one."""
        values = {
            "subscription": subscription,
            "since": self._statements.times.encode(pause.since),
            "reason": pause.reason,
        }
        async with self._database.writing() as transaction:
            await transaction.change(self._statements.pause, values, f"pause {subscription}")

    async def resume(self, subscription: str) -> None:
        """Delete the record of a pause."""
        async with self._database.writing() as transaction:
            await transaction.change(self._statements.resume, {"of": subscription}, f"resume {subscription}")


def _values(lease: Lease) -> dict[str, object]:
    return {"of": lease.subscription, "this": lease.partition, "expected": lease.generation}

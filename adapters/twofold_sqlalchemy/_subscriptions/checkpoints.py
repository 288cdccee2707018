"""Checkpoints of subscriptions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import bindparam, delete, func, insert, select, update

from twofold.errors import CheckpointMoved
from twofold.ports import Checkpoint, Lease

from .._connection.compiler import Compiler
from .._connection.open_transaction import OpenTransaction, UniqueViolation
from .._log.columns import EventIds
from .._schema.tables import Tables


class CheckpointStatements:
    """The statements that move checkpoints.

    Args:
        compiler: compiles the statements.
        tables: Twofold's tables in it.
    """

    def __init__(self, compiler: Compiler, tables: Tables) -> None:
        prepare, table = compiler.prepare, tables.checkpoints
        self.ids = EventIds(compiler.columns)
        names = ("subscription", "partition", "position", "log", "event", "contents", "parked", "generation")
        new: dict[str, Any] = {name: bindparam(name) for name in names}
        self.insert = prepare(insert(table).values({**new, "owner": None, "expires": 0.0}))
        every = table.c.subscription == bindparam("of")
        this = (every, table.c.partition == bindparam("this"))
        same_generation = table.c.generation == bindparam("expected")
        move = (
            update(table)
            .where(*this)
            .where(table.c.position == bindparam("old_position"))
            .where(table.c.log == bindparam("old_log"))
            .where(table.c.parked == bindparam("old_parked"))
            .values(
                position=bindparam("new_position"),
                log=bindparam("new_log"),
                event=bindparam("new_event"),
                parked=bindparam("new_parked"),
            )
        )
        self.move = prepare(move)
        self.move_leased = prepare(move.where(same_generation))
        self.delete = prepare(delete(table).where(*this, same_generation))
        self.count = prepare(select(func.count()).select_from(table).where(every))


class SqlCheckpoints:
    """A `CheckpointWriter`."""

    __slots__ = ("_statements", "_transaction")

    def __init__(self, transaction: OpenTransaction, statements: CheckpointStatements) -> None:
        self._transaction = transaction
        self._statements = statements

    async def advance(
        self, subscription: str, *, expected: Checkpoint | None, to: Checkpoint, lease: Lease | None = None
    ) -> None:
        """Replace a checkpoint."""
        action = f"advance the checkpoint of {subscription}"
        self._transaction.check_writable(action)
        if expected is None:
            await self._start(subscription, lease.partition if lease else 0, to, 0)
            return
        old = {"old_position": expected.position, "old_log": expected.log, "old_parked": expected.parked}
        new = {"new_position": to.position, "new_log": to.log, "new_parked": to.parked}
        new["new_event"] = self._statements.ids.encode(to.event)
        where = {"of": subscription, "this": lease.partition if lease else 0}
        statement = self._statements.move
        if lease is not None:
            statement, where["expected"] = self._statements.move_leased, lease.generation
        if await self._transaction.change(statement, {**where, **old, **new}, action) != 1:
            raise self._moved(subscription, f"its position is {expected.position}")

    async def divide(self, subscription: str, checkpoints: Sequence[Checkpoint], *, leases: Sequence[Lease]) -> None:
        """Replace all partitions of a subscription."""
        action, transaction, statements = f"divide {subscription}", self._transaction, self._statements
        transaction.check_writable(action)
        for lease in leases:
            held = {"of": subscription, "this": lease.partition, "expected": lease.generation}
            if await transaction.change(statements.delete, held, action) != 1:
                raise self._moved(subscription, f"it holds the lease of partition {lease.partition}")
        if (await transaction.fetch(statements.count, {"of": subscription}, action))[0][0]:
            raise self._moved(subscription, f"there are {len(leases)} partitions")
        generation = max((lease.generation for lease in leases), default=-1) + 1
        for partition, checkpoint in enumerate(checkpoints):
            await self._start(subscription, partition, checkpoint, generation)

    async def _start(self, subscription: str, partition: int, to: Checkpoint, generation: int) -> None:
        key = {"subscription": subscription, "partition": partition, "generation": generation}
        event = self._statements.ids.encode(to.event)
        place = {"position": to.position, "log": to.log, "event": event, "parked": to.parked}
        values = {**key, **place, "contents": to.contents}
        try:
            await self._transaction.change(self._statements.insert, values, f"start {subscription}")
        except UniqueViolation as violation:
            raise self._moved(subscription, "there is none") from violation.__cause__

    def _moved(self, subscription: str, belief: str) -> CheckpointMoved:
        """Doom the transaction and return the error."""
        moved = CheckpointMoved(
            f"cannot advance the checkpoint of {subscription}: this worker read that {belief}, but another worker has "
            "changed it since. Roll back and read the checkpoint again."
        )
        self._transaction.doom(moved, recoverable=True)
        return moved

"""The statements on partitions of subscriptions, their leases, and pauses."""

from __future__ import annotations

from typing import Any

from sqlalchemy import bindparam, delete, func, insert, select, update

from .._connection.compiler import Compiler
from .._log.columns import EventIds, Times
from .._schema.tables import Tables


class SubscriptionStatements:
    """The statements on subscriptions.

    Args:
        compiler: compiles the statements.
        tables: Twofold's tables.
    """

    def __init__(self, compiler: Compiler, tables: Tables) -> None:
        prepare, now = compiler.prepare, compiler.sql.now()
        partitions, workers, pauses = tables.checkpoints, tables.workers, tables.pauses
        of = partitions.c.subscription == bindparam("of")
        until = now + bindparam("seconds", type_=partitions.c.expires.type)
        self.ids, self.times = EventIds(compiler.columns), Times(compiler.columns)
        place = (
            partitions.c.position,
            partitions.c.log,
            partitions.c.parked,
            partitions.c.event,
            partitions.c.contents,
        )
        self.checkpoint = prepare(select(*place).where(of))
        state = (*place, partitions.c.generation, partitions.c.owner)
        self.partitions = prepare(
            select(partitions.c.partition, *state, partitions.c.expires > now, now, pauses.c.since, pauses.c.reason)
            .select_from(partitions.outerjoin(pauses, pauses.c.subscription == partitions.c.subscription))
            .where(of)
            .order_by(partitions.c.partition)
        )
        this = (of, partitions.c.partition == bindparam("this"), partitions.c.generation == bindparam("expected"))
        taken = {"generation": bindparam("new"), "owner": bindparam("by"), "expires": until}
        self.claim = prepare(update(partitions).where(*this, partitions.c.expires <= now).values(taken))
        self.seize = prepare(update(partitions).where(*this).values(taken))
        self.renew = prepare(update(partitions).where(*this).values(expires=until))
        self.release = prepare(update(partitions).where(*this).values(expires=0.0, owner=None))
        here = (workers.c.subscription == bindparam("of"), workers.c.owner == bindparam("by"))
        self.stay = prepare(update(workers).where(*here).values(expires=until))
        self.come = prepare(insert(workers).values(subscription=bindparam("of"), owner=bindparam("by"), expires=until))
        same = workers.c.subscription == bindparam("of")
        self.delete_expired = prepare(delete(workers).where(same, workers.c.expires <= now))
        self.count = prepare(select(func.count()).select_from(workers).where(same, workers.c.expires > now))
        self.paused = prepare(select(pauses.c.since, pauses.c.reason).where(pauses.c.subscription == bindparam("of")))
        new: dict[str, Any] = {name: bindparam(name) for name in ("subscription", "since", "reason")}
        self.pause = prepare(compiler.sql.insert_new(pauses).values(new))
        self.resume = prepare(delete(pauses).where(pauses.c.subscription == bindparam("of")))

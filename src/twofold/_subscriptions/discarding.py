"""Discard parked events of a key, for operators: all of them, or one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import replace
from typing import TypeAlias
from uuid import UUID

from .._background.log_lines import logger_of
from .._background.shown import shown
from .._definitions.partitioning import partition_of
from .._writing.transactions import writing
from ..errors import CheckpointMoved
from ..ports.checkpoints import Lease
from ..ports.parked import ParkedEvent
from ..ports.stores import ReadStore
from ..ports.transactions import ReadTransaction
from .status import not_parked, nothing_parked
from .subscription import Forget, nothing_stored

logger = logger_of("twofold.operations")

Transact: TypeAlias = Callable[[Sequence[ParkedEvent]], AbstractAsyncContextManager[ReadTransaction]]
"""Opens the transaction that deletes some parked events, and commits it."""


async def discard(
    store: ReadStore,
    subscription: str,
    key: str,
    event_id: UUID | None,
    forget: Forget = nothing_stored,
    transact: Transact | None = None,
) -> Sequence[ParkedEvent]:
    """Delete the parked events of a key, or one of them, and return them in order.

    The first event of a key decides when the key continues. If it is deleted alone, its pending retry passes to the next
    event of the key.

    Args:
        store: the store of the subscription's checkpoint.
        subscription: the name of the subscription.
        key: the ordering key.
        event_id: the id of one event; None for all events of the key.
        forget: deletes what the attempts at an event have stored.
        transact: opens the transaction; by default, one that only deletes the events.

    Raises:
        LookupError: the key has no parked event, or the event is not one of them.
        TypeError: the id is not a UUID.
    """
    if event_id is not None and not isinstance(event_id, UUID):
        raise TypeError(
            f"cannot discard {shown(event_id)} of {subscription!r}: event_id= is a UUID, as parked() returns it."
        )
    while True:
        partitions = await store.subscriptions.partitions(subscription)
        parked = await store.parked.read(subscription, key=key)
        if not parked:
            raise await nothing_parked("discard", store.parked, subscription, key)
        gone = [each for each in parked if event_id is None or each.event.id == event_id]
        if not gone:
            raise not_parked("discard", subscription, parked, event_id)
        number, checkpoint, generation, *_ = partitions[partition_of(key, len(partitions))]
        left = replace(checkpoint, parked=checkpoint.parked - len(gone))
        lease = Lease(subscription, number, generation)
        with suppress(CheckpointMoved):  # a worker or another operator was faster, so the events are read again
            async with writing(store) if transact is None else transact(gone) as transaction:
                await transaction.parked.remove(subscription, [each.event.position for each in gone])
                if gone[0] is parked[0] and gone[0].again is not None:
                    await transaction.parked.retry(subscription, key, at=gone[0].again)
                for each in gone:
                    await forget(transaction, each.event.id)
                await transaction.checkpoints.advance(subscription, expected=checkpoint, to=left, lease=lease)
            for each in gone:
                logger.warning(
                    "subscription %s: an operator discarded %s %s of key %r, which failed %d time(s)",
                    *(subscription, each.event.name, each.event.id, key, each.attempts),
                )
            return gone

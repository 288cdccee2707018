"""Replay: move the checkpoint of an event handler or a relay back or forward on purpose, for operators."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from dataclasses import replace
from datetime import datetime

import anyio

from .._background.log_lines import logger_of
from .._background.shown import shown
from .._definitions.position import START, Position
from .._writing.transactions import writing
from ..errors import CheckpointMoved
from ..ports.checkpoints import Checkpoint
from .decoded_log import DecodedLog
from .partitions import parked_by_partition
from .subscription import EVERY_PARTITION, Subscription

logger = logger_of("twofold.operations")


async def replay(
    subscription: Subscription, after: int | datetime, log: DecodedLog, owner: str, seconds: float
) -> Position:
    """Let a subscription continue after a position. Later events are handled, also those that were handled before.

    Parked events after the position are deleted, because they are handled again if the log still has them. Earlier parked
    events stay.

    Args:
        subscription: the subscription.
        after: the position of an event, 0, or a time.
        log: the event log.
        owner: the name of this process.
        seconds: the duration of a lease.

    Returns:
        The position.

    Raises:
        LookupError: the log has no event at the position.
        ValueError: the position is negative, or the time has no time zone or is in the future.
        TypeError: the value is neither a position nor a time.
    """
    to = await _target(subscription.name, after, log)
    while True:
        with suppress(CheckpointMoved):  # an operator was faster, so partitions and parked events are read again
            before = await _move(subscription, to, owner, seconds)
            break
    if before is not None and before != to.position:
        outcome = "are handled again" if to.position < before else "are skipped"
        logger.warning(
            "subscription %s: an operator moved its checkpoint from position %d to position %d. The events in between %s.",
            *(subscription.name, before, to.position, outcome),
        )
    return to.position


async def _target(name: str, after: int | datetime, log: DecodedLog) -> Checkpoint:
    """Return the checkpoint to continue from."""
    if isinstance(after, datetime):
        if after.tzinfo is None:
            raise ValueError(f"cannot replay {name!r} after {after.isoformat()}: the time has no time zone. Add one.")
        if after > (now := log.clock.now()):
            raise ValueError(
                f"cannot replay {name!r} after {after.isoformat()}: the time is in the future (now: {now.isoformat()}), so "
                "every event would be skipped. Pass an earlier time, or the position of the last event to skip."
            )
        return await log.at(await last_until(after, log))
    if type(after) is bool or not isinstance(after, int):
        raise TypeError(f"cannot replay {name!r} after {shown(after)}: pass a position (int) or a datetime.")
    if after < START:
        raise ValueError(
            f"cannot replay {name!r} after position {after}: a position is at least 0, which is the start."
        )
    to = await log.at(Position(after))
    if to.event is None and after != START:
        head = await log.events.head()
        found = f"the last event has position {head}" if after > head else "the log has no event there"
        raise LookupError(
            f"cannot replay {name!r} after position {after}: {found}. Use the position of an event, as Envelope.position "
            "contains it, a time, or 0 for the beginning."
        )
    return to


async def last_until(time: datetime, log: DecodedLog) -> Position:
    """Return the position of the last event up to a time, by a binary search, or `START` if there is none."""
    low, high = int(START), int(await log.events.head())
    while low < high:
        middle = (low + high) // 2
        page = await log.events.read_all(after=Position(middle), limit=1)
        if page.events and page.events[0].time <= time:
            low = int(page.events[0].position)
        else:
            high = middle
    return Position(low)


async def _move(subscription: Subscription, to: Checkpoint, owner: str, seconds: float) -> Position | None:
    """Move every partition. Return the lowest position from before, or None if the subscription never ran."""
    name, store = subscription.name, subscription.store
    leases = await store.subscriptions.claim(name, owner, seconds=seconds, limit=EVERY_PARTITION, force=True)
    try:
        partitions = await store.subscriptions.partitions(name)
        held = {(lease.partition, lease.generation): lease for lease in leases}
        if held.keys() != {(each.number, each.generation) for each in partitions}:
            raise CheckpointMoved(f"another process has taken the partitions of {name!r}.")
        parked = await store.parked.read(name)
        kept = Counter(each.key for each in parked if each.event.position <= to.position)
        counts = parked_by_partition(kept, len(partitions) or subscription.partitions)
        async with writing(store) as transaction:
            gone = [each.event.position for each in parked if each.event.position > to.position]
            await transaction.parked.remove(name, gone)
            moved = [replace(to, parked=count) for count in counts]
            if not partitions:
                await transaction.checkpoints.divide(name, moved, leases=())
            for each in partitions:
                there = replace(moved[each.number], contents=each.checkpoint.contents)
                await transaction.checkpoints.advance(
                    name, expected=each.checkpoint, to=there, lease=held[each.number, each.generation]
                )
    finally:
        with anyio.CancelScope(shield=True):
            await store.subscriptions.release(leases)
    return min((each.checkpoint.position for each in partitions), default=None)

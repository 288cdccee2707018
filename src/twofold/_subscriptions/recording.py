"""Record the contents of the rows of a projection; see `contents`.

The record is written when the projection starts for the first time, and when its rows are rebuilt. Otherwise:

- It grows if no event of the log is missing in the rows. The leases of all workers are taken by force, so that workers of an
  earlier release stop.
- It shrinks if a release that lacks recorded fields takes the projection over. That release waits until no worker holds a
  lease, because a worker with the fields may belong to a newer release.
- A record of views without fields is completed by the first release that starts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import anyio

from .._background.backoff import Backoff
from .._background.log_lines import logger_of
from .._definitions.position import START, Position
from .._writing.transactions import writing
from ..errors import CheckpointMoved, CommitUnknown
from ..ports.checkpoints import Checkpoint, Lease
from .contents import ALL_EVENTS, Contents, incomplete_in, lacking_in, read_contents, recorded_in
from .decoded_log import DecodedLog
from .subscription import EVERY_PARTITION, Subscription

logger = logger_of("twofold.subscriptions")


async def record_contents(subscription: Subscription, log: DecodedLog, owner: str, seconds: float) -> None:
    """Record more contents of a projection, unless the rows lack events. Then log that the rows are incomplete.

    Workers of earlier releases lose their leases with the new record. Without it they would skip the new events.

    Args:
        subscription: the subscription.
        log: the event log.
        owner: the name of this process.
        seconds: the duration of a lease.
    """
    name, store, backoff = subscription.name, subscription.store, Backoff(last=0.5, jitter=True)
    while await _next(subscription, stored := await _stored(subscription), log) is not None:
        leases = await store.subscriptions.claim(name, owner, seconds=seconds, limit=EVERY_PARTITION, force=True)
        try:
            stored = await _stored(subscription)  # no worker moves the checkpoint any more
            contents = await _next(subscription, stored, log)
            if contents is not None:
                stored = await _replace(subscription, stored, contents, leases)
            break
        except (CheckpointMoved, CommitUnknown):  # the record is read again
            await anyio.sleep(backoff.next())
        finally:
            with anyio.CancelScope(shield=True):
                await store.subscriptions.release(leases)
    incomplete = incomplete_in(subscription, stored)
    if incomplete is not None and not lacking_in(subscription, stored):
        logger.error("%s", incomplete)


async def take_over(subscription: Subscription, owner: str, seconds: float) -> bool:
    """Record that rows may lack the fields that this release lacks, unless another worker holds a partition.

    Args:
        subscription: the subscription.
        owner: the name of this process.
        seconds: the duration of a lease.

    Returns:
        Whether this release may run the projection.
    """
    subscriptions = subscription.store.subscriptions
    leases = await subscriptions.claim(subscription.name, owner, seconds=seconds, limit=EVERY_PARTITION)
    try:
        stored = await _stored(subscription)
        if len(leases) < len(stored):
            return False
        lacking = lacking_in(subscription, stored)
        if lacking.views or lacking.events:
            return False
        if lacking:
            to = recorded_in(subscription, stored).without_fields(lacking.fields)
            await _replace(subscription, stored, to, leases)
    except (CheckpointMoved, CommitUnknown):  # the caller reads the record again
        return False
    finally:
        with anyio.CancelScope(shield=True):
            await subscriptions.release(leases)
    if lacking:
        text = "subscription %s: this release writes the rows without %s from now on, which another release has"
        logger.info(text, subscription.name, lacking)
    return True


async def _stored(subscription: Subscription) -> Sequence[Checkpoint]:
    return [each.checkpoint for each in await subscription.store.subscriptions.partitions(subscription.name)]


async def _replace(
    subscription: Subscription, stored: Sequence[Checkpoint], contents: Contents, leases: Sequence[Lease]
) -> Sequence[Checkpoint]:
    to = [replace(each, contents=contents.text) for each in stored]
    async with writing(subscription.store) as transaction:
        await transaction.checkpoints.divide(subscription.name, to, leases=leases)
    return to


async def _next(subscription: Subscription, stored: Sequence[Checkpoint], log: DecodedLog) -> Contents | None:
    """Return the contents to record, or None if the record stays."""
    if not subscription.contents or not stored or lacking_in(subscription, stored):
        return None
    mine, recorded = read_contents(subscription.contents), recorded_in(subscription, stored)
    to = recorded.completed_by(mine)
    if (missing := mine - to) and not await _lacks_events(subscription, stored, missing, log):
        to = mine
    return None if to == recorded else to


async def _lacks_events(
    subscription: Subscription, stored: Sequence[Checkpoint], missing: Contents, log: DecodedLog
) -> bool:
    """Return whether the rows lack an event of the log that was passed before the contents were new."""
    in_all_rows = missing.views or missing.fields or ALL_EVENTS in missing.events
    names = subscription.events if in_all_rows else missing.events
    after, upto = Position(START), max((each.position for each in stored), default=START)
    while after < upto:
        page = await log.events.read_all(after=after, limit=1, names=names)
        if page.events:
            return page.events[0].position <= upto
        if page.last == after:
            return False
        after = page.last
    return False

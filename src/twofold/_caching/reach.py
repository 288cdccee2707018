"""The position that the read models behind a cached answer have reached."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from .._definitions.position import START, Position
from .._definitions.subclasses import stored_names
from ..ports.event_log import EventLog
from ..ports.stores import ReadStore, WriteStore
from .cached_query import CachedQuery


class Reach(NamedTuple):
    """The position that the read models of a query have reached.

    Attributes:
        position: the lowest checkpoint.
        whole: whether an answer may be cached: no event up to the position is missing, retry pending or parked, and every
            later event that invalidates the answer is still to come.
        event: the id of the event at the position.
    """

    position: Position
    whole: bool
    event: UUID | None = None

    def within(self, other: Reach) -> Reach:
        """Return the lower of two positions."""
        lower = other if other.position < self.position else self
        return lower._replace(whole=self.whole and other.whole)


NOWHERE = Reach(START, whole=False)
"""The position if it is not known."""


async def reach_of(query: CachedQuery, write: WriteStore, read: ReadStore) -> Reach:
    """Return the position that the projections of a query have reached, or the head of the log if it reads none.

    The position is read before the answer is loaded, so that the answer is at least as new. The checkpoint of the
    invalidation is read first: an event that the invalidation has passed and the projections have not would never
    invalidate the answer. There is such an event when a cache is added to an old log, and when a read store lost its last
    commits and its projections read the log again.
    """
    log = write.log
    if not query.subscription:
        return await _passed_by(query.reads, read, log)
    invalidated = await write.subscriptions.checkpoint(query.subscription)
    reach = await _passed_by(query.reads, read, log)
    if invalidated is None or invalidated.parked:
        return reach._replace(whole=False)
    if invalidated.position > reach.position:
        names = stored_names(query.cache.invalidated_by)
        page = await log.read_all(after=reach.position, limit=1, names=names)
        if (page.events[0].position if page.events else page.last + 1) <= invalidated.position:
            return reach._replace(whole=False)
    return reach


async def _passed_by(reads: Sequence[str], read: ReadStore, log: EventLog) -> Reach:
    if not reads:
        head = await log.head()
        return Reach(head, whole=True, event=(await log.ids([head])).get(head))
    identity, reach = await log.identity(), None
    for name in reads:
        checkpoint = await read.subscriptions.checkpoint(name)
        if checkpoint is None:
            passed = Reach(START, whole=True)
        elif checkpoint.log != identity:
            passed = NOWHERE
        else:
            passed = Reach(checkpoint.position, whole=not checkpoint.parked, event=checkpoint.event)
        reach = passed if reach is None else reach.within(passed)
    return reach or NOWHERE


def newest(one: Position | None, other: Position | None) -> Position | None:
    """Return the later of two positions; None stands for no position at all."""
    if one is None or other is None:
        return other if one is None else one
    return max(one, other)

"""How far the read models reach that a cached answer is made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from .._definitions.position import START, Position
from ..ports.event_log import EventLog
from ..ports.stores import ReadStore, WriteStore
from .cached_query import CachedQuery


class Reach(NamedTuple):
    """How far what a query reads has come.

    Attributes:
        position: the lowest position that has been passed.
        whole: whether an answer from there may be kept: no event up to there is missing, held or parked, and every later
            one will end it that should.
    """

    position: Position
    whole: bool

    def within(self, other: Reach) -> Reach:
        """Return how far both are."""
        return Reach(min(self.position, other.position), self.whole and other.whole)


NOWHERE = Reach(START, whole=False)
"""How far it is that cannot be said."""


async def reach_of(query: CachedQuery, write: WriteStore, read: ReadStore) -> Reach:
    """Return how far what a query reads is; where it reads no projection, how far the log is.

    Read before the answer is loaded, which is then at least as new. What ends answers is looked at first of all: an event
    that it has passed and the projections have not would end no answer any more. There is one when a cache joins an old
    log, and when a read store has lost its last moments and is read forward again.
    """
    log = write.log
    if not query.subscription:
        return await _passed_by(query.reads, read, log)
    ended = await write.subscriptions.checkpoint(query.subscription)
    reach = await _passed_by(query.reads, read, log)
    if ended is None or ended.parked:
        return reach._replace(whole=False)
    if ended.position > reach.position:
        names = [str(event_type.message_name) for event_type in query.cache.invalidated_by]
        page = await log.read_all(after=reach.position, limit=1, names=names)
        if (page.events[0].position if page.events else page.last + 1) <= ended.position:
            return reach._replace(whole=False)
    return reach


async def _passed_by(reads: Sequence[str], read: ReadStore, log: EventLog) -> Reach:
    if not reads:
        return Reach(await log.head(), whole=True)
    identity, reach = await log.identity(), None
    for name in reads:
        checkpoint = await read.subscriptions.checkpoint(name)
        if checkpoint is None:
            passed = Reach(START, whole=True)
        elif checkpoint.log != identity:
            passed = NOWHERE
        else:
            passed = Reach(checkpoint.position, whole=not checkpoint.parked)
        reach = passed if reach is None else reach.within(passed)
    return reach or NOWHERE

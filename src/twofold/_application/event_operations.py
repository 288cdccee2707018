"""Operations that read the event log for people: browse and follow."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from datetime import datetime, timedelta
from uuid import UUID

from .._background.shown import shown
from .._definitions.message import Event
from .._definitions.position import START, Position
from .._definitions.subclasses import stored_types
from .._subscriptions.browsing import Browser, EventFilter, EventPage, EventRecord
from .operating import Operating, check_number

_LONGEST_PAGE = 10_000
"""The maximum number of events of a page."""

_ATTEMPT = "search for events"

SEARCHED = 10_000
"""The number of positions that one page searches by default."""


class EventOperations(Operating):
    """The operations on the event log."""

    async def events(
        self,
        *,
        stream: str | None = None,
        types: Sequence[type[Event] | str] = (),
        correlation_id: UUID | None = None,
        causation_id: UUID | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        after: int = START,
        before: int | None = None,
        newest_first: bool = False,
        limit: int = 100,
        search: int = SEARCHED,
    ) -> EventPage:
        """Return a page of the event log. An event has to fit every argument that is given.

        `stream` and `correlation_id` have an index: the page reads the events of the stream or interaction. Other pages
        search at most `search` positions, and `EventPage.next` continues the search, also when the page has no events.

        Args:
            stream: the name of a stream.
            types: event classes, with their subclasses, or wire names.
            correlation_id: the correlation id of the events.
            causation_id: the id of the message whose handler recorded the events.
            since: the earliest time, with a time zone. As for `replay`, the times must ascend with the positions.
            until: the latest time, with a time zone.
            after: the position after which the page begins, or ends if `newest_first`.
            before: the position before which the page ends, or begins if `newest_first`; by default the end of the log.
            newest_first: return the last events first.
            limit: the maximum number of events, from 1 to 10,000.
            search: the maximum number of positions that are searched, at least 1.

        Raises:
            ValueError: a number is out of range, or a time has no time zone.
        """
        from .._subscriptions.replay import last_until

        running = self._running()
        wanted = self._filter(stream, types, correlation_id, causation_id, since, until)
        check_number(_ATTEMPT, "limit", limit, 1, _LONGEST_PAGE)
        check_number(_ATTEMPT, "search", search, 1, None)
        check_number(_ATTEMPT, "after", after, START, None)
        if before is not None:
            check_number(_ATTEMPT, "before", before, START, None)
        browser, begin = Browser(running.log.events, running.log.event_types), Position(after)
        end = None if before is None else Position(before)
        if stream is not None:
            return await browser.in_stream(stream, wanted, after=begin, before=end, limit=limit, newest=newest_first)
        if since is not None:
            begin = max(begin, await last_until(since - timedelta(microseconds=1), running.log))
        if until is not None:
            last = Position(await last_until(until, running.log) + 1)
            end = last if end is None else min(end, last)
        if correlation_id is not None:
            return await browser.correlated(
                correlation_id, wanted, after=begin, before=end, limit=limit, newest=newest_first
            )
        if newest_first:
            return await browser.newest_first(wanted, after=begin, before=end, limit=limit, search=search)
        return await browser.oldest_first(wanted, after=begin, before=end, limit=limit, search=search)

    async def follow(
        self,
        *,
        stream: str | None = None,
        types: Sequence[type[Event] | str] = (),
        correlation_id: UUID | None = None,
        causation_id: UUID | None = None,
        after: int | None = None,
    ) -> AsyncGenerator[EventRecord]:
        """Iterate over new events as they are appended, without an end. An event has to fit every argument that is given.

        The iterator reads the whole log after its start, and polls it at least every half second.

        Args:
            stream: the name of a stream.
            types: event classes, with their subclasses, or wire names.
            correlation_id: the correlation id of the events.
            causation_id: the id of the message whose handler recorded the events.
            after: the position after which it begins; by default the end of the log.

        Raises:
            ValueError: the position is negative.
            EventsLost: the log has lost events that were read.
        """
        running = self._running()
        wanted = self._filter(stream, types, correlation_id, causation_id, None, None)
        if after is not None:
            check_number(_ATTEMPT, "after", after, START, None)
        begin = await running.log.events.head() if after is None else Position(after)
        browser = Browser(running.log.events, running.log.event_types)
        async with aclosing(browser.follow(wanted, begin, running.notifications.appended)) as records:
            async for record in records:
                yield record

    def _filter(
        self,
        stream: str | None,
        types: Sequence[type[Event] | str],
        correlation_id: UUID | None,
        causation_id: UUID | None,
        since: datetime | None,
        until: datetime | None,
    ) -> EventFilter:
        for name, time in (("since", since), ("until", until)):
            if time is not None and time.tzinfo is None:
                raise ValueError(f"cannot search for events with {name}={time.isoformat()}: the time has no time zone.")
        names = set[str]()
        for each in types:
            names.update({each} if isinstance(each, str) else (str(one.message_name) for one in stored_types(each)))
        if types and not names:
            raise ValueError(f"cannot search for events of {shown(list(types))}: these classes have no stable names.")
        return EventFilter(stream, frozenset(names), correlation_id, causation_id, since, until)

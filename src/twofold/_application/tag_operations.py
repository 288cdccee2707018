"""Operations on tags: fill the tags of events that were stored before their class declared them."""

from __future__ import annotations

from collections.abc import Callable

from .._definitions.message import Event
from .._definitions.position import START, Position
from .._definitions.subclasses import stored_types
from .._encoding.message_json import event_tags
from .._encoding.wire_types import EventTypes
from .._writing.transactions import writing
from ..ports.event_log import LogPage
from ..ports.stores import WriteStore
from ..ports.tags import TagEntry


class TagFill:
    """Fills the tags of the events of one class, in transactions of a bounded size.

    Args:
        store: the write store.
        event_types: decodes events.
        event_type: the class.
        batch: the number of events of one transaction.
    """

    def __init__(self, store: WriteStore, event_types: EventTypes, event_type: type[Event], batch: int) -> None:
        self._store = store
        self._types = event_types
        self._type = event_type
        self._name = str(event_type.message_name)
        self._batch = batch

    async def run(self, progress: Callable[[int], object]) -> int:
        """Fill the tags; return the number of events that were read. Continue where an interrupted call stopped.

        Args:
            progress: called with the number of events after each batch.
        """
        start = await self._start()
        if start is None:
            return 0
        done, page = 0, LogPage((), start)
        while True:
            page = await self._store.log.read_all(
                after=page.last, event=page.event, limit=self._batch, names=[self._name]
            )
            if page.events:
                await self._add(page)
                done += len(page.events)
                progress(done)
            elif page.last >= await self._store.log.head():
                return done + await self._finish(page.last)

    async def _start(self) -> Position | None:
        """Return the position after which to fill; None if the tags are complete."""
        async with writing(self._store) as transaction:
            recorded = await transaction.tags.progress(self._name)
        found = [recorded.get(field, START) for field in self._type.message_tags]
        return min((each for each in found if each is not None), default=None)

    async def _finish(self, after: Position) -> int:
        """Fill the rest while no other transaction appends, and record that the tags are complete."""
        async with writing(self._store) as transaction:
            await transaction.log.lock()
            done, page = 0, LogPage((), after)
            while page.last < await self._store.log.head():
                page = await self._store.log.read_all(after=page.last, names=[self._name], limit=self._batch)
                await transaction.tags.add(self._entries(page))
                done += len(page.events)
            for field in self._type.message_tags:
                await transaction.tags.record(self._name, field, None)
        return done

    async def _add(self, page: LogPage) -> None:
        async with writing(self._store) as transaction:
            await transaction.tags.add(self._entries(page))
            recorded = await transaction.tags.progress(self._name)
            for field in self._type.message_tags:
                if recorded.get(field, START) is not None:
                    await transaction.tags.record(self._name, field, page.last)

    def _entries(self, page: LogPage) -> list[TagEntry]:
        return [
            TagEntry(stored.position, stored.name, tag)
            for stored in page.events
            for tag in event_tags(self._types.decode(stored.name, stored.schema, stored.data))
        ]


def tagged_types(event_types: EventTypes) -> list[type[Event]]:
    """Return the classes with tags that an application knows or can learn, one for each name."""
    found = {name: each for name, each in event_types.by_name.items() if each.message_tags}
    for each in stored_types(Event):
        if each.message_tags and event_types.known(str(each.message_name)) is None:
            found.setdefault(each.message_name, each)
    return sorted(found.values(), key=lambda each: str(each.message_name))

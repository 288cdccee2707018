"""Process events with a projection: rows and checkpoint in one transaction of the read store."""

from __future__ import annotations

from collections.abc import Sequence

from .._definitions.message import Event
from .._definitions.position import Position
from .._dispatch.services import Services
from .._writing.transactions import writing
from ..errors import NotStorable
from ..ports.event_log import StoredEvent
from ..ports.transactions import ReadTransaction
from .processor import Advance, EventFailed, failure_of
from .projection import Projection


class ProjectionProcessor:
    """Applies a batch of events to read models.

    The rows of a batch are written together. A store that refuses a row therefore does not identify the event of the row.
    The processor then halves the batch, until the events before the failing one are committed and the failing event is the
    first one.
    """

    def __init__(self, projection: Projection, services: Services) -> None:
        self.projection = projection
        self._services = services

    async def apply(
        self, events: Sequence[tuple[StoredEvent, Event]], advance: Advance, *, at: Position | None = None
    ) -> None:
        size = len(events)
        while True:
            try:
                return await self._apply(events[:size], advance, at)
            except _RowRefused as refused:
                if size < 2:
                    raise EventFailed(0, refused.error) from refused.error
                size //= 2

    async def _apply(self, events: Sequence[tuple[StoredEvent, Event]], advance: Advance, at: Position | None) -> None:
        try:
            async with writing(self._services.read) as transaction:
                if events:
                    await self._project(transaction, events, at)
                await advance(transaction, len(events))
        except EventFailed as failed:
            raise failure_of(failed.index, failed.error) from failed.error

    async def _project(
        self, transaction: ReadTransaction, events: Sequence[tuple[StoredEvent, Event]], at: Position | None
    ) -> None:
        try:
            await self.projection.apply(self._services, transaction, events, at)
        except NotStorable as refused:
            raise _RowRefused(refused) from refused


class _RowRefused(Exception):
    """The store refused a row of a batch.

    Attributes:
        error: the error of the store.
    """

    def __init__(self, error: NotStorable) -> None:
        super().__init__(error)
        self.error = error

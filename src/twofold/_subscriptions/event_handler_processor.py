"""Process events with an event handler: one event at a time, in a unit of work with the checkpoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .._definitions.message import Event
from .._definitions.position import Position
from .._dispatch.caller import current
from .._dispatch.invocation import Invoke
from .._dispatch.scope import Scope
from .._dispatch.services import Services
from .._encoding.metadata import event_envelope
from ..ports.event_log import StoredEvent
from .processor import Advance, advance_only, failure_of


class EventHandlerProcessor:
    """Calls an event handler with one event. Its writes and its commands are committed together with the checkpoint.

    Args:
        handles: the event handler with its middleware, for each type of event.
        services: the services of the application.
    """

    def __init__(self, handles: Mapping[type[Event], Invoke], services: Services) -> None:
        self._handles = handles
        self._services = services

    async def apply(
        self, events: Sequence[tuple[StoredEvent, Event]], advance: Advance, *, at: Position | None = None
    ) -> None:
        if not events:
            await advance_only(self._services.write.store, advance, 0)
            return
        stored, event = events[0]
        scope = Scope(self._services, event)
        scope.envelope = event_envelope(stored, event)
        unit = scope.unit_of_work()
        unit.write_last(lambda transaction, _: advance(transaction, 1))
        mark = current.set(scope)
        try:
            try:
                await self._handles[type(event)](scope, event)
                written = await unit.commit()
            except Exception as error:
                raise failure_of(0, error) from error
        except BaseException as failure:
            await unit.rollback()
            await scope.close(failure)
            raise
        finally:
            current.reset(mark)
        await scope.close()
        if written:
            self._services.committed.send()
        await unit.changes.run_after_commit()

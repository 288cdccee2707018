"""What subscriptions do: projections write rows in batches, event handlers have side effects one by one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .._definitions.message import Event
from .._definitions.position import Position
from .._dispatch.caller import current
from .._dispatch.invocation import Invoke
from .._dispatch.scope import Scope
from .._dispatch.services import Services
from .._encoding.metadata import event_envelope
from .._writing.transactions import writing
from ..errors import CheckpointMoved, CommitFailed, NotStorable, TransientFailure
from ..ports.event_log import StoredEvent
from ..ports.transactions import ReadTransaction
from .projection import EventFailed, Projection
from .subscription import Finish, ItemFailed, finish_only


class ProjectionEffect:
    """Applies a batch of events to read models, rows and checkpoint in one transaction of the read store.

    Rows are written together, so a store that does not take them does not say whose they are. Then fewer events are applied
    in a step, half of them each time, until those before the bad one are committed and it stands alone.
    """

    def __init__(self, projection: Projection, services: Services) -> None:
        self.projection = projection
        self._services = services

    async def apply(
        self, items: Sequence[tuple[StoredEvent, Event]], finish: Finish, *, at: Position | None = None
    ) -> None:
        size = len(items)
        while True:
            try:
                return await self._step(items[:size], finish, at)
            except RowsRefused as refused:
                if size < 2:
                    raise ItemFailed(0, refused.error) from refused.error
                size //= 2

    async def _step(self, items: Sequence[tuple[StoredEvent, Event]], finish: Finish, at: Position | None) -> None:
        try:
            async with writing(self._services.read) as transaction:
                if items:
                    await self._apply(transaction, items, at)
                await finish(transaction, len(items))
        except EventFailed as failed:
            raise _blamed(failed.index, failed.error) from failed.error

    async def _apply(
        self, transaction: ReadTransaction, items: Sequence[tuple[StoredEvent, Event]], at: Position | None
    ) -> None:
        try:
            await self.projection.apply(self._services, transaction, items, at)
        except NotStorable as refused:
            raise RowsRefused(refused) from refused


class RowsRefused(Exception):
    """The store did not take a row; the step must be rolled back.

    Attributes:
        error: what the store said.
    """

    def __init__(self, error: NotStorable) -> None:
        super().__init__(error)
        self.error = error


class EventHandlerEffect:
    """Calls an event handler with one event, in a unit of work that holds its checkpoint.

    What the event handler writes through repositories, or by dispatching commands, is committed with the checkpoint.

    Args:
        handles: for each type of event, the event handler with its middleware.
        services: what the application offers.
    """

    def __init__(self, handles: Mapping[type[Event], Invoke], services: Services) -> None:
        self._handles = handles
        self._services = services

    async def apply(
        self, items: Sequence[tuple[StoredEvent, Event]], finish: Finish, *, at: Position | None = None
    ) -> None:
        if not items:
            await finish_only(self._services.write.store, finish, 0)
            return
        stored, event = items[0]
        scope = Scope(self._services, event)
        scope.envelope = event_envelope(stored, event)
        unit = scope.unit_of_work()
        unit.write_last(lambda transaction, _: finish(transaction, 1))
        mark = current.set(scope)
        try:
            try:
                await self._handles[type(event)](scope, event)
                written = await unit.commit()
            except Exception as error:
                raise _blamed(0, error) from error
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


def _blamed(index: int, error: Exception) -> Exception:
    """Return what to raise: a failure of the store is no fault of the event and never parks it."""
    return error if isinstance(error, (TransientFailure, CommitFailed, CheckpointMoved)) else ItemFailed(index, error)

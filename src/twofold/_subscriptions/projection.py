"""Projections: classes that apply events to rows, and their processor, which commits rows and checkpoint together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .._background.calls import check_awaited
from .._background.failures import contained, description
from .._definitions.message import Event
from .._definitions.position import Position
from .._definitions.subclasses import most_specific
from .._definitions.view import View
from .._dispatch.binding import Binding, Invoke, resolved
from .._dispatch.scope import open_scope
from .._dispatch.services import Services
from .._encoding.metadata import event_envelope
from .._reading.read_model import ProjectedRows
from .._writing.transactions import writing
from ..errors import NotStorable, TwofoldError
from ..ports.event_log import StoredEvent
from ..ports.transactions import ReadTransaction
from .processor import Advance, EventFailed, failure_of


@dataclass(frozen=True, slots=True)
class Projection:
    """A projection: how to create an instance, and which of its methods applies which event.

    Attributes:
        name: the name of the projection and of its checkpoint.
        inline: whether it runs in the transaction of the command.
        cls: the user's class.
        made_with: the parameters of its `__init__`.
        methods: calls the method on each event class with a pair of the instance and the event. An event is applied by one
            method: the one on its class, or else on the nearest base class.
        views: the views that the projection writes.
        events: the wire names of the events that it applies; None for all events of the log.
        wants_envelope: whether a method has a parameter for the envelope.
        shadow: whether it writes the shadow rows of a rebuild.
    """

    name: str
    inline: bool
    cls: type[Any]
    made_with: Sequence[Binding]
    methods: Mapping[type[Event], Invoke]
    views: frozenset[type[View]]
    events: frozenset[str] | None
    wants_envelope: bool
    shadow: bool = False

    async def apply(
        self,
        services: Services,
        transaction: ReadTransaction,
        events: Sequence[tuple[StoredEvent, Event]],
        at: Position | None = None,
        attempt: int = 1,
    ) -> None:
        """Apply events in order, and write the rows into the transaction. Events without a method are skipped.

        Rows have the position `at`, or the position of their event.

        Raises:
            EventFailed: a method failed.
            NotStorable: the store refused a row, which may belong to any of these events.
        """
        scope = open_scope(services, None)
        rows = scope.rows = {
            view: ProjectedRows(view, transaction.rows(view, shadow=self.shadow), scope.calls, services.unreadable.add)
            for view in self.views
        }
        try:
            values, named = await resolved(scope, self.made_with)
            projection = self.cls(*values, **named)
            models, index, methods = tuple(rows.values()), 0, dict[type[Event], Invoke | None]()
            try:
                with contained():
                    for index, (stored, event) in enumerate(events):  # noqa: B007 -- read after a failure
                        cls = type(event)
                        if cls not in methods:
                            methods[cls] = most_specific(cls, self.methods)
                        method = methods[cls]
                        if method is None:
                            continue
                        for model in models:
                            model.position = stored.position if at is None else at
                        if self.wants_envelope:
                            scope.envelope = event_envelope(stored, event, attempt)
                        await method(scope, (projection, event))
                        check_awaited(scope.calls)
            except Exception as error:
                raise EventFailed(index, error) from error
            await _flush(rows.values())
            _raise_refused(rows.values())
        except Exception:
            _raise_refused(rows.values())
            raise
        finally:
            for model in rows.values():
                model.ended = True
            await scope.close()


async def _flush(models: Iterable[ProjectedRows[Any]]) -> None:
    """Write the rows of all events. A row whose values raise an error of their own is refused, as by a store.

    Raises:
        NotStorable: a row cannot be written.
    """
    try:
        with contained():
            for model in models:
                await model.flush()
    except TwofoldError:
        raise
    except Exception as error:
        raise NotStorable(f"cannot write a row: {description(error)}. Correct the value that raises it.") from error


def _raise_refused(models: Iterable[ProjectedRows[Any]]) -> None:
    """Raise the error of a row that the store refused.

    A method that calls `find` writes the rows of earlier events first, and may catch the error of such a row.
    """
    for model in models:
        if model.refused is not None:
            raise model.refused from model.refused.__cause__


@dataclass(frozen=True, slots=True, eq=False)
class ProjectionProcessor:
    """Applies a batch of events to read models.

    The rows of a batch are written together. A store that refuses a row therefore does not identify the event of the row.
    The processor then halves the batch, until the events before the failing one are committed and the failing event is the
    first one.

    Attributes:
        projection: the projection.
        services: the services of the application.
    """

    projection: Projection
    services: Services

    async def apply(
        self,
        events: Sequence[tuple[StoredEvent, Event]],
        advance: Advance,
        *,
        at: Position | None = None,
        attempt: int = 1,
    ) -> None:
        size = len(events)
        while True:
            try:
                return await self._apply(events[:size], advance, at, attempt)
            except _RowRefused as refused:
                if size < 2:
                    raise EventFailed(0, refused.error) from refused.error
                size //= 2

    async def _apply(
        self, events: Sequence[tuple[StoredEvent, Event]], advance: Advance, at: Position | None, attempt: int
    ) -> None:
        try:
            async with writing(self.services.read) as transaction:
                if events:
                    await self._project(transaction, events, at, attempt)
                await advance(transaction, len(events))
        except EventFailed as failed:
            raise failure_of(failed.index, failed.error) from failed.error

    async def _project(
        self,
        transaction: ReadTransaction,
        events: Sequence[tuple[StoredEvent, Event]],
        at: Position | None,
        attempt: int,
    ) -> None:
        try:
            await self.projection.apply(self.services, transaction, events, at, attempt)
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

"""Process events with an event handler: one event at a time, in a unit of work with the checkpoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from inspect import isawaitable
from typing import cast
from uuid import UUID

from .._background.failures import contained
from .._definitions.envelope import Envelope
from .._definitions.message import Event
from .._definitions.position import Position
from .._dispatch.binding import Invoke
from .._dispatch.caller import reset_caller, set_caller
from .._dispatch.inputs import StepInput
from .._dispatch.pipeline import called
from .._dispatch.scope import open_scope
from .._dispatch.services import Services
from .._encoding.metadata import event_envelope
from ..ports.event_log import StoredEvent
from ..ports.transactions import ReadTransaction, WriteTransaction
from .processor import Advance, advance_only, failure_of


class EventHandlerProcessor:
    """Calls an event handler with one event. Its writes and its commands are committed together with the checkpoint.

    Args:
        name: the name of the subscription.
        handles: the event handler with its middleware, for each type of event.
        services: the services of the application.
        middleware: the names of the middleware, for each type of event, the outermost first.
        has_steps: whether the event handler takes durable steps.
    """

    def __init__(
        self,
        name: str,
        handles: Mapping[type[Event], Invoke],
        services: Services,
        middleware: Mapping[type[Event], Sequence[str]],
        has_steps: bool,
    ) -> None:
        self._has_steps = has_steps
        self._name = name
        self.middleware = middleware
        self._handles = handles
        self._services = services

    async def apply(
        self,
        events: Sequence[tuple[StoredEvent, Event]],
        advance: Advance,
        *,
        at: Position | None = None,
        attempt: int = 1,
    ) -> None:
        if not events:
            await advance_only(self._services.write.store, advance, 0)
            return
        stored, event = events[0]
        scope = open_scope(self._services, event)
        unit = scope.unit_of_work()
        steps = scope.input = StepInput(self._name, stored.id)
        unit.write_last(lambda transaction, _: advance(transaction, 1))
        if self._has_steps:
            unit.write_last(lambda transaction, _: steps.forget(transaction))
        mark = set_caller(scope)
        try:
            try:
                with contained():
                    scope.envelope = self._envelope(stored, event, attempt)
                    result = await called(self._handles[type(event)], scope, event)
                    if isawaitable(result):
                        await result
                    written = await unit.commit()
            except Exception as error:
                raise failure_of(0, error) from error
        except BaseException as failure:
            await unit.rollback()
            await scope.close(failure)
            raise
        finally:
            reset_caller(mark)
        if written:
            self._services.committed.send()
        with contained():
            await unit.changes.run_after_commit(scope.close)

    async def forget(self, transaction: ReadTransaction, event_id: UUID) -> None:
        """Delete the records of the steps of an event that is not handled any more."""
        if self._has_steps:  # the transaction is one of the write store, which has the checkpoints of event handlers
            await StepInput(self._name, event_id).forget(cast(WriteTransaction, transaction))

    def _envelope(self, stored: StoredEvent, event: Event, attempt: int) -> Envelope:
        """Return the envelope of an event. It carries the trace of this attempt, if the attempt is traced."""
        envelope = event_envelope(stored, event, attempt)
        trace = self._services.recorder.trace()
        return envelope if trace is None else replace(envelope, trace=trace)

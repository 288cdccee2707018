"""Projections: classes that turn events into rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .._definitions.envelope import Envelope
from .._definitions.message import Event
from .._definitions.position import Position
from .._definitions.view import View
from .._dispatch.binding import Binding
from .._dispatch.invocation import Invoke, resolved
from .._dispatch.scope import Scope
from .._dispatch.services import Services
from .._encoding.metadata import event_envelope
from .._reading.read_model import ProjectedRows
from ..ports.event_log import StoredEvent
from ..ports.transactions import ReadTransaction


class EventFailed(Exception):
    """A projection failed on one event of a batch; the batch must be rolled back.

    Attributes:
        index: which one, from 0.
        error: what its method raised.
    """

    def __init__(self, index: int, error: Exception) -> None:
        super().__init__(index, error)
        self.index = index
        self.error = error


@dataclass(frozen=True, slots=True)
class Projection:
    """A projection, planned: how it is made and which of its methods takes which event.

    Attributes:
        name: the name of its checkpoint.
        inline: whether it runs in the command's transaction.
        cls: the user's class.
        made_with: the parameters of its `__init__`.
        methods: for each event class, how to call the method that takes it; the projection itself comes first.
        views: the views it writes.
        wants_envelope: whether a method takes the envelope.
        shadow: whether it writes the rows of a rebuild instead of those that are read.
    """

    name: str
    inline: bool
    cls: type[Any]
    made_with: Sequence[Binding]
    methods: Mapping[type[Event], Invoke]
    views: frozenset[type[View]]
    wants_envelope: bool
    shadow: bool = False

    @property
    def events(self) -> frozenset[str]:
        """The wire names of the events it takes."""
        return frozenset(str(event.message_name) for event in self.methods)

    async def apply(
        self,
        services: Services,
        transaction: ReadTransaction,
        events: Sequence[tuple[StoredEvent, Event]],
        at: Position | None = None,
    ) -> None:
        """Apply events in order and write the rows into the transaction; events it does not take are passed over.

        Rows are written as of the position `at`, or of each event.

        Raises:
            EventFailed: a method raised.
            NotStorable: the store did not take a row, of any of these events.
        """
        scope = Scope(services, None)
        rows = scope.rows = {
            view: ProjectedRows(view, transaction.rows(view, shadow=self.shadow)) for view in self.views
        }
        try:
            projection = self.cls(**await resolved(scope, self.made_with))
            for index, (stored, event) in enumerate(events):
                method = self.methods.get(type(event))
                if method is None:
                    continue
                for model in rows.values():
                    model.position = stored.position if at is None else at
                if self.wants_envelope:
                    scope.envelope = event_envelope(stored, event)
                try:
                    await method(scope, (projection, event))
                except Exception as error:
                    raise EventFailed(index, error) from error
            for model in rows.values():
                await model.flush()
            _look_for_refusal(rows.values())
        except Exception:
            _look_for_refusal(rows.values())
            raise
        finally:
            for model in rows.values():
                model.ended = True
            await scope.close()


def _look_for_refusal(models: Iterable[ProjectedRows[Any]]) -> None:
    """Raise what the store did not take.

    A method that finds rows writes those that were put before. They may be an earlier event's, whatever it does then.
    """
    for model in models:
        if model.refused is not None:
            raise model.refused from model.refused.__cause__


def takes_envelope(bindings: Sequence[Binding]) -> bool:
    """Return whether one of these parameters is the envelope."""
    return any(
        getattr(binding.parameter.type, "__origin__", binding.parameter.type) is Envelope for binding in bindings
    )

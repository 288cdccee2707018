"""Projections: classes that apply events to rows."""

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
from .processor import EventFailed


@dataclass(frozen=True, slots=True)
class Projection:
    """A projection: how to create an instance, and which of its methods applies which event.

    Attributes:
        name: the name of the projection and of its checkpoint.
        inline: whether it runs in the transaction of the command.
        cls: the user's class.
        made_with: the parameters of its `__init__`.
        methods: calls the method of each event class with a pair of the instance and the event.
        views: the views that the projection writes.
        wants_envelope: whether a method has a parameter for the envelope.
        shadow: whether it writes the shadow rows of a rebuild.
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
        """The wire names of the events that the projection applies."""
        return frozenset(str(event.message_name) for event in self.methods)

    async def apply(
        self,
        services: Services,
        transaction: ReadTransaction,
        events: Sequence[tuple[StoredEvent, Event]],
        at: Position | None = None,
    ) -> None:
        """Apply events in order, and write the rows into the transaction. Events without a method are skipped.

        Rows have the position `at`, or the position of their event.

        Raises:
            EventFailed: a method failed.
            NotStorable: the store refused a row, which may belong to any of these events.
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
            _raise_refused(rows.values())
        except Exception:
            _raise_refused(rows.values())
            raise
        finally:
            for model in rows.values():
                model.ended = True
            await scope.close()


def _raise_refused(models: Iterable[ProjectedRows[Any]]) -> None:
    """Raise the error of a row that the store refused.

    A method that calls `find` writes the rows of earlier events first, and may catch the error of such a row.
    """
    for model in models:
        if model.refused is not None:
            raise model.refused from model.refused.__cause__


def takes_envelope(bindings: Sequence[Binding]) -> bool:
    """Return whether a parameter is the envelope."""
    return any(
        getattr(binding.parameter.type, "__origin__", binding.parameter.type) is Envelope for binding in bindings
    )

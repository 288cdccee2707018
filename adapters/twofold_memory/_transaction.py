"""A transaction and its parts."""

from __future__ import annotations

from typing import Any, TypeVar

from twofold import Aggregate, StateCodec, View

from ._checkpoints import InMemoryCheckpoints
from ._inline import InMemoryInline
from ._log import InMemoryLogWriter
from ._parked import InMemoryParkedWriter
from ._processes import InMemoryProcessWriter
from ._records import InMemoryInbox, InMemoryKeys
from ._rows import InMemoryRows, InMemoryShadows, rows_of
from ._schedule import InMemoryScheduleWriter
from ._snapshots import InMemorySnapshots, InMemoryStorageKinds
from ._state import InMemoryState
from ._step import Step
from ._steps import InMemorySteps
from ._tags import InMemoryTagRecords
from ._unique import InMemoryUnique

V = TypeVar("V", bound=View)


class InMemoryTransaction(Step):
    """A `WriteTransaction`. It creates a part when it is asked for it."""

    __slots__ = ()

    @property
    def log(self) -> InMemoryLogWriter:
        """The event log."""
        return InMemoryLogWriter(self, self._tables)

    @property
    def tags(self) -> InMemoryTagRecords:
        """The tags of stored events, and which of them are complete."""
        return InMemoryTagRecords(self, self._tables)

    @property
    def snapshots(self) -> InMemorySnapshots:
        """The snapshots of event-sourced aggregates."""
        return InMemorySnapshots(self)

    @property
    def storage_kinds(self) -> InMemoryStorageKinds:
        """The kind of storage that each aggregate type uses."""
        return InMemoryStorageKinds(self)

    @property
    def inline(self) -> InMemoryInline:
        """The inline projections of the event log."""
        return InMemoryInline(self)

    @property
    def keys(self) -> InMemoryKeys:
        """The idempotency keys of commands."""
        return InMemoryKeys(self)

    @property
    def inbox(self) -> InMemoryInbox:
        """The messages that were received."""
        return InMemoryInbox(self)

    @property
    def schedule(self) -> InMemoryScheduleWriter:
        """The scheduled commands."""
        return InMemoryScheduleWriter(self)

    @property
    def unique(self) -> InMemoryUnique:
        """The unique values that owners have claimed."""
        return InMemoryUnique(self)

    @property
    def steps(self) -> InMemorySteps:
        """The outcomes of durable steps."""
        return InMemorySteps(self)

    @property
    def processes(self) -> InMemoryProcessWriter:
        """The processes."""
        return InMemoryProcessWriter(self)

    @property
    def checkpoints(self) -> InMemoryCheckpoints:
        """The checkpoints of subscriptions."""
        return InMemoryCheckpoints(self)

    @property
    def parked(self) -> InMemoryParkedWriter:
        """The events of subscriptions with a pending retry, and their parked events."""
        return InMemoryParkedWriter(self)

    @property
    def shadows(self) -> InMemoryShadows:
        """The shadow rows of views, as a whole."""
        return InMemoryShadows(self)

    def rows(self, view: type[V], *, shadow: bool = False) -> InMemoryRows[V]:
        """Return the rows of a view."""
        return InMemoryRows(self, view, rows_of(view, shadow=shadow))

    def state(self, aggregate_type: type[Any]) -> InMemoryState:
        """Return the stored state of an aggregate type."""
        if not issubclass(aggregate_type, Aggregate):
            raise TypeError(f"cannot store {aggregate_type.__qualname__}: it is not an Aggregate.")
        return InMemoryState(self, aggregate_type, StateCodec.of(aggregate_type))

"""Aggregates that a unit of work tracks, from their loading or adding to the commit."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from types import NoneType
from typing import Any, Final
from uuid import UUID

from .._definitions.aggregate import Aggregate, stream_of
from .._definitions.message import Event
from .._definitions.names import LONGEST_STREAM, wrong_text
from ..errors import NotStorable

_IMMUTABLE: Final = frozenset({NoneType, bool, int, float, str, bytes, Decimal, datetime, date, UUID})


class AggregateRemoved(Event, name="twofold.aggregate_removed"):
    """The last event of an aggregate that was removed. Its id cannot be used again."""

    aggregate: str
    id: str


@dataclass(slots=True)
class Tracked:
    """An aggregate that a unit of work tracks.

    Attributes:
        aggregate: the object that the handler changes.
        id: the id that it is stored under.
        version: the version that was loaded, as its storage counts versions; 0 for a new aggregate.
        verify: whether the version is checked at commit even if no event was recorded.
        removed: whether it is removed at commit.
        loaded: copies of its attributes when it was loaded, if it is event sourced and they can be copied.
    """

    aggregate: Aggregate
    id: str
    version: int
    verify: bool = False
    removed: bool = False
    loaded: dict[str, Any] | None = None

    @property
    def stream(self) -> str:
        """The stream of its events."""
        return stream_of(type(self.aggregate), self.id)


def removal(tracked: Tracked) -> AggregateRemoved:
    """Return the event that records the removal of an aggregate."""
    return AggregateRemoved(aggregate=type(tracked.aggregate).aggregate_name, id=tracked.id)


def attributes_of(aggregate: Aggregate) -> dict[str, Any]:
    """Return copies of the attributes of an aggregate, for `restore`."""
    from copy import deepcopy

    return {
        name: value if type(value) in _IMMUTABLE else deepcopy(value)
        for name, value in vars(aggregate).items()
        if not name.startswith("_sa_")
    }


def restore(aggregate: Aggregate, attributes: dict[str, Any]) -> None:
    """Give an aggregate the attributes back that `attributes_of` copied."""
    for name in [name for name in vars(aggregate) if name not in attributes and not name.startswith("_sa_")]:
        delattr(aggregate, name)
    for name, value in attributes.items():
        setattr(aggregate, name, value)


def check_stream(stream: object, attempt: str) -> None:
    """Check that every store can keep the name of a stream.

    Raises:
        NotStorable: no store can.
    """
    if wrong := wrong_text(stream, LONGEST_STREAM):
        raise NotStorable(f"cannot {attempt}: no store can keep the stream {stream!r:.100}: {wrong}.")

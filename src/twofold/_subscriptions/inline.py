"""Inline projections: rows that are written in the transaction that appends the events."""

from __future__ import annotations

from collections.abc import Sequence

from .._definitions.retry import Retry
from .._dispatch.services import Services
from .._encoding.wire_types import EventTypes
from .._writing.inline import Inline
from ..ports.event_log import StoredEvent
from ..ports.stores import ReadStore
from ..ports.transactions import WriteTransaction
from .contents import Contents, contents_of, read_contents, read_views
from .processor import EventFailed
from .projection import Projection, ProjectionProcessor
from .subscription import Subscription


def inline_step(projection: Projection, services: Services, event_types: EventTypes) -> Inline:
    """Return a projection as the transactions that append events apply it.

    It gets the events as they are decoded from the log, as an asynchronous projection does.
    """
    names = projection.events

    async def apply(transaction: WriteTransaction, events: Sequence[StoredEvent]) -> None:
        decoded = [
            (event, event_types.decode_stored(event)) for event in events if names is None or event.name in names
        ]
        try:
            await projection.apply(services, transaction, decoded)
        except EventFailed as failed:
            raise failed.error from failed.error.__cause__

    return Inline(projection.name, record_of(projection), names, apply)


def record_of(projection: Projection) -> str:
    """Return the record of an inline projection: its contents."""
    return contents_of(projection.views, projection.events).text


def read_record(text: str, projection: Projection) -> Contents:
    """Return the contents that a record names. A record without events or fields is taken for complete.

    Earlier versions of Twofold recorded views only: `view field field, view field`.
    """
    recorded = read_contents(text) if text.startswith("[") else read_views(text.split(", "))
    return recorded.completed_by(contents_of(projection.views, projection.events))


def as_subscription(projection: Projection, services: Services, store: ReadStore) -> Subscription:
    """Return an inline projection as a subscription, by which its rows are rebuilt. An event that fails is not retried."""
    return Subscription(
        name=projection.name,
        kind="projection",
        events=projection.events,
        start="beginning",
        partition_by=None,
        retry=Retry(attempts=1),
        partitions=1,
        store=store,
        processor=ProjectionProcessor(projection, services),
        contents=contents_of(projection.views, projection.events).text,
    )

"""Projections that run in the command's own transaction."""

from __future__ import annotations

from collections.abc import Sequence

from .._definitions.message import Event
from .._definitions.position import START
from .._dispatch.services import Services
from .._encoding.event_types import EventTypes
from .._writing.storage import Inline
from .._writing.transactions import writing
from ..errors import ConfigurationError
from ..ports.checkpoints import Checkpoint
from ..ports.event_log import StoredEvent
from ..ports.stores import WriteStore
from ..ports.transactions import WriteTransaction
from .projection import EventFailed, Projection


def inline_step(projection: Projection, services: Services) -> Inline:
    """Return what applies a projection to the events of a unit of work, inside its transaction."""

    async def apply(transaction: WriteTransaction, events: Sequence[tuple[StoredEvent, Event]]) -> None:
        try:
            await projection.apply(services, transaction, events)
        except EventFailed as failed:
            raise failed.error from failed.error.__cause__

    return apply


async def begin_inline(
    projection: Projection, services: Services, event_types: EventTypes, store: WriteStore, identity: str
) -> None:
    """Apply the history to an inline projection that runs for the first time; later every command applies its own events.

    A marker beside its checkpoint says that it is inline. All of the history is applied in one transaction.

    Raises:
        ConfigurationError: it was asynchronous before and has a checkpoint, so its rows may be behind.
    """
    marker = f"{projection.name}@inline"
    if await store.subscriptions.checkpoint(marker) is not None:
        return
    if await store.subscriptions.checkpoint(projection.name) is not None:
        raise ConfigurationError(
            f"cannot run the projection {projection.name!r} inline: it was asynchronous before. "
            "Give it and its views new names, so that it is built anew."
        )
    async with writing(store) as transaction:
        position = START
        while True:
            page = await store.log.read_all(after=position, names=projection.events)
            if page.last == position:
                break
            position = page.last
            events = [(stored, event_types.decode_stored(stored)) for stored in page.events]
            await projection.apply(services, transaction, events)
        await transaction.checkpoints.advance(marker, expected=None, to=Checkpoint(position, identity))

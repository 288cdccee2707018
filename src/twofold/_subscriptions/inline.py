"""Inline projections: rows that are written in the transaction of the command."""

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
from .processor import EventFailed
from .projection import Projection


def inline_step(projection: Projection, services: Services) -> Inline:
    """Return a function that applies a projection to the events of a unit of work, in its transaction."""

    async def apply(transaction: WriteTransaction, events: Sequence[tuple[StoredEvent, Event]]) -> None:
        try:
            await projection.apply(services, transaction, events)
        except EventFailed as failed:
            raise failed.error from failed.error.__cause__

    return apply


async def begin_inline(
    projection: Projection, services: Services, event_types: EventTypes, store: WriteStore, identity: str
) -> None:
    """Apply the whole log to a new inline projection, in one transaction. Later events are applied by their commands.

    The checkpoint `<name>@inline` marks the projection as inline.

    Raises:
        ConfigurationError: the projection was asynchronous before and has a checkpoint, so its rows may be stale.
    """
    marker = f"{projection.name}@inline"
    if await store.subscriptions.checkpoint(marker) is not None:
        return
    if await store.subscriptions.checkpoint(projection.name) is not None:
        raise ConfigurationError(
            f"cannot run the projection {projection.name!r} inline: it was asynchronous before. "
            "Rename the projection and its views, so that they are filled from the beginning."
        )
    async with writing(store) as transaction:
        position = START
        while True:
            batch = await store.log.read_all(after=position, names=projection.events)
            if batch.last == position:
                break
            position = batch.last
            events = [(stored, event_types.decode_stored(stored)) for stored in batch.events]
            await projection.apply(services, transaction, events)
        await transaction.checkpoints.advance(marker, expected=None, to=Checkpoint(position, identity))

"""Projections that run in the command's own transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import anyio

from .._definitions.message import Event
from .._definitions.position import START
from .._dispatch.services import Services
from .._writing.write_side import Inline
from ..errors import ConfigurationError
from ..ports.checkpoints import Checkpoint
from ..ports.event_log import StoredEvent
from ..ports.stores import WriteStore
from ..ports.transactions import WriteTransaction
from .projection import EventFailed, Projection

if TYPE_CHECKING:
    from .._wiring.assembly import Assembly


def inline_step(projection: Projection, services: Services) -> Inline:
    """Return what applies a projection to the events of a unit of work, inside its transaction."""

    async def apply(transaction: WriteTransaction, events: Sequence[tuple[StoredEvent, Event]]) -> None:
        try:
            await projection.apply(services, transaction, events)
        except EventFailed as failed:
            raise failed.error from failed.error.__cause__

    return apply


async def begin_inline(projection: Projection, assembly: Assembly, store: WriteStore, identity: str) -> None:
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
    transaction = await store.begin()
    try:
        position = START
        while True:
            page = await store.log.read_all(after=position, names=projection.events)
            if page.last == position:
                break
            position = page.last
            decode = assembly.event_types.decode
            events = [(stored, decode(stored.name, stored.schema, stored.data)) for stored in page.events]
            await projection.apply(assembly.services, transaction, events)
        await transaction.checkpoints.advance(marker, expected=None, to=Checkpoint(position, identity))
        await transaction.commit()
    except BaseException:
        with anyio.CancelScope(shield=True):
            await transaction.rollback()
        raise

"""Record in a process that an operator has discarded its commands."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from .._dispatch.scope import open_scope
from .._dispatch.services import Services
from .._subscriptions.status import error_class
from ..errors import RemoteTimeout
from ..ports.parked import ParkedEvent
from ..ports.transactions import WriteTransaction
from .inputs import CommandDiscarded, CommandSent, stream_of_process


@asynccontextmanager
async def discarding(services: Services, gone: Sequence[ParkedEvent]) -> AsyncIterator[WriteTransaction]:
    """Open the transaction that deletes parked inputs of a process, and commit it.

    The same transaction records an input for each command among them, so that the process does not wait for it forever.
    """
    unit = open_scope(services, None).unit_of_work()
    try:
        yield await unit.transaction()
        for parked in gone:
            if parked.event.name == CommandSent.message_name:
                discarded = _discarded(CommandSent.model_validate_json(parked.event.data), parked)
                unit.record(discarded, stream=stream_of_process(discarded.process, discarded.key))
        await unit.commit()
    except BaseException:
        await unit.rollback()
        raise
    await unit.changes.run_after_commit()
    services.committed.send()


def _discarded(sent: CommandSent, parked: ParkedEvent) -> CommandDiscarded:
    return CommandDiscarded(
        process=sent.process,
        key=sent.key,
        incarnation=sent.incarnation,
        id=sent.id,
        reason=parked.reason,
        unknown=error_class(parked) == RemoteTimeout.__name__,
        compensates=sent.compensates,
    )

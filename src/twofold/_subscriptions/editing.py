"""Replace the payload of one parked event, for one subscription. The log is never changed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from uuid import UUID

from pydantic import ValidationError

from .._background.log_lines import logger_of
from .._background.shown import shown
from .._definitions.message import Event
from .._definitions.names import is_text
from .._definitions.partitioning import ordering_key, partition_of
from .._encoding.lossy import LossyError
from .._encoding.misfits import misfits_without_values
from .._encoding.payloads import with_secrets
from .._encoding.round_trip import round_trip_of
from .._writing.transactions import writing
from ..errors import CheckpointMoved, UndecodableEvent
from ..ports.checkpoints import Lease
from ..ports.parked import Edit, ParkedEvent
from .decoded_log import DecodedLog
from .status import not_parked, nothing_parked
from .subscription import Subscription

logger = logger_of("twofold.operations")

_LONGEST = 500
"""The maximum number of characters of who edited an event, and why."""


async def edit(
    subscription: Subscription,
    log: DecodedLog,
    key: str,
    event_id: UUID,
    payload: Mapping[str, Any],
    by: str,
    reason: str,
) -> ParkedEvent:
    """Replace the payload of a parked event, and return the event as it is parked now.

    Args:
        subscription: the subscription.
        log: the event log, with its decoder.
        key: the ordering key of the event.
        event_id: the id of the event.
        payload: the new fields of the event.
        by: who replaces it.
        reason: why.

    Raises:
        LookupError: the event is not parked.
        UndecodableEvent: the application has no class for the event.
        ValueError: the class refuses the payload, the payload has another ordering key, or a text cannot be stored.
    """
    name, store = subscription.name, subscription.store
    for text in (by, reason):
        if not is_text(text) or len(text) > _LONGEST:
            raise ValueError(
                f"cannot edit an event of {name!r} with {shown(text)}: by= and reason= must be a str of at most {_LONGEST} "
                "characters, without NUL and without half of a surrogate pair."
            )
    while True:
        partitions = await store.subscriptions.partitions(name)
        events = await store.parked.read(name, key=key)
        if not events:
            raise await nothing_parked("edit", store.parked, name, key)
        before = next((each for each in events if each.event.id == event_id), None)
        if before is None:
            raise not_parked("edit", name, events, event_id)
        event = _edited(subscription, log, before, payload)
        stored = before.event._replace(data=round_trip_of(type(event)).encode(event), schema=event.message_version)
        after = before._replace(event=stored, edit=Edit(log.clock.now(), by, reason))
        number, checkpoint, generation, *_ = partitions[partition_of(key, len(partitions))]
        lease = Lease(name, number, generation)
        with suppress(CheckpointMoved):  # a worker or another operator was faster, so the events are read again
            async with writing(store) as transaction:
                await transaction.parked.update(name, after)
                await transaction.checkpoints.advance(name, expected=checkpoint, to=checkpoint, lease=lease)
            logger.warning(
                "subscription %s: %s replaced the payload of %s %s of key %r%s",
                *(name, by or "an operator", stored.name, stored.id, key, f": {reason}" if reason else ""),
            )
            return after


def _edited(subscription: Subscription, log: DecodedLog, parked: ParkedEvent, payload: Mapping[str, Any]) -> Event:
    """Return the event with its new payload, checked by its class."""
    stored, about = parked.event, f"{parked.event.name} {parked.event.id} of {subscription.name!r}"
    event_type = log.event_types.known(stored.name)
    if event_type is None:
        raise UndecodableEvent(
            f"cannot edit {about}: this application has no event class {stored.name!r}. Register a handler for the event."
        )
    try:
        text = json.dumps(with_secrets(event_type, payload, stored.data))
        event = round_trip_of(event_type).decode(text)
        round_trip_of(event_type).encode(event)
    except ValidationError as error:
        misfits = misfits_without_values(error)
        raise ValueError(f"cannot edit {about}: {event_type.__qualname__} refuses the payload: {misfits}.") from None
    except (TypeError, LossyError) as error:
        raise ValueError(f"cannot edit {about}: the payload cannot be stored as JSON: {error}") from None
    field = subscription.partition_by
    keyed = (
        field is not None and parked.key != stored.stream
    )  # an event that could not be decoded has its stream as key
    if field is not None and keyed and ordering_key(getattr(event, field)) != parked.key:
        raise ValueError(
            f"cannot edit {about}: the field {field!r} is the ordering key of the event, {parked.key!r}, "
            "and orders it among other events. Keep its value."
        )
    return event

"""Read the events that criteria select, in batches, and check that their tags are complete."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import TypeAlias

from .._definitions.criteria import Criteria
from .._definitions.message import Event
from .._definitions.position import START, Position
from .._definitions.subclasses import stored_names, stored_types
from ..ports.event_log import StoredEvent
from ..ports.tags import Criterion
from ..ports.transactions import WriteTransaction
from .storage import WriteSide

Found: TypeAlias = tuple[StoredEvent, Event]
"""A stored event, and the event."""

_BATCH = 500
"""The number of events that one statement reads."""


def criterion_of(criteria: Criteria[Event]) -> Criterion:
    """Return criteria with wire names in place of classes."""
    return Criterion(stored_names(criteria.event_types) if criteria.event_types else None, criteria.tags)


async def check_selectable(side: WriteSide, transaction: WriteTransaction, criteria: Sequence[Criteria[Event]]) -> None:
    """Learn the classes that criteria name, and check that stored events have the tags.

    Raises:
        TagsIncomplete: events were stored before their class declared a tag.
    """
    for each in criteria:
        types = [named for event_type in each.event_types for named in stored_types(event_type)]
        side.event_types.learn(each for each in types if not issubclass(each, side.handled_types))
        tagged = types or [
            named for named in side.event_types.by_name.values() if set(each.fields) <= {*named.message_tags}
        ]
        if each.fields:
            await side.tags.check(transaction, tagged, each.fields)


async def matching(
    transaction: WriteTransaction, criteria: Sequence[Criterion], upto: Position | None = None
) -> AsyncGenerator[StoredEvent]:
    """Iterate over the events that one of some criteria selects, by ascending position, in batches.

    A caller that stops early closes the generator.
    """
    last, size = START, _BATCH
    while size == _BATCH:
        batch = await transaction.log.matching(criteria, after=last, upto=upto, limit=_BATCH)
        size = len(batch)
        for stored in batch:
            yield stored
            last = stored.position

"""Whether the tags of stored events are complete: an event that was stored before its class declared a tag lacks it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from .._definitions.message import Event
from ..errors import TagsIncomplete
from ..ports.tags import Criterion
from ..ports.transactions import WriteTransaction


@dataclass(slots=True)
class TagCompleteness:
    """Knows which tags are complete in an event log.

    The first append of an event records that its tags are complete, if the log has no event of this name. Otherwise
    `fill_tags` adds the missing tags and records it. A release that appends an event without a recorded tag removes the
    record.
    """

    _complete: set[tuple[str, str]] = field(default_factory=set)
    """The wire names of events, and the fields whose tags are complete."""
    compared: set[type[Event]] = field(default_factory=set)
    """The classes whose tags are those that are recorded."""

    async def check(
        self, transaction: WriteTransaction, event_types: Iterable[type[Event]], fields: Sequence[str]
    ) -> None:
        """Check that the tags of some fields are complete.

        Raises:
            TagsIncomplete: events without the tags are stored.
        """
        for event_type in event_types:
            name = str(event_type.message_name)
            missing = [each for each in fields if (name, each) not in self._complete]
            if missing:
                missing = await self._missing(transaction, name, missing)
            if missing and await _is_stored(transaction, name):
                raise TagsIncomplete(
                    f"cannot select {event_type.__qualname__} by {', '.join(missing)}: events with the name {name!r} were "
                    "stored before the class declared these tags, and lack them. Run `twofold tags fill`, or call "
                    "app.operations.fill_tags()."
                )

    async def record(self, transaction: WriteTransaction, event_types: Iterable[type[Event]]) -> None:
        """Record which tags are complete, before events are appended. Each class is compared once with the record."""
        for event_type in sorted(event_types, key=lambda each: str(each.message_name)):
            if event_type in self.compared:
                continue
            name, fields = str(event_type.message_name), event_type.message_tags
            recorded = await transaction.tags.progress(name)
            dropped = recorded.keys() - set(fields)
            if dropped:
                await transaction.tags.remove(name, dropped)
            missing = [each for each in fields if each not in recorded]
            if missing and not await _is_stored(transaction, name):
                for each in missing:
                    await transaction.tags.record(name, each, None)
            elif not dropped:  # a record that this transaction writes may be rolled back
                self.compared.add(event_type)

    async def _missing(self, transaction: WriteTransaction, name: str, fields: Sequence[str]) -> list[str]:
        recorded = await transaction.tags.progress(name)
        self._complete.update((name, each) for each, filled in recorded.items() if filled is None)
        return [each for each in fields if recorded.get(each, 0) is not None]


async def _is_stored(transaction: WriteTransaction, name: str) -> bool:
    return bool(await transaction.log.matching([Criterion(frozenset([name]), ())], limit=1))

"""Notice that the event log of a source has lost events that are recorded here.

The log of a source loses events if a replica that was behind is promoted, or a backup is restored. It assigns their
positions again. The last recorded event of a partition shows the loss: later, the source reports another log, a log that
ends before that event, or another event at or before its position.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple
from uuid import UUID

from .._consistency.arrivals import part_of
from .._definitions.position import START, Position
from .._encoding.metadata import origin_of
from ..ports.checkpoints import Checkpoint
from ..ports.event_log import StoredEvent
from ..ports.stores import WriteStore
from ..ports.transactions import WriteTransaction
from ..ports.transport import Delivery
from .cloud_events import InboundEvent, Progress

MARGIN: Final = timedelta(seconds=10)
"""How much later than the recorded event the source must have sent an earlier position, because clocks differ. A message
that a broker delivers again, and an event that a relay publishes again, are older than that."""

_DERIVED: Final = 5
"""The version of the UUIDs that stand for ids of the source."""


class LossNames(NamedTuple):
    """The names of the checkpoints about a loss of the source of one consumer.

    Attributes:
        lost: in the log of the source, the last position that both histories may share; with the id of `last`.
        last: in the log of this application, the recorded event that shows the loss.
        noticed: in the log of this application, the last position when the loss was noticed.
        accepted: a copy of `lost`, once an operator has accepted the loss.
    """

    lost: str
    last: str
    noticed: str
    accepted: str


def loss_names(consumer: str) -> LossNames:
    """Return the names of the checkpoints of a consumer."""
    return LossNames(*(f"{consumer}.{name}" for name in ("lost", "last", "noticed", "accepted")))


async def open_loss(store: WriteStore, consumer: str) -> Checkpoint | None:
    """Return the loss that no operator has accepted, or None."""
    names = loss_names(consumer)
    lost = await store.subscriptions.checkpoint(names.lost)
    return None if lost is None or lost == await store.subscriptions.checkpoint(names.accepted) else lost


class Loss(NamedTuple):
    """A loss that messages prove: the checkpoints to write together with the messages."""

    moves: Sequence[tuple[str, Checkpoint | None, Checkpoint]]

    async def write(self, transaction: WriteTransaction) -> None:
        """Write the checkpoints."""
        for name, expected, to in self.moves:
            await transaction.checkpoints.advance(name, expected=expected, to=to)


class _Seen(NamedTuple):
    log: str
    position: Position
    event: UUID | None


def is_after(time: datetime, last: StoredEvent) -> bool:
    """Return whether a message of the source is newer than the event that shows the loss, whatever its clocks."""
    return time > last.time + MARGIN


class SourceLosses:
    """Compares the messages of a source with the events that are recorded here.

    The log is read only for a message whose position is not after those that this process has seen in its partition.

    Args:
        consumer: the name of the consumer.
        store: the write store.
    """

    def __init__(self, consumer: str, store: WriteStore) -> None:
        self._consumer = consumer
        self._store = store
        self._seen: dict[int, _Seen] = {}

    async def noticed(self, received: Sequence[tuple[Delivery, InboundEvent | Progress | None]]) -> Loss | None:
        """Return the loss that messages prove; None if they prove none, or if it is known."""
        loss: Loss | None = None
        for delivery, found in received:
            sent = None if found is None else _sent(found)
            if found is None or sent is None:
                continue
            partition = delivery.partition
            seen = self._seen.get(partition) or await self._load(partition)
            if loss is None and seen is not None and sent != seen and not _is_later(sent, seen):
                loss = await self._proved(partition, found)
            if isinstance(found, InboundEvent) and (seen is None or sent.log != seen.log or _is_later(sent, seen)):
                self._seen[partition] = sent
        return loss

    async def _load(self, partition: int) -> _Seen | None:
        last = await self._last(partition)
        origin = None if last is None else origin_of(last)
        if last is None or origin is None:
            return None
        seen = self._seen[partition] = _Seen(*origin, last.id)
        return seen

    async def _last(self, partition: int) -> StoredEvent | None:
        """Return the last event that is recorded for a partition."""
        recorded = await self._store.subscriptions.checkpoint(part_of(self._consumer, partition).recorded)
        if recorded is None or recorded.position == START:
            return None
        page = await self._store.log.read_all(after=Position(recorded.position - 1), limit=1)
        return next((event for event in page.events if event.id == recorded.event), None)

    async def _proved(self, partition: int, found: InboundEvent | Progress) -> Loss | None:
        last = await self._last(partition)
        common = None if last is None else _last_common(last, found)
        origin = None if last is None else origin_of(last)
        if last is None or common is None or origin is None:
            return None
        names, stored = loss_names(self._consumer), self._store.subscriptions
        before = await stored.checkpoint(names.lost)
        if before is not None and before.event == last.id:
            return None
        opened = await open_loss(self._store, self._consumer)
        if opened is not None and opened.log == origin[0]:
            common = min(opened.position, common)
        here = await self._store.log.identity()
        moves = {
            names.lost: Checkpoint(common, origin[0], event=last.id),
            names.last: Checkpoint(last.position, here, event=last.id),
            names.noticed: Checkpoint(await self._store.log.head(), here),
        }
        return Loss([(name, await stored.checkpoint(name), to) for name, to in moves.items()])


def _sent(found: InboundEvent | Progress) -> _Seen | None:
    """Return the position of the source that a message carries."""
    if isinstance(found, Progress):
        return _Seen(found.checkpoint.log, found.checkpoint.position, found.checkpoint.event)
    return None if found.origin is None else _Seen(*found.origin, found.event.id)


def _is_later(sent: _Seen, seen: _Seen) -> bool:
    return sent.log == seen.log and sent.position > seen.position


def _last_common(last: StoredEvent, found: InboundEvent | Progress) -> Position | None:
    """Return the last position that the log of a source may share with its earlier log. None: nothing is lost.

    Args:
        last: the last event that is recorded here.
        found: a message of the source.
    """
    sent, origin = _sent(found), origin_of(last)
    if sent is None or origin is None:
        return None
    log, position = origin
    time = found.time if isinstance(found, Progress) else found.event.time
    is_newer = time is not None and is_after(time, last)
    if sent.log != log:
        return START if is_newer else None
    if sent.position == position and _DERIVED not in (last.id.version, sent.event and sent.event.version):
        is_other = sent.event not in (None, last.id) and time is not None and time >= last.time
        return Position(position - 1) if is_other else None
    if isinstance(found, Progress):
        return found.head if found.head is not None and found.head < position and is_newer else None
    return Position(sent.position - 1) if sent.position < position and is_newer else None

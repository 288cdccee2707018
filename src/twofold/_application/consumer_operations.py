"""Operations on consumers and on messages of other applications that could not be recorded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .._background.shown import shown
from .._integration.shown_messages import shown_message
from ..ports.transport import ParkedDelivery, Transport
from .consumer_status import ConsumerStatus, consumer_statuses
from .operating import Operating


@dataclass(frozen=True, slots=True)
class ParkedMessage:
    """One parked message of another application (a dead letter of the broker), for people.

    Any client of the broker may have sent it, so every text can have any content.

    Attributes:
        consumer: the consumer that parked it.
        id: the id that the sender gave it. Senders may use an id more than once.
        topic: the topic, which is the wire name of an event.
        key: the ordering key; None if the message is for every partition.
        reason: why it was parked.
        size: the size of the body, in bytes.
        content: the CloudEvent with secrets masked: a dict. A mask if the body is other JSON, None if it is not JSON. If the
            application has no class for the event, the fields of its data are masked.
    """

    consumer: str
    id: str
    topic: str
    key: str | None
    reason: str
    size: int
    content: Any


class ConsumerOperations(Operating):
    """The operations on consumers of events of other applications, and on their parked messages."""

    async def consumers(self) -> Sequence[ConsumerStatus]:
        """Return the status of every consumer (`Application.consume`), in the order of registration.

        Raises:
            TransientFailure: the store does not answer.
            StorageError: the store fails.
        """
        return await consumer_statuses(self._running())

    async def parked_messages(self, consumer: str, *, message_id: str | None = None) -> Sequence[ParkedMessage]:
        """Return the parked messages of a consumer, oldest first, with the reasons. They stay parked.

        Several operators may read them at the same time, and each gets all messages.

        Args:
            consumer: the name of the consumer, such as "depot.shop".
            message_id: an id of messages; by default, all messages.

        Raises:
            LookupError: the application has no such consumer.
            TransientFailure: the broker does not answer.
        """
        self._inbound(consumer)
        found = await (await self._transport()).parked(consumer)
        return [self._shown(consumer, each) for each in found if message_id in (None, each.message.id)]

    async def retry_messages(self, consumer: str, ids: Sequence[str] | None = None) -> int:
        """Deliver parked messages to their consumer again, after newer messages. Return how many there were.

        The call does not wait until they are recorded. A message that fails again is parked again, once. A paused consumer
        receives the messages when it is resumed.

        Args:
            consumer: the name of the consumer.
            ids: the ids of the messages; by default, all messages that are parked now.

        Raises:
            LookupError: the application has no such consumer.
            TypeError: the ids are a str, and not a sequence of them.
            TransientFailure: the broker does not answer. The messages are parked, or were delivered.
        """
        self._inbound(consumer)
        transport = await self._transport()
        if ids is None:
            ids = [each.message.id for each in await transport.parked(consumer)]
        return await transport.unpark(consumer, _checked("retry", ids), again=True)

    async def discard_messages(self, consumer: str, ids: Sequence[str]) -> int:
        """Delete parked messages permanently. Return how many there were. Their ids are logged as a warning.

        Args:
            consumer: the name of the consumer.
            ids: the ids of the messages. Messages of one id are deleted together.

        Raises:
            LookupError: the application has no such consumer.
            TypeError: the ids are a str, and not a sequence of them.
            TransientFailure: the broker does not answer.
        """
        self._inbound(consumer)
        return await (await self._transport()).unpark(consumer, _checked("discard", ids), again=False)

    async def _transport(self) -> Transport:
        return await self._running().messaging.transport()

    def _shown(self, consumer: str, parked: ParkedDelivery) -> ParkedMessage:
        message, reason = parked
        content = shown_message(message.body, self._running().log.event_types.known)
        return ParkedMessage(consumer, message.id, message.topic, message.key, reason, len(message.body), content)


def _checked(attempt: str, ids: Sequence[str]) -> list[str]:
    if isinstance(ids, str):
        raise TypeError(f"cannot {attempt} the messages {shown(ids)}: pass a sequence of ids, such as a list of them.")
    return list(ids)

"""Receive events of other applications through a broker, and append them to this application's own log.

From the log, subscriptions process them like any other event, with checkpoints, retries and parking.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, TypeAlias
from uuid import uuid4

import anyio

from .._background.backoff import Backoff
from .._background.failures import contained, description, is_of_store, log_failure, text_of
from .._background.log_lines import logger_of
from .._definitions.retry import Retry
from .._telemetry.recorder import SILENT, Recorder
from .._writing.storage import WriteSide
from .._writing.transactions import trial
from ..errors import DuplicateEvent, TransactionIdled, UndecodableEvent
from ..ports.event_log import Expected, NewEvent
from ..ports.transport import Consumer, Delivery, Feed
from .broker import Broker
from .cloud_events import FeedFilter, InboundEvent, Progress
from .cloud_events_decoding import decode
from .pausing import Pausing
from .recording import EventRecorder, Received
from .telemetry import InboundTelemetry

logger = logger_of("twofold.inbound")

Refused: TypeAlias = tuple[Delivery, str]
"""A message that cannot be decoded or recorded, and the reason."""

_IDLED: Final = Retry()
"""The attempts at a message whose transaction idles too long."""

_BATCH = 200
"""The largest number of messages that one transaction records."""


class Inbound:
    """Receives one feed. A message is accepted after the transaction that appends its event.

    An event that cannot be recorded is parked: the store refuses it, or an inline projection fails on it. An event whose
    transaction idles too long is parked after five attempts.

    Args:
        feed: the feed.
        accepted: the events that the feed receives.
        broker: the broker.
        side: the write side of the application.
        appended: called after events were appended.
        pausing: obeys the pause of the consumer.
        recorder: records telemetry.
    """

    def __init__(
        self,
        feed: Feed,
        accepted: FeedFilter,
        broker: Broker,
        side: WriteSide,
        appended: Callable[[], None],
        pausing: Pausing,
        recorder: Recorder = SILENT,
    ) -> None:
        self.feed = feed
        self.pausing = pausing
        self.error: Exception | None = None
        """The current failure."""
        self.consumer: Consumer | None = None
        """The consumer, once the broker is connected."""
        self._accepted = accepted
        self._broker = broker
        self._store = side.store
        self._clock = side.clock
        self._telemetry = InboundTelemetry(recorder, broker.transport.system, feed.consumer)
        self.source = accepted.source
        """The application that publishes the events."""
        self.types = accepted.types
        """The wire names of the events."""
        self._event_recorder = EventRecorder(feed.consumer, accepted.source, side, appended)

    @property
    def failure(self) -> str | None:
        """The current failure in words; None if there is none."""
        if self.error is not None:
            return description(self.error)
        return None if self.consumer is None else self.consumer.problem

    async def run(self) -> None:
        """Receive until cancelled. Messages that are not accepted by then are redelivered."""
        backoff = Backoff()
        logger.info("%s: the receiver starts", self.feed.consumer)
        try:
            while True:
                try:
                    with contained():
                        await self._receive(backoff)
                        self.error = None
                except Exception as error:  # noqa: BLE001 -- logged, and retried
                    self.error, delay = error, backoff.next()
                    log_failure(logger, error, "%s cannot receive and retries in %.2f s", self.feed.consumer, delay)
                    await anyio.sleep(delay)
        finally:
            logger.info("%s: the receiver has stopped", self.feed.consumer)

    async def _receive(self, backoff: Backoff) -> None:
        """Receive until the consumer is paused. The current messages are recorded first."""
        await self.pausing.enter()
        try:
            transport = await self._broker.reach()
            async with transport.consume(self.feed) as consumer:
                self.consumer, self.error = consumer, None
                while self.pausing.pause is None:
                    deliveries = await self.pausing.receive(consumer, _BATCH)
                    if deliveries:
                        await self._process(consumer, deliveries)
                    self.error = None
                    backoff.reset()
        finally:
            self.consumer = None
            await self.pausing.leave()

    async def _process(self, consumer: Consumer, deliveries: Sequence[Delivery]) -> None:
        """Record messages in their order, then park those that cannot be decoded or recorded.

        The store is retried with backoff. If the broker fails, everything that is not settled is delivered again.
        """
        readable, refused = self._decoded(deliveries)
        with self._telemetry.recording(readable):
            refused += await self._recorded(readable)
        if refused:
            await self._park(consumer, refused)
        parked = {id(delivery) for delivery, _ in refused}
        recorded = [each for each in readable if id(each[0]) not in parked]
        await consumer.accept([delivery for delivery, _ in recorded])
        self._telemetry.consumed(recorded, len(refused))

    def _decoded(self, deliveries: Sequence[Delivery]) -> tuple[list[Received], list[Refused]]:
        """Separate decodable from undecodable messages."""
        readable: list[Received] = []
        unreadable: list[Refused] = []
        for delivery in deliveries:
            try:
                with contained():
                    readable.append((delivery, decode(delivery.message.body, self._accepted)))
            except Exception as error:  # noqa: BLE001 -- any client may publish anything
                reason = text_of(error) if isinstance(error, UndecodableEvent) else description(error)
                unreadable.append((delivery, reason))
        return readable, unreadable

    async def _park(self, consumer: Consumer, refused: Sequence[Refused]) -> None:
        (first, reason), *_ = refused
        logger.warning(
            "%s parks %d message(s). The first one is %r: %s",
            *(self.feed.consumer, len(refused), first.message.id[:80], reason),
        )
        await consumer.park_all(refused)

    async def _recorded(self, readable: Sequence[Received]) -> list[Refused]:
        """Record messages, and return those that the store refuses. Retry with backoff while the store fails."""
        backoff = Backoff()
        while True:
            try:
                return await self._record(readable)
            except Exception as error:  # noqa: BLE001 -- logged, and retried
                self.error, delay = error, backoff.next()
                log_failure(logger, error, "%s cannot record messages and retries in %.2f s", self.feed.consumer, delay)
                await anyio.sleep(delay)

    async def _record(self, readable: Sequence[Received]) -> list[Refused]:
        try:
            with contained():
                await self._event_recorder.record(readable)
        except Exception as error:
            if is_of_store(error):
                raise
            logger.info("%s records the messages one by one: %s", self.feed.consumer, description(error))
            return await self._record_one_by_one(readable)
        return []

    async def _record_one_by_one(self, readable: Sequence[Received]) -> list[Refused]:
        """Record each message separately, and return those that the store refuses."""
        refused: list[Refused] = []
        for each in readable:
            try:
                with contained():
                    await self._record_patiently(*each)
            except Exception as error:
                if is_of_store(error):
                    raise
                await self._try_store()
                refused.append((each[0], f"it cannot be recorded: {description(error)}"))
        return refused

    async def _record_patiently(self, delivery: Delivery, found: InboundEvent | Progress | None) -> None:
        """Record a message. Retry it while its transaction idles too long, because this process may have been paused.

        Raises:
            TransactionIdled: the last attempt idled too long, too: an inline projection is too slow for the message.
        """
        attempts = 1
        while True:
            try:
                return await self._record_one(delivery, found)
            except TransactionIdled as error:
                delay = _IDLED.delay_after(attempts)
                if delay is None:
                    raise
                self.error, attempts = error, attempts + 1
                text = "%s cannot record the message %r and retries in %.2f s"
                log_failure(logger, error, text, self.feed.consumer, delivery.message.id[:80], delay)
                await anyio.sleep(delay)

    async def _record_one(self, delivery: Delivery, found: InboundEvent | Progress | None) -> None:
        try:
            await self._event_recorder.record([(delivery, found)])
        except DuplicateEvent:
            if not isinstance(found, InboundEvent):
                raise
            logger.info(
                "%s received a duplicate, or another event with the same id: %s", self.feed.consumer, found.event.id
            )
            await self._event_recorder.record_duplicate(delivery, found)

    async def _try_store(self) -> None:
        """Append an ordinary event and roll it back. Raise the error of the store if it refuses this event, too."""
        event = NewEvent(uuid4(), min(self._accepted.types), 1, "{}", "{}", self._clock.now())
        async with trial(self._store) as transaction:
            await transaction.log.append(f"{self._accepted.source}/", [event], expected=Expected.ANY)

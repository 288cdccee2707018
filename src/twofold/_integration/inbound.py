"""Receive events of other applications through a broker, and append them to this application's own log.

From the log, subscriptions process them like any other event, with checkpoints, retries and parking.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from uuid import uuid4

import anyio

from .._background.backoff import Backoff
from .._background.failures import STORE_FAILURES, log_failure
from .._writing.transactions import trial
from ..errors import DuplicateEvent, UndecodableEvent
from ..ports.clock import Clock
from ..ports.event_log import Expected, NewEvent
from ..ports.stores import WriteStore
from ..ports.transport import Consumer, Delivery, Feed
from .broker import Broker
from .cloud_events import FeedFilter, InboundEvent
from .cloud_events_decoding import decode
from .recording import Received, Recorder

logger = logging.getLogger("twofold.inbound")

_BATCH = 200
"""The largest number of messages that one transaction records."""


class Inbound:
    """Receives one feed. A message is accepted after the transaction that appends its event.

    Args:
        feed: the feed.
        accepted: the events that the feed receives.
        broker: the broker.
        store: the write store.
        clock: the clock.
        appended: called after events were appended.
    """

    def __init__(
        self,
        feed: Feed,
        accepted: FeedFilter,
        broker: Broker,
        store: WriteStore,
        clock: Clock,
        appended: Callable[[], None],
    ) -> None:
        self.feed = feed
        self.error: Exception | None = None
        """The current failure."""
        self.consumer: Consumer | None = None
        """The consumer, once the broker is connected."""
        self.parked = 0
        """The number of messages that were parked since the start, because they cannot be decoded or recorded."""
        self._accepted = accepted
        self._broker = broker
        self._store = store
        self._clock = clock
        self._recorder = Recorder(feed.consumer, store, clock, appended)

    async def run(self) -> None:
        """Receive until cancelled. Messages that are not accepted by then are redelivered."""
        backoff = Backoff()
        while True:
            try:
                transport = await self._broker.reach()
                async with transport.consume(self.feed) as consumer:
                    self.consumer, self.error = consumer, None
                    while True:
                        deliveries = await consumer.receive(limit=_BATCH)
                        await self._process(consumer, deliveries)
                        self.error = None
                        backoff.reset()
            except Exception as error:  # noqa: BLE001 -- logged, and retried
                self.consumer, self.error, delay = None, error, backoff.next()
                log_failure(logger, error, "%s cannot receive and retries in %.2f s", self.feed.consumer, delay)
                await anyio.sleep(delay)

    async def _process(self, consumer: Consumer, deliveries: Sequence[Delivery]) -> None:
        """Record or park messages, in their order. Retry with backoff while the store fails."""
        backoff = Backoff()
        readable, unreadable = self._decoded(deliveries)
        while True:
            try:
                while unreadable:
                    await self._park(consumer, *unreadable[-1])
                    unreadable.pop()
                await self._record(consumer, readable)
                return
            except Exception as error:  # noqa: BLE001 -- logged, and retried
                self.error, delay = error, backoff.next()
                log_failure(logger, error, "%s cannot record messages and retries in %.2f s", self.feed.consumer, delay)
                await anyio.sleep(delay)

    def _decoded(self, deliveries: Sequence[Delivery]) -> tuple[list[Received], list[tuple[Delivery, str]]]:
        """Separate the messages that can be decoded from those that cannot. The latter are in reverse order."""
        readable: list[Received] = []
        unreadable: list[tuple[Delivery, str]] = []
        for delivery in deliveries:
            try:
                readable.append((delivery, decode(delivery.message.body, self._accepted)))
            except UndecodableEvent as error:
                unreadable.insert(0, (delivery, str(error)))
        return readable, unreadable

    async def _park(self, consumer: Consumer, delivery: Delivery, reason: str) -> None:
        logger.warning("%s parks message %s: %s", self.feed.consumer, delivery.message.id, reason)
        await consumer.park(delivery, reason)
        self.parked += 1

    async def _record(self, consumer: Consumer, readable: list[Received]) -> None:
        try:
            await self._recorder.record(readable)
        except STORE_FAILURES:
            raise
        except Exception as error:  # noqa: BLE001 -- the message that caused it is found below
            logger.info("%s records the messages one by one: %s", self.feed.consumer, error)
            await self._record_one_by_one(consumer, readable)
        await consumer.accept([delivery for delivery, _ in readable])

    async def _record_one_by_one(self, consumer: Consumer, readable: list[Received]) -> None:
        """Skip events that are in the log and no longer in the inbox, and park messages that the store refuses."""
        for each in tuple(readable):
            delivery, found = each
            try:
                await self._recorder.record([each])
            except DuplicateEvent:
                if not isinstance(found, InboundEvent):
                    raise
                logger.info("%s received the duplicate message %s", self.feed.consumer, delivery.message.id)
                await self._recorder.record_duplicate(delivery, found)
            except STORE_FAILURES:
                raise
            except Exception as error:  # noqa: BLE001 -- raised again if the store fails without the message, too
                await self._try_store()
                await self._park(consumer, delivery, f"the store refuses it: {type(error).__name__}: {error}")
                readable.remove(each)

    async def _try_store(self) -> None:
        """Append an ordinary event and roll it back. Raise the error of the store if it refuses this event, too."""
        event = NewEvent(uuid4(), min(self._accepted.types), 1, "{}", "{}", self._clock.now())
        async with trial(self._store) as transaction:
            await transaction.log.append(f"{self._accepted.source}/", [event], expected=Expected.ANY)

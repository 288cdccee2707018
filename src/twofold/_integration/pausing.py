"""Obey the pause of a consumer, which an operator has recorded in the store."""

from __future__ import annotations

from collections.abc import Sequence

import anyio

from .._background.failures import description
from .._background.log_lines import logger_of
from .._background.signal import Signal
from ..ports.stores import WriteStore
from ..ports.subscription_store import Pause
from ..ports.transport import Consumer, Delivery

logger = logger_of("twofold.inbound")

_RELEASE = 2.0
"""The timeout of ending a registration, in seconds. A registration that is not ended expires."""


class Pausing:
    """The pause of one consumer, as a process that receives obeys it.

    A process registers before it reads the pause, and an operator records the pause before counting registered processes. So
    the operator waits for every process that has not seen the pause.

    Args:
        consumer: the name of the consumer.
        store: records pauses and registrations.
        owner: the name of this process.
        lease: the duration of a registration, in seconds. The pause is read every third of it.
    """

    def __init__(self, consumer: str, store: WriteStore, owner: str, lease: float) -> None:
        self.pause: Pause | None = None
        """The pause, as this process has seen it last."""
        self._consumer = consumer
        self._store = store.subscriptions
        self._owner = owner
        self._lease = lease
        self._changed = Signal()
        self._registered = False
        self._receiving: anyio.CancelScope | None = None

    def refresh(self) -> None:
        """Read the pause again now, because an operator of this process has changed it."""
        self._changed.send()

    async def enter(self) -> None:
        """Register this process as a receiver, once the consumer is not paused."""
        while True:
            seen = self._changed.count
            await self._store.attend(self._consumer, self._owner, seconds=self._lease)
            self._note(await self._store.paused(self._consumer))
            if self.pause is None:
                self._registered = True
                return
            await self._store.attend(self._consumer, self._owner, seconds=0)
            await self._changed.wait(seen, self._lease / 3)

    async def leave(self) -> None:
        """End the registration, when nothing is received any more. If the store fails, the registration expires."""
        self._registered = False
        with anyio.move_on_after(_RELEASE, shield=True):
            try:
                await self._store.attend(self._consumer, self._owner, seconds=0)
            except Exception as error:  # noqa: BLE001 -- the registration expires
                logger.warning("%s: cannot end its registration: %s", self._consumer, description(error))

    async def receive(self, consumer: Consumer, limit: int) -> Sequence[Delivery]:
        """Wait for messages. A pause ends the wait without messages."""
        deliveries: Sequence[Delivery] = ()
        with anyio.CancelScope() as self._receiving:
            deliveries = await consumer.receive(limit=limit)
        self._receiving = None
        return deliveries

    async def watch(self) -> None:
        """Renew the registration and read the pause while this process receives, until cancelled."""
        while True:
            seen = self._changed.count
            try:
                if self._registered:
                    await self._store.attend(self._consumer, self._owner, seconds=self._lease)
                    self._note(await self._store.paused(self._consumer))
            except Exception as error:  # noqa: BLE001 -- logged, and repeated
                logger.warning(
                    "%s: cannot read whether it is paused, and retries: %s", self._consumer, description(error)
                )
            await self._changed.wait(seen, self._lease / 3)

    def _note(self, pause: Pause | None) -> None:
        before, self.pause = self.pause, pause
        if pause is not None and self._receiving is not None:
            self._receiving.cancel()
        if (pause is None) != (before is None):
            logger.info("%s %s", self._consumer, "is resumed" if pause is None else f"is paused {pause.text}")

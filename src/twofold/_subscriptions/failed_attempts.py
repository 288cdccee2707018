"""Decide what happens to an event that failed (retry, park or skip), and log the failed attempt."""

from __future__ import annotations

import logging
from datetime import timedelta

from .._background.failures import description, log_error
from .._background.log_lines import logger_of
from ..errors import UndecodableEvent
from ..ports.event_log import StoredEvent
from ..ports.parked import ParkedEvent
from .decoded_log import DecodedLog
from .subscription import Subscription

logger = logger_of("twofold.subscriptions")

FOLLOWS = "follows an event of the same key that failed"
"""The reason of an event that is parked because of an earlier event of its key."""

_FAILED = "subscription %s: %s %s of key %r failed at attempt %d"
_RETRIED = _FAILED + " and is retried in %.2f s"
_PARKED = _FAILED + " and is parked, until an operator retries or discards it"
_SKIPPED = _FAILED + " and is skipped (skip_on)"


class FailedAttempts:
    """The failed attempts of a subscription. Each is logged once, with the event's type, id and key, without its content.

    Args:
        subscription: the subscription.
        log: the event log, with the clocks.
    """

    def __init__(self, subscription: Subscription, log: DecodedLog) -> None:
        self._name = subscription.name
        self._telemetry = subscription.telemetry
        self._retry = subscription.retry
        self._store = subscription.store
        self._log = log

    async def failed(self, event: StoredEvent, key: str, attempts: int, error: Exception) -> ParkedEvent | None:
        """Return an event as it is parked after a failed attempt, with the time of its next retry. None skips the event.

        Args:
            event: the event.
            key: its ordering key.
            attempts: the number of failed attempts, including this one.
            error: the error of the handler.
        """
        about = self._name, event.name, event.id, key, attempts
        if self._retry.skips(error):
            log_error(logger, logging.WARNING, error, _SKIPPED, *about)
            self._telemetry.failed("skipped", error)
            return None
        delay = self._retry.delay_after(attempts, error)
        self._telemetry.failed("parked" if delay is None else "retry", error)
        if delay is None:
            log_error(logger, logging.ERROR, error, _PARKED, *about)
        else:
            log_error(logger, logging.WARNING, error, _RETRIED, *about, delay)
        again = None if delay is None else await self._log.now(self._store) + timedelta(seconds=delay)
        return ParkedEvent(event, key, description(error), attempts, self._log.clock.now(), again)

    def undecodable(self, parked: ParkedEvent, error: UndecodableEvent) -> ParkedEvent:
        """Return a parked event that still cannot be decoded. It is not retried without a request."""
        self.log_undecodable(parked)
        return parked._replace(
            reason=description(error), attempts=parked.attempts + 1, time=self._log.clock.now(), again=None
        )

    def log_undecodable(self, parked: ParkedEvent) -> None:
        """Log an event that is parked because it cannot be decoded. Its error is not logged: it may quote the event."""
        logger.error(
            "subscription %s: %s %s of key %r cannot be decoded and is parked. app.operations.parked(%r) has the reason.",
            *(self._name, parked.event.name, parked.event.id, parked.key, self._name),
        )
        self._telemetry.failed("parked", UndecodableEvent())

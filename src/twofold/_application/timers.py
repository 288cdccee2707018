"""Dispatch scheduled commands when they are due."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from .._background.backoff import Backoff
from .._background.failures import reason_of
from .._definitions.envelope import Origin
from .._definitions.retry import Retry
from .._dispatch.scope import NEW, Scope
from .._dispatch.services import Services
from .._dispatch.session import Session
from .._writing.transactions import writing
from ..errors import AfterCommitFailed, CommitFailed, TransientFailure, TwofoldError, UndecodableCommand
from ..ports.schedule import ScheduledCommand

logger = logging.getLogger("twofold.schedule")

_BATCH = 100
"""The number of entries that one round reads."""

_POLL = 1.0
"""The longest time between two polls, in seconds: another process may have added an entry."""

_OTHERS = 0.05
"""Seconds until the next poll when other processes handle every due entry."""

_SOON = 0.05
"""Seconds until a command is retried after a store failure."""


class Timers:
    """Dispatches due commands in the order of their times. The timers of several processes share the schedule.

    Args:
        services: the services of the application; the signal `scheduled` wakes the timers.
        open_session: opens a session for a command.
        retry: how failing commands are retried.
    """

    def __init__(self, services: Services, open_session: Callable[[Origin], Session], retry: Retry) -> None:
        self._services = services
        self._store = services.write.store
        self._clock = services.write.clock
        self._open_session = open_session
        self._retry = retry
        self._stopping = False

    def stop(self) -> None:
        """Stop after the command that is being handled."""
        self._stopping = True
        self._services.scheduled.send()

    async def run(self) -> None:
        """Run until stopped or cancelled."""
        backoff = Backoff()
        while not self._stopping:
            seen = self._services.scheduled.count
            try:
                wait = await self._round()
                backoff.reset()
            except TwofoldError as error:
                wait = backoff.next()
                logger.warning("The schedule is polled again in %.2f s: %s", wait, error)
            await self._services.scheduled.wait(seen, wait)

    async def overdue(self) -> bool:
        """Return whether a command is due and not dispatched yet."""
        return any(self._left(each) <= 0 for each in await self._store.schedule.next(limit=1))

    async def _round(self) -> float:
        """Dispatch due commands; return the time until the next round, in seconds."""
        found = await self._store.schedule.next(limit=_BATCH)
        taken = False
        for each in found:
            left = self._left(each)
            if left > 0:
                return 0.0 if taken else min(left, _POLL)
            if self._stopping:
                return 0.0
            taken = await self._dispatch(each) or taken
        if not found:
            return _POLL
        return 0.0 if taken else _OTHERS

    def _left(self, entry: ScheduledCommand) -> float:
        again: Any = entry.again
        return float((again - self._clock.now()).total_seconds())

    async def _dispatch(self, entry: ScheduledCommand) -> bool:
        """Dispatch a command, or record its failure and next attempt. Return whether no other process took it."""
        due = Due(entry)
        try:
            command = self._services.command_types.decode(entry.name, entry.schema, entry.data)
            await self._open_session(_origin(entry))._claim(command, due)
        except UndecodableCommand as error:
            return await self._postpone(entry, None, entry.attempts + 1, error)
        except (TransientFailure, CommitFailed) as error:
            return await self._postpone(entry, _SOON, entry.attempts, error)
        except AfterCommitFailed:
            logger.exception(
                "%s, scheduled as %r, has committed, but an after_commit callback failed", entry.name, entry.id
            )
        except Exception as error:  # noqa: BLE001 -- recorded with the entry
            attempts = entry.attempts + 1
            return await self._postpone(entry, self._retry.delay_after(attempts), attempts, error)
        return due.taken

    async def _postpone(self, entry: ScheduledCommand, delay: float | None, attempts: int, error: Exception) -> bool:
        again = None if delay is None else self._clock.now() + timedelta(seconds=delay)
        reason = reason_of(error)
        logger.warning(
            "%s, scheduled as %r, failed and is %s: %s", entry.name, entry.id,
            "stuck until an operator retries or cancels it" if again is None else f"retried in {delay:.2f} s", reason,
        )  # fmt: skip
        return await postpone(self._services, entry, again=again, attempts=attempts, reason=reason)


class Due:
    """A scheduled command that is due.

    Attributes:
        taken: whether the entry still existed when the handler was about to run.

    Args:
        entry: its entry.
    """

    def __init__(self, entry: ScheduledCommand) -> None:
        self._entry = entry
        self.taken = False

    def turn(self) -> object:
        """Return the lock key. Dispatches of the same entry run one after another in this process."""
        return "scheduled", self._entry.entry

    async def claim(self, scope: Scope) -> Any:
        """Remove the entry; return `NEW`, or None when another process has removed it."""
        unit = scope.unit_of_work()
        transaction = await unit.transaction()
        self.taken = await unit._guard(transaction.schedule.take(self._entry))
        return NEW if self.taken else None

    async def handled(self, scope: Scope, result: Any) -> None:
        """Do nothing: `claim` has removed the entry."""


async def postpone(
    services: Services, entry: ScheduledCommand, *, again: datetime | None, attempts: int, reason: str
) -> bool:
    """Record the next attempt of an entry; return whether the entry existed."""
    async with writing(services.write.store) as transaction:
        return await transaction.schedule.postpone(entry, again=again, attempts=attempts, reason=reason)


def _origin(entry: ScheduledCommand) -> Origin:
    fields = json.loads(entry.metadata)
    return Origin(
        tenant=fields.get("tenant"),
        trace=fields.get("trace", {}),
        headers=fields.get("headers", {}),
        correlation_id=UUID(fields["correlation_id"]),
        causation_id=UUID(fields["causation_id"]),
    )

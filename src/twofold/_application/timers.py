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
"""How many entries are looked at in one go."""

_POLL = 1.0
"""Seconds until the schedule is looked at again, at most: another process may have added to it."""

_OTHERS = 0.05
"""Seconds until it is looked at again when all that is due is in other hands."""

_SOON = 0.05
"""Seconds until a command is tried again that failed because the store did."""


class Timers:
    """Dispatches what is due, in the order of its time, beside the timers of other processes.

    Args:
        services: what the application offers; `scheduled` is sent when something was scheduled here.
        open_session: opens a session for a command.
        retry: how often a failing command is tried.
    """

    def __init__(self, services: Services, open_session: Callable[[Origin], Session], retry: Retry) -> None:
        self._services = services
        self._store = services.write.store
        self._clock = services.write.clock
        self._open_session = open_session
        self._retry = retry
        self._stopping = False

    def stop(self) -> None:
        """Let it end after the command that is being handled."""
        self._stopping = True
        self._services.scheduled.send()

    async def run(self) -> None:
        """Work until stopped or cancelled."""
        backoff = Backoff()
        while not self._stopping:
            seen = self._services.scheduled.count
            try:
                wait = await self._round()
                backoff.reset()
            except TwofoldError as error:
                wait = backoff.next()
                logger.warning("the schedule is looked at again in %.2f s: %s", wait, error)
            await self._services.scheduled.wait(seen, wait)

    async def overdue(self) -> bool:
        """Return whether something is due and not done."""
        return any(self._left(each) <= 0 for each in await self._store.schedule.next(limit=1))

    async def _round(self) -> float:
        """Dispatch what is due; return for how long there is nothing to do, in seconds."""
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
        """Dispatch a command, or write why not and when it is tried again; return whether it was ours to deal with."""
        due = Due(entry)
        try:
            command = self._services.command_types.decode(entry.name, entry.schema, entry.data)
            await self._open_session(_origin(entry))._claim(command, due)
        except UndecodableCommand as error:
            return await self._postpone(entry, None, entry.attempts + 1, error)
        except (TransientFailure, CommitFailed) as error:
            return await self._postpone(entry, _SOON, entry.attempts, error)
        except AfterCommitFailed:
            logger.exception("%s, scheduled as %r, is done, but what was to follow it failed", entry.name, entry.id)
        except Exception as error:  # noqa: BLE001 -- written down with the entry
            attempts = entry.attempts + 1
            return await self._postpone(entry, self._retry.delay_after(attempts), attempts, error)
        return due.taken

    async def _postpone(self, entry: ScheduledCommand, delay: float | None, attempts: int, error: Exception) -> bool:
        again = None if delay is None else self._clock.now() + timedelta(seconds=delay)
        reason = reason_of(error)
        logger.warning(
            "%s, scheduled as %r, failed and is %s: %s", entry.name, entry.id,
            "kept until somebody looks at it" if again is None else f"tried again in {delay:.2f} s", reason,
        )  # fmt: skip
        return await postpone(self._services, entry, again=again, attempts=attempts, reason=reason)


class Due:
    """A scheduled command whose time has come.

    Attributes:
        taken: whether it was still there when its handler was about to run.

    Args:
        entry: its entry.
    """

    def __init__(self, entry: ScheduledCommand) -> None:
        self._entry = entry
        self.taken = False

    def turn(self) -> object:
        """Return what is equal for dispatches of the same entry."""
        return "scheduled", self._entry.entry

    async def claim(self, scope: Scope) -> Any:
        """Remove the entry; return `NEW`, or None when it was not there any more."""
        unit = scope.unit_of_work()
        transaction = await unit.transaction()
        self.taken = await unit._guard(transaction.schedule.take(self._entry))
        return NEW if self.taken else None

    async def handled(self, scope: Scope, result: Any) -> None:
        """Need nothing more: the entry is gone."""


async def postpone(
    services: Services, entry: ScheduledCommand, *, again: datetime | None, attempts: int, reason: str
) -> bool:
    """Write when an entry is tried next; return whether it was there."""
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

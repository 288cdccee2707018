"""Dispatch scheduled commands when they are due."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import anyio

from .._background.backoff import Backoff
from .._background.failures import contained, description, is_of_store, log_error, log_failure
from .._background.log_lines import logger_of
from .._definitions.envelope import Origin
from .._definitions.retry import Retry
from .._dispatch.scope import NEW, Scope
from .._dispatch.services import Services
from .._dispatch.session import Session
from .._writing.store_time import time_of
from .._writing.transactions import writing
from ..errors import AfterCommitFailed, TransientFailure, UndecodableCommand
from ..ports.schedule import ScheduledCommand
from .schedule_telemetry import ScheduleTelemetry

logger = logger_of("twofold.schedule")

_BATCH = 100
"""The number of entries that one round reads."""

_POLL = 1.0
"""The longest time between two polls, in seconds: another process may have added an entry."""

_OTHERS = 0.05
"""Seconds until the next poll when other processes handle every due entry."""

_SOON = 0.05
"""Seconds until a command is retried after a store failure."""


@dataclass(slots=True, eq=False)
class Timers:
    """Dispatches due commands in the order of their times. The timers of several processes share the schedule.

    Attributes:
        services: the services of the application; the signal `scheduled` wakes the timers.
        open_session: opens a session for a command.
        retry: how failing commands are retried.
        error: why the schedule cannot be read at the moment.
    """

    services: Services
    open_session: Callable[[Origin], Session]
    retry: Retry
    error: Exception | None = field(default=None, init=False)
    _stopping: bool = field(default=False, init=False)

    def stop(self) -> None:
        """Stop after the command that is being handled."""
        self._stopping = True
        self.services.scheduled.send()

    async def run(self) -> None:
        """Run until stopped or cancelled."""
        backoff = Backoff()
        while not self._stopping:
            seen = self.services.scheduled.count
            try:
                with contained():
                    wait = await self._round()
                self.error = None
                backoff.reset()
            except Exception as error:  # noqa: BLE001 -- logged, and retried
                self.error, wait = error, backoff.next()
                log_failure(logger, error, "cannot read the schedule, and retries in %.2f s", wait)
            await self.services.scheduled.wait(seen, wait)

    async def overdue(self) -> bool:
        """Return whether a command is due and not dispatched yet."""
        found = await self.services.write.store.schedule.next(limit=1)
        return bool(found) and time_left(found[0], await self._now()) <= 0

    async def _round(self) -> float:
        """Dispatch due commands; return the time until the next round, in seconds."""
        found = await self.services.write.store.schedule.next(limit=_BATCH)
        if not found:
            return _POLL
        now, taken = await self._now(), False
        read_at = anyio.current_time()
        for each in found:
            left = time_left(each, now)
            if left > 0:
                return 0.0 if taken else min(left, _POLL)
            if self._stopping:
                return 0.0
            try:
                with contained():
                    taken = await self._dispatch(each, anyio.current_time() - read_at - left) or taken
            except TransientFailure:
                raise
            except Exception as error:  # noqa: BLE001 -- logged; the next round retries this entry
                log_failure(logger, error, "cannot record why %s, scheduled as %r, failed", each.name, each.id)
        return 0.0 if taken else _OTHERS

    async def _now(self) -> datetime:
        return await time_of(self.services.write.store, self.services.write.clock)

    async def _dispatch(self, entry: ScheduledCommand, late: float) -> bool:
        """Dispatch a command, or record its failure and next attempt. Return whether no other process took it.

        Args:
            entry: the entry of the command.
            late: for how long the command has been due, in seconds.
        """
        due, telemetry = Due(entry), ScheduleTelemetry(self.services.recorder, entry)
        try:
            with contained():
                _check_time(entry)
                command = self.services.command_types.decode(entry.name, entry.schema, entry.data)
                origin = _origin(entry)
                try:
                    with telemetry.dispatching(origin.trace):
                        await self.open_session(origin)._claim(command, due)
                finally:
                    if due.taken:
                        telemetry.delayed(late)
        except UndecodableCommand as error:
            telemetry.failed("stuck", error)
            return await self._postpone(entry, None, entry.attempts + 1, error)
        except AfterCommitFailed as error:
            text = "%s, scheduled as %r, has committed, but an after_commit callback failed"
            log_error(logger, logging.ERROR, error, text, entry.name, entry.id)
        except Exception as error:  # noqa: BLE001 -- recorded with the entry
            if is_of_store(error):
                return await self._postpone(entry, _SOON, entry.attempts, error)
            attempts = entry.attempts + 1
            if self.retry.skips(error):
                telemetry.failed("skipped", error)
                return await self._skip(entry, error)
            delay = self.retry.delay_after(attempts, error)
            telemetry.failed("stuck" if delay is None else "retry", error)
            return await self._postpone(entry, delay, attempts, error)
        return due.taken

    async def _skip(self, entry: ScheduledCommand, error: Exception) -> bool:
        logger.warning(
            "%s, scheduled as %r, failed and is skipped (skip_on): %s", entry.name, entry.id, description(error)
        )
        async with writing(self.services.write.store) as transaction:
            return await transaction.schedule.take(entry)

    async def _postpone(self, entry: ScheduledCommand, delay: float | None, attempts: int, error: Exception) -> bool:
        again = None if delay is None else await self._now() + timedelta(seconds=delay)
        reason = description(error)
        logger.warning(
            "%s, scheduled as %r, failed and is %s: %s", entry.name, entry.id,
            "stuck until an operator retries or cancels it" if again is None else f"retried in {delay:.2f} s", reason,
        )  # fmt: skip
        return await postpone(self.services, entry, again=again, attempts=attempts, reason=reason)


class Due:
    """A scheduled command that is due.

    Attributes:
        taken: whether the entry still existed when the handler was about to run.
        attempt: the number of this attempt, from 1.

    Args:
        entry: its entry.
    """

    key: str | None = None

    def __init__(self, entry: ScheduledCommand) -> None:
        self._entry = entry
        self.taken = False
        self.attempt = entry.attempts + 1

    def lock_key(self) -> object:
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


def time_left(entry: ScheduledCommand, now: datetime) -> float:
    """Return the seconds until an entry is due. An entry whose time cannot be read is due now, and fails."""
    again: Any = entry.again
    return float((again - now).total_seconds()) if _has_time(entry) else 0.0


def _has_time(entry: ScheduledCommand) -> bool:
    """Return whether the time of an entry can be compared with other times."""
    again: object = entry.again
    return isinstance(again, datetime) and again.tzinfo is not None


def _check_time(entry: ScheduledCommand) -> None:
    if not _has_time(entry):
        raise UndecodableCommand(
            f"cannot dispatch {entry.name}, scheduled as {entry.id!r}: its stored time, {entry.again!r}, cannot be "
            "read. Retry the command, or cancel it."
        )


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

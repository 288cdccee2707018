"""One round of a process subscription: the inputs that are handled in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from .._background.failures import description
from .._definitions.envelope import Envelope
from .._definitions.message import Command, Event
from .._definitions.position import Position
from .._definitions.process import Process
from .._dispatch.scope import Scope
from .._dispatch.services import Services
from .._encoding.message_json import encode_metadata, json_of
from .._writing.unit_of_work import UnitOfWork
from ..errors import NotSchedulable
from ..ports.event_log import StoredEvent
from ..ports.processes import ENDED, ProcessRecord
from ..ports.schedule import STORED_YEARS, ScheduledCommand
from ..ports.transactions import WriteTransaction
from .inputs import (
    CommandDiscarded,
    CommandSent,
    ProcessTimeout,
    RetryRequested,
    StartedByCommand,
    TimedOut,
    key_in,
    stream_of_process,
)
from .instance import Effects, Instance, Progress, Timer, new_instance
from .records import ProcessRecords


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a command: its result, or its error.

    Attributes:
        command: the command.
        result: the result.
        error: the error; None if there is a result.
        final: whether a failed compensation has used up its attempts.
    """

    command: Command[Any]
    result: Any = None
    error: Exception | None = None
    final: bool = False


class Unanswered(Exception):
    """No method takes the error of a command. The cause is the error."""

    def __init__(self, error: Exception) -> None:
        super().__init__(error)
        self.error = error


@dataclass(frozen=True, slots=True)
class _Cause:
    """An input, as the cause of the events that it records."""

    envelope: Envelope
    parent: object = True


@dataclass(slots=True)
class Round:
    """The processes that one transaction reads and changes.

    Attributes:
        process: the class.
        records: encodes and decodes processes.
        services: the services of the application.
        scope: the scope of the first input.
        now: the time of the store; None if no method uses timeouts.
    """

    process: type[Process]
    records: ProcessRecords
    services: Services
    scope: Scope
    now: datetime | None
    _stored: dict[str, ProcessRecord] = field(default_factory=dict, init=False)
    _open: dict[str, Instance] = field(default_factory=dict, init=False)
    _changed: dict[str, ProcessRecord] = field(default_factory=dict, init=False)
    _scheduled: list[ScheduledCommand] = field(default_factory=list, init=False)
    _cancelled: list[str] = field(default_factory=list, init=False)

    @property
    def unit(self) -> UnitOfWork:
        """The unit of work."""
        return self.scope.unit_of_work()

    async def load(self, keys: Sequence[str]) -> None:
        """Read the processes of keys, and write their changes at the commit."""
        transaction = await self.unit.transaction()
        found = await self.unit._guard(transaction.processes.read(self.process.process_name, keys))
        self._stored = dict(found)
        self.unit.write_last(self._write)

    def is_new(self, stored: StoredEvent, key: str) -> bool:
        """Return whether the process of a key has not handled an input yet."""
        record = self._stored.get(key)
        return record is None or record.position < stored.position

    def is_dropped(self, sent: CommandSent) -> bool:
        """Return whether a command must not be executed."""
        record = self._stored.get(sent.key)
        return record is not None and sent.id in Progress.model_validate_json(record.progress).dropped

    def handle(self, stored: StoredEvent, event: Event, envelope: Envelope, answer: Answer | None = None) -> None:
        """Handle an input.

        Args:
            stored: the input as it is stored.
            event: the input.
            envelope: its envelope.
            answer: the answer to the command, if the input is a command.

        Raises:
            Unanswered: no method takes the error of a command.
        """
        key = key_in(self.process, event)
        if key is None or not self.is_new(stored, key):
            return
        instance = self._instance(key)
        if instance is not None and isinstance(event, CommandSent) and event.id in instance.progress.dropped:
            instance.progress.dropped.remove(event.id)
            self._save(key, stored.position)
            return
        effects = self._effects(instance, key, stored, event, answer)
        if effects is None:
            return
        instance = self._open[key]
        self._save(key, stored.position)
        cause, stream = _Cause(envelope), stream_of_process(self.process.process_name, key)
        for sent in effects.sent:
            self.unit.changes.touched.append((None, sent, cause))
            self.unit.changes.recorded.append((stream, sent))
        for name, timer in effects.timers.items():
            self._scheduled.append(self._entry(instance, name, timer, envelope))
        self._cancelled += [timer_id(instance.incarnation, name) for name in effects.cancelled]

    def _effects(
        self, instance: Instance | None, key: str, stored: StoredEvent, event: Event, answer: Answer | None
    ) -> Effects | None:
        if isinstance(event, CommandSent):
            return self._answered(instance, stored, event, answer)
        if isinstance(event, TimedOut):
            return None if instance is None else instance.timed_out(event.timeout, event.timer, stored.id)
        if isinstance(event, (RetryRequested, CommandDiscarded)):
            if instance is None or instance.incarnation != event.incarnation:
                return None
            return instance.retry() if isinstance(event, RetryRequested) else instance.discarded(event)
        message: Event | Command[Any] = event
        if isinstance(event, StartedByCommand):
            found = self.services.command_types
            message = found.decode(event.command, event.schema_version, event.data)
        method = self.process._method_of(type(message))
        if (instance is None or instance.ended) and method is not None and method.starts:
            value = getattr(message, method.by or self.process.process_key)
            started = new_instance(self.process, key, value, stored.id)
            if instance is not None:
                started.progress.dropped = instance.progress.dropped
            instance = self._open[key] = started
        return None if instance is None else instance.message(message, stored.id)

    def _answered(
        self, instance: Instance | None, stored: StoredEvent, sent: CommandSent, answer: Answer | None
    ) -> Effects | None:
        expected = instance is not None and instance.incarnation == sent.incarnation and instance.expects(sent)
        if answer is None:
            return None
        if instance is None or not expected:
            if answer.error is not None:
                raise Unanswered(answer.error)
            return None if instance is None else Effects()
        if answer.error is None:
            return instance.answered(sent, answer.command, answer.result, stored.id)
        if sent.compensates:
            if not answer.final:
                raise Unanswered(answer.error)
            return instance.stuck(description(answer.error))
        effects = instance.failed(sent, answer.command, answer.error, stored.id)
        if effects is None:
            raise Unanswered(answer.error)
        return effects

    def _instance(self, key: str) -> Instance | None:
        """Return the process of a key. The fields of a process that has ended are not decoded: nothing uses them."""
        if key not in self._open and key in self._stored:
            self._open[key] = self.records.decode(self._stored[key])
        return self._open.get(key)

    def _save(self, key: str, position: Position) -> None:
        """Encode a process, so that a value that cannot be stored fails its input."""
        instance, stored, now = self._open[key], self._stored.get(key), self.services.write.clock.now()
        if stored is not None and stored.state in ENDED and stored.incarnation == instance.incarnation:
            progress = instance.progress.model_dump_json()
            self._changed[key] = stored._replace(progress=progress, position=position)
        else:
            self._changed[key] = self.records.encode(instance, position, now)

    def _entry(self, instance: Instance, name: str, timer: Timer, envelope: Envelope) -> ScheduledCommand:
        due, process = self._due(name, timer.time), self.process.process_name
        command = ProcessTimeout(process=process, key=instance.key, timeout=name, timer=timer.id)
        return ScheduledCommand(
            tenant="",
            id=timer_id(instance.incarnation, name),
            entry=self.services.write.ids.new(),
            due=due,
            name=str(ProcessTimeout.message_name),
            schema=ProcessTimeout.message_version,
            data=json_of(command, "schedule", NotSchedulable),
            metadata=encode_metadata(envelope),
            again=due,
        )

    def _due(self, name: str, time: datetime | timedelta) -> datetime:
        now = self.services.write.clock.now() if self.now is None else self.now
        try:
            due = time.astimezone(UTC) if isinstance(time, datetime) else now + time
        except (OverflowError, ValueError):
            due = None
        if due is None or due.year not in STORED_YEARS:
            raise NotSchedulable(
                f"cannot start the timeout {name!r} of {self.process.__name__} at {time}: the time must be between "
                f"the years {STORED_YEARS[0]} and {STORED_YEARS[-1]}."
            )
        return due

    async def _write(self, transaction: WriteTransaction, _: Sequence[StoredEvent]) -> None:
        if self._changed:
            await transaction.processes.write(list(self._changed.values()))
        for each in self._cancelled:
            await transaction.schedule.cancel("", each)
        for entry in self._scheduled:
            await transaction.schedule.put(entry)
        if self._scheduled:
            self.unit.after_commit(self._wake)

    async def _wake(self) -> None:
        self.services.scheduled.send()


def timer_id(incarnation: UUID, timeout: str) -> str:
    """Return the id of the schedule entry of a timeout. It is bound to the incarnation."""
    return str(uuid5(incarnation, f"timeout:{timeout}"))

"""Process events with processes: inputs and replies, in one transaction with the checkpoint, commands and timeouts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, Final
from uuid import UUID

import anyio

from .._background.failures import contained, is_of_store
from .._buses.no_handler import no_handler
from .._definitions.envelope import Envelope
from .._definitions.message import Command, Event
from .._definitions.position import Position
from .._definitions.process import Process
from .._definitions.retry import Retry
from .._dispatch.caller import Caller, reset_caller, set_caller
from .._dispatch.scope import NEW, Scope, open_scope
from .._dispatch.services import Services
from .._encoding.metadata import event_envelope
from .._remote.buses import RemoteCommandBus
from .._subscriptions.processor import Advance, EventFailed, advance_only, failure_of
from .._writing.store_time import time_of
from ..errors import AfterCommitFailed
from ..ports.event_log import StoredEvent
from .inputs import CommandSent, key_in
from .records import ProcessRecords
from .round import Answer, Round, Unanswered

_LARGEST: Final = 100
"""The largest number of inputs that one transaction handles."""

_REMOTE: Final = 32
"""The largest number of commands that are sent to other services at the same time."""

Inputs = Sequence[tuple[StoredEvent, Event]]


class Sent:
    """The claim of a command that a process has sent. The checkpoint makes it take effect once, so nothing is stored.

    Args:
        id: the id of the command, which is its idempotency key.
        attempt: the number of this attempt, from 1.
    """

    def __init__(self, id: UUID, attempt: int) -> None:
        self.key: str | None = str(id)
        self.attempt = attempt

    def lock_key(self) -> object:
        """Return the lock key."""
        return "sent", self.key

    async def claim(self, scope: Scope) -> Any:
        """Return `NEW`."""
        return NEW

    async def handled(self, scope: Scope, result: Any) -> None:
        """Do nothing."""


class ProcessProcessor:
    """Handles the inputs of the processes of one class.

    A round is one transaction. It handles the next inputs that need no command of this application, or executes one command
    of this application. Its changes, those of the method for its reply, and the checkpoint are committed together. Commands
    to other services are sent before the transaction begins, at the same time for several keys.

    Args:
        process: the class.
        records: encodes and decodes processes.
        services: the services of the application.
        retry: how a failing input is retried.
        remote: the bus of each command of another service.
    """

    def __init__(
        self,
        process: type[Process],
        records: ProcessRecords,
        services: Services,
        retry: Retry,
        remote: Mapping[str, RemoteCommandBus],
    ) -> None:
        self._process = process
        self._records = records
        self._services = services
        self._retry = retry
        self._remote = remote
        self._answers: dict[UUID, Answer] = {}
        """The replies of other services that are not committed yet."""
        self._failures: dict[UUID, Exception] = {}
        """The failures of such commands whose turn has not come yet."""

    async def apply(self, events: Inputs, advance: Advance, *, at: Position | None = None, attempt: int = 1) -> None:
        if not events:
            await advance_only(self._services.write.store, advance, 0)
            return
        event = events[0][1]
        if isinstance(event, CommandSent) and event.command not in self._remote:
            await self._execute(events[0][0], event, advance, attempt)
            return
        inputs = events[: self._size(events)]
        answers, failure = await self._ask(inputs, attempt)
        if failure is not None and failure.index == 0:
            raise failure
        await self._react(inputs if failure is None else inputs[: failure.index], answers, advance, attempt)

    def _size(self, events: Inputs) -> int:
        """Return how many of the first events one transaction can handle."""
        keys, asked = set[str | None](), 0
        for number, (_, event) in enumerate(events):
            key = key_in(self._process, event)
            if isinstance(event, CommandSent):
                asked += 1
                if event.command not in self._remote or key in keys or asked > _REMOTE:
                    return number
            keys.add(key)
            if number + 1 == _LARGEST:
                return _LARGEST
        return len(events)

    async def _react(self, inputs: Inputs, answers: Mapping[UUID, Answer], advance: Advance, attempt: int) -> None:
        """Handle inputs in one transaction. If the store refuses several inputs, handle the first one alone."""
        try:
            async with self._round(inputs, advance, attempt) as opened:
                for index, (stored, event) in enumerate(inputs):
                    answer = answers.get(event.id) if isinstance(event, CommandSent) else None
                    self._handle(opened, index, stored, event, answer, attempt)
        except (EventFailed, AfterCommitFailed):
            raise
        except Exception as error:
            if is_of_store(error):
                raise
            if len(inputs) == 1:
                raise EventFailed(0, error) from error
            await self._react(inputs[:1], answers, advance, attempt)
            return
        for _, event in inputs:
            if isinstance(event, CommandSent):
                self._answers.pop(event.id, None)

    def _handle(
        self, opened: Round, index: int, stored: StoredEvent, event: Event, answer: Answer | None, attempt: int
    ) -> None:
        try:
            with contained():
                opened.handle(stored, event, self._envelope(stored, event, attempt), answer)
        except Unanswered as unanswered:
            raise failure_of(index, unanswered.error) from unanswered.error
        except Exception as error:
            raise failure_of(index, error) from error

    async def _execute(self, stored: StoredEvent, sent: CommandSent, advance: Advance, attempt: int) -> None:
        """Execute a command of this application, and handle its reply or its error."""
        try:
            with contained():
                command = self._services.command_types.decode(sent.command, sent.schema_version, sent.data)
        except Exception as error:
            raise failure_of(0, error) from error
        try:
            async with self._round([(stored, sent)], advance, attempt) as opened:
                answer = None
                if opened.is_new(stored, sent.key) and not opened.is_dropped(sent):
                    with contained():
                        answer = Answer(command, await self._dispatch(opened.scope, command, sent.id, attempt))
                self._handle(opened, 0, stored, sent, answer, attempt)
        except (EventFailed, AfterCommitFailed):
            raise
        except Exception as error:
            if is_of_store(error):
                raise
            await self._failed(stored, sent, Answer(command, error=error), advance, attempt)

    async def _failed(
        self, stored: StoredEvent, sent: CommandSent, answer: Answer, advance: Advance, attempt: int
    ) -> None:
        """Handle the error of a command, whose changes were rolled back, in a transaction of its own."""
        final = sent.compensates and self._is_final(answer.error, attempt)
        await self._react([(stored, sent)], {sent.id: replace(answer, final=final)}, advance, attempt)

    def _is_final(self, error: Exception | None, attempt: int) -> bool:
        return self._retry.delay_after(attempt, error) is None

    async def _dispatch(self, scope: Scope, command: Command[Any], id: UUID, attempt: int) -> Any:
        pipeline = self._services.command_pipelines.get(type(command))
        if pipeline is None:
            raise no_handler("command", command, self._services.command_pipelines)
        mark = set_caller(Caller(scope.conversation, scope, Sent(id, attempt)))
        try:
            return await pipeline.claimed(command)
        finally:
            reset_caller(mark)

    async def _ask(self, inputs: Inputs, attempt: int) -> tuple[Mapping[UUID, Answer], EventFailed | None]:
        """Send the commands of other services; return the answers, and the first failure that no method takes."""
        sent = [
            (index, stored, event) for index, (stored, event) in enumerate(inputs) if isinstance(event, CommandSent)
        ]
        if not sent:
            return {}, None
        failures: dict[int, Exception] = {}
        async with anyio.create_task_group() as tasks:
            for index, stored, event in sent:
                if event.id in self._failures:
                    failures[index] = self._failures.pop(event.id)
                elif event.id not in self._answers:
                    tasks.start_soon(self._request, index, stored, event, attempt, failures)
        if not failures:
            return self._answers, None
        first, *later = sorted(failures)
        self._failures |= {event.id: failures[index] for index, _, event in sent if index in later}
        if is_of_store(failures[first]):
            raise failures[first]
        if first > 0:
            self._failures |= {event.id: failures[first] for index, _, event in sent if index == first}
        return self._answers, EventFailed(first, failures[first])

    async def _is_wanted(self, stored: StoredEvent, event: CommandSent) -> bool:
        """Return whether a command must be executed: it was neither handled nor dropped before."""
        record = await self._services.write.store.processes.get(self._process.process_name, event.key)
        if record is None:
            return True
        return record.position < stored.position and event.id not in self._records.decode(record).progress.dropped

    async def _request(
        self, index: int, stored: StoredEvent, sent: CommandSent, attempt: int, failures: dict[int, Exception]
    ) -> None:
        scope = open_scope(self._services, sent)
        scope.envelope = self._envelope(stored, sent, attempt)
        mark = set_caller(scope)
        try:
            with contained():
                if not await self._is_wanted(stored, sent):
                    return
                command = self._services.command_types.decode(sent.command, sent.schema_version, sent.data)
                try:
                    result = await self._remote[sent.command].dispatch(
                        command, key=sent.key, timeout=sent.within, idempotency_key=str(sent.id)
                    )
                    self._answers[sent.id] = Answer(command, result)
                except Exception as error:
                    final = sent.compensates and self._is_final(error, attempt)
                    if is_of_store(error) or not (final or await self._takes(sent, command, error)):
                        raise
                    self._answers[sent.id] = Answer(command, error=error, final=final)
        except Exception as error:  # noqa: BLE001 -- `_ask` decides
            failures[index] = error
        finally:
            reset_caller(mark)

    async def _takes(self, sent: CommandSent, command: Command[Any], error: Exception) -> bool:
        """Return whether a method takes an error of a command."""
        record = await self._services.write.store.processes.get(self._process.process_name, sent.key)
        if sent.compensates or record is None or record.incarnation != sent.incarnation:
            return False
        instance = self._records.decode(record)
        return instance.expects(sent) and instance.error_method(command, error) is not None

    @asynccontextmanager
    async def _round(self, inputs: Inputs, advance: Advance, attempt: int) -> AsyncIterator[Round]:
        """Open the transaction of a round; commit it at the end of the block, or roll it back."""
        services, (stored, event) = self._services, inputs[0]
        uses_timeouts = bool(self._process.process_timeouts)
        now = await time_of(services.write.store, services.write.clock) if uses_timeouts else None
        scope = open_scope(services, event)
        unit = scope.unit_of_work()
        mark = set_caller(scope)
        try:
            scope.envelope = self._envelope(stored, event, attempt)
            opened = Round(self._process, self._records, services, scope, now)
            await opened.load([key for _, each in inputs if (key := key_in(self._process, each)) is not None])
            unit.write_last(lambda transaction, _: advance(transaction, len(inputs)))
            yield opened
            written = await unit.commit()
        except BaseException as failure:
            await unit.rollback()
            await scope.close(failure)
            raise
        finally:
            reset_caller(mark)
        if written:
            services.committed.send()
        with contained():
            await unit.changes.run_after_commit(scope.close)

    def _envelope(self, stored: StoredEvent, event: Event, attempt: int) -> Envelope:
        """Return the envelope of an input. It carries the trace of this attempt, if the attempt is traced."""
        envelope = event_envelope(stored, event, attempt)
        trace = self._services.recorder.trace()
        return envelope if trace is None else replace(envelope, trace=trace)

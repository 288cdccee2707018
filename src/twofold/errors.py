"""Every error that Twofold raises.

    TwofoldError
    ├── ConfigurationError (TypeError)             the application is wired wrongly
    │   ├── WiringError                            check() found faults; the error lists all of them
    │   ├── InvalidDefinition                      a message, view or aggregate class is declared wrongly
    │   └── MissingDependency (ImportError)        the driver of an adapter is not installed
    ├── DispatchError
    │   ├── NoHandler (LookupError)                no handler is registered for this message
    │   ├── DispatchCycle (RecursionError)         a message was dispatched while it was being handled
    │   ├── HandlersFailed (ExceptionGroup)        handlers of a published event failed
    │   ├── NotAuthorised (PermissionError)        the authorisation hook refused the message
    │   ├── IdempotencyKeyReused (ValueError)      an idempotency key was used with another command or payload
    │   ├── InvalidKey (ValueError)                an idempotency key or another key is empty or too long
    │   ├── ResultNotRecordable (TypeError)        a result cannot be stored as JSON and read back
    │   └── NotSchedulable (ValueError)            a command cannot be stored, or its time has no time zone
    ├── UnitOfWorkError
    │   ├── ConcurrencyConflict (RuntimeError)     a concurrent writer changed the stream or the row first
    │   ├── UnitOfWorkDoomed (RuntimeError)        the unit of work was used after an error broke its transaction
    │   ├── UnitOfWorkClosed (RuntimeError)        the unit of work was used after its end
    │   ├── ReadOnlyUnitOfWork (PermissionError)   a query tried to write
    │   ├── EventNotRecordable (TypeError)         an event cannot be stored as JSON, or holds a secret
    │   ├── CommitFailed (RuntimeError)            the store did not confirm the commit
    │   └── AfterCommitFailed (RuntimeError)       the command is committed, but a callback after the commit failed
    ├── StorageError
    │   ├── AggregateNotFound (LookupError)        there is no aggregate of that type and id
    │   ├── AggregateExists (ValueError)           an aggregate of that type and id was added before
    │   ├── DuplicateEvent (ValueError)            an event id is already in the event log
    │   ├── UndecodableEvent (ValueError)          a stored event has no class, no upcaster or invalid data
    │   ├── UndecodableCommand (ValueError)        a scheduled command has no class, no upcaster or invalid data
    │   ├── CheckpointMoved (RuntimeError)         another worker moved the checkpoint of this subscription
    │   ├── RebuildRunning (RuntimeError)          another process rebuilds this projection
    │   ├── ForeignLog (RuntimeError)              a checkpoint or token belongs to another event log
    │   ├── SchemaMissing (RuntimeError)           the store lacks tables that the application needs
    │   ├── NotStorable (ValueError)               a row or a state has a value that cannot be stored
    │   ├── RowNotFound (LookupError)              a read model has no row with that key to update
    │   └── InvalidFind (ValueError)               a filter, an order or a page of a read model is not valid
    ├── SessionError
    │   ├── ReadNotReady (TimeoutError)            a read model has not caught up with the writes of the session
    │   └── InvalidToken (ValueError)              a consistency token is not valid
    ├── TransportError
    │   ├── MessageTooLarge (ValueError)           a message exceeds the size limit of the broker
    │   ├── NotPublished (RuntimeError)            the broker did not confirm an event, or has no receiver for it
    │   └── RemoteError
    │       ├── NoRemoteService (LookupError)      no application has ever served requests under this name
    │       ├── NotSent (ConnectionError)          the broker is not reachable, and nothing was sent
    │       ├── InvalidRequest (ValueError)        the fields of the message differ in the other application
    │       ├── RemoteTimeout (TimeoutError)       no reply arrived by the deadline; the outcome is unknown
    │       └── RemoteFailure (RuntimeError)       the remote handler raised an exception that is not listed in `errors=`
    ├── TransientFailure (RuntimeError)            deadlock, serialisation failure, lock timeout or lost connection
    ├── UsedFromAnotherTask (RuntimeError)         a unit of work or a session was used from another task
    └── ApplicationNotRunning (RuntimeError)       the application was used before its start or after its stop

Each leaf also inherits from the built-in exception that fits. A message says what failed, which value was found, and what
to do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


class TwofoldError(Exception):
    """The base class of every error that Twofold raises."""


class ConfigurationError(TwofoldError, TypeError):
    """The application is wired wrongly. Nothing was executed."""


class WiringError(ConfigurationError):
    """`Application.check` found faults.

    Attributes:
        faults: all faults, each with file and line.
    """

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        listed = "\n".join(f"  {fault}" for fault in self.faults)
        super().__init__(f"the application cannot start, {len(self.faults)} fault(s) found:\n{listed}")


class InvalidDefinition(ConfigurationError):
    """A message, view or aggregate class is declared wrongly."""


class MissingDependency(ConfigurationError, ImportError):
    """The driver of an imported adapter is not installed."""

    def __init__(self, command: str) -> None:
        super().__init__(f"this adapter needs a driver that is not installed. Install it with: {command}")


class DispatchError(TwofoldError):
    """A message could not be dispatched to its handler."""


class NoHandler(DispatchError, LookupError):
    """No handler is registered for this message."""


class DispatchCycle(DispatchError, RecursionError):
    """A message was dispatched again while it was being handled."""


class HandlersFailed(DispatchError, ExceptionGroup[Exception]):
    """Handlers of a published event failed. All handlers were called, and this group holds the error of each that failed."""

    def derive(self, excs: Sequence[Any], /) -> HandlersFailed:  # type: ignore[override]  # the group has only Exceptions
        """Return a group of the same class, for `except*`."""
        return HandlersFailed(self.message, excs)


class NotAuthorised(DispatchError, PermissionError):
    """The authorisation hook refused the message."""


class IdempotencyKeyReused(DispatchError, ValueError):
    """An idempotency key was used before with another command or payload. Nothing was done.

    Attributes:
        key: the idempotency key.
    """

    def __init__(self, message: str, *, key: str) -> None:
        self.key = key
        super().__init__(message)


class InvalidKey(DispatchError, ValueError):
    """An idempotency key, the id of a scheduled command or of a message, a tenant or a consumer is empty or too long."""


class ResultNotRecordable(DispatchError, TypeError):
    """The result of a command with an idempotency key cannot be stored as JSON and read back."""


class NotSchedulable(DispatchError, ValueError):
    """A command cannot be stored and read back, or its time has no time zone. Nothing was scheduled."""


class UnitOfWorkError(TwofoldError):
    """A unit of work cannot continue."""


class ConcurrencyConflict(UnitOfWorkError, RuntimeError):
    """A concurrent writer changed the stream or the row first.

    Attributes:
        stream: the stream, or the type and id of the aggregate.
        expected: the expected version. It counts events, or saves of a state-stored aggregate.
        actual: the version that was found, or 0 if there is none.
    """

    def __init__(self, stream: str, *, expected: object, actual: int | None) -> None:
        self.stream = stream
        self.expected = expected
        self.actual = actual
        super().__init__(
            f"cannot write {stream}: expected version {expected}, found {actual}. "
            "Repeat the command, which loads it again. The retry_conflicts middleware does this."
        )


class UnitOfWorkDoomed(UnitOfWorkError, RuntimeError):
    """The unit of work was used after an error broke its transaction. It can only be rolled back."""


class UnitOfWorkClosed(UnitOfWorkError, RuntimeError):
    """The unit of work was used after its commit or rollback."""


class ReadOnlyUnitOfWork(UnitOfWorkError, PermissionError):
    """A query, or a read model outside its projection, tried to write."""


class EventNotRecordable(UnitOfWorkError, TypeError):
    """An event cannot be stored: a field has no JSON, or is a secret, which would come back masked. Nothing was written."""


class CommitFailed(UnitOfWorkError, RuntimeError):
    """The store did not confirm the commit, so its outcome is unknown, unless the cause says that the store refused it.

    Read the data before you repeat the command.
    """


class AfterCommitFailed(UnitOfWorkError, RuntimeError):
    """The command is committed, but a callback that runs after the commit failed.

    Attributes:
        result: the result of the command handler.
    """

    def __init__(self, message: str, *, result: object = None) -> None:
        self.result = result
        super().__init__(message)


class StorageError(TwofoldError):
    """A store could not read or write."""


class AggregateNotFound(StorageError, LookupError):
    """There is no aggregate of that type and id."""


class AggregateExists(StorageError, ValueError):
    """An aggregate of that type and id was added before. It may have been removed since."""


class DuplicateEvent(StorageError, ValueError):
    """An event id is already in the event log. Nothing was written."""


class UndecodableEvent(StorageError, ValueError):
    """A stored event has no class in this application, lacks an upcaster, or has data that its class refuses."""


class UndecodableCommand(StorageError, ValueError):
    """A scheduled command has no class in this application, lacks an upcaster, or has data that its class refuses."""


class CheckpointMoved(StorageError, RuntimeError):
    """Another worker moved the checkpoint of this subscription. Nothing was written."""


class RebuildRunning(StorageError, RuntimeError):
    """Another process rebuilds this projection."""


class ForeignLog(StorageError, RuntimeError):
    """A checkpoint or a consistency token belongs to another event log."""


class SchemaMissing(StorageError, RuntimeError):
    """The store lacks tables that the application needs."""


class NotStorable(StorageError, ValueError):
    """A row or the state of an aggregate has a value that does not fit its class, or that the store cannot represent."""


class RowNotFound(StorageError, LookupError):
    """A read model has no row with that key to update."""


class InvalidFind(StorageError, ValueError):
    """A filter, an order or a page of a read model is not valid."""


class SessionError(TwofoldError):
    """A session could not answer a query."""


class ReadNotReady(SessionError, TimeoutError):
    """A read model has not caught up with the writes of the session. The commands of the session succeeded.

    Attributes:
        projection: the projection that has not caught up, or the consumer of the events that have not arrived.
        behind: the number of events between its checkpoint and the writes of the session, with those that are being retried;
            None if it is not known.
        parked: whether an event that the session wrote is parked, so that waiting cannot help.
        sources: the applications whose events have not arrived. Empty if a projection of this application is stale.
    """

    def __init__(self, projection: str, *, lag: int | None, parked: bool = False, sources: Sequence[str] = ()) -> None:
        self.projection = projection
        self.lag = lag
        self.parked = parked
        self.sources = tuple(sources)
        if sources:
            others = " or ".join(map(repr, sources))
            super().__init__(
                f"the query was not answered: events of {others} that this session depends on have not arrived here, at "
                f"{projection!r}. The commands of the session succeeded. Check the broker, the relay of {others}, and "
                "Application.health() on both sides. Wait longer (timeout=), or accept a stale answer "
                "(Session.execute_stale)."
            )
            return
        if parked:
            found = "an event that this session wrote is parked there, so that waiting cannot help"
            advice = (
                "See the reason in app.operations.parked(), fix it and retry, or accept a stale answer "
                "(Session.execute_stale)."
            )
        else:
            found = f"it lags this session by {lag if lag is not None else 'an unknown number of'} event(s)"
            advice = "Wait longer (timeout=), or accept a stale answer (Session.execute_stale)."
        super().__init__(
            f"the query was not answered: projection {projection!r} is not ready, {found}. The commands of the session "
            f"succeeded. {advice}"
        )


class InvalidToken(SessionError, ValueError):
    """A string is not a consistency token that `Session.token` returned."""


class TransportError(TwofoldError):
    """A message did not reach another process, or no reply arrived."""


class MessageTooLarge(TransportError, ValueError):
    """A message exceeds the size limit of the broker."""


class NotPublished(TransportError, RuntimeError):
    """The broker did not confirm an event, or has no receiver for it."""


class RemoteError(TransportError):
    """A command or query that was sent to another application failed."""


class NoRemoteService(RemoteError, LookupError):
    """No application has ever served requests under this name. Nothing was done."""


class NotSent(RemoteError, ConnectionError):
    """The broker is not reachable. The request was not sent, and it is safe to send it again."""


class InvalidRequest(RemoteError, ValueError):
    """The message has other fields or another version in the other application. Nothing was done."""


class RemoteTimeout(RemoteError, TimeoutError):
    """No reply arrived by the deadline, so the outcome is unknown. Send a command again with the same idempotency key."""


class RemoteFailure(RemoteError, RuntimeError):
    """The remote handler raised an exception that is not listed in `errors=`.

    Attributes:
        name: the name of the class of that exception.
    """

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        super().__init__(text)


class TransientFailure(TwofoldError, RuntimeError):
    """A store or a broker failed for the moment: deadlock, serialisation failure, lock timeout or lost connection.

    A retry of the whole handler in a new unit of work may succeed.
    """


class UsedFromAnotherTask(TwofoldError, RuntimeError):
    """A unit of work or a session was used from another task than the one that opened it."""


class ApplicationNotRunning(TwofoldError, RuntimeError):
    """The application was used outside of `async with app:`."""


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """One fault in the wiring of an application.

    Attributes:
        file: the source file of its cause.
        line: the line in that file, from 1, or 0 if it is not known.
        message: the fault, and what to do.
    """

    file: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}"

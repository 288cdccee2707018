"""Every error that Twofold raises.

    TwofoldError
    ├── ConfigurationError (TypeError)             the application is wired wrongly
    │   ├── WiringError                            check() found faults; it lists all of them
    │   ├── InvalidDefinition                      a message, view or aggregate class is declared wrongly
    │   └── MissingDependency (ImportError)        an adapter's driver is not installed
    ├── DispatchError
    │   ├── NoHandler (LookupError)                nothing handles this message
    │   ├── DispatchCycle (RecursionError)         a message was dispatched while it was being handled
    │   ├── HandlersFailed (ExceptionGroup)        handlers of a published event failed
    │   ├── NotAuthorised (PermissionError)        the authorisation hook said no
    │   ├── IdempotencyKeyReused (ValueError)      a key came again with another command or payload
    │   ├── InvalidKey (ValueError)                an idempotency key or message id is empty or too long
    │   ├── ResultNotRecordable (TypeError)        a result cannot be kept as JSON and given again
    │   └── NotSchedulable (ValueError)            a command cannot be kept, or its time has no time zone
    ├── UnitOfWorkError
    │   ├── ConcurrencyConflict (RuntimeError)     somebody else changed the stream or the row first
    │   ├── TransientFailure (RuntimeError)        deadlock, serialisation failure, lock time-out, lost connection
    │   ├── UnitOfWorkDoomed (RuntimeError)        the unit was used after an error broke its transaction
    │   ├── UnitOfWorkClosed (RuntimeError)        the unit was used after it ended
    │   ├── ReadOnlyUnitOfWork (PermissionError)   a query tried to write
    │   ├── UsedFromAnotherTask (RuntimeError)     a unit or session was shared between tasks
    │   ├── EventNotRecordable (TypeError)         an event cannot be kept as JSON, or holds a secret
    │   ├── CommitFailed (RuntimeError)            the store did not confirm the commit
    │   └── AfterCommitFailed (RuntimeError)       committed, but a callback after the commit failed
    ├── StorageError
    │   ├── AggregateNotFound (LookupError)        no aggregate of that type and id
    │   ├── AggregateExists (ValueError)           an aggregate of that id was added before
    │   ├── DuplicateEvent (ValueError)            an event id is already in the log
    │   ├── UndecodableEvent (ValueError)          a stored event has no class, no upcaster or bad data
    │   ├── UndecodableCommand (ValueError)        a scheduled command has no class, no upcaster or bad data
    │   ├── CheckpointMoved (RuntimeError)         another worker moved this subscription's checkpoint
    │   ├── RebuildRunning (RuntimeError)          another process rebuilds this projection
    │   ├── ForeignLog (RuntimeError)              a checkpoint or token belongs to another log
    │   ├── SchemaMissing (RuntimeError)           the store lacks tables that the application needs
    │   ├── NotStorable (ValueError)               a row or a state has a value that cannot be kept
    │   ├── RowNotFound (LookupError)              a read model has no row of that key to update
    │   └── InvalidFind (ValueError)               a read model was asked for a field, order or page it cannot give
    ├── SessionError
    │   ├── ReadNotReady (TimeoutError)            a read model has not caught up with what the session wrote
    │   └── InvalidToken (ValueError)              a session token is not one of ours
    ├── TransportError
    │   ├── MessageTooLarge (ValueError)           a message is larger than a broker is given
    │   ├── NotPublished (RuntimeError)            a broker did not confirm an event, or has no receiver for it
    │   └── RemoteError
    │       ├── NoRemoteService (LookupError)      nobody serves requests under this name
    │       ├── NotSent (ConnectionError)          the broker is away: the request was not sent, and nothing was done
    │       ├── InvalidRequest (ValueError)        the other process knows the message with other fields
    │       ├── RemoteTimeout (TimeoutError)       no reply by the deadline; whether it was handled is not known
    │       └── RemoteFailure (RuntimeError)       the other process raised an error that has no class here
    └── ApplicationNotRunning (RuntimeError)       the application was used before it started or after it stopped

Each leaf also inherits the builtin that a stranger would catch. A message says what was attempted, what was found
and what to do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    pass


class TwofoldError(Exception):
    """The root of every error that Twofold raises itself."""


class ConfigurationError(TwofoldError, TypeError):
    """The application is wired wrongly; nothing was executed."""


class WiringError(ConfigurationError):
    """`Application.check` found faults.

    Attributes:
        faults: every fault found, each with file and line.
    """

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        listed = "\n".join(f"  {fault}" for fault in self.faults)
        super().__init__(f"the application cannot start, {len(self.faults)} fault(s) found:\n{listed}")


class InvalidDefinition(ConfigurationError):
    """A message, view or aggregate class is declared wrongly."""


class MissingDependency(ConfigurationError, ImportError):
    """An adapter was imported whose driver is not installed."""

    def __init__(self, command: str) -> None:
        super().__init__(f"this adapter needs a driver that is not installed. Install it with: {command}")


class DispatchError(TwofoldError):
    """A message could not be handed to its handler."""


class NoHandler(DispatchError, LookupError):
    """Nothing handles this message."""


class DispatchCycle(DispatchError, RecursionError):
    """A message was dispatched again while it was being handled."""


class HandlersFailed(DispatchError, ExceptionGroup[Exception]):
    """Handlers of a published event failed. All were called; this group holds every failure, one or many alike."""

    def derive(self, excs: Sequence[Any], /) -> HandlersFailed:  # type: ignore[override]  # only ever of Exceptions
        """Return a group of the same kind, as `except*` asks for."""
        return HandlersFailed(self.message, excs)


class NotAuthorised(DispatchError, PermissionError):
    """The authorisation hook refused the message."""


class IdempotencyKeyReused(DispatchError, ValueError):
    """An idempotency key came again with another command or payload; nothing was done.

    Attributes:
        key: the key.
    """

    def __init__(self, message: str, *, key: str) -> None:
        self.key = key
        super().__init__(message)


class InvalidKey(DispatchError, ValueError):
    """An idempotency key, the id of a scheduled command or of a message, a tenant or a consumer is empty or too long."""


class ResultNotRecordable(DispatchError, TypeError):
    """The result of a command with an idempotency key cannot be kept as JSON and given again."""


class NotSchedulable(DispatchError, ValueError):
    """A command cannot be scheduled: it cannot be kept and read back, or its time has no time zone. Nothing was done."""


class UnitOfWorkError(TwofoldError):
    """A unit of work could not do what was asked."""


class ConcurrencyConflict(UnitOfWorkError, RuntimeError):
    """Somebody else changed the stream or the row first.

    Attributes:
        stream: the stream, or the aggregate's type and id.
        expected: the version (in events, or in saves of a state-stored aggregate) that was expected.
        actual: the version that was found; 0 when there is none.
    """

    def __init__(self, stream: str, *, expected: object, actual: int | None) -> None:
        self.stream = stream
        self.expected = expected
        self.actual = actual
        super().__init__(
            f"cannot write {stream}: expected version {expected}, found {actual}. "
            "Load it again and repeat the command (the retry_conflicts middleware does both)."
        )


class TransientFailure(UnitOfWorkError, RuntimeError):
    """The store refused for now: deadlock, serialisation failure, lock time-out or lost connection.

    Repeating the whole handler on a fresh unit of work may succeed.
    """


class UnitOfWorkDoomed(UnitOfWorkError, RuntimeError):
    """The unit was used after an error broke its transaction; it can only be rolled back."""


class UnitOfWorkClosed(UnitOfWorkError, RuntimeError):
    """The unit was used after it was committed or rolled back."""


class ReadOnlyUnitOfWork(UnitOfWorkError, PermissionError):
    """A query, or a read model outside its projection, tried to write."""


class UsedFromAnotherTask(UnitOfWorkError, RuntimeError):
    """A unit of work or a session was used from a task that did not open it."""


class EventNotRecordable(UnitOfWorkError, TypeError):
    """An event cannot be kept: a field has no JSON, or is a secret, which would come back masked. Nothing was written."""


class CommitFailed(UnitOfWorkError, RuntimeError):
    """The store did not confirm the commit; read back before repeating, unless the cause says it was refused."""


class AfterCommitFailed(UnitOfWorkError, RuntimeError):
    """The command is committed, but a callback that runs after the commit failed.

    Attributes:
        result: what the command handler returned.
    """

    def __init__(self, message: str, *, result: object = None) -> None:
        self.result = result
        super().__init__(message)


class StorageError(TwofoldError):
    """A store could not give or take what was asked."""


class AggregateNotFound(StorageError, LookupError):
    """No aggregate of that type and id."""


class AggregateExists(StorageError, ValueError):
    """An aggregate of that type and id was added before (also when it was removed since)."""


class DuplicateEvent(StorageError, ValueError):
    """An event id is already in the log; nothing was written."""


class UndecodableEvent(StorageError, ValueError):
    """A stored event has no class here, no upcaster, or data that its class refuses."""


class UndecodableCommand(StorageError, ValueError):
    """A scheduled command has no class here, no upcaster, or data that its class refuses."""


class CheckpointMoved(StorageError, RuntimeError):
    """Another worker moved this subscription's checkpoint; nothing was written."""


class RebuildRunning(StorageError, RuntimeError):
    """Another process rebuilds this projection."""


class ForeignLog(StorageError, RuntimeError):
    """A checkpoint or a token belongs to another event log than the one it met."""


class SchemaMissing(StorageError, RuntimeError):
    """The store lacks tables that the application needs."""


class NotStorable(StorageError, ValueError):
    """A row or the state of an aggregate has a value that does not fit its class, or that the store cannot keep."""


class RowNotFound(StorageError, LookupError):
    """A read model has no row of that key to update."""


class InvalidFind(StorageError, ValueError):
    """A read model was asked for a field, an order or a page that it cannot give."""


class SessionError(TwofoldError):
    """A session could not answer."""


class ReadNotReady(SessionError, TimeoutError):
    """A read model has not caught up with what the session wrote. The command itself succeeded.

    Attributes:
        projection: the projection that is behind, or what receives the events that have not arrived.
        behind: how many events of the log it has not passed yet, or holds until a next try; None when that cannot be told.
        parked: True when an event that the session wrote is parked there, so that waiting cannot help.
        sources: the applications whose events have not arrived; empty when a projection here is behind.
    """

    def __init__(self, projection: str, *, lag: int | None, parked: bool = False, sources: Sequence[str] = ()) -> None:
        self.projection = projection
        self.lag = lag
        self.parked = parked
        self.sources = tuple(sources)
        if sources:
            others = " or ".join(map(repr, sources))
            super().__init__(
                f"the query was not answered: events of {others} that this session has to see have not arrived here, at "
                f"{projection!r}. The session's commands succeeded. Look at the broker, at the relay of {others} and at "
                "Application.health() on both sides; wait longer (timeout=), or accept a stale answer "
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
            found = f"it is {lag if lag is not None else 'an unknown number of'} event(s) behind this session"
            advice = "Wait longer (timeout=), or accept a stale answer (Session.execute_stale)."
        super().__init__(
            f"the query was not answered: projection {projection!r} is not ready, {found}. The session's commands "
            f"succeeded. {advice}"
        )


class InvalidToken(SessionError, ValueError):
    """A session token is not one that `Session.token` gave."""


class TransportError(TwofoldError):
    """A message did not get to another process, or no answer came back."""


class MessageTooLarge(TransportError, ValueError):
    """A message is larger than a broker is given."""


class NotPublished(TransportError, RuntimeError):
    """A broker did not confirm an event, or has no receiver for it."""


class RemoteError(TransportError):
    """A command or query for another process failed."""


class NoRemoteService(RemoteError, LookupError):
    """Nobody serves requests under this name; nothing was done."""


class NotSent(RemoteError, ConnectionError):
    """The broker is away: the request was not sent, and nothing was done. It can be sent again as it is."""


class InvalidRequest(RemoteError, ValueError):
    """The other process knows the message with other fields, or in another version; nothing was done."""


class RemoteTimeout(RemoteError, TimeoutError):
    """No reply came by the deadline. Whether the request was handled is not known: send it again with the same key."""


class RemoteFailure(RemoteError, RuntimeError):
    """The other process raised an error that has no class here.

    Attributes:
        name: what the error's class is called there.
    """

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        super().__init__(text)


class ApplicationNotRunning(TwofoldError, RuntimeError):
    """The application was used before `async with app:` or after it."""


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """One thing that is wrong in the wiring.

    Attributes:
        file: the source file to look at.
        line: the line in it, from 1; 0 when it cannot be told.
        message: what was found and what to do.
    """

    file: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}"

"""Every error that Twofold raises.

    TwofoldError
    ├── ConfigurationError (TypeError)             the application is wired wrongly
    │   ├── WiringError                            check() found faults; the error lists all of them
    │   ├── InvalidDefinition                      a message, view or aggregate class is declared wrongly
    │   └── MissingDependency (ImportError)        the driver of an adapter is not installed
    ├── InvalidInput (ValueError)                  a value that clients send is not valid: HTTP 400
    │   ├── InvalidFind                            a filter, an order, a page or a cursor of a read model
    │   ├── InvalidKey                             an idempotency key or another key that a caller chooses
    │   └── InvalidToken                           a consistency token
    ├── DispatchError
    │   ├── NoHandler (LookupError)                no handler is registered for this message
    │   ├── TooFewAnswers (RuntimeError)           fewer answerers answered a query than the policy of `gather` needs
    │   ├── AnswerTimeout (TimeoutError)           an answerer did not answer within the timeout of `gather`
    │   ├── InvalidAnswer (TypeError)              an answerer returned a value that is not of the result type of its query
    │   ├── DispatchCycle (RecursionError)         a message was dispatched while it was being handled
    │   ├── HandlersFailed (ExceptionGroup)        handlers of a published event failed
    │   ├── NotAuthorised (PermissionError)        the authorisation hook refused the message
    │   └── IdempotencyKeyReused (ValueError)      an idempotency key was used with another command or payload
    ├── UnitOfWorkError
    │   ├── ConcurrencyConflict (RuntimeError)     a concurrent writer changed the stream or the row first
    │   │   └── BoundaryConflict                   … appended an event that matches a boundary that was read
    │   ├── InlineProjectionsChanged (RuntimeError)  another process changed the inline projections of the event log
    │   ├── UnitOfWorkDoomed (RuntimeError)        the unit of work was used after an error broke its transaction
    │   ├── UnitOfWorkClosed (RuntimeError)        the unit of work was used after its end
    │   ├── ReadOnlyUnitOfWork (PermissionError)   a query tried to write
    │   ├── NotAdded (RuntimeError)                an aggregate recorded an event, and was not added to its repository
    │   ├── NotAwaited (RuntimeError)              a call of a parameter of the handler was not awaited
    │   ├── NotRecorded (RuntimeError)             an event-sourced aggregate was changed outside of its `on` methods
    │   ├── CommitFailed (RuntimeError)            the store refused the commit
    │   ├── CommitUnknown (RuntimeError)           the store did not confirm the commit; the outcome is unknown
    │   └── AfterCommitFailed (RuntimeError)       the command is committed, but a callback after the commit failed
    ├── StorageError
    │   ├── AggregateNotFound (LookupError)        there is no aggregate of that type and id
    │   ├── AggregateExists (ValueError)           an aggregate of that type and id was added before
    │   ├── ValueTaken (ValueError)                another owner has claimed a unique value
    │   ├── ValueNotHeld (LookupError)             an owner does not have the unique value that it transfers
    │   ├── TagsIncomplete (RuntimeError)          stored events lack tags that their class declares now
    │   ├── DuplicateEvent (ValueError)            an event id is already in the event log
    │   ├── UndecodableEvent (ValueError)          a stored event has no class, no upcaster or invalid data
    │   ├── UndecodableCommand (ValueError)        a scheduled command has no class, no upcaster or invalid data
    │   ├── UndecodableProcess (ValueError)        a stored process lacks an upcaster, or has data that its class refuses
    │   ├── CheckpointMoved (RuntimeError)         another worker moved the checkpoint of this subscription
    │   ├── RebuildRunning (RuntimeError)          another process rebuilds this projection
    │   ├── RebuildFailed (RuntimeError)           an inline projection fails on a stored event
    │   ├── ProjectionChanged (RuntimeError)       stored rows belong to another release of a projection
    │   ├── ForeignLog (RuntimeError)              a checkpoint or token belongs to another event log
    │   ├── EventsLost (RuntimeError)              the event log has lost events that a reader or a token has seen
    │   ├── SchemaMissing (RuntimeError)           the store lacks tables that the application needs
    │   ├── NotStorable (ValueError)               a value cannot be stored or sent, or would come back changed
    │   │   ├── EventNotRecordable (TypeError)     … of an event
    │   │   ├── NotSchedulable (ValueError)        … of a scheduled command, or its time has no time zone
    │   │   └── ResultNotRecordable (TypeError)    … of the result of a command with an idempotency key
    │   ├── UnreadableRow (ValueError)             a stored row does not fit its view
    │   └── RowNotFound (LookupError)              a read model has no row with that key to update
    ├── StepError
    │   ├── StepTimedOut (TimeoutError)            the outside call of a step passed its deadline; its outcome is unknown
    │   ├── StepUnknown (RuntimeError)             a step was begun and its outcome is unknown, and it must not be repeated
    │   ├── StepFailed (RuntimeError)              a step failed finally, with an error whose class is not listed any more
    │   ├── StepNotStorable (TypeError)            the outside call took effect, but its result cannot be stored
    │   ├── StepRepeated (ValueError)              a handler ran two steps of the same name
    │   └── StepInTransaction (RuntimeError)       a step was run while the transaction of the handler was open
    ├── SessionError
    │   └── ReadNotReady (TimeoutError)            a read model has not caught up with the writes of the session
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
    │   └── TransactionIdled                       the server ended a transaction that idled for too long
    ├── UsedFromAnotherTask (RuntimeError)         a unit of work or a session was used from another task
    ├── BlockingCall (RuntimeError)                a blocking call was made inside an event loop or a handler
    └── ApplicationNotRunning (RuntimeError)       the application was used before its start or after its stop

Each leaf also inherits from the built-in exception that fits. A message says what failed, which value was found, and what
to do.

The module is longer than others, because it is one tree: the drawing above and the classes below are read side by side.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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


class InvalidInput(TwofoldError, ValueError):
    """A value that clients send is not valid. Nothing was done, and the same value fails again.

    A web layer answers all of these with HTTP 400. The text names the value and says what is valid.
    """


class InvalidFind(InvalidInput):
    """A filter, an order, a page or a cursor of a read model is not valid, or the moment of a history."""


class InvalidKey(InvalidInput):
    """The key of a row, an idempotency key, the id of a scheduled command or a message, a tenant or a header is not valid.

    It is empty or too long, or it contains characters that some stores cannot store.
    """


class InvalidToken(InvalidInput):
    """A string is not a consistency token that `Session.token` returned."""


class DispatchError(TwofoldError):
    """A message could not be dispatched to its handler."""


class NoHandler(DispatchError, LookupError):
    """No handler is registered for this message."""


class TooFewAnswers(DispatchError, RuntimeError):
    """Fewer answerers answered a query than the policy of `gather` needs.

    Attributes:
        answers: the answers, by the name of the answerer.
        failures: the errors of the answerers that failed or were late, by name.
        unfinished: the answerers that were cancelled, because the policy could no longer be met.
    """

    def __init__(
        self,
        message: str,
        *,
        answers: Mapping[str, object],
        failures: Mapping[str, Exception],
        unfinished: Sequence[str] = (),
    ) -> None:
        super().__init__(message)
        self.answers = dict(answers)
        self.failures = dict(failures)
        self.unfinished = tuple(unfinished)


class AnswerTimeout(DispatchError, TimeoutError):
    """An answerer did not answer within the timeout of `gather`."""


class InvalidAnswer(DispatchError, TypeError):
    """An answerer returned a value that is not of the result type of its query."""


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


class BoundaryConflict(ConcurrencyConflict):
    """Another transaction appended an event that matches a boundary, after the boundary was read. Nothing was written.

    Attributes:
        stream: the criteria of the boundary.
        expected: the number of matching events that were read.
        actual: the number that was found, or None if they were not counted.
    """

    def __init__(self, criteria: str, *, expected: int, actual: int | None = None) -> None:
        super().__init__(criteria, expected=expected, actual=actual)
        text = (
            f"cannot append under the condition of {criteria}: after {expected} matching event(s) were read, another "
            "transaction appended one. Repeat the command, which reads the boundary again. The retry_conflicts middleware "
            "does this."
        )
        self.args = (text,)


class InlineProjectionsChanged(UnitOfWorkError, RuntimeError):
    """Another process has changed the inline projections of the event log since this one started. Nothing was written.

    Attributes:
        expected: the generation of the inline projections that this process applies.
        actual: the generation that was found.
    """

    def __init__(self, *, expected: int, actual: int) -> None:
        self.expected = expected
        self.actual = actual
        super().__init__(
            f"cannot append events: the inline projections of the event log have generation {actual}, and this process "
            f"applies those of generation {expected}. Another release has started or ended one, or changed its views or "
            "fields. Restart this process with the release of the other one."
        )


class UnitOfWorkDoomed(UnitOfWorkError, RuntimeError):
    """The unit of work was used after an error broke its transaction. It can only be rolled back."""


class UnitOfWorkClosed(UnitOfWorkError, RuntimeError):
    """The unit of work was used after its commit or rollback."""


class ReadOnlyUnitOfWork(UnitOfWorkError, PermissionError):
    """A query, or a read model outside its projection, tried to write."""


class NotAdded(UnitOfWorkError, RuntimeError):
    """An aggregate recorded an event, and was neither added to its repository nor loaded from it. Nothing was written."""


class NotAwaited(UnitOfWorkError, RuntimeError):
    """A call of a repository, a read model, a session, a scheduler or a bus was not awaited. Nothing was written."""


class NotRecorded(UnitOfWorkError, RuntimeError):
    """An event-sourced aggregate was changed outside of its methods marked with `on`. Nothing was written.

    Its events are its state, so the change would be lost when the aggregate is loaded again.
    """


class CommitFailed(UnitOfWorkError, RuntimeError):
    """The store refused the commit. Nothing was written."""


class CommitUnknown(UnitOfWorkError, RuntimeError):
    """The store did not confirm the commit: the answer was lost, or did not arrive in time. The outcome is unknown.

    Everything is written, or nothing. Nothing repeats the work by itself. Dispatch a command again with the same idempotency
    key: it takes effect once, and returns its result. Without a key, read the data before you repeat the command.
    """


class AfterCommitFailed(UnitOfWorkError, RuntimeError):
    """The command is committed, but a callback that runs after the commit failed, or a resource could not be closed.

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


class ValueTaken(StorageError, ValueError):
    """Another owner has claimed a unique value. The text names the scope, and neither the value nor the owner.

    Attributes:
        scope: the scope in which the value is unique, such as "email".
    """

    def __init__(self, scope: str) -> None:
        self.scope = scope
        super().__init__(f"cannot claim a value of the scope {scope!r}: another owner has it. Choose another value.")


class ValueNotHeld(StorageError, LookupError):
    """An owner does not have the unique value that it transfers: the value is free, or has another owner.

    Attributes:
        scope: the scope in which the value is unique, such as "email".
    """

    def __init__(self, scope: str) -> None:
        self.scope = scope
        super().__init__(
            f"cannot transfer a value of the scope {scope!r}: the owner that transfers it does not have it. Load the owner "
            "again, or claim the value for the new owner."
        )


class TagsIncomplete(StorageError, RuntimeError):
    """Events were stored before their class declared tags, so a boundary would miss them. Fill the tags first."""


class DuplicateEvent(StorageError, ValueError):
    """An event id is already in the event log. Nothing was written."""


class UndecodableEvent(StorageError, ValueError):
    """A stored event has no class in this application, lacks an upcaster, or has data that its class refuses."""


class UndecodableCommand(StorageError, ValueError):
    """A scheduled command has no class in this application, lacks an upcaster, or has data that its class refuses."""


class UndecodableProcess(StorageError, ValueError):
    """A stored process lacks an upcaster, or has data that its class refuses. Other processes are not affected."""


class CheckpointMoved(StorageError, RuntimeError):
    """Another worker moved the checkpoint of this subscription. Nothing was written."""


class RebuildRunning(StorageError, RuntimeError):
    """Another process rebuilds this projection."""


class RebuildFailed(StorageError, RuntimeError):
    """An inline projection fails on a stored event, so its rows cannot be rebuilt. They are unchanged."""


class ForeignLog(StorageError, RuntimeError):
    """A checkpoint or a consistency token belongs to another event log."""


class ProjectionChanged(StorageError, RuntimeError):
    """The stored rows of a projection belong to other views, or are made of other events, than in this release."""


class EventsLost(StorageError, RuntimeError):
    """The event log has lost events: a replica that was behind was promoted, or a backup was restored.

    A reader that has passed the lost events, or a token of a session that wrote them, does not continue as if other events
    at their positions were the same.

    Attributes:
        reader: the subscription whose checkpoint is lost, or "a consistency token".
        position: the position of the lost event.
        event: the id of the lost event.
        head: the last position of the log now.
    """

    def __init__(self, reader: str, *, position: int, event: object, head: int, advice: str) -> None:
        self.reader = reader
        self.position = position
        self.event = event
        self.head = head
        super().__init__(
            f"{reader} has seen event {event} at position {position}, and the event log does not have that event. The last "
            f"position of the log is {head}. The log lost its last events: a replica that was behind was promoted, or a "
            f"backup was restored. {advice}"
        )


class SchemaMissing(StorageError, RuntimeError):
    """The store lacks tables that the application needs."""


class NotStorable(StorageError, ValueError):
    """A value cannot be stored or sent: it has no JSON or does not fit its column, or it would come back changed.

    Nothing was written. The text names the class, the field and the value.
    """


class EventNotRecordable(NotStorable, TypeError):
    """An event has a value that cannot be stored, or that would come back changed."""


class NotSchedulable(NotStorable):
    """A scheduled command has a value that would come back changed, or its time has no time zone."""


class ResultNotRecordable(NotStorable, TypeError):
    """The result of a command with an idempotency key, or a field of the command, cannot be stored and read back."""


class UnreadableRow(StorageError, ValueError):
    """A stored row does not fit its view, because the view was changed since, or the row was damaged.

    Attributes:
        view: the view.
        key: the key of the row, or None if the row does not show it.
        found: the reason.
    """

    def __init__(self, view: type[Any], key: object, found: str) -> None:
        self.view = view
        self.key = key
        self.found = found
        super().__init__(
            f"cannot read the row of {view.__qualname__} with the key {key!r:.100}: {found}. Rebuild the projection that "
            "writes it, or find rows with skip_unreadable=True."
        )


class RowNotFound(StorageError, LookupError):
    """A read model has no row with that key to update."""


class StepError(TwofoldError):
    """A durable step did not return a result.

    Attributes:
        step: the name of the step.
    """

    def __init__(self, message: str, *, step: str) -> None:
        self.step = step
        super().__init__(message)


class StepTimedOut(StepError, TimeoutError):
    """The outside call of a step passed its deadline. The outcome is unknown: it may take effect later."""


class StepUnknown(StepError, RuntimeError):
    """A step with `on_unknown="raise"` was begun before, and its outcome was not stored. The call is not repeated."""


class StepFailed(StepError, RuntimeError):
    """A step failed finally before, and the class of its stored error is not listed in `errors=` any more.

    Attributes:
        name: the name of the class of the stored error.
    """

    def __init__(self, message: str, *, step: str, name: str) -> None:
        self.name = name
        super().__init__(message, step=step)


class StepNotStorable(StepError, TypeError):
    """The outside call of a step took effect, but its result cannot be stored, or cannot be read any more."""


class StepRepeated(StepError, ValueError):
    """A handler ran two steps of the same name with one input. Results are stored by name."""


class StepInTransaction(StepError, RuntimeError):
    """A step was run after the handler had used its unit of work, whose transaction would stay open during the call."""


class SessionError(TwofoldError):
    """A session could not answer a query."""


class ReadNotReady(SessionError, TimeoutError):
    """A read model has not caught up with the writes of the session. The commands of the session succeeded.

    Attributes:
        projection: the projection that has not caught up, or the consumer of the events that have not arrived.
        lag: the number of events between its checkpoint and the writes of the session, exact up to 10,000 (see
            `SubscriptionStatus.lag`), with those that are being retried; None if it is not known.
        parked: whether an event that the session wrote is parked, so that waiting cannot help.
        paused: whether an operator has paused the projection, so that it does not catch up until it is resumed.
        reason: why the first parked event of the key failed, with the class of the error; or since when the projection is
            paused, and why; empty otherwise.
        sources: the applications whose events have not arrived. Empty if a projection of this application is stale.
    """

    def __init__(
        self,
        projection: str,
        *,
        lag: int | None,
        parked: bool = False,
        reason: str = "",
        paused: bool = False,
        sources: Sequence[str] = (),
    ) -> None:
        self.projection = projection
        self.lag = lag
        self.parked = parked
        self.reason = reason
        self.paused = paused
        self.sources = tuple(sources)
        if sources:
            others = " or ".join(map(repr, sources))
            super().__init__(
                f"the query was not answered: events of {others} that this session depends on have not arrived here, at "
                f"{projection!r}. The commands of the session succeeded. Check the broker, the relay of {others}, and "
                "Application.health() on both sides. Wait longer (timeout=), or accept a stale answer "
                "(Session.execute_stale). If their log has lost the events, by a failover or the restore of a backup, start "
                "a session without the token."
            )
            return
        if parked:
            found = f"an event that this session wrote is parked there ({reason:.500}), so that waiting cannot help"
            advice = (
                f"app.operations.parked({projection!r}) lists the parked events. Fix the cause and retry them, or accept a "
                "stale answer (Session.execute_stale)."
            )
        elif paused:
            found = f"an operator has paused it ({reason})"
            advice = f"Call app.operations.resume({projection!r}), or accept a stale answer (Session.execute_stale)."
        else:
            found = f"it lags this session by {lag if lag is not None else 'an unknown number of'} event(s)"
            advice = "Wait longer (timeout=), or accept a stale answer (Session.execute_stale)."
        super().__init__(
            f"the query was not answered: projection {projection!r} is not ready, {found}. The commands of the session "
            f"succeeded. {advice}"
        )


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


class TransactionIdled(TransientFailure):
    """The server has ended a transaction that idled for too long between two statements. Nothing was written.

    The handler did slow work in between, or the process was stalled. It counts as a failed attempt at an event, a scheduled
    command or a received message.
    """


class UsedFromAnotherTask(TwofoldError, RuntimeError):
    """A unit of work or a session was used from another task than the one that opened it."""


class BlockingCall(TwofoldError, RuntimeError):
    """A blocking call of `Application.sync` was made inside an event loop, which it would stop, or inside a handler."""


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

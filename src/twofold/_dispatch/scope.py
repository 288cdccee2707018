"""One message while it is handled: its unit of work, its envelope, and its resources."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar, Final, Protocol, TypeVar

from .._background.calls import Calls
from .._consistency.conversation import Conversation
from .._definitions.envelope import Envelope, Origin
from .._definitions.view import View
from .._reading.read_model import CommittedRows, ProjectedRows
from .._writing.changes import Changes, Recorded
from .._writing.unit_of_work import UnitOfWork
from ..errors import DispatchCycle, UnitOfWorkClosed, UsedFromAnotherTask
from ..ports.rows import RowReader
from .inputs import StepInput
from .resources import Resources
from .services import Services

V = TypeVar("V", bound=View)

_DEEPEST = 50
"""The maximum depth of nested dispatches."""

_UNKNOWN: Final = Origin()
"""The origin of a message that was dispatched outside of a session."""

NEW: Final = object()
"""Returned by a claim whose command has not taken effect before."""


class Claim(Protocol):
    """The identity of a dispatch that takes effect once: an idempotency key, a received message, a scheduled command.

    Attributes:
        attempt: the number of this attempt, from 1, as `Envelope.attempt`.
    """

    attempt: int

    @property
    def key(self) -> str | None:
        """The idempotency key, as `Envelope.idempotency_key`."""
        ...

    def lock_key(self) -> object:
        """Return the lock key. Dispatches with equal keys run one after another in this process."""
        ...

    async def claim(self, scope: Scope) -> Any:
        """Store the claim in the unit of work; return `NEW`, or the result of the dispatch that claimed first."""
        ...

    async def handled(self, scope: Scope, result: Any) -> None:
        """Store the result of the handler in the unit of work."""
        ...


def new_envelope(
    services: Services, message: Any, origin: Origin | Envelope[Any], claim: Claim | None
) -> Envelope[Any]:
    """Return the envelope of a message.

    Args:
        services: the services of the application.
        message: the message.
        origin: the envelope of the message whose handler sends this one, or the metadata of a first message.
        claim: the claim of the dispatch.
    """
    new_id, current_trace = services.write.ids.new(), services.current_trace
    return Envelope(
        message=message,
        id=new_id,
        correlation_id=origin.correlation_id or new_id,
        causation_id=origin.id if isinstance(origin, Envelope) else origin.causation_id,
        time=services.write.clock.now(),
        tenant=origin.tenant,
        trace=origin.trace if current_trace is None else current_trace() or origin.trace,
        headers=origin.headers,
        attempt=1 if claim is None else claim.attempt,
        idempotency_key=None if claim is None else claim.key,
    )


class Scope:
    """One message while it is handled. A scope is opened for each message, and closed when the handler has ended.

    A message that is dispatched inside a handler has a scope of its own, and joins the unit of work of the outer one.
    `open_scope` creates a scope.

    Attributes:
        services: the services of the application.
        message: the message; None in a projection and outside of handlers.
        parent: the scope of the handler that dispatched the message.
        claim: claimed before the handler runs.
        joined: the conversation of the message, if it has one yet.
        unit: the unit of work, if it was used.
        calls: the calls that the handler makes of its parameters.
        recorded: the events that aggregates record until the unit of work ends; None when the handler has ended.
        resources: the resources that `close` closes, if any were opened.
        rows: the read models of a projection; set only in the scope of a projection.
        input: the input whose durable steps the handler runs; set only in the scope of an event handler.
    """

    __slots__ = (
        *("_envelope", "_owner", "_read_only", "calls", "claim", "joined", "message", "parent"),
        *("input", "recorded", "resources", "rows", "services", "unit"),
    )

    services: Services
    message: Any
    parent: Scope | None
    claim: Claim | None
    joined: Conversation | None
    unit: UnitOfWork | None
    calls: Calls
    recorded: list[Recorded] | None
    resources: Resources | None
    rows: dict[type[View], ProjectedRows[Any]]
    input: StepInput
    _owner: object
    _read_only: bool
    _envelope: Envelope[Any] | None

    needed: ClassVar[None] = None
    """Read by the cache, as of a `Caller`: a query in a handler needs no position."""

    @property
    def scope(self) -> Scope:
        """The scope itself, where it stands in the place of a `Caller`."""
        return self

    @property
    def conversation(self) -> Conversation:
        """The conversation that the message belongs to, opened at the first access outside of a session."""
        if self.joined is None:
            parent = self.parent
            self.joined = self.services.conversations.open() if parent is None else parent.conversation
        return self.joined

    @property
    def ended(self) -> bool:
        """Whether the handler has ended. Its parameters cannot be used any more then."""
        return self.recorded is None

    def check_nested(self, message: object) -> None:
        """Check that a message may be dispatched inside this scope.

        Raises:
            UsedFromAnotherTask: this scope belongs to another task.
            DispatchCycle: an equal message is being handled already, or the nesting is too deep.
        """
        if self.services.running.get() is not self._owner:
            raise UsedFromAnotherTask(
                f"cannot dispatch {type(message).__name__} here: it would join a unit of work that another task opened. "
                "Await it in the handler itself, or dispatch it after the handler has ended."
            )
        chain: list[str] = []
        scope: Scope | None = self
        while scope is not None:
            chain.append(type(scope.message).__name__)
            if len(chain) > _DEEPEST or scope.message == message:
                way = " → ".join([*reversed(chain[:6]), type(message).__name__])
                raise DispatchCycle(
                    f"cannot dispatch {type(message).__name__}: it is being handled already ({way}). "
                    "Let the handlers call a shared function instead of each other's commands."
                )
            scope = scope.parent

    @property
    def envelope(self) -> Envelope[Any]:
        """The envelope of the message, made at the first access."""
        if self._envelope is None:
            outer = None if self.parent is None else self.parent.envelope
            origin = outer or (_UNKNOWN if self.joined is None else self.joined.origin)
            self._envelope = new_envelope(self.services, self.message, origin, self.claim)
        return self._envelope

    @envelope.setter
    def envelope(self, envelope: Envelope[Any]) -> None:
        self._envelope = envelope

    def unit_of_work(self) -> UnitOfWork:
        """Return the unit of work, created by the first call. Its transaction begins with the first read or write.

        Raises:
            UnitOfWorkClosed: the handler has ended.
        """
        if self.recorded is None:
            raise self._over()
        if self.unit is None:
            changes = Changes(self.recorded)
            self.unit = UnitOfWork(self.services.write, self._cause, self._owner, changes, read_only=self._read_only)
        return self.unit

    def check_unchanged(self) -> None:
        """Check that the handler of a query changed nothing.

        Raises:
            ReadOnlyUnitOfWork: an aggregate recorded an event.
        """
        if self.unit is not None:
            self.unit.changes.check_nothing_recorded(self.message)

    def join(self, outer: Scope) -> UnitOfWork:
        """Join the unit of work of the handler that dispatched the message, and return it."""
        self.unit = outer.unit_of_work()
        self.recorded = self.unit.changes.touched
        return self.unit

    def _cause(self) -> Envelope[Any]:
        return self.envelope

    def committed_rows(self, view: type[V]) -> CommittedRows[V]:
        """Return a read model that only reads. All of them in a scope read one snapshot of the store."""

        async def rows() -> RowReader[V]:
            if self.ended:
                raise self._over()
            if self.services.running.get() is not self._owner:
                raise UsedFromAnotherTask(
                    f"cannot read {view.__qualname__} here: another task opened this read. "
                    "Await the calls one after another instead of with gather() or a task group."
                )
            return (await self.opened().transaction()).rows(view)

        return CommittedRows(view, rows, self.calls, self.services.unreadable.add)

    def _over(self) -> UnitOfWorkClosed:
        return UnitOfWorkClosed(
            f"cannot use the parameters of the handler of {type(self.message).__name__}: the handler has ended. Take a "
            "repository or read model as a parameter where you need it. To continue work later, register an event handler "
            "or schedule a command."
        )

    def opened(self) -> Resources:
        """Return the resources of the message, opened at the first call."""
        if self.resources is None:
            self.resources = Resources(self.services.read)
        return self.resources

    async def close(self, failure: BaseException | None = None) -> None:
        """End the unit of work of a query, and close the resources of the message.

        Args:
            failure: the error of the handler.
        """
        self.recorded = None
        if self._read_only and self.unit is not None:
            await self.unit.rollback()
        if self.resources is not None:
            await self.resources.close(failure)


def open_scope(
    services: Services,
    message: Any,
    conversation: Conversation | None = None,
    parent: Scope | None = None,
    claim: Claim | None = None,
    read_only: bool = False,
    envelope: Envelope[Any] | None = None,
) -> Scope:
    """Open the scope of a message. A call of `__init__` would take twice as long on Python 3.11.

    Args:
        services: the services of the application.
        message: the message; None in a projection and outside of handlers.
        conversation: the conversation of the message; None outside of a session.
        parent: the scope of the handler that dispatched the message.
        claim: claimed before the handler runs.
        read_only: whether the handler may only read.
        envelope: the envelope, if middleware has taken it. The middleware may have passed on another message.
    """
    scope = Scope()
    scope.services = services
    scope.message = message
    scope.parent = parent
    scope.claim = claim
    scope.joined = conversation
    scope.unit = scope.resources = None
    scope.calls = []
    scope.recorded = []
    scope._owner = services.running.get()
    scope._read_only = read_only
    if envelope is not None and envelope.message is not message:
        envelope = replace(envelope, message=message)
    scope._envelope = envelope
    return scope

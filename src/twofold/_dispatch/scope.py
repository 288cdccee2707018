"""One message while it is handled: its unit of work, its envelope, and what was made for it."""

from __future__ import annotations

from typing import Any, Final, Protocol, TypeVar

from .._consistency.conversation import Conversation
from .._definitions.envelope import Envelope
from .._definitions.position import Position
from .._definitions.view import View
from .._reading.read_model import CommittedRows, ProjectedRows
from .._writing.unit_of_work import UnitOfWork
from ..errors import DispatchCycle, ReadOnlyUnitOfWork, UnitOfWorkClosed, UsedFromAnotherTask
from ..ports.rows import RowReader
from .resources import Resources
from .services import Services

V = TypeVar("V", bound=View)

_DEEPEST = 50
"""How many messages may be dispatched inside one another."""

NEW: Final = object()
"""Returned by a claim whose command has not taken effect before."""


class Claim(Protocol):
    """The identity of a dispatch that takes effect once: an idempotency key, a received message, a scheduled command."""

    def turn(self) -> object:
        """Return the lock key. Dispatches with equal keys run one after another in this process."""
        ...

    async def claim(self, scope: Scope) -> Any:
        """Store the claim in the unit of work; return `NEW`, or the result of the dispatch that claimed first."""
        ...

    async def handled(self, scope: Scope, result: Any) -> None:
        """Store the result of the handler in the unit of work."""
        ...


class Scope:
    """One message while it is handled. A scope is made for each message, and closed when the handler has ended.

    A message that is dispatched inside a handler has a scope of its own, and joins the unit of work of the outer one.

    Args:
        services: what the application offers.
        message: the message; None in a projection and outside of handlers.
        conversation: the conversation of the message; a new one when it was dispatched outside of a session.
        parent: the scope of the handler that dispatched the message.
        claim: claimed before the handler runs.
        read_only: whether the handler may only read.
    """

    # The slots hold what every message has. Each further attribute that __init__ sets costs every dispatch.
    __slots__ = ("__dict__", "_conversation", "_owner", "ended", "message", "services", "unit")

    parent: Scope | None = None
    claim: Claim | None = None
    rows: dict[type[View], ProjectedRows[Any]] | None = None
    """The read models of a projection."""
    needed: Position | None = None
    """Read by the cache, as of a `Caller`: a query in a handler needs no position."""
    _read_only: bool = False
    _envelope: Envelope[Any] | None = None
    resources: Resources | None = None
    """What `close` closes, if anything was opened."""

    def __init__(
        self,
        services: Services,
        message: Any,
        conversation: Conversation | None = None,
        parent: Scope | None = None,
        claim: Claim | None = None,
        read_only: bool = False,
    ) -> None:
        self.services = services
        self.message = message
        self.unit: UnitOfWork | None = None
        self.ended = False
        """Whether the handler has ended, so that its parameters cannot be used any more."""
        self._conversation = conversation
        self._owner = services.running.get()
        if parent is not None:
            self.parent = parent
        if claim is not None:
            self.claim = claim
        if read_only:
            self._read_only = True

    @property
    def scope(self) -> Scope:
        """The scope itself, where it stands in the place of a `Caller`."""
        return self

    @property
    def conversation(self) -> Conversation:
        """The conversation that the message belongs to."""
        if self._conversation is None:
            parent = self.parent
            self._conversation = self.services.conversations.open() if parent is None else parent.conversation
        return self._conversation

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
            origin = self.conversation.origin if outer is None else outer
            new_id, now = self.services.write.ids.new(), self.services.write.clock.now()
            self._envelope = Envelope(
                message=self.message,
                id=new_id,
                correlation_id=origin.correlation_id or new_id,
                causation_id=origin.causation_id if outer is None else outer.id,
                time=now,
                tenant=origin.tenant,
                trace=origin.trace,
                headers=origin.headers,
            )
        return self._envelope

    @envelope.setter
    def envelope(self, envelope: Envelope[Any]) -> None:
        self._envelope = envelope

    def unit_of_work(self) -> UnitOfWork:
        """Return the unit of work, made at the first call. Its transaction begins at the first use.

        Raises:
            UnitOfWorkClosed: the handler has ended.
        """
        if self.ended:
            raise self._over()
        if self.unit is None:
            self.unit = UnitOfWork(self.services.write, self._cause, self._owner, read_only=self._read_only)
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

        return CommittedRows(view, rows)

    def projected_rows(self, view: type[V]) -> ProjectedRows[V]:
        """Return the read model of the projection that runs in this scope."""
        if self.rows is None or view not in self.rows:
            raise ReadOnlyUnitOfWork(f"{view.__qualname__} cannot be written here: this is not a projection.")
        return self.rows[view]

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
            failure: what the handler raised.
        """
        self.ended = True
        if self._read_only and self.unit is not None:
            await self.unit.rollback()
        if self.resources is not None:
            await self.resources.close(failure)

"""What surrounds one message while it is handled: its unit of work, its envelope, what was made for it."""

from __future__ import annotations

from contextlib import AsyncExitStack
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypeVar

import anyio

from .._background.tasks import current_task
from .._definitions.envelope import Envelope
from .._definitions.view import View
from .._reading.read_model import CommittedRows, ProjectedRows
from .._writing.unit_of_work import UnitOfWork
from ..errors import DispatchCycle, ReadOnlyUnitOfWork, UnitOfWorkClosed, UsedFromAnotherTask
from ..ports.rows import RowReader
from ..ports.transactions import ReadTransaction
from .services import Services

if TYPE_CHECKING:
    from .session import Session

V = TypeVar("V", bound=View)

_DEEPEST = 50
"""How many messages may be dispatched inside one another."""


class Scope:
    """One message being handled. Made for each message, closed when its handler has ended.

    A scope without a message stands for a session: what is dispatched in it begins a unit of its own. A message
    dispatched inside another one shares its unit.
    """

    open: bool = False
    """Whether something was made or begun that has to be closed."""
    ended: bool = False
    """Whether the handler has ended: what it was given cannot be used any more."""
    unit: UnitOfWork | None = None
    rows: dict[type[View], ProjectedRows[Any]] | None = None
    made: dict[Any, Any] | None = None
    _envelope: Envelope[Any] | None = None
    _read: ReadTransaction | None = None
    _exits: AsyncExitStack | None = None

    def __init__(
        self,
        services: Services,
        message: Any,
        session: Session | None = None,
        parent: Scope | None = None,
        *,
        read_only: bool = False,
    ) -> None:
        self.services = services
        self.message = message
        self.parent = parent
        self._session = session
        self._read_only = read_only
        self._owner = current_task()

    @property
    def session(self) -> Session:
        """The session that the message belongs to; a new one when it was dispatched without."""
        if self._session is None:
            self._session = self.services.new_session()
        return self._session

    @property
    def joinable(self) -> bool:
        """Whether a message dispatched here shares this scope's unit of work."""
        return self.message is not None

    def check_nested(self, message: object) -> None:
        """Raise when dispatching a message inside this scope cannot end well.

        Raises:
            UsedFromAnotherTask: this scope belongs to another task.
            DispatchCycle: an equal message is being handled already, or the nesting is too deep.
        """
        if current_task() is not self._owner:
            raise UsedFromAnotherTask(
                f"cannot dispatch {type(message).__name__} here: it would join a unit of work that another task opened. "
                "Await it in the handler itself, or dispatch it after the handler has ended."
            )
        chain: list[str] = []
        scope: Scope | None = self
        while scope is not None and scope.message is not None:
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
        """The message's envelope, made at the first look."""
        if self._envelope is None:
            new_id = self.services.write.ids.new()
            now = self.services.write.clock.now()
            if self.parent is not None and self.parent.message is not None:
                cause = self.parent.envelope
                self._envelope = Envelope(
                    message=self.message, id=new_id, correlation_id=cause.correlation_id, causation_id=cause.id,
                    time=now, tenant=cause.tenant, trace=cause.trace, headers=cause.headers,
                )  # fmt: skip
            else:
                origin = self.session.origin
                self._envelope = Envelope(
                    message=self.message, id=new_id, correlation_id=origin.correlation_id or new_id,
                    causation_id=origin.causation_id,
                    time=now, tenant=origin.tenant, trace=origin.trace, headers=origin.headers,
                )  # fmt: skip
        return self._envelope

    @envelope.setter
    def envelope(self, envelope: Envelope[Any]) -> None:
        self._envelope = envelope

    def unit_of_work(self) -> UnitOfWork:
        """Return the unit of work, made at the first look; its transaction begins later still.

        Raises:
            UnitOfWorkClosed: the handler has ended.
        """
        if self.ended:
            raise self._over()
        if self.unit is None:
            self.unit = UnitOfWork(self.services.write, lambda: self.envelope, self._owner, read_only=self._read_only)
            self.open = self.open or self._read_only
        return self.unit

    def committed_rows(self, view: type[V]) -> CommittedRows[V]:
        """Return a read model that only reads, one state of the store for the whole scope."""

        async def rows() -> RowReader[V]:
            if self.ended:
                raise self._over()
            if current_task() is not self._owner:
                raise UsedFromAnotherTask(
                    f"cannot read {view.__qualname__} here: another task opened this read. "
                    "Await the calls one after another instead of with gather() or a task group."
                )
            if self._read is None:
                self.open = True
                self._read = await self.services.read.begin(read_only=True)
            return self._read.rows(view)

        return CommittedRows(view, rows)

    def projected_rows(self, view: type[V]) -> ProjectedRows[V]:
        """Return the read model of the projection that runs in this scope."""
        if self.rows is None or view not in self.rows:
            raise ReadOnlyUnitOfWork(f"{view.__qualname__} cannot be written here: this is not a projection.")
        return self.rows[view]

    def _over(self) -> UnitOfWorkClosed:
        return UnitOfWorkClosed(
            f"cannot use what the handler of {type(self.message).__name__} was given: it has ended. Take the repository or "
            "the read model as a parameter wherever it is needed; what should go on afterwards is an event handler, or scheduled."
        )

    @property
    def exits(self) -> AsyncExitStack:
        """What is closed with this scope."""
        if self._exits is None:
            self.open = True
            self._exits = AsyncExitStack()
        return self._exits

    async def close(self, failure: BaseException | None = None) -> None:
        """Close what was made for the message, last made first, and end what it only read."""
        self.ended = True
        if not self.open:
            return
        reading = self.unit if self._read_only else None
        with anyio.CancelScope(shield=True):
            if reading is not None:
                await reading.rollback()
            if self._read is not None:
                await self._read.rollback()
                self._read = None
            if self._exits is not None:
                exits, self._exits = self._exits, None
                await exits.__aexit__(
                    type(failure) if failure else None, failure, failure.__traceback__ if failure else None
                )


current: ContextVar[Scope | None] = ContextVar("twofold.current", default=None)


def handling() -> bool:
    """Return whether a command or event handler is being handled here, so that a dispatch would be a nested one."""
    scope = current.get()
    return scope is not None and scope.joinable

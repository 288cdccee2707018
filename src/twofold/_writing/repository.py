"""Repositories: where a handler finds its aggregates."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, Protocol, TypeVar, cast

from .._background.calls import Calls, recorded
from .._definitions.aggregate import Aggregate, stream_of
from ..errors import AggregateNotFound, ConcurrencyConflict, ConfigurationError
from .tracked import Tracked
from .unit_of_work import UnitOfWork

A = TypeVar("A", bound=Aggregate)


class InUnitOfWork(Protocol):
    """A message in progress that has a unit of work."""

    calls: Calls
    """The calls of the handler."""

    def unit_of_work(self) -> UnitOfWork:
        """Return the unit of work, made at the first call."""
        ...


class Repository(Generic[A]):
    """The aggregates of one type, inside one unit of work. A handler takes one as a parameter: `orders: Repository[Order]`.

    A repository behaves the same for state-stored and event-sourced aggregates. Within a unit of work, an id gives the same
    object each time. Every change of a loaded or added aggregate is saved when the unit of work commits; there is no `save`.
    """

    __slots__ = ("_calls", "_scope", "_type")

    _type: type[A]
    _scope: InUnitOfWork
    _calls: Calls

    @recorded
    async def get(self, id: object, *, expected: int | None = None) -> A:
        """Return an aggregate.

        Args:
            id: its id; `str(id)` is what is stored.
            expected: the version (as `version` gives it) that the caller saw. It is checked now and again at commit,
                also when the command changes nothing.

        Raises:
            AggregateNotFound: there is none, or it was removed.
            ConcurrencyConflict: it is at another version than expected.
        """
        tracked = await self._scope.unit_of_work().load(self._type, str(id))
        if tracked is None:
            raise AggregateNotFound(
                f"cannot get {self._type.__name__} {id}: it does not exist. Use find() if it may be missing."
            )
        if expected is not None:
            if tracked.version != expected:
                raise ConcurrencyConflict(stream_of(self._type, id), expected=expected, actual=tracked.version)
            tracked.verify = True
        return cast(A, tracked.aggregate)

    @recorded
    async def find(self, id: object) -> A | None:
        """Return an aggregate, or None when it does not exist."""
        tracked = await self._scope.unit_of_work().load(self._type, str(id))
        return None if tracked is None else cast(A, tracked.aggregate)

    @recorded
    async def get_or_begin(self, id: object, begin: Callable[[], A]) -> A:
        """Return an aggregate, or begin and add it when it does not exist.

            cart = await carts.get_or_begin(user_id, lambda: Cart.begin(CartOpened(user_id=user_id)))

        If another command adds the aggregate at the same time, one of the two commits raises `ConcurrencyConflict`. The
        middleware `retry_conflicts` then repeats the handler, which gets the aggregate. A removed aggregate is not begun
        again: the commit raises `AggregateExists`.

        Args:
            id: its id; `str(id)` is what is stored.
            begin: creates the aggregate with this id.

        Raises:
            ConfigurationError: `begin` returned an aggregate with another id.
            ConcurrencyConflict: raised at commit: another command has added it since.
        """
        unit, text = self._scope.unit_of_work(), str(id)
        tracked = await unit.load(self._type, text)
        if tracked is not None:
            return cast(A, tracked.aggregate)
        begun = begin()
        if str(getattr(begun, "id", None)) != text:
            raise ConfigurationError(
                f"cannot begin {self._type.__name__} {id!r:.100}: `begin` returned {begun!r:.100} with the id "
                f"{getattr(begun, 'id', None)!r:.100}. Create the aggregate with the id that get_or_begin was called with."
            )
        unit.add(begun)
        return begun

    @recorded
    async def version(self, id: object) -> int:
        """Return the version an aggregate was loaded at: events of an event-sourced one, saves of a state-stored one.

        Raises:
            AggregateNotFound: it does not exist.
        """
        await self.get(id)
        tracked = await self._scope.unit_of_work().load(self._type, str(id))
        return cast(Tracked, tracked).version

    @recorded
    async def add(self, aggregate: A) -> None:
        """Save a new aggregate at commit.

        Raises:
            AggregateExists: an aggregate with this id exists. Raised immediately if this unit of work contains it,
                otherwise at commit.
            ConcurrencyConflict: raised at commit: another command has added it since `find` or `get` found nothing.
        """
        self._scope.unit_of_work().add(aggregate)

    @recorded
    async def remove(self, aggregate: A) -> None:
        """Remove a loaded aggregate at commit. Its id cannot be used again."""
        self._scope.unit_of_work().remove(aggregate)


def open_repository(aggregate_type: type[A], scope: InUnitOfWork) -> Repository[A]:
    """Return a repository for a handler. A call of `__init__` would take twice as long on Python 3.11.

    Args:
        aggregate_type: the type of the aggregates.
        scope: has the unit of work, which does not begin before the first use.
    """
    repository: Repository[A] = Repository()
    repository._type = aggregate_type
    repository._scope = scope
    repository._calls = scope.calls
    return repository

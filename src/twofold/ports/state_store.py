"""The tables of a state-stored aggregate."""

from __future__ import annotations

from typing import NamedTuple, Protocol, TypeVar

A_contra = TypeVar("A_contra", contravariant=True)


class Versioned(NamedTuple):
    """What a state store holds for one id.

    Attributes:
        aggregate: the aggregate, its own object: changing it changes nothing stored.
        version: how often it was saved, from 1.
    """

    aggregate: object
    version: int


class StateStore(Protocol[A_contra]):
    """Load and save the state of aggregates of one type, inside the transaction that gave this store.

    Every write is guarded by a version column, so that of two transactions that loaded the same version one wins.
    """

    async def load(self, id: str) -> Versioned | None:
        """Return the aggregate and its version, or None when there is no such id."""
        ...

    async def version(self, id: str) -> int | None:
        """Return the version now in the store, or None when there is no such id."""
        ...

    async def insert(self, id: str, aggregate: A_contra) -> None:
        """Store a new aggregate as version 1.

        Raises:
            AggregateExists: the id is taken.
        """
        ...

    async def update(self, id: str, aggregate: A_contra, *, expected: int) -> None:
        """Store the aggregate as version `expected + 1`; do nothing when its state did not change since it was loaded.

        Raises:
            ConcurrencyConflict: the store holds another version, or none.
        """
        ...

    async def delete(self, id: str, aggregate: A_contra, *, expected: int) -> None:
        """Remove the aggregate.

        Raises:
            ConcurrencyConflict: the store holds another version, or none.
        """
        ...

"""The tables of a state-stored aggregate."""

from __future__ import annotations

from typing import NamedTuple, Protocol, TypeVar

A_contra = TypeVar("A_contra", contravariant=True)


class Versioned(NamedTuple):
    """The stored aggregate of one id.

    Attributes:
        aggregate: the aggregate, its own object: changing it changes nothing stored.
        version: how often it was saved, from 1.
    """

    aggregate: object
    version: int


class StateStore(Protocol[A_contra]):
    """Load and save the state of aggregates of one type, inside the transaction that returned this store.

    Every stored state can be loaded. `insert` and `update` refuse an attribute that does not fit its annotation, or
    that the store cannot store. They raise `NotStorable`, which names the aggregate, its id and the attribute.

    A version column guards every write: if two transactions have loaded the same version, only one of them can write.
    The write of the other transaction raises `AggregateExists` or `ConcurrencyConflict` and dooms the transaction. Its
    earlier writes cannot be committed, and every call except `rollback` raises `UnitOfWorkDoomed`. In a savepoint, a
    refused write undoes only the savepoint; see `WriteTransaction.savepoint`.
    """

    async def load(self, id: str) -> Versioned | None:
        """Return the aggregate and its version, or None when there is no such id.

        Raises:
            StorageError: the class has changed and does not fit the stored state; the text names aggregate and id.
        """
        ...

    async def version(self, id: str) -> int | None:
        """Return the stored version, or None when there is no such id."""
        ...

    async def insert(self, id: str, aggregate: A_contra) -> None:
        """Store a new aggregate as version 1.

        The id of a deleted aggregate may be inserted again, in the same transaction or a later one. Its stream still exists,
        so an append with `NO_STREAM` conflicts.

        Raises:
            AggregateExists: the id is taken. The transaction must be rolled back.
        """
        ...

    async def update(self, id: str, aggregate: A_contra, *, expected: int) -> None:
        """Store the aggregate as version `expected + 1`.

        Do nothing when this transaction last loaded or wrote the same state under the id: the version stays, and is not
        checked; call `version` to check it. An aggregate that this transaction has not loaded is always written.

        Raises:
            ConcurrencyConflict: the store holds another version, or none. The transaction must be rolled back.
        """
        ...

    async def delete(self, id: str, aggregate: A_contra, *, expected: int) -> None:
        """Delete the aggregate.

        Raises:
            ConcurrencyConflict: the store holds another version, or none. The transaction must be rolled back.
        """
        ...

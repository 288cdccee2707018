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

    What is written can be loaded: an attribute that does not fit its annotation, or has no form in the store, is refused by
    `insert` and `update` with `NotStorable`, which names the aggregate, its id and the attribute.

    Every write is guarded by a version column, so that of two transactions that loaded the same version one wins. The
    other one's write is refused with `AggregateExists` or `ConcurrencyConflict`, and that dooms its whole transaction:
    what it wrote before cannot be committed, and everything but `rollback` raises `UnitOfWorkDoomed`. In a savepoint a
    refusal undoes what is inside; see `WriteTransaction.savepoint`.
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

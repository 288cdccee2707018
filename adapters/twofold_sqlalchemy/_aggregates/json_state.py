"""State-stored aggregates without tables of their own, as JSON in `twofold_state`."""

from __future__ import annotations

from typing import Any

from sqlalchemy import bindparam, delete, insert, select, update

from twofold import Aggregate, StateCodec
from twofold.errors import AggregateExists, ConcurrencyConflict
from twofold.ports import Versioned

from .._connection.compiler import Compiler
from .._connection.open_transaction import OpenTransaction, UniqueViolation
from .._schema.tables import Tables


class StateStatements:
    """The statements on states.

    Args:
        compiler: compiles the statements.
        tables: Twofold's tables.
    """

    def __init__(self, compiler: Compiler, tables: Tables) -> None:
        prepare, state = compiler.prepare, tables.state
        this = (state.c.type == bindparam("of_type"), state.c.id == bindparam("of_id"))
        same = (*this, state.c.version == bindparam("expected"))
        self.load = prepare(select(state.c.version, compiler.sql.readable(state.c.data)).where(*this))
        self.version = prepare(select(state.c.version).where(*this))
        new = {"type": bindparam("of_type"), "id": bindparam("of_id"), "version": 1, "data": bindparam("new_data")}
        self.insert = prepare(insert(state).values(new))
        self.update = prepare(
            update(state).where(*same).values(version=state.c.version + 1, data=bindparam("new_data"))
        )
        self.delete = prepare(delete(state).where(*same))


class JsonState:
    """The states of one aggregate type as JSON texts.

    Args:
        statements: the statements on states.
        aggregate_type: the aggregate type.

    Raises:
        InvalidDefinition: the state cannot be encoded as JSON.
    """

    def __init__(self, statements: StateStatements, aggregate_type: type[Aggregate]) -> None:
        self.statements = statements
        self.codec = StateCodec.of(aggregate_type)
        self.type = aggregate_type.aggregate_name or aggregate_type.__name__

    def open(self, transaction: OpenTransaction) -> JsonStateStore:
        """Return the states inside a transaction."""
        return JsonStateStore(self, transaction)


class JsonStateStore:
    """A `StateStore` of JSON texts inside one transaction."""

    def __init__(self, state: JsonState, transaction: OpenTransaction) -> None:
        self._state = state
        self._transaction = transaction
        self._loaded: dict[str, str] = {}
        transaction.restore_on_rollback(self._loaded)

    async def load(self, id: str) -> Versioned | None:
        """Return the aggregate and its version, or None."""
        state = self._state
        rows = await self._transaction.fetch(state.statements.load, self._of(id), self._action("load", id))
        if not rows:
            return None
        version, data = rows[0]
        self._loaded[id] = data
        return Versioned(state.codec.decode(data, id), version)

    async def version(self, id: str) -> int | None:
        """Return the stored version, or None."""
        rows = await self._transaction.fetch(self._state.statements.version, self._of(id), self._action("load", id))
        return int(rows[0][0]) if rows else None

    async def insert(self, id: str, aggregate: Any) -> None:
        """Store a new aggregate as version 1."""
        action, data = self._action("add", id), self._state.codec.encode(aggregate)
        self._transaction.check_writable(action)
        try:
            await self._transaction.change(self._state.statements.insert, {**self._of(id), "new_data": data}, action)
        except UniqueViolation as violation:
            raise exists(f"{self._state.type}-{id}") from violation.__cause__
        self._loaded[id] = data

    async def update(self, id: str, aggregate: Any, *, expected: int) -> None:
        """Store the aggregate as the next version, if its JSON differs from the loaded JSON."""
        action, data = self._action("save", id), self._state.codec.encode(aggregate)
        if self._loaded.get(id) == data:
            return
        await self._change(self._state.statements.update, id, {"expected": expected, "new_data": data}, action)
        self._loaded[id] = data

    async def delete(self, id: str, aggregate: Any, *, expected: int) -> None:
        """Delete the aggregate."""
        await self._change(self._state.statements.delete, id, {"expected": expected}, self._action("delete", id))
        self._loaded.pop(id, None)

    async def _change(self, prepared: Any, id: str, values: dict[str, Any], action: str) -> None:
        self._transaction.check_writable(action)
        if await self._transaction.change(prepared, {**self._of(id), **values}, action) != 1:
            actual = await self.version(id)
            raise conflict(self._transaction, f"{self._state.type}-{id}", expected=values["expected"], actual=actual)

    def _of(self, id: str) -> dict[str, str]:
        return {"of_type": self._state.type, "of_id": id}

    def _action(self, what: str, id: str) -> str:
        return f"{what} {self._state.type}-{id}"


def exists(name: str) -> AggregateExists:
    """Return the error for an id that already exists."""
    return AggregateExists(
        f"cannot add {name}: it already exists. Choose another id, or load the aggregate and change it."
    )


def conflict(transaction: OpenTransaction, name: str, *, expected: int, actual: int | None) -> ConcurrencyConflict:
    """Doom the transaction and return the error for an unexpected version."""
    error = ConcurrencyConflict(name, expected=expected, actual=actual or 0)
    transaction.doom(error, recoverable=True)
    return error

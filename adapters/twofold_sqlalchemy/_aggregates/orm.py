"""State-stored aggregates that the user has mapped with SQLAlchemy's ORM."""

from __future__ import annotations

from typing import Any, cast

from sqlalchemy import Column, ColumnElement, inspect, select
from sqlalchemy.exc import NoInspectionAvailable, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapper
from sqlalchemy.orm.exc import FlushError, StaleDataError

from twofold.errors import ConfigurationError, NotStorable
from twofold.ports import Versioned

from .._connection.open_transaction import OpenTransaction, UniqueViolation
from .column_limits import check_values
from .json_state import conflict, exists
from .mapping import key_value


def mapper_of(aggregate_type: type[object]) -> Mapper[Any] | None:
    """Return the mapper of a class, or None if the class is not mapped."""
    try:
        mapper = inspect(aggregate_type)
    except NoInspectionAvailable:
        return None
    return mapper if isinstance(mapper, Mapper) else None


def missing_mapping(mapper: Mapper[Any]) -> str | None:
    """Return the missing part of a mapping with the way to add it, or None."""
    name = mapper.class_.__qualname__
    if mapper.version_id_col is None or mapper.version_id_generator is False:
        return (
            f"{name} is mapped without a version that SQLAlchemy counts, so concurrent commands would overwrite each other. "
            "Add an integer column, and name it: __mapper_args__ = {'version_id_col': version}, or "
            "map_imperatively(..., version_id_col=table.c.version)."
        )
    if len(mapper.primary_key) != 1:
        return f"{name} is mapped with a primary key of {len(mapper.primary_key)} columns. Use one column: the id."
    return None


class OrmState:
    """A mapped class.

    Args:
        mapper: the class's mapper, with a version and a primary key of one column.

    Raises:
        ConfigurationError: SQLAlchemy cannot complete the mapping.
    """

    def __init__(self, mapper: Mapper[Any]) -> None:
        try:
            mapper.registry.configure(cascade=True)
        except SQLAlchemyError as error:
            raise ConfigurationError(f"cannot store {mapper.class_.__qualname__}: {error}") from error
        version = cast("ColumnElement[Any]", mapper.version_id_col)
        self.type = mapper.class_
        self.name = getattr(self.type, "aggregate_name", "") or self.type.__name__
        self.key = mapper.primary_key[0]
        self.version = mapper.get_property_by_column(version).key
        self.now = select(version).select_from(mapper.local_table)
        _allow_blank_instances(self.type)

    def open(self, transaction: OpenTransaction) -> OrmStateStore:
        """Return the states inside a transaction."""
        return OrmStateStore(self, transaction)


def _allow_blank_instances(mapped: type[Any]) -> None:
    """Let `cls.__new__(cls)`, by which `Aggregate.begin` creates an object, return an instrumented object.

    SQLAlchemy instruments objects in `__init__`. Without instrumentation, setting an attribute fails.
    """
    if any("__new__" in vars(base) for base in mapped.__mro__ if base is not object):
        return

    def __new__(cls: type[Any], *_: object, **__: object) -> Any:  # noqa: N807
        instance = object.__new__(cls)
        mapper = mapper_of(cls)
        if mapper is not None:
            mapper.class_manager.setup_instance(instance)
        return instance

    mapped.__new__ = __new__  # type: ignore[assignment]


async def session_of(transaction: OpenTransaction) -> AsyncSession:
    """Return the session of a transaction. All mapped classes share it, so that their objects may refer to each other."""
    session = transaction.info.get("session")
    if session is None:
        session = AsyncSession(
            transaction.connection, autoflush=False, expire_on_commit=False, join_transaction_mode="rollback_only"
        )
        transaction.info["session"] = session
    return session


class OrmStateStore:
    """A `StateStore` of a mapped class, inside one transaction. The session tracks the changes."""

    def __init__(self, state: OrmState, transaction: OpenTransaction) -> None:
        self._state = state
        self._transaction = transaction

    async def load(self, id: str) -> Versioned | None:
        """Return the aggregate and its version, or None."""
        key = key_value(self._state.key, id)
        session = await session_of(self._transaction)
        found = await self._transaction.use(lambda _: session.get(self._state.type, key), self._action("load", id))
        return None if found is None else Versioned(found, getattr(found, self._state.version))

    async def version(self, id: str) -> int | None:
        """Return the stored version, or None."""
        statement = self._state.now.where(self._state.key == key_value(self._state.key, id))
        found: int | None = (await self._transaction.execute(statement, {}, self._action("load", id))).scalar()
        return found

    async def insert(self, id: str, aggregate: Any) -> None:
        """Store a new aggregate as version 1."""
        action = self._action("add", id)
        self._transaction.check_writable(action)
        session = await session_of(self._transaction)
        session.add(aggregate)
        self._check(session, id)
        try:
            await self._transaction.use(lambda _: session.flush(), action)
        except UniqueViolation as violation:
            same = self._state.key == key_value(self._state.key, id)
            taken = await self._transaction.read_after_violation(self._state.now.where(same), {})
            if taken is not None:
                raise exists(f"{self._state.name}-{id}") from violation.__cause__
            raise violation.as_error(action) from violation.__cause__
        except FlushError as error:
            raise exists(f"{self._state.name}-{id}") from error

    async def update(self, id: str, aggregate: Any, *, expected: int) -> None:
        """Store the aggregate as the next version, if the session has recorded a change."""
        action = self._action("save", id)
        session = await session_of(self._transaction)
        if aggregate not in session:
            self._transaction.check_writable(action)
            aggregate = await self._transaction.use(lambda _: session.merge(aggregate), action)
        if session.is_modified(aggregate):
            self._check(session, id)
            await self._flush(session, id, aggregate, expected, action)

    async def delete(self, id: str, aggregate: Any, *, expected: int) -> None:
        """Delete the aggregate, and the objects to which its relationships cascade."""
        action = self._action("delete", id)
        self._transaction.check_writable(action)
        session = await session_of(self._transaction)
        if aggregate not in session:
            aggregate = await self._transaction.use(lambda _: session.merge(aggregate), action)
        await self._transaction.use(lambda _: session.delete(aggregate), action)
        await self._flush(session, id, aggregate, expected, action)

    def _check(self, session: AsyncSession, id: str) -> None:
        """Check that the tables keep every value of the objects that are new or changed.

        Raises:
            NotStorable: a table would change a value.
        """
        try:
            for changed in (*session.new, *session.dirty):
                mapper, state = cast("Mapper[Any]", inspect(type(changed))), inspect(changed)
                columns = {
                    each.key: each.columns[0] for each in mapper.column_attrs if isinstance(each.columns[0], Column)
                }
                values = {key: state.dict[key] for key in columns if key in state.dict}
                check_values(f"{self._state.name}-{id}", columns, values, self._transaction.connection.dialect)
        except NotStorable as error:
            self._transaction.doom(error)
            raise

    async def _flush(self, session: AsyncSession, id: str, aggregate: Any, expected: int, action: str) -> None:
        self._transaction.check_writable(action)
        name, held = f"{self._state.name}-{id}", getattr(aggregate, self._state.version)
        if held != expected:
            raise conflict(self._transaction, name, expected=expected, actual=held)
        try:
            await self._transaction.use(lambda _: session.flush(), action)
        except StaleDataError as error:
            raise conflict(self._transaction, name, expected=expected, actual=None) from error
        except UniqueViolation as violation:
            raise violation.as_error(action) from violation.__cause__

    def _action(self, what: str, id: str) -> str:
        return f"{what} {self._state.name}-{id}"

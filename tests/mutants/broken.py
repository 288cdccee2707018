"""How a mutant gets between a suite and a store: wrappers that pass on what they do not break."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeAlias

from twofold.errors import ReadOnlyUnitOfWork
from twofold.ports import WriteStore

Break: TypeAlias = Callable[[WriteStore], WriteStore]


FLAT = {
    "append": "log.append",
    "read": "log.read",
    "snapshot": "snapshots.get",
    "keep_snapshot": "snapshots.put",
    "kept": "storage_kinds.get",
    "keep": "storage_kinds.add",
    "claim_key": "keys.claim",
    "answer_key": "keys.answer",
    "claim_message": "inbox.claim",
    "put_scheduled": "schedule.put",
    "unschedule": "schedule.cancel",
    "take_scheduled": "schedule.take",
    "postpone": "schedule.postpone",
    "advance": "checkpoints.advance",
    "divide": "checkpoints.divide",
    "park": "parked.add",
    "unpark": "parked.remove",
    "blame": "parked.update",
    "ask_retry": "parked.retry",
    "adopt_parked": "parked.adopt",
    "clear_shadows": "shadows.clear",
    "swap_shadows": "shadows.swap",
    "checkpoint": "subscriptions.checkpoint",
    "partitions": "subscriptions.partitions",
    "claim": "subscriptions.claim",
    "renew": "subscriptions.renew",
    "release": "subscriptions.release",
    "attend": "subscriptions.attend",
    "read_parked": "parked.read",
    "parked_keys": "parked.keys",
    "retries": "parked.retries",
    "scheduled": "schedule.next",
    "stuck": "schedule.stuck",
    "forget_keys": "keys.delete",
    "forget_messages": "inbox.delete",
}
"""A name for each method of a part, for mutants that break methods of several parts."""


class Flat:
    """Finds the methods of the parts of a store or a transaction by their names in `FLAT`."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    def __getattr__(self, name: str) -> Any:
        part, _, method = FLAT.get(name, "").partition(".")
        if part and hasattr(self.inner, part):
            return getattr(getattr(self.inner, part), method)
        return getattr(self.inner, name)


class Part:
    """A part some of whose methods are replaced."""

    def __init__(self, inner: Any, methods: dict[str, Any]) -> None:
        self.inner = inner
        self.__dict__.update(methods)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


class Around:
    """Passes on whatever a subclass does not break."""

    def __init__(self, inner: Any) -> None:
        self.inner: Any = Flat(inner)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.inner, name)
        paths = ((flat, *path.split(".")) for flat, path in FLAT.items())
        methods = {
            method: getattr(self, flat) for flat, part, method in paths if part == name and hasattr(type(self), flat)
        }
        return Part(found, methods) if methods else found


class BrokenStore(Around):
    """A store whose transactions are broken.

    Args:
        inner: the store.
        transaction: wraps each transaction; called with it, this store, and whether it only reads.
    """

    def __init__(self, inner: Any, transaction: Callable[[Any, Any, bool], Any]) -> None:
        super().__init__(inner)
        self._transaction = transaction

    async def begin(self, *, read_only: bool = False) -> Any:
        return self._transaction(await self.inner.begin(read_only=read_only), self.inner, read_only)


class BrokenPart(Around):
    """A transaction that wraps what one of its methods returns, `rows` or `state`."""

    def __init__(self, inner: Any, method: str, part: Callable[[Any], Any]) -> None:
        super().__init__(inner)
        self._broken = {method: lambda *of, **how: part(getattr(inner, method)(*of, **how))}

    def __getattr__(self, name: str) -> Any:
        return self.__dict__["_broken"].get(name) or super().__getattr__(name)


def break_part(method: str, make: Callable[[], Callable[[Any], Any]]) -> Break:
    """Break the rows or the state of every transaction; `make` is called for each store, for what is kept across."""

    def broken(store: Any) -> Any:
        part = make()
        return BrokenStore(store, lambda transaction, *_: BrokenPart(transaction, method, part))

    return broken


def break_transaction(make: Callable[[Any, Any, bool], Any]) -> Break:
    """Break every transaction."""

    def broken(store: Any) -> Any:
        return BrokenStore(store, make)

    return broken


def appending(make: Callable[[Any], Any]) -> Break:
    """Break the transactions of a store."""
    return break_transaction(lambda transaction, *_: make(transaction))


def of_store(make: Any) -> Break:
    """Break transactions that need the store itself; reading ones are left alone."""

    def wrap(transaction: Any, store: Any, read_only: bool) -> Any:
        return transaction if read_only else make(transaction, store, read_only)

    def broken(store: Any) -> Any:
        return BrokenStore(store, wrap)

    return broken


class CommitsAnyway(Around):
    """A transaction that commits when it is told to roll back."""

    _ended = False

    async def commit(self) -> None:
        await self.inner.commit()
        self._ended = True

    async def rollback(self) -> None:
        if not self._ended:
            await self.inner.commit()
        await self.inner.rollback()


class WritesQuietly(Around):
    """Loses what a read-only transaction is told to write, without a word."""

    async def write(self, *args: Any) -> None:
        await self._quietly("write", args, {})

    async def insert(self, *args: Any) -> None:
        await self._quietly("insert", args, {})

    async def advance(self, *args: Any, **kwargs: Any) -> None:
        await self._quietly("advance", args, kwargs)

    async def park(self, *args: Any) -> None:
        await self._quietly("park", args, {})

    async def _quietly(self, method: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        with suppress(ReadOnlyUnitOfWork):
            await getattr(self.inner, method)(*args, **kwargs)


commits_anyway = break_transaction(lambda transaction, *_: CommitsAnyway(transaction))


def unbroken(store: Any) -> Any:
    """Wrap all that mutants wrap, and break nothing: a suite that fails on this proves nothing by failing on a mutant."""
    rows = break_part("rows", lambda: Around)(store)
    return break_part("state", lambda: Around)(rows)


def break_store(part: Callable[[Any], Any]) -> Break:
    """Break what the store itself answers."""
    return part

"""A store that can be held, or broken, at any of its steps."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from twofold.ports import WriteStore

Call = Callable[[], Awaitable[Any]]
"""Does what was asked."""

Hook = Callable[[Call], Awaitable[Any]]
"""Is called in place of a method."""


class Hooked:
    """A store that calls a hook in place of one of its methods, or of its transactions' methods.

    Args:
        store: the store.
        method: the method.
        hook: what is called instead, with what would have been done.
    """

    def __init__(self, store: WriteStore, method: str, hook: Hook) -> None:
        self._store: Any = store
        self.method = method
        self.hook = hook

    def __getattr__(self, name: str) -> Any:
        return _hooked(getattr(self._store, name), name, self)

    @property
    def write_store(self) -> Hooked:
        """The write store of a store that is made of two."""
        return Hooked(self._store.write_store, self.method, self.hook)

    @property
    def read_store(self) -> Hooked:
        """The read store of a store that is made of two."""
        return Hooked(self._store.read_store, self.method, self.hook)

    async def begin(self, *, read_only: bool = False) -> Any:
        if read_only:
            return await self._store.begin(read_only=True)
        transaction = await _hooked(self._store.begin, "begin", self)()
        return _HookedTransaction(transaction, self)


class _HookedTransaction:
    def __init__(self, transaction: Any, hooked: Hooked) -> None:
        self._transaction = transaction
        self._hooked = hooked

    def __getattr__(self, name: str) -> Any:
        return _hooked(getattr(self._transaction, name), name, self._hooked)


def _hooked(method: Any, name: str, hooked: Hooked) -> Any:
    if name != hooked.method:
        return method
    return lambda *args, **kwargs: hooked.hook(lambda: method(*args, **kwargs))

"""A store with a hook that can delay or fail any step."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, get_type_hints

from twofold.ports import WriteStore, WriteTransaction

from .proxy import Proxy

Call = Callable[[], Awaitable[Any]]
"""Calls the original method."""

Hook = Callable[[Call], Awaitable[Any]]
"""Called in place of a method."""


class Hooked(Proxy):
    """A store that calls a hook in place of one method: of the store, of its transactions, or of their parts.

    Args:
        inner: the store.
        method: the method, with its part: "commit", "log.append", "subscriptions.claim".
        hook: the function to call instead. It receives a function that calls the original method.

    Raises:
        LookupError: neither a store nor a transaction has the method.
    """

    def __init__(self, inner: Any, method: str, hook: Hook) -> None:
        super().__init__(inner)
        if not any(_has(port, method) for port in (WriteStore, WriteTransaction)):
            raise LookupError(f"cannot hook {method!r}: neither a store nor a transaction has this method.")
        self._method = method
        self._hook = hook

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.inner, name)
        if name == self._method:
            return self._hooked(found)
        part, _, method = self._method.partition(".")
        if name != part or not hasattr(found, method):
            return found
        return Proxy(found, **{method: self._hooked(getattr(found, method))})

    @property
    def write_store(self) -> Hooked:
        """The write store, if the store consists of two."""
        return Hooked(self.inner.write_store, self._method, self._hook)

    @property
    def read_store(self) -> Hooked:
        """The read store, if the store consists of two."""
        return Hooked(self.inner.read_store, self._method, self._hook)

    async def begin(self, *, read_only: bool = False) -> Any:
        if read_only:
            return await self.inner.begin(read_only=True)
        begun = await (self._hook(self.inner.begin) if self._method == "begin" else self.inner.begin())
        return Hooked(begun, self._method, self._hook)

    def _hooked(self, method: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        return lambda *args, **options: self._hook(lambda: method(*args, **options))


def _has(port: type[Any], path: str) -> bool:
    """Return whether a port, or one of its parts, has a method."""
    part, _, method = path.rpartition(".")
    if part:
        named = getattr(port, part, None)
        port = get_type_hints(named.fget)["return"] if isinstance(named, property) else object
    return callable(getattr(port, method, None))

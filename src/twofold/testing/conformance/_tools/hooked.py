"""A store that can be held, or broken, at any of its steps."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from .proxy import Proxy

Call = Callable[[], Awaitable[Any]]
"""Does what was asked."""

Hook = Callable[[Call], Awaitable[Any]]
"""Is called in place of a method."""


class Hooked(Proxy):
    """A store that calls a hook in place of one method: of the store, of its transactions, or of a part of either.

    Args:
        inner: the store.
        method: the method, with its part: "commit", "log.append", "subscriptions.claim".
        hook: what is called instead, with what would have been done.
    """

    def __init__(self, inner: Any, method: str, hook: Hook) -> None:
        super().__init__(inner)
        self._method = method
        self._hook = hook

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.inner, name)
        if name == self._method:
            return lambda *args, **options: self._hook(lambda: found(*args, **options))
        part, _, method = self._method.partition(".")
        return Hooked(found, method, self._hook) if name == part else found

    @property
    def write_store(self) -> Hooked:
        """The write store of a store that is made of two."""
        return Hooked(self.inner.write_store, self._method, self._hook)

    @property
    def read_store(self) -> Hooked:
        """The read store of a store that is made of two."""
        return Hooked(self.inner.read_store, self._method, self._hook)

    async def begin(self, *, read_only: bool = False) -> Any:
        if read_only:
            return await self.inner.begin(read_only=True)
        begun = await (self._hook(self.inner.begin) if self._method == "begin" else self.inner.begin())
        return Hooked(begun, self._method, self._hook)

"""Objects that wrap others and replace some of their attributes."""

from __future__ import annotations

from typing import Any


class Proxy:
    """An object with the attributes of another object, except those that are replaced.

    Args:
        inner: the other object.
        **replaced: the replaced attributes. A subclass may define methods instead.
    """

    def __init__(self, inner: Any, **replaced: Any) -> None:
        self.inner = inner
        self.__dict__.update(replaced)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

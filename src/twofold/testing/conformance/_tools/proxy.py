"""Objects that stand before others and replace some of their methods."""

from __future__ import annotations

from typing import Any


class Proxy:
    """Answers like another object, except where an attribute is replaced.

    Args:
        inner: the other object.
        **replaced: the attributes that are replaced. A subclass may define methods instead.
    """

    def __init__(self, inner: Any, **replaced: Any) -> None:
        self.inner = inner
        self.__dict__.update(replaced)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

"""Shadow rows: the second set of rows that a rebuild fills while queries still read the first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from .._definitions.view import View


class ShadowRows(Protocol):
    """Clear or publish the shadow rows of views: `ReadTransaction.shadows`. `ReadTransaction.rows` reads and writes them."""

    async def clear(self, views: Sequence[type[View]]) -> None:
        """Delete all shadow rows of these views."""
        ...

    async def swap(self, views: Sequence[type[View]]) -> None:
        """Replace the rows of these views by their shadow rows, and leave no shadow rows."""
        ...

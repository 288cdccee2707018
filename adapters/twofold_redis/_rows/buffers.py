"""Changes to rows in one transaction, until the commit sends them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, NamedTuple, TypeVar

from twofold import View
from twofold.ports import RowChange

from .._commit.commit import Commit
from .._commit.state import TransactionState
from .._server.keys import Keys, RowKeys
from .._server.server import Argument
from .shape import shape_of

V = TypeVar("V", bound=View)


class Written(NamedTuple, Generic[V]):
    """A change as the commit sends it.

    Attributes:
        change: the change.
        text: the row in JSON; empty when it is deleted.
        packed: its members of the indexes.
    """

    change: RowChange[V]
    text: bytes
    packed: bytes


@dataclass(slots=True)
class RowBuffer(Generic[V]):
    """The changes of a transaction to a set of rows.

    Attributes:
        source: the keys of the stored rows below the changes; None when there are none.
        changes: the newest change of each key, by the name of its row.
    """

    source: RowKeys | None
    changes: dict[bytes, Written[V]] = field(default_factory=dict)


class RowBuffers:
    """The changes of a transaction to the rows, and shadow rows, of all views.

    Args:
        keys: names the keys.
    """

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self._buffers: dict[tuple[type[View], bool], RowBuffer[Any]] = {}

    def of(self, view: type[V], shadow: bool) -> RowBuffer[V]:
        """Return the changes to the rows of a view."""
        if (view, shadow) not in self._buffers:
            self._buffers[view, shadow] = RowBuffer(self._row_keys(view, shadow))
        return self._buffers[view, shadow]

    def clear(self, view: type[View]) -> None:
        """Delete the shadow rows of a view."""
        self._buffers[view, True] = RowBuffer(None)

    def swap(self, view: type[View]) -> None:
        """Replace the rows of a view by its shadow rows."""
        self._buffers[view, False] = self.of(view, True)
        self.clear(view)

    def write(self, commit: Commit, log: str) -> None:
        """Add the changes to a commit: first move stored rows, then change them; rows come before shadow rows.

        Args:
            commit: the commit.
            log: the log of the events that changed the rows; empty when it is not known.
        """
        for (view, shadow), buffer in sorted(self._buffers.items(), key=lambda each: each[0][1]):
            here, layout = self._row_keys(view, shadow), shape_of(view).layout
            if buffer.source != here or buffer.changes:
                commit.check_layout(view.view_name, here.layout, layout)
            if buffer.source is None:
                for key in here.all:
                    commit.step("drop", [key], [])
            elif buffer.source != here:
                for old, new in zip(buffer.source.all, here.all, strict=True):
                    commit.step("rename", [old, new], [])
            if buffer.changes:
                _write_rows(commit, view.view_name, layout, here, buffer, log)

    def _row_keys(self, view: type[View], shadow: bool) -> RowKeys:
        return self._keys.rows(view, tuple(index.name for index in shape_of(view).indexes), shadow=shadow)


class RedisShadows:
    """The `ShadowRows` of a transaction.

    Args:
        buffers: the changes of the transaction.
        state: the state of the transaction.
    """

    __slots__ = ("_buffers", "_state")

    def __init__(self, buffers: RowBuffers, state: TransactionState) -> None:
        self._buffers = buffers
        self._state = state

    async def clear(self, views: Sequence[type[View]]) -> None:
        """Delete all shadow rows of these views."""
        self._state.check_writable()
        for view in views:
            self._buffers.clear(view)

    async def swap(self, views: Sequence[type[View]]) -> None:
        """Replace the rows of these views by their shadow rows."""
        self._state.check_writable()
        for view in views:
            self._buffers.swap(view)


def _write_rows(commit: Commit, view: str, layout: str, keys: RowKeys, buffer: RowBuffer[Any], log: str) -> None:
    if log:
        commit.check_log(view, keys.log, log)
    arguments: list[Argument] = [layout, log, len(keys.indexes), len(buffer.changes)]
    for name, (change, text, packed) in buffer.changes.items():
        arguments += [name, int(change.position), text, packed]
    named = [keys.rows, keys.gone, keys.members, keys.order, keys.layout, keys.log, *keys.indexes]
    commit.step("rows", named, arguments)

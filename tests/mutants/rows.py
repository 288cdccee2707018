"""Rows that are written or read wrongly."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import count
from typing import Any

from tests.mutants.combinators import Wrap, changing, for_each, ignoring, raising, suppressing
from tests.mutants.places import at
from twofold.errors import NotStorable, TransientFailure
from twofold.ports import Position, RowChange


def rows(broken: Wrap) -> Wrap:
    """Break the rows of every view."""
    return at("transaction.rows", broken)


def writing(change: Callable[[Sequence[Any]], Sequence[Any]]) -> Wrap:
    """Write other changes than those that are given."""
    return rows(changing("write", changes=change))


def guard(applies: Callable[[Any, Any, Any], bool], *, keep_tombstones: bool = True) -> Wrap:
    """Replace the guard of older writes: the store sees only growing positions, and this decides what reaches it.

    Args:
        applies: whether a change is written: its position, the row's last one, and the change.
        keep_tombstones: remember the position of a delete.
    """

    def make(_: Any) -> Wrap:
        ticks, last = count(1), dict[object, Any]()

        def change(changes: Sequence[Any]) -> Sequence[Any]:
            written = []
            for each in changes:
                before = last.get(each.key)
                if before is None or applies(each.position, before, each):
                    last[each.key] = each.position
                    if each.row is None and not keep_tombstones:
                        del last[each.key]
                    written.append(RowChange(each.key, each.row, Position(next(ticks))))
            return written

        return writing(change)

    return for_each(make)


writing_nothing = rows(ignoring("write"))
refusing_quietly = rows(suppressing(NotStorable, "write"))
refusing_as_broken = rows(raising(lambda error: TransientFailure(str(error)), "write", of=NotStorable))

"""Rows that are written or read wrongly."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import count
from typing import Any

from tests.mutants.combinators import Wrap, both, changing, changing_result, for_each, ignoring, raising, suppressing
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
    """Replace the guard against older writes.

    The store receives only ascending positions, and this guard filters changes.

    Args:
        applies: returns whether to write a change, given its position, the last position of the row, and the change.
        keep_tombstones: store the position of a delete.
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


def reading(change: Callable[[Any], Any]) -> Wrap:
    """Change each value of the rows that are read."""

    def changed(row: Any) -> Any:
        return row.model_copy(update={name: change(value) for name, value in row})

    return rows(
        both(
            changing_result("get_many", to=lambda found: {key: changed(row) for key, row in found.items()}),
            changing_result("select", to=lambda found: [changed(row) for row in found]),
        )
    )


writing_nothing = rows(ignoring("write"))
refusing_quietly = rows(suppressing(NotStorable, "write"))
refusing_as_broken = rows(raising(lambda error: TransientFailure(str(error)), "write", of=NotStorable))

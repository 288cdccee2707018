"""Rows that are hard to store, and rows of an older version of a view."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from traceback import format_exception
from typing import Final

import pytest

from twofold._definitions.view import View
from twofold.errors import NotStorable, UnitOfWorkDoomed, UnreadableRow
from twofold.ports import Condition, Operator, Position, ReadStore, RowChange, Selection
from twofold.ports.rows import Ordering

from .._domain.row_samples import SHEETS, NumberKey, Sheet, Task, all_of, change, get, put
from .._tools.opened import NewReadStore, undone


class Wide(View, name="conformance_shrinking", key="id"):
    """A row with a field that a later release removes."""

    id: str
    text: str
    dropped: int


class Narrow(View, name="conformance_shrinking", key="id"):
    """The same row in the later release."""

    id: str
    text: str


class Loose(View, name="conformance_retyped", key="id"):
    """A row with text fields."""

    id: str
    counts: dict[str, str]


class Strict(View, name="conformance_retyped", key="id"):
    """The same row in a release with number fields."""

    id: str
    counts: dict[str, int]


HARD: Final[tuple[View, ...]] = (
    Task(id="nul", note="a\0b"),
    Task(id="a\0b"),
    Task(id="nul in an index", team="a\0b"),
    Task(id="surrogate", note="a\ud800"),
    Task(id="a\ud800"),
    Task(id="surrogate in an index", team="a\ud800"),
    Task(id="large", score=2**63),
    Task(id="larger", score=2**1100),
    Task(id="low", score=-(2**63) - 1),
    Task(id="large in an index", rank=2**70),
    Task(id="larger in an index", rank=2**1100),
    NumberKey(id=2**70),
    NumberKey(id=2**1100),
    Task(id="long in an index", team="".join(chr(0x4E00 + n * n % 20000) for n in range(3000))),
    Task(id="long" * 2000),
    Task(id="no zone", due=datetime(2024, 5, 17, 12)),  # noqa: DTZ001 -- a time without a zone is the case
    Task(id="digits", cost=Decimal("1" * 90 + ".1")),
    SHEETS[0].model_copy(update={"id": "nul in a list", "names": ["a\0b"]}),
    SHEETS[0].model_copy(update={"id": "surrogate in a list", "names": ["\ud800"]}),
)
"""Rows that fit their view, and that some stores cannot store."""

PLAIN: Final = {Task: Task(id="plain"), NumberKey: NumberKey(id=1), Sheet: SHEETS[1]}
"""For each view: a row that every store can store."""


class RowLimits:
    """The cases of `RowsSuite` about the limits of rows."""

    async def test_a_row_is_kept_as_it_is_or_refused(self, new_store: NewReadStore) -> None:
        """NUL characters, lone surrogates, and large numbers and texts are stored unchanged, or the write is refused."""
        for row in HARD:
            view = type(row)
            async with new_store([Task, NumberKey, Sheet]) as store:
                changes = [RowChange(each.key, each, Position(1)) for each in (PLAIN[view], row)]
                if await _is_refused(store, view, changes):
                    assert await all_of(store, view) == {}, f"{row!r:.100}: half of a refused write was kept"
                    await put(store, [PLAIN[view]])
                else:
                    assert await get(store, view, row.key) == row
                    if view is Task:
                        assert await _found_by_its_team(store, row) == row
                assert await get(store, view, PLAIN[view].key) == PLAIN[view]

    async def test_a_view_with_a_field_less_reads_old_rows(self, new_store: NewReadStore) -> None:
        """A row with a field that the view no longer has is read without this field, and can be overwritten."""
        async with new_store([Wide]) as store:
            await put(store, [Wide(id="a", text="first", dropped=1), Wide(id="b", text="second", dropped=2)])
            await store.open([Narrow])
            assert await get(store, Narrow, "a") == Narrow(id="a", text="first")
            await change(store, Narrow, ("b", Narrow(id="b", text="third"), 2), ("c", Narrow(id="c", text="new"), 2))
            assert await all_of(store, Narrow) == {
                "a": Narrow(id="a", text="first"),
                "b": Narrow(id="b", text="third"),
                "c": Narrow(id="c", text="new"),
            }

    async def test_an_unreadable_row_affects_only_itself(self, new_store: NewReadStore) -> None:
        """A row that does not fit its view raises an error with its key, or is left out. Other rows are read.

        The error and its traceback name the field, and never its value: they reach log files and `health()`.
        """
        async with new_store([Loose]) as store:
            await put(store, [Loose(id=key, counts={"n": n}) for key, n in (("a", "1"), ("b", "sesame"), ("c", "3"))])
            await store.open([Strict])
            assert await get(store, Strict, "a") == Strict(id="a", counts={"n": 1})
            with pytest.raises(UnreadableRow, match=r"Strict with the key 'b'.*counts") as refused:
                await get(store, Strict, "b")
            assert (refused.value.view, refused.value.key) == (Strict, "b")
            assert "sesame" not in "".join(format_exception(refused.value))
            selection, unreadable = Selection(order_by=(Ordering("id"),)), list[UnreadableRow]()
            async with undone(store) as transaction:
                found = await transaction.rows(Strict).select(selection, unreadable=unreadable)
                assert [row.key for row in found] == ["a", "c"]
                assert [error.key for error in unreadable] == ["b"]
            async with undone(store) as transaction:
                with pytest.raises(UnreadableRow, match="'b'"):
                    await transaction.rows(Strict).select(selection)
            await change(store, Strict, ("b", Strict(id="b", counts={"n": 2}), 2))
            assert (await all_of(store, Strict))["b"] == Strict(id="b", counts={"n": 2})


async def _is_refused(store: ReadStore, view: type[View], changes: Sequence[RowChange[View]]) -> bool:
    """Write and commit a row; return whether it was refused."""
    async with undone(store) as transaction:
        rows = transaction.rows(view)
        try:
            await rows.write(changes)
        except NotStorable:
            with pytest.raises(UnitOfWorkDoomed):
                await rows.write(changes[:1])
            with pytest.raises(UnitOfWorkDoomed):
                await transaction.commit()
            return True
        await transaction.commit()
        return False


async def _found_by_its_team(store: ReadStore, row: View) -> View | None:
    team = Condition("team", Operator.EQ, getattr(row, "team"))  # noqa: B009  # of a Task
    async with undone(store) as transaction:
        found = await transaction.rows(Task).select(Selection((team,), (Ordering("id"),)))
    return next((each for each in found if each.key == row.key), None)

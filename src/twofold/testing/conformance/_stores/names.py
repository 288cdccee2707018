"""Names of views, fields, indexes and subscriptions: every name that the core accepts works, and no two names collide."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from types import new_class
from typing import Any

from twofold._definitions.view import View
from twofold.ports import Checkpoint, Condition, Operator, Ordering, Position, ReadStore, RowChange, Selection

from .._domain.row_samples import all_of, put
from .._tools.opened import NewReadStore, reading, writing

_WORDS = """
    select from where order group table index key keys values user users default check primary unique references
    offset limit rank row rows row_number window over lateral analyze collate desc do end interval position
    deleted rowid oid _rowid_ dual true null current_user session_user timestamp date public information_schema
    mysql sys temp returning system vector items columns metadata name c size skipped after0 where0 key0 of this
    ix rebuild x__rebuild_ rebuild_x _x x_ a__b Order2 UPPER
"""

WORDS = (*_WORDS.split(), "x" * 48, "x" * 47 + "y")
"""Reserved words of several servers, words that adapters use themselves, and two longest names that differ at the end."""

FIELDS = (*(word for word in WORDS if word[0] != "_" and word != "key"), "größe", "имя", "名前", "é" * 24)
"""The same words as names of fields, and names that are not ASCII."""

_SUBSCRIPTIONS = """
    mail Mail MAIL máil ma\u0301il mail:events mail.0 mail@rebuild {mail} mail% ma'il ma"il ma\\il m* m?il [mail] почта
    メール 📧
"""

_MOST_INDEXES = 30


def view(name: str, fields: Sequence[str] = (), indexes: Sequence[str | tuple[str, ...]] = (), key: str = "id") -> Any:
    """Return a view with a decimal in each field."""
    body = {"__annotations__": {key: str, **dict.fromkeys(fields, Decimal)}, "__module__": __name__}
    arguments = {"name": name, "key": key, "indexes": indexes}
    return new_class("Named", (View,), arguments, lambda namespace: namespace.update(body))


class NamesSuite:
    """The promises of every store about names. Needs the fixture `new_store`."""

    async def test_names_of_views(self, new_store: NewReadStore) -> None:
        """A view may have any name that its class accepts. Rows of different views never mix, including shadow rows."""
        views = [view(word) for word in (*WORDS, "stock", "stock_rebuild", "Stock1", "stock2", "a", "a_b", "b")]
        async with new_store(views) as store:
            await store.create_shadows(views)
            for each in views:
                await put(store, [each(id=each.view_name)])
            async with writing(store) as transaction:
                for each in views:
                    row = each(id=f"{each.view_name}, rebuilt")
                    await transaction.rows(each, shadow=True).write([RowChange(row.key, row, Position(2))])
            for each in views:
                assert list(await all_of(store, each)) == [each.view_name]
                async with writing(store) as transaction:
                    await transaction.shadows.swap([each])
                assert list(await all_of(store, each)) == [f"{each.view_name}, rebuilt"]

    async def test_names_of_fields(self, new_store: NewReadStore) -> None:
        """A field may have any name that its view accepts, in columns, conditions, orders and indexes."""
        parts = [FIELDS[first : first + _MOST_INDEXES] for first in range(0, len(FIELDS), _MOST_INDEXES)]
        views = [view(f"fields{number}", part, part) for number, part in enumerate(parts)]
        async with new_store(views) as store:
            for each, part in zip(views, parts, strict=True):
                await _check_fields(store, each, part)

    async def test_keys_with_any_name(self, new_store: NewReadStore) -> None:
        """The key field may have any name."""
        views = [view(f"keyed{number}", key=field) for number, field in enumerate(FIELDS)]
        async with new_store(views) as store:
            for each, field in zip(views, FIELDS, strict=True):
                await put(store, [each(**{field: "a"})])
                assert await all_of(store, each) == {"a": each(**{field: "a"})}

    async def test_names_of_indexes(self, new_store: NewReadStore) -> None:
        """Indexes stay distinct even if the names of their views and fields, joined together, are equal."""
        views = [
            view("a", ("b_c", "b", "c", "b__c", "c_"), ["b_c", ("b", "c"), "b__c", "c_", "c"]),
            view("a_b", ("c", "c_"), ["c", "c_"]),
            view("a__b", ("c",), ["c"]),
            view("a_", ("b", "c"), [("b", "c"), "b"]),
            view("stock", ("rebuild", "a"), [("rebuild", "a"), "a"]),
            view("y" * 48, ("x" * 48, "x" * 47), ["x" * 48, "x" * 47, ("x" * 48, "x" * 47)]),
        ]
        async with new_store(views) as store:
            await store.create_shadows(views)
            await store.create_schema(views)
            await store.open(views)
            for each in views:
                await _check_fields(store, each, [name for name in each.model_fields if name != "id"])

    async def test_names_of_subscriptions(self, new_store: NewReadStore) -> None:
        """Subscriptions whose names differ in case, accents, spaces or separators are different."""
        names = (
            *_SUBSCRIPTIONS.split(),
            *("mail 0", "📧" * 200, "x" * 200, "x" * 199 + "y"),
            *WORDS,
        )
        async with new_store([]) as store:
            for number, name in enumerate(names, 1):
                async with writing(store) as transaction:
                    to = Checkpoint(Position(number), "log")
                    await transaction.checkpoints.advance(name, expected=None, to=to)
            for number, name in enumerate(names, 1):
                assert await store.subscriptions.checkpoint(name) == Checkpoint(Position(number), "log"), name


async def _check_fields(store: ReadStore, of: Any, fields: Sequence[str]) -> None:
    """Check that each field keeps its own values."""
    low = of(id="a", **{field: Decimal(number) for number, field in enumerate(fields)})
    high = of(id="b", **{field: Decimal(999 - number) for number, field in enumerate(fields)})
    await put(store, [low, high])
    assert await all_of(store, of) == {"a": low, "b": high}
    for number, field in enumerate(fields):
        assert await _found(store, of, field, at_least=Decimal(number)) == ["a", "b"], field
        assert await _found(store, of, field, at_least=Decimal(999 - number)) == ["b"], field
        assert await _found(store, of, field, at_least=Decimal(1000 - number)) == [], field


async def _found(store: ReadStore, of: Any, field: str, *, at_least: Decimal) -> list[object]:
    """Return the keys of the rows with at least this value, sorted by the field."""
    where = (Condition(field, Operator.GE, at_least),)
    async with reading(store) as transaction:
        rows = await transaction.rows(of).select(Selection(where=where, order_by=(Ordering(field), Ordering("id"))))
        return [row.key for row in rows]

"""Stores in which two names are one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from tests.mutants.combinators import Wrap, both, changing, instead, replacing
from tests.mutants.harness import Mutants, MutantSuite
from tests.mutants.places import at, unbroken_read_store
from tests.mutants.rows import rows, writing
from tests.stores import READ_STORES
from twofold.ports import RowChange
from twofold.testing.conformance import NamesSuite


def comparing_fields(change: Callable[[str], str]) -> Wrap:
    """Compare other fields than those that are given, if the view has them."""

    async def select(inner: Any, selection: Any) -> Any:
        try:
            where = tuple(each._replace(field=change(each.field)) for each in selection.where)
            return await inner.select(replace(selection, where=where))
        except (AttributeError, KeyError):
            return await inner.select(selection)

    return rows(instead(select=select))


def writing_fields(one: str, other: str) -> Wrap:
    """Write two fields of a row as one."""

    def changed(each: Any) -> Any:
        values = vars(each.row) if each.row is not None else {}
        if one not in values or other not in values:
            return each
        return RowChange(each.key, each.row.model_copy(update={one: values[other]}), each.position)

    return writing(lambda changes: [changed(each) for each in changes])


def naming(change: Callable[[str], str]) -> Wrap:
    """Store subscriptions under other names than those that are given."""
    return both(
        at("transaction.checkpoints", changing("advance", subscription=change)),
        at("subscriptions", changing("checkpoint", subscription=change)),
    )


def one_view_of(change: Callable[[str], str]) -> Wrap:
    """Take views for one view if their names are equal after a change. All of them have the same fields."""

    def wrap(store: Any) -> Any:
        known: dict[str, Any] = {}
        broken = changing("rows", view=lambda view: known.setdefault(change(view.view_name), view))
        return at("transaction", broken)(store)

    return wrap


MUTANTS: Mutants = {
    "test_names_of_views": {
        "shadow rows are the rows": at("transaction", replacing("rows", shadow=False)),
        "a long name of a view is cut": one_view_of(lambda name: name[:40]),
    },
    "test_names_of_fields": {
        "two fields are one column": writing_fields("limit", "offset"),
        "long names of fields are cut": writing_fields("x" * 48, "x" * 47 + "y"),
        "two fields are compared by one column": comparing_fields(lambda field: {"limit": "offset"}.get(field, field)),
    },
    "test_keys_with_any_name": {
        "a key with a strange name is changed": rows(
            changing("write", changes=lambda changes: [each for each in changes if "order" not in vars(each.row)])
        )
    },
    "test_names_of_indexes": {
        "two indexes are one": comparing_fields(lambda field: {"b": "c", "c": "b__c"}.get(field, field))
    },
    "test_names_of_subscriptions": {
        "upper case is lower case": naming(str.lower),
        "an accent is ignored": naming(lambda name: name.replace("á", "a")),
        "a name ends at a colon": naming(lambda name: name.partition(":")[0]),
        "a long name is cut": naming(lambda name: name[:100]),
    },
}


class TestMutants(MutantSuite):
    """Broken names."""

    suite = NamesSuite
    mutants = MUTANTS
    kinds = READ_STORES
    unbroken = staticmethod(unbroken_read_store)

"""Stores that treat the values of some types of fields wrongly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, time, timedelta
from enum import Flag
from ipaddress import IPv4Address
from typing import Any

from pydantic import AnyUrl

from tests.mutants.combinators import Wrap, both, changing, changing_result
from tests.mutants.harness import Mutants, MutantSuite
from tests.mutants.places import unbroken_read_store
from tests.mutants.rows import reading, rows
from tests.stores import READ_STORES
from twofold.testing.conformance import FieldTypesSuite


def comparing(change: Callable[[Any], Any]) -> Wrap:
    """Compare with other values than those that are given."""

    def changed(where: Any) -> Any:
        return tuple(each._replace(value=change(each.value)) for each in where)

    return rows(
        both(
            changing("select", selection=lambda selection: replace(selection, where=changed(selection.where))),
            changing("count", where=changed),
        )
    )


def _unsorted_flags(found: Any) -> Any:
    return sorted(found, key=lambda row: row.id) if found and isinstance(found[0].value, Flag) else found


def _without_query(key: Any) -> Any:
    return AnyUrl(str(key).split("?")[0]) if type(key) is AnyUrl else key


MUTANTS: Mutants = {
    "test_values_of_each_type": {
        "times lose their microseconds": reading(
            lambda each: each.replace(microsecond=0) if type(each) is time else each
        ),
        "durations become seconds": reading(lambda each: each.total_seconds() if type(each) is timedelta else each),
        "addresses become texts": reading(lambda each: str(each) if isinstance(each, IPv4Address) else each),
        "flags become integers": reading(lambda each: each.value if isinstance(each, Flag) else each),
    },
    "test_conditions_of_each_type": {
        "durations are compared by their days": comparing(
            lambda each: timedelta(each.days) if type(each) is timedelta else each
        ),
        "only the first flag is compared": comparing(
            lambda each: next(iter(each), each) if isinstance(each, Flag) else each
        ),
    },
    "test_orders_of_each_type": {
        "the order of flags is lost": rows(changing_result("select", to=_unsorted_flags)),
    },
    "test_keys_of_each_type": {
        "URLs lose their query": rows(changing("get_many", keys=lambda keys: [_without_query(key) for key in keys])),
        "times are asked for by the minute": rows(
            changing(
                "get_many",
                keys=lambda keys: [
                    key.replace(microsecond=0) if isinstance(key, time | datetime) else key for key in keys
                ],
            )
        ),
    },
}


class TestMutants(MutantSuite):
    """Broken types of fields."""

    suite = FieldTypesSuite
    mutants = MUTANTS
    kinds = READ_STORES
    unbroken = staticmethod(unbroken_read_store)

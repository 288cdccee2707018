"""Stores that find other rows than the application asks for."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from tests.mutants.combinators import changing, changing_result
from tests.mutants.harness import Mutants, MutantSuite
from tests.mutants.rows import rows
from twofold.ports import Operator
from twofold.testing.conformance import ReadModelSuite


def _without_equality(where: Any) -> Any:
    return tuple(each for each in where if each.operator is not Operator.EQ)


def _in_another_zone(where: Any) -> Any:
    return tuple(each._replace(value=_local(each.value)) for each in where)


def _local(value: Any) -> Any:
    return value + timedelta(hours=2) if isinstance(value, datetime) else value


def _selecting(change: Any) -> Any:
    return rows(changing("select", selection=lambda selection: replace(selection, where=change(selection.where))))


MUTANTS: Mutants = {
    "test_values_of_clients": {
        "times are compared without their zone": _selecting(_in_another_zone),
        "rows that equal the value are counted": rows(
            changing("count", where=lambda where: [each._replace(operator=Operator.EQ) for each in where])
        ),
    },
    "test_keys_of_clients": {
        "a key finds another row": rows(
            changing_result(
                "get_many", to=lambda found: {key: row.model_copy(update={"id": "01"}) for key, row in found.items()}
            )
        ),
        "a key is not found": rows(changing_result("get_many", to=lambda _: {})),
    },
    "test_comparisons": {"rows that do not equal the value are found": _selecting(_without_equality)},
}


class TestMutants(MutantSuite):
    """Stores whose conditions and keys are broken."""

    suite = ReadModelSuite
    mutants = MUTANTS

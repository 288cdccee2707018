"""Tables of a user that cut, round or convert the values of aggregates."""

from __future__ import annotations

import pytest

from tests.adapters.sqlalchemy import test_column_limits
from tests.mutants.core import Faults, FaultSuite, at_once, setting
from twofold_sqlalchemy._aggregates import column_limits, mapping, orm


def _accept(*_: object) -> None:
    """Check nothing."""


COLUMNS = test_column_limits.TestColumnLimits()
unchecked = at_once(setting(mapping, "check_values", _accept), setting(orm, "check_values", _accept))
CHECKS = [(base, check) for base, check in column_limits._CHECKS if check is not column_limits._decimal]

FAULTS: Faults = {
    COLUMNS.test_a_value_that_does_not_fit_is_refused: {
        "no value is compared with its column": unchecked,
        "decimals are not compared with their columns": setting(column_limits, "_CHECKS", CHECKS),
    },
}


@pytest.mark.usefixtures("app")
class TestColumns(FaultSuite):
    """A price with more decimals than its column."""

    mutants = FAULTS
    kinds = test_column_limits.TestColumnLimits.kinds
    app = test_column_limits.TestColumnLimits.app

"""Stores that wait for a silent server forever."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.crash import test_silent_servers as silent
from tests.crash.test_silent_servers import engine, proxy
from tests.mutants.core import Faults, FaultSuite, replacing, setting
from twofold_sqlalchemy._connection import database
from twofold_sqlalchemy._connection.open_transaction import OpenTransaction

__all__ = ("engine", "proxy")


@pytest.fixture
def url(kind: str, request: pytest.FixtureRequest) -> str:
    """Return the URL of an empty database."""
    new: Callable[[], str] = request.getfixturevalue(f"new_{'mysql' if kind == 'mariadb' else kind}_url")
    return new()


async def _at_any_time(work: Awaitable[Any], seconds: float | None) -> Any:
    return await work


def _unlimited(init: Any) -> Any:
    return lambda self, *args, limit, **options: init(self, *args, limit=None, **options)


MUTANTS: Faults = {
    silent.test_a_query_ends_in_time: {
        "a query waits forever": setting(database, "in_time", _at_any_time),
    },
    silent.test_a_command_ends_in_time_before_its_commit: {
        "a command waits forever": replacing(OpenTransaction, "__init__", _unlimited),
    },
}


class TestPostgreSQL(FaultSuite):
    """Calls of a silent PostgreSQL."""

    mutants = MUTANTS
    kinds = ("postgresql",)
    before = setting(silent, "SOON", 12.0)


class TestMariaDB(FaultSuite):
    """Calls of a silent MariaDB."""

    mutants = MUTANTS
    kinds = ("mariadb",)
    before = setting(silent, "SOON", 12.0)

"""SQL stores that translate the error of a COMMIT to the wrong outcome."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.adapters.sqlalchemy import test_mariadb_transactions as mariadb
from tests.adapters.sqlalchemy import test_postgresql_transactions as postgresql
from tests.adapters.sqlalchemy import test_sqlite_commits as sqlite
from tests.adapters.sqlalchemy.test_mariadb_transactions import engine, store
from tests.adapters.sqlalchemy.test_postgresql_transactions import bank
from tests.crash import test_unknown_commits as unknown
from tests.crash.test_unknown_commits import proxy
from tests.mutants.core import Fault, Faults, FaultSuite, choosing, replacing, setting
from twofold import middleware
from twofold.errors import TransientFailure, TwofoldError
from twofold_sqlalchemy._connection import open_transaction
from twofold_sqlalchemy._dialects.mysql.errors import MySQLErrors
from twofold_sqlalchemy._dialects.postgresql.errors import PostgreSQLErrors
from twofold_sqlalchemy._dialects.sqlite.errors import SqliteErrors

__all__ = ("bank", "engine", "proxy", "store")


@pytest.fixture
def url(kind: str, request: pytest.FixtureRequest) -> str:
    """Return the URL of an empty database."""
    new: Callable[[], str] = request.getfixturevalue(f"new_{'mysql' if kind == 'mariadb' else kind}_url")
    return new()


def refused_if(errors: type, condition: Callable[[BaseException], bool]) -> Fault:
    """Take certain errors for the server's refusal of a COMMIT."""

    def make(original: Any) -> Any:
        return lambda self, error: condition(error) or original(self, error)

    return replacing(errors, "is_refused_commit", make)


def _is_late(error: BaseException) -> bool:
    return "read timeout" in str(error) or isinstance(error, TimeoutError)


def _never(*_: object) -> bool:
    return False


def _translations(errors: type) -> dict[str, Fault]:
    """Return the faults about a COMMIT without an answer."""
    return {
        "an unknown commit is transient": setting(open_transaction, "CommitUnknown", TransientFailure),
        "an unknown commit is repeated": setting(middleware, "TransientFailure", TwofoldError),
        "a lost answer is a refusal": refused_if(errors, lambda error: not _is_late(error)),
        "a late answer is a refusal": refused_if(errors, _is_late),
    }


POSTGRESQL: Faults = {
    choosing(unknown.test_a_command_is_not_repeated_and_a_key_resolves_it, limit="driver"): _translations(
        PostgreSQLErrors
    ),
    postgresql.test_a_commit_that_is_stopped_by_the_server: {
        "a refused commit is unknown": setting(PostgreSQLErrors, "is_refused_commit", _never),
    },
    postgresql.test_a_session_that_is_ended_before_commit: {
        "a commit that was never sent is unknown": setting(PostgreSQLErrors, "is_unsent", _never),
    },
}

MARIADB: Faults = {
    choosing(unknown.test_a_command_is_not_repeated_and_a_key_resolves_it, limit="driver"): _translations(MySQLErrors),
    mariadb.test_a_session_that_was_killed_is_reported: {
        "a commit that was never sent is unknown": setting(MySQLErrors, "is_unsent", _never),
    },
}

SQLITE: Faults = {
    sqlite.test_a_commit_that_a_constraint_refuses: {
        "a refused commit is unknown": setting(SqliteErrors, "is_refused_commit", _never),
    },
    sqlite.test_a_commit_that_the_disk_interrupts: {
        "an unknown commit is transient": setting(open_transaction, "CommitUnknown", TransientFailure),
        "an interrupted commit is a refusal": refused_if(SqliteErrors, lambda error: True),
        "an unknown commit is repeated": setting(middleware, "TransientFailure", TwofoldError),
    },
}


class TestPostgreSQL(FaultSuite):
    """Commits on PostgreSQL whose outcome is reported wrongly."""

    mutants = POSTGRESQL
    kinds = ("postgresql",)


class TestMariaDB(FaultSuite):
    """Commits on MariaDB whose outcome is reported wrongly."""

    mutants = MARIADB
    kinds = ("mariadb",)


class TestSqlite(FaultSuite):
    """Commits on SQLite whose outcome is reported wrongly."""

    mutants = SQLITE
    kinds = ("sqlite",)

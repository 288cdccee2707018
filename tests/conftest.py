"""Servers for the tests that need one; see CONTRIBUTING for where they come from."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.servers.databases import Databases
from tests.servers.finding import databases
from tests.servers.mysql import MySQL
from tests.servers.postgresql import PostgreSQL

NewUrl = Callable[[], str]
"""Returns the URL of one more empty database at each call."""


@pytest.fixture(scope="session")
def postgresql_databases() -> Iterator[Databases]:
    """Lend databases of a PostgreSQL."""
    with databases(PostgreSQL()) as found:
        yield found


@pytest.fixture(scope="session")
def mysql_databases() -> Iterator[Databases]:
    """Lend databases of a MariaDB or MySQL."""
    with databases(MySQL()) as found:
        yield found


@pytest.fixture
def new_postgresql_url(postgresql_databases: Databases) -> Iterator[NewUrl]:
    """Give a function that returns the URL of an empty PostgreSQL database, another one at each call."""
    with postgresql_databases.lend() as new_url:
        yield new_url


@pytest.fixture
def new_mysql_url(mysql_databases: Databases) -> Iterator[NewUrl]:
    """Give a function that returns the URL of an empty MariaDB or MySQL database, another one at each call."""
    with mysql_databases.lend() as new_url:
        yield new_url


@pytest.fixture
def postgresql_url(new_postgresql_url: NewUrl) -> str:
    """Give the URL of an empty PostgreSQL database that belongs to this test."""
    return new_postgresql_url()


@pytest.fixture
def mysql_url(new_mysql_url: NewUrl) -> str:
    """Give the URL of an empty MariaDB or MySQL database that belongs to this test."""
    return new_mysql_url()

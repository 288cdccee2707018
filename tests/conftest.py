"""Servers for the tests that need one; see CONTRIBUTING for where they come from."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator

import pytest

from tests.servers.choice import missing
from tests.servers.databases import Databases
from tests.servers.finding import databases, how_to_get, server
from tests.servers.mysql import MySQL
from tests.servers.postgresql import PostgreSQL
from tests.servers.rabbitmq import RabbitMQServer
from tests.servers.redis import Redis

NewUrl = Callable[[], str]
"""Returns the URL of one more empty database at each call."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that `make test-all` gives."""
    parser.addoption("--everywhere", action="store_true", help="run the mutants on every adapter, not only in memory")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name the servers that were not found: most of their tests were not even collected."""
    for kind in missing():
        terminalreporter.write_line(f"{kind.name} was not found, and its tests did not run. {how_to_get(kind)}")


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


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """Give the URL of a Redis that other tests use too; what a test keeps there begins with a prefix of its own."""
    with server(Redis()) as url:
        yield url


@pytest.fixture(scope="session")
def rabbitmq_url() -> Iterator[str]:
    """Give the URL of a RabbitMQ that other tests use too; what a test declares there begins with a prefix of its own."""
    with server(RabbitMQServer()) as url:
        yield url


@pytest.fixture
def new_prefix() -> Callable[[], str]:
    """Give a function that returns another name at each call, for what a test keeps on a server that it shares."""
    return lambda: f"twofold-test-{secrets.token_hex(6)}"

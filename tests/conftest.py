"""Servers for the tests that need one; see CONTRIBUTING for where they come from."""

from __future__ import annotations

import gc
import secrets
from collections.abc import Callable, Generator, Iterator
from typing import Any

import pytest
from hypothesis import settings

from tests.reports import encodable
from tests.selection import LEFT_OUT
from tests.servers.choice import kinds
from tests.servers.databases import Databases
from tests.servers.files import Files
from tests.servers.finding import databases, server
from tests.servers.mysql import MySQL
from tests.servers.postgresql import PostgreSQL
from tests.servers.rabbitmq import RabbitMQServer
from tests.servers.redis import Redis
from tests.servers.untested import UNTESTED

settings.register_profile("twofold", deadline=None)  # a busy machine takes longer than 200 ms for an example
settings.load_profile("twofold")

NewUrl = Callable[[], str]
"""Returns the URL of one more empty database at each call."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that `make test-all` gives."""
    parser.addoption(
        "--everywhere", action="store_true", help="run the mutants on every adapter, and long tests in full"
    )


@pytest.fixture
def everywhere(request: pytest.FixtureRequest) -> bool:
    """Tell whether long tests run in full."""
    return bool(request.config.getoption("everywhere"))


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Exempt modules and tests from garbage collection, which would visit all these objects repeatedly."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect the tests with the mark `everywhere`, unless the option is given."""
    if not config.getoption("everywhere"):
        selected = [item for item in items if LEFT_OUT.add(item)]
        config.hook.pytest_deselected(items=[item for item in items if item.get_closest_marker("everywhere")])
        items[:] = selected


def pytest_itemcollected(item: pytest.Item) -> None:
    """Keep what a module promises with each of its tests: the process that prints the summary imports no test."""
    module = item.getparent(pytest.Module)
    item.user_properties.append(("promise", (module and module.obj.__doc__) or item.nodeid))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Note the promise of a test that was skipped for lack of a server."""
    if report.skipped and isinstance(report.longrepr, tuple):
        UNTESTED.add_skipped(report.longrepr[2], str(dict(report.user_properties)["promise"]), kinds())


@pytest.hookimpl(wrapper=True)
def pytest_report_to_serializable() -> Generator[None, dict[str, Any] | None, dict[str, Any] | None]:
    """Let a report reach the process that prints it, whatever texts it contains."""
    report: dict[str, Any] | None = encodable((yield))
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Send what was not tested to the process that prints the summary, if this is another one."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["untested"] = UNTESTED.sent()
        output["left_out"] = LEFT_OUT.number


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Receive what a process has not tested."""
    output = getattr(node, "workeroutput", {})
    UNTESTED.merge(output.get("untested", {}))
    LEFT_OUT.number = max(LEFT_OUT.number, output.get("left_out", 0))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """List the promises that were not tested, by the server that was not found, and count the cases that were left out."""
    for line in (*UNTESTED.lines(kinds()), *filter(None, [LEFT_OUT.line()])):
        terminalreporter.write_line(line)


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
def prepared_postgresql_url(postgresql_databases: Databases) -> Iterator[NewUrl]:
    """Give a function like `new_postgresql_url`, for databases that have Twofold's tables."""
    with postgresql_databases.lend(prepared=True) as new_url:
        yield new_url


@pytest.fixture
def prepared_mysql_url(mysql_databases: Databases) -> Iterator[NewUrl]:
    """Give a function like `new_mysql_url`, for databases that have Twofold's tables."""
    with mysql_databases.lend(prepared=True) as new_url:
        yield new_url


@pytest.fixture(scope="session")
def sqlite_files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """Lend SQLite databases."""
    return Files(tmp_path_factory.mktemp("sqlite"))


@pytest.fixture
def prepared_sqlite_url(sqlite_files: Files) -> Iterator[NewUrl]:
    """Give a function that returns the URL of a SQLite database with Twofold's tables, another one at each call."""
    with sqlite_files.lend() as new_url:
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

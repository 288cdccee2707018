"""Blocking calls in forked processes, and the connections of the process that forks."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from twofold.testing.conformance._tools.in_time import CEILING


def forked(url: str, close: str, read: str = "", broker: str = "") -> subprocess.CompletedProcess[str]:
    """Run the bank in processes that fork after their first call."""
    quiet = ["-W", "ignore:This process:DeprecationWarning"]  # of Python 3.12 and later: os.fork with several threads
    program = [sys.executable, *quiet, "-m", "tests.application.sync_bank", url, close, read, broker]
    return subprocess.run(program, capture_output=True, text=True, timeout=CEILING, check=False)


EXPECTED = "[0, 0]\nchild 0\nchild 1\nfirst\nsecond\n"


@pytest.mark.parametrize("database", ["postgresql_url", "mysql_url"])
def test_a_forked_process_starts_its_own_application(database: str, request: pytest.FixtureRequest) -> None:
    """A process that forks after its first call, and its children, all continue over connections of their own."""
    done = forked(request.getfixturevalue(database), "open")
    assert done.stdout == EXPECTED, done.stderr


def test_a_forked_process_opens_its_own_connection_to_a_broker(postgresql_url: str, rabbitmq_url: str) -> None:
    """Parent and children relay events over connections of their own."""
    done = forked(postgresql_url, "open", broker=rabbitmq_url)
    assert (done.stdout, done.stderr) == (EXPECTED, "")


def test_redis_refuses_a_fork_with_open_connections(postgresql_url: str, redis_url: str) -> None:
    """The children get an error, because both processes would share connections."""
    done = forked(postgresql_url, "open", read=redis_url)
    assert done.stdout == "[1, 1]\nfirst\nsecond\n"
    assert done.stderr.count("ConfigurationError: cannot use this client of Redis") == 2


def test_a_process_may_close_redis_before_it_forks(postgresql_url: str, redis_url: str) -> None:
    """With the application closed at the fork, read models in Redis work in every process."""
    done = forked(postgresql_url, "close", read=redis_url)
    assert done.stdout == EXPECTED, done.stderr


def test_a_process_may_close_before_it_forks(tmp_path: Any) -> None:
    """SQLite is usable in children when the parent has closed the application before the fork."""
    done = forked(f"sqlite+aiosqlite:///{tmp_path}/bank.db", "close")
    assert done.stdout == EXPECTED, done.stderr


def test_a_fork_with_an_open_sqlite_database_is_refused(tmp_path: Any) -> None:
    """SQLite does not permit a fork with open connections: the children get an error, and the parent continues."""
    done = forked(f"sqlite+aiosqlite:///{tmp_path}/bank.db", "open")
    assert done.stdout == "[1, 1]\nfirst\nsecond\n"
    assert done.stderr.count("ConfigurationError: cannot open sqlite in this process") == 2


def test_a_session_of_the_parent_process_is_refused() -> None:
    """A forked process cannot use a session or a stream of its parent. It gets an error, and does not wait forever."""
    program = """
import os, sys
from tests.application.sync_bank import AllPayments, Pay, bank
from twofold_memory import InMemory

app = bank(InMemory())
session = app.sync.session()
session.dispatch(Pay(id="1"))
session.dispatch(Pay(id="2"))
app.sync.settle()
payments = app.sync.stream(AllPayments())
next(payments)
child = os.fork()
if child == 0:
    for use in (lambda: session.dispatch(Pay(id="3")), lambda: next(payments)):
        try:
            use()
        except Exception as error:
            print(type(error).__name__)
    print(app.sync.dispatch(Pay(id="4")), flush=True)
    os._exit(0)
os.waitpid(child, 0)
print(session.dispatch(Pay(id="3")), next(payments).id)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=CEILING, check=False)
    assert done.stdout == "ApplicationNotRunning\nApplicationNotRunning\n4\n3 2\n", done.stderr

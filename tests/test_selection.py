"""The selection of cases, and the number of those that are left out."""

from __future__ import annotations

from typing import Any

import pytest

from tests.selection import LeftOut, one_database, represented
from tests.stores import DATABASES, STORES, event_loop_of

NAMES = [f"tests/application/test_retries.py::test_{number}" for number in range(60)]


def kinds_of(parameters: list[Any]) -> list[str]:
    """Return the kinds, without their marks."""
    return [each if isinstance(each, str) else each.values[0] for each in parameters]


@pytest.mark.parametrize("name", NAMES[:5])
def test_a_test_of_the_core_runs_in_memory_and_on_one_database(name: str) -> None:
    """Each test runs on both event loops, and the same database is selected each time."""
    memory, database = kinds_of(one_database(STORES, name))
    assert (event_loop_of(memory), event_loop_of(database)) == ("trio", "asyncio")
    assert database in DATABASES
    assert kinds_of(one_database(STORES, name))[-1] == database


def test_each_database_takes_part() -> None:
    """Of many tests, a fair share runs on each database."""
    selected = [kinds_of(one_database(STORES, name))[-1] for name in NAMES]
    assert all(selected.count(database) >= len(NAMES) // 6 for database in DATABASES)


def test_a_missing_server_selects_another_database() -> None:
    """Without servers, every test runs on SQLite."""
    found = ["memory-asyncio", "memory-trio", "sqlite"]
    assert kinds_of(one_database(found, NAMES[0])) == ["memory-trio", "sqlite"]


def test_no_database_is_found() -> None:
    """Kinds that are not databases are all selected, and represent no other."""
    assert one_database(["memory-asyncio", "memory-trio"], NAMES[0]) == ["memory-asyncio", "memory-trio"]


def test_left_out_cases_are_counted(request: pytest.FixtureRequest) -> None:
    """A selected case counts those that it represents. A case that does not run counts itself."""
    (first, *_) = represented(["sqlite", "postgresql", "mariadb"], ["sqlite"])
    left_out = LeftOut()
    runs = []
    for mark in (first.marks[0], pytest.mark.everywhere):
        item = pytest.Function.from_parent(request.node.parent, name="case", callobj=lambda: None)
        item.add_marker(mark)
        runs.append(left_out.add(item))
    assert runs == [True, False]
    assert left_out.line().startswith("3 cases run only with `make test-all`")
    assert LeftOut().line() == ""

"""Random selections and conditional appends give the same results on each store as on UmaDB, where its package is installed.

The package `umadb` contains the server. The test is skipped without it: `pip install umadb`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any
from uuid import uuid4

import pytest

from tests.servers.process import free_port
from tests.stores import STORES
from twofold.errors import BoundaryConflict
from twofold.ports import START, AppendCondition, Criterion, StoredEvent
from twofold.testing.conformance import NewStore
from twofold.testing.conformance._stores.boundaries import appended, having, selected, tagged
from twofold.testing.conformance._tools.in_time import until
from twofold.testing.conformance._tools.opened import writing

umadb: Any = pytest.importorskip("umadb", reason="umadb, whose server is the oracle of this test, is not installed")

NAMES = ("suite.first", "suite.second", "suite.third")
TAGS = tuple(f"{field}:{number}" for field in ("x", "y") for number in range(3))
OPERATIONS = 300


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a new UmaDB server."""
    port, folder = free_port(), tmp_path_factory.mktemp("umadb")
    script = "from umadb import run_server_from_args as run; import sys; run(sys.argv)"
    options = ["--listen", f"127.0.0.1:{port}", "--db-path", str(folder)]
    process = subprocess.Popen([sys.executable, "-c", script, *options], env={**os.environ}, cwd=Path(folder))
    yield f"http://127.0.0.1:{port}"
    process.terminate()
    process.wait()


class Uma:
    """The log of UmaDB, by the words of Twofold."""

    def __init__(self, client: Any, log: str) -> None:
        self._client = client
        self._mark = f"log:{log}"

    def query(self, criteria: tuple[Criterion, ...]) -> Any:
        """Return criteria as a query within this log."""
        return umadb.Query(
            items=[umadb.QueryItem(types=sorted(each.names or ()), tags=[self._mark, *each.tags]) for each in criteria]
        )

    def read(self, criteria: tuple[Criterion, ...]) -> list[tuple[str, bytes]]:
        """Return the name and the data of each matching event."""
        return [(each.event.event_type, each.event.data) for each in self._client.read(self.query(criteria))]

    def head(self) -> int:
        """Return the position of the last event."""
        found: int = self._client.head() or 0
        return found

    def append(self, name: str, tags: tuple[str, ...], data: bytes, condition: Any = None) -> bool:
        """Append an event; return whether its condition holds."""
        try:
            self._client.append([umadb.Event(event_type=name, tags=[self._mark, *tags], data=data)], condition)
        except umadb.IntegrityError:
            return False
        return True


def criteria_of(random: Random) -> tuple[Criterion, ...]:
    """Return random criteria."""
    return tuple(
        having(
            *random.sample(TAGS, random.choice((0, 1, 1, 2))),
            names=random.sample(NAMES, random.choice((1, 2))) if random.random() < 0.6 else None,
        )
        for _ in range(random.choice((1, 1, 2, 3)))
    )


class TestOracle:
    """Selections and conditions, compared with UmaDB."""

    kinds = STORES

    @pytest.mark.parametrize("seed", range(2))
    async def test_random_operations_give_the_same_results(self, new_store: NewStore, server: str, seed: int) -> None:
        """Reads return the same events, and conditional appends succeed or conflict alike."""
        client = umadb.Client(server)
        await until(lambda: _answers(client), "UmaDB was to start")
        random, counts = Random(seed), {"read": 0, "appended": 0, "conflict": 0}
        oracle = Uma(client, uuid4().hex)
        open_decisions: list[tuple[AppendCondition, Any]] = []
        async with new_store([]) as store:
            for number in range(OPERATIONS):
                name, tags = random.choice(NAMES), tuple(random.sample(TAGS, random.randrange(3)))
                new, data = tagged(*tags, name=name)._replace(data=f'{{"n":{number}}}'), str(number).encode()
                match random.choice(("read", "append", "decide", "decide")):
                    case "read":
                        criteria = criteria_of(random)
                        found = await selected(store, *criteria, limit=1_000)
                        assert [_shape(each) for each in found] == oracle.read(criteria)
                        after = found[-1].position if found else START
                        condition = umadb.AppendCondition(oracle.query(criteria), oracle.head())
                        open_decisions.append((AppendCondition(criteria, after, len(found)), condition))
                        counts["read"] += 1
                    case "append":
                        await appended(store, new)
                        assert oracle.append(name, tags, data)
                    case _ if open_decisions:
                        ours, theirs = open_decisions.pop(random.randrange(len(open_decisions)))
                        succeeded = True
                        try:
                            async with writing(store) as transaction:
                                await transaction.log.guard([ours], tags)
                                await transaction.log.append(f"d-{number}", [new], expected=0)
                        except BoundaryConflict:
                            succeeded = False
                        assert succeeded == oracle.append(name, tags, data, theirs)
                        counts["appended" if succeeded else "conflict"] += 1
        assert min(counts.values()) >= 10, counts


def _answers(client: Any) -> bool:
    try:
        client.head()
    except Exception:  # noqa: BLE001 -- the server is not ready
        return False
    return True


def _shape(stored: StoredEvent) -> tuple[str, bytes]:
    return stored.name, stored.data.removeprefix('{"n":').removesuffix("}").encode()

"""A lab for each test, on each database that several processes can use."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.crash.lab import ROUNDS, Lab
from tests.servers.choice import runnable
from tests.stores import STORES


@pytest.fixture
def anyio_backend() -> str:
    """Run on asyncio; the drivers know no other loop."""
    return "asyncio"


@pytest.fixture(
    params=[
        kind
        for kind in runnable(
            STORES, "Processes are killed, paused and cut off: nothing is lost and nothing happens twice"
        )
        if not kind.startswith("memory")
    ]
)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Give the URL of an empty database."""
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path / 'shop.db'}"
    server = "mysql" if request.param == "mariadb" else request.param
    new: str = request.getfixturevalue(f"new_{server}_url")()
    return new


@pytest.fixture(params=range(ROUNDS), ids=lambda number: f"round{number}")
def round_number(request: pytest.FixtureRequest) -> int:
    """Give a number to make seeds of."""
    return int(request.param)


@pytest.fixture
async def lab(url: str, tmp_path: Path) -> AsyncIterator[Lab]:
    """Give a lab on an empty shop, and end its processes."""
    lab = Lab(url, tmp_path)
    await lab.prepare()
    yield lab
    lab.close()

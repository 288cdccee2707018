"""A shop on a SQLite file, and the command line on it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import anyio
import pytest
from typer.main import get_command
from typer.testing import CliRunner, Result

from tests.cli.shop import Place, opened
from twofold import Application
from twofold_cli import cli

Call = Callable[..., Result]
Json = Callable[..., Any]


@pytest.fixture(scope="session", autouse=True)
def _build_the_command_once() -> Iterator[None]:
    """Keep the command: typer's runner builds it at each call, which takes most of a call's CPU time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("typer.testing._get_command", cache(get_command))
        yield


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """Run the command line with some arguments, on a shop with an empty database."""
    monkeypatch.setenv("SHOP_DATABASE", f"sqlite+aiosqlite:///{tmp_path / 'shop.db'}")
    monkeypatch.setenv("TWOFOLD_APP", "tests.cli.shop:opened")
    return lambda *arguments, **options: CliRunner().invoke(cli, list(arguments), catch_exceptions=False, **options)


@pytest.fixture
def as_json(call: Call) -> Json:
    """Run the command line with --json, and return what a program reads."""
    return lambda *arguments: json.loads(call(*arguments, "--json").stdout)


@pytest.fixture
def seeded(call: Call, seeded_database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """The command line on a shop with two handled orders, a parked event, and a stopped worker."""
    monkeypatch.setenv("SHOP_REFUSES", "lantern")
    shutil.copy(seeded_database, tmp_path / "shop.db")
    return call


@pytest.fixture(scope="session")
def seeded_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The database of `seeded`, which each test copies."""
    file = tmp_path_factory.mktemp("seeded") / "shop.db"

    async def seed(app: Application) -> None:
        await app.create_schema()
        async with app:
            for number, product in enumerate(("lamp", "lantern")):
                await app.dispatch(Place(order_id=str(number), product=product))
            await app.settle()

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SHOP_DATABASE", f"sqlite+aiosqlite:///{file}")
        patch.setenv("SHOP_REFUSES", "lantern")
        _in_opened(seed)
    return file


def in_shop(work: Callable[[Application], Any]) -> None:
    """Run the shop, and a function with it."""

    async def enter(app: Application) -> None:
        async with app:
            await work(app)

    _in_opened(enter)


def _in_opened(work: Callable[[Application], Any]) -> None:
    async def run() -> None:
        async with opened() as app:
            await work(app)

    anyio.run(run)

"""A shop on a SQLite file, and the command line on it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from typer.testing import CliRunner, Result

from tests.cli.shop import Place, opened
from twofold import Application
from twofold_cli import cli

Call = Callable[..., Result]
Json = Callable[..., Any]


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
def seeded(call: Call, monkeypatch: pytest.MonkeyPatch) -> Call:
    """The command line on a shop with two handled orders, a parked event, and a stopped worker."""
    monkeypatch.setenv("SHOP_REFUSES", "lantern")
    assert call("schema", "create").exit_code == 0

    async def seed(app: Application) -> None:
        for number, product in enumerate(("lamp", "lantern")):
            await app.dispatch(Place(order_id=str(number), product=product))
        await app.settle()

    in_shop(seed)
    return call


def in_shop(work: Callable[[Application], Any]) -> None:
    """Run the shop, and a function with it."""

    async def run() -> None:
        async with opened() as app, app:
            await work(app)

    anyio.run(run)

"""The packages that the code imports are those that pyproject.toml declares, and only their public names are used."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.architecture.packages import ROOT, declared, imported, optional, private_names

EXTRAS = {
    "src/twofold": ("trio", "testing", "telemetry"),
    "adapters/twofold_cli": ("cli",),
    "adapters/twofold_console": ("console",),
    "adapters/twofold_fastapi": ("fastapi",),
    "adapters/twofold_memory": (),
    "adapters/twofold_sqlalchemy": ("sqlalchemy", "sqlite", "postgresql", "mysql", "migrations"),
    "adapters/twofold_redis": ("redis",),
    "adapters/twofold_rabbitmq": ("rabbitmq",),
}
"""The extras that each package of the wheel may import from."""

NOT_IMPORTED = {
    "aiosqlite": "SQLAlchemy imports it for a URL that begins with sqlite+aiosqlite",
}
"""Packages that are declared and not imported, with the reason."""

PACKAGES = sorted(EXTRAS)


def sources(package: str) -> list[Path]:
    """Return the files of a package."""
    return sorted((ROOT / package).rglob("*.py"))


def faults(sources: Iterable[str], *extras: str) -> list[str]:
    """Return what these sources import that is not declared, and the private names that they use."""
    known, found = declared(*extras), set[str]()
    for source in sources:
        for name in imported(source):
            top = name.partition(".")[0]
            if top not in known and not top.startswith("twofold"):
                found.add(f"{top} is not declared")
        found |= {f"{name} is private" for name in private_names(source)}
    return sorted(found)


@pytest.mark.parametrize("package", PACKAGES)
def test_imported_packages_are_declared(package: str) -> None:
    """A package declares what it imports, in the core or in its extras, and imports no private name."""
    assert faults((path.read_text("utf-8") for path in sources(package)), *EXTRAS[package]) == []


def test_declared_packages_are_imported() -> None:
    """No declaration is left over."""
    used = {
        name.partition(".")[0]
        for package in PACKAGES
        for path in sources(package)
        for name in imported(path.read_text("utf-8"))
    }
    assert sorted(declared(*optional()) - used) == sorted(NOT_IMPORTED)


def test_every_package_and_every_extra_is_known() -> None:
    """The table above names each package of the wheel and each extra; the extra `all` repeats those of the adapters."""
    adapters = {f"adapters/{path.parent.name}" for path in (ROOT / "adapters").glob("*/__init__.py")}
    assert set(PACKAGES) == adapters | {"src/twofold"}
    assert {extra for extras in EXTRAS.values() for extra in extras} | {"all"} == set(optional())
    of_adapters = {extra for package in adapters for extra in EXTRAS[package]}
    assert declared("all") == declared(*of_adapters)


@pytest.mark.parametrize(
    "source",
    [
        "import redis",
        "from yarl import URL",
        "import pamqp.commands as spec",
        "def f():\n    import trio",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from hypothesis import given",
        "from aiormq._frames import Frame",
        "from aiormq.connection import _parse",
        "import aiormq\naiormq.connection._parse()",
        "import aiormq as driver\ndriver._parse()",
    ],
)
def test_the_rule_can_fail(source: str) -> None:
    """An undeclared package and a private name are found, wherever they are imported."""
    assert faults([source], "rabbitmq")


@pytest.mark.parametrize(
    "source",
    [
        "import aiormq.abc",
        "import asyncio.events",
        "from aio_pika import Message",
        "import aiormq\naiormq.__version__",
        "from twofold import errors",
        "from . import _private",
    ],
)
def test_the_rule_can_pass(source: str) -> None:
    """Declared packages, the standard library and the project's own packages are allowed."""
    assert faults([source], "rabbitmq") == []


def test_extras_may_contain_extras() -> None:
    """A requirement of the project itself stands for the packages of that extra."""
    assert {"sqlalchemy", "aiosqlite"} <= declared("sqlite")
    assert {"aio_pika", "aiormq", "redis", "asyncpg"} <= declared("all")
    assert "aiormq" not in declared("sqlite")

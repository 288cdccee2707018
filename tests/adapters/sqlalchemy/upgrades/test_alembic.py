"""The revision that the documentation shows, run by the commands of Alembic."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy.ext.asyncio import create_async_engine

from twofold_sqlalchemy import SqlAlchemy

PAGE = Path(__file__).resolve().parents[4] / "docs" / "how-to" / "databases.md"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with an environment of Alembic, whose only revision is that of the page."""
    settings = tmp_path / "alembic.ini"
    command.init(Config(settings), str(tmp_path / "migrations"))
    found = re.search(
        r"^    from alembic import op\n.*?(?=^\S)", PAGE.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE
    )
    assert found is not None
    identity = '\nrevision = "one"\ndown_revision = None\n'
    (tmp_path / "migrations" / "versions" / "one.py").write_text(dedent(found[0]) + identity)
    settings.write_text(
        re.sub("^sqlalchemy.url.*", "sqlalchemy.url = sqlite:///shop.db", settings.read_text(), flags=re.MULTILINE)
    )
    return tmp_path


def alembic(folder: Path, *arguments: str) -> str:
    """Run a command of Alembic, and return what it prints; its last line is an error, if there is one."""
    program = [sys.executable, "-m", "alembic", *arguments]
    done = subprocess.run(program, cwd=folder, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


async def opens(folder: Path) -> None:
    """Open a store on the database, which checks the tables."""
    engine = create_async_engine(f"sqlite+aiosqlite:///{folder / 'shop.db'}")
    try:
        await SqlAlchemy(engine).open([])
    finally:
        await engine.dispose()


async def test_a_downgrade_is_refused_and_changes_nothing(folder: Path) -> None:
    """The error names the backup. The tables and the revision stay, and the application starts."""
    alembic(folder, "upgrade", "head")
    await opens(folder)
    assert "NotImplementedError: Twofold's tables have no downgrade." in alembic(folder, "downgrade", "base")
    assert "one (head)" in alembic(folder, "current")
    await opens(folder)


async def test_an_upgrade_without_a_connection_is_refused(folder: Path) -> None:
    """The error of `alembic upgrade --sql` names the command that prints the statements."""
    assert "take its statements from `twofold schema sql`" in alembic(folder, "upgrade", "head", "--sql")

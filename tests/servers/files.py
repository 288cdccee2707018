"""SQLite databases with Twofold's tables."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import cached_property
from pathlib import Path

from .databases import create_tables


class Files:
    """Lends SQLite databases to tests, as `Databases` does: each test gets a copy of one file, which takes 0.2 ms.

    The URLs repeat, so that tests can share engines, which keep compiled statements.

    Args:
        folder: the folder of the files.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._spare: list[Path] = []
        self._number = 0

    @contextmanager
    def lend(self) -> Iterator[Callable[[], str]]:
        """Give a function that returns the URL of one more database at each call, for as long as the block lasts."""
        lent: list[Path] = []

        def one() -> str:
            file = self._spare.pop() if self._spare else self._new()
            lent.append(file)
            file.write_bytes(self._prepared)
            return f"sqlite+aiosqlite:///{file}"

        try:
            yield one
        finally:
            for file in lent:
                for suffix in ("", "-wal", "-shm"):
                    file.with_name(file.name + suffix).unlink(missing_ok=True)
                self._spare.append(file)

    def _new(self) -> Path:
        self._number += 1
        return self._folder / f"{self._number}.db"

    @cached_property
    def _prepared(self) -> bytes:
        file = self._folder / "prepared.db"
        with ThreadPoolExecutor(1) as thread:  # the caller's thread may have a running event loop
            thread.submit(asyncio.run, create_tables(f"sqlite+aiosqlite:///{file}")).result()
        with closing(sqlite3.connect(file)) as connection:
            connection.execute("DELETE FROM twofold_meta")
            connection.commit()
        return file.read_bytes()

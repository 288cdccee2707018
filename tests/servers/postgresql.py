"""PostgreSQL for the tests."""

from __future__ import annotations

import signal
from pathlib import Path

from twofold.testing.conformance._tools.in_time import CEILING

from .kind import administer, reachable, within
from .process import PrivateServer, account, binary, free_port, new_folder

THROW_OUT = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""
EMPTY = """
DO $$
DECLARE name text;
BEGIN
    FOR name IN
        SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
    LOOP
        EXECUTE format('DROP SCHEMA %I CASCADE', name);
    END LOOP;
    CREATE SCHEMA public;
END $$
"""


def programs() -> tuple[Path, Path] | None:
    """Return `initdb` and `postgres`; Debian keeps them off the PATH."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    found = binary("initdb", *folders), binary("postgres", *folders)
    return (found[0], found[1]) if found[0] and found[1] else None


class PostgreSQL:
    """PostgreSQL 13 or later."""

    name = "PostgreSQL"
    variable = "TWOFOLD_POSTGRESQL_URL"
    usual = "postgresql+asyncpg://postgres@127.0.0.1:5432/postgres"
    programs = "initdb and postgres"

    def installed(self) -> bool:
        """Tell whether a private server can be started."""
        return programs() is not None

    def reachable(self, url: str) -> bool:
        """Tell whether a server accepts us at this URL."""
        return reachable(url)

    def private(self) -> PrivateServer:
        """Start a private server; the caller removes it."""
        found = programs()
        assert found is not None
        initdb, postgres = found
        user = account("postgres", "nobody")
        folder, port = new_folder("postgresql", user), free_port()
        options = ["--auth=trust", "--username=postgres", "--encoding=UTF8", "--no-locale", "--no-sync"]
        return PrivateServer(
            url=f"postgresql+asyncpg://postgres@127.0.0.1:{port}/postgres",
            command=[
                *(str(postgres), "-D", str(folder / "data"), "-p", str(port)),
                *("-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="),
                # What is committed survives a killed server; only a machine that loses power would lose it.
                *("-c", "fsync=off"),
            ],
            folder=folder,
            user=user,
            answers=reachable,
            gentle=signal.SIGINT,
        ).started(prepare=[str(initdb), "-D", str(folder / "data"), *options])

    def create(self, url: str, database: str) -> None:
        """Create an empty database on the server of this URL."""
        administer(url, [f'CREATE DATABASE "{database}" TEMPLATE template0'])

    def empty(self, url: str, database: str) -> None:
        """Make a database as good as new: a fifth of what it costs to drop it and create another."""
        # The drop waits for the locks of those who are just being thrown out, for some time and not for ever.
        settings = ["SET client_min_messages = warning", f"SET lock_timeout = '{CEILING:g}s'"]
        reset = f'ALTER DATABASE "{database}" RESET ALL'
        administer(within(url, database), [THROW_OUT, *settings, EMPTY, reset])

    def drop(self, url: str, database: str) -> None:
        """Drop a database and throw out who is still in it."""
        administer(url, [f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)'])

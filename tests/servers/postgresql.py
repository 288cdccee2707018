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
CLEAR = """
DO $$
DECLARE name text;
BEGIN
    ALTER TABLE twofold_events DISABLE TRIGGER USER;
    FOR name IN SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('v', 'm')
    LOOP
        EXECUTE format('DROP VIEW %I CASCADE', name);
    END LOOP;
    FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename !~ '^twofold_'
    LOOP
        EXECUTE format('DROP TABLE IF EXISTS %I CASCADE', name);
    END LOOP;
    FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public'
    LOOP
        EXECUTE format('LOCK TABLE %I', name);
        -- TRUNCATE creates new files, and a DELETE leaves old rows behind.
        IF pg_relation_size(name::regclass) > 65536 THEN
            EXECUTE format('TRUNCATE %I', name);
        ELSE
            EXECUTE format('DELETE FROM %I', name);
        END IF;
    END LOOP;
    ALTER TABLE twofold_events ENABLE TRIGGER USER;
    PERFORM setval(oid::regclass, 1, false) FROM pg_class WHERE relkind = 'S' AND relnamespace = 'public'::regnamespace;
END $$
"""
TABLES = """
WITH ours AS (SELECT * FROM pg_class WHERE relnamespace = 'public'::regnamespace)
SELECT concat_ws(' ', relname, relkind, relpersistence, reloptions) FROM ours
UNION ALL SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_'
UNION ALL SELECT concat_ws(' ', relname, attnum, attname, format_type(atttypid, atttypmod), attnotnull, attidentity,
    attgenerated, attcollation, attstattarget, pg_get_expr(adbin, adrelid))
    FROM ours JOIN pg_attribute ON attrelid = ours.oid LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
    WHERE attnum > 0
UNION ALL SELECT concat_ws(' ', pg_get_indexdef(indexrelid), indisvalid) FROM ours JOIN pg_index ON indrelid = ours.oid
UNION ALL SELECT concat_ws(' ', relname, pg_get_constraintdef(c.oid)) FROM ours JOIN pg_constraint c ON conrelid = ours.oid
UNION ALL SELECT concat_ws(' ', pg_get_triggerdef(t.oid), tgenabled) FROM ours JOIN pg_trigger t ON tgrelid = ours.oid
UNION ALL SELECT concat_ws(' ', proname, prosrc, proconfig) FROM pg_proc WHERE pronamespace = 'public'::regnamespace
UNION ALL SELECT concat_ws(' ', relname, seqstart, seqincrement, seqmax, seqmin, seqcache, seqcycle)
    FROM ours JOIN pg_sequence ON seqrelid = ours.oid
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
        """Return whether a private server can be started."""
        return programs() is not None

    def reachable(self, url: str) -> bool:
        """Return whether a server accepts connections at this URL."""
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
                # Committed data survives a killed server; only a power failure would lose it.
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
        """Empty a database. This takes a fifth of the time to drop it and create another."""
        # The drop waits for the locks of sessions that are being ended, but not indefinitely.
        settings = ["SET client_min_messages = warning", f"SET lock_timeout = '{CEILING:g}s'"]
        reset = f'ALTER DATABASE "{database}" RESET ALL'
        administer(within(url, database), [THROW_OUT, *settings, EMPTY, reset])

    def clear(self, url: str, database: str) -> str:
        """Delete all rows, and drop all other tables. The locks wait for sessions that are being ended."""
        settings = ["SET client_min_messages = warning", f"SET lock_timeout = '{CEILING:g}s'"]
        reset = f'ALTER DATABASE "{database}" RESET ALL'
        found = administer(within(url, database), [THROW_OUT, *settings, CLEAR, reset, TABLES])
        return "\n".join(sorted(map(str, found)))

    def drop(self, url: str, database: str) -> None:
        """Drop a database and end its sessions."""
        administer(url, [f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)'])

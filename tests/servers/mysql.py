"""MariaDB, or MySQL, for the tests."""

from __future__ import annotations

import signal
from contextlib import suppress
from pathlib import Path

from sqlalchemy.exc import DBAPIError

from .kind import administer, reachable
from .process import PrivateServer, account, binary, free_port, new_folder
from .waiting import wait_until

TABLES = """
SELECT CONCAT_WS(' ', table_name, table_type, engine, table_collation, create_options) FROM information_schema.tables
    WHERE table_schema = '{database}'
UNION ALL SELECT CONCAT_WS(' ', table_name, ordinal_position, column_name, column_type, is_nullable, collation_name,
    column_key, extra, column_default, generation_expression) FROM information_schema.columns
    WHERE table_schema = '{database}'
UNION ALL SELECT CONCAT_WS(' ', table_name, index_name, seq_in_index, column_name, non_unique, sub_part)
    FROM information_schema.statistics WHERE table_schema = '{database}'
UNION ALL SELECT CONCAT_WS(' ', trigger_name, event_manipulation, event_object_table, action_timing, action_statement)
    FROM information_schema.triggers WHERE event_object_schema = '{database}'
"""

SBIN = (Path("/usr/sbin"), Path("/usr/local/sbin"))


class MySQL:
    """MariaDB 10.6 or later, or MySQL 8; a private one is always MariaDB."""

    name = "MariaDB or MySQL"
    variable = "TWOFOLD_MYSQL_URL"
    usual = "mysql+asyncmy://root@127.0.0.1:3306/test"
    programs = "mariadb-install-db and mariadbd"

    def installed(self) -> bool:
        """Return whether a private server can be started."""
        return binary("mariadb-install-db", *SBIN) is not None and binary("mariadbd", *SBIN) is not None

    def reachable(self, url: str) -> bool:
        """Return whether a server accepts connections at this URL."""
        return reachable(url)

    def private(self, *options: str) -> PrivateServer:
        """Start a private server with further options; the caller removes it."""
        install, mariadbd = binary("mariadb-install-db", *SBIN), binary("mariadbd", *SBIN)
        assert install is not None
        assert mariadbd is not None
        user = account("mysql", "nobody")
        folder, port = new_folder("mariadb", user), free_port()
        # It is small, and what is committed survives a killed server; only a machine that loses power would lose it.
        sizes = ["--innodb-buffer-pool-size=64M", "--innodb-log-file-size=32M", "--innodb-flush-log-at-trx-commit=2"]
        data = [
            "--no-defaults",
            f"--datadir={folder / 'data'}",
            f"--tmpdir={folder}",
        ]  # in a shared one a server removes what it takes for its own
        plain = ["--auth-root-authentication-method=normal", "--skip-name-resolve", "--skip-test-db", *sizes]
        return PrivateServer(
            url=f"mysql+asyncmy://root@127.0.0.1:{port}/mysql",
            command=[
                *(str(mariadbd), *data, f"--port={port}", "--bind-address=127.0.0.1", "--skip-name-resolve"),
                *(f"--socket={folder / 'socket'}", f"--pid-file={folder / 'pid'}", *sizes, *options),
            ],
            folder=folder,
            user=user,
            answers=reachable,
            gentle=signal.SIGTERM,
        ).started(prepare=[str(install), *data, *plain])

    def create(self, url: str, database: str) -> None:
        """Create an empty database on the server of this URL."""
        administer(url, [f"CREATE DATABASE `{database}` CHARACTER SET utf8mb4"])

    def empty(self, url: str, database: str) -> None:
        """Make a database as good as new."""
        self.drop(url, database)
        self.create(url, database)

    def clear(self, url: str, database: str) -> str:
        """Delete all rows after ending all sessions, and drop all other tables. TRUNCATE bypasses the log's triggers."""
        wait_until(lambda: not self._sessions(url, database), f"all sessions of {database} were to end")
        where = f"FROM information_schema.tables WHERE table_schema = '{database}'"
        found = administer(url, [f"SELECT CONCAT(table_type, ' ', table_name) {where}"])
        changes = ["SET FOREIGN_KEY_CHECKS = 0"]
        for kind, name in (each.rsplit(" ", 1) for each in map(str, found)):
            if not name.startswith("twofold_"):
                changes.append(f"DROP {'VIEW' if kind == 'VIEW' else 'TABLE'} `{database}`.`{name}`")
            else:
                changes.append(f"{'TRUNCATE' if name == 'twofold_events' else 'DELETE FROM'} `{database}`.`{name}`")
        found = administer(url, [*changes, TABLES.format(database=database)])
        return "\n".join(sorted(map(str, found)))

    def drop(self, url: str, database: str) -> None:
        """Drop a database after ending its sessions; otherwise the drop would wait for them."""
        self._sessions(url, database)
        administer(url, [f"DROP DATABASE IF EXISTS `{database}`"])

    def _sessions(self, url: str, database: str) -> list[int]:
        """End the sessions of a database, and return the sessions that there were."""
        sessions = administer(url, [f"SELECT id FROM information_schema.processlist WHERE db = '{database}'"])
        for session in sessions:
            with suppress(DBAPIError):  # it has just left by itself
                administer(url, [f"KILL {session}"])
        return sessions

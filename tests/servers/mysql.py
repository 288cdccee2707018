"""MariaDB, or MySQL, for the tests."""

from __future__ import annotations

import signal
from contextlib import suppress
from pathlib import Path

from sqlalchemy.exc import DBAPIError

from .kind import administer, reachable
from .process import PrivateServer, account, binary, free_port, new_folder

SBIN = (Path("/usr/sbin"), Path("/usr/local/sbin"))


class MySQL:
    """MariaDB 10.6 or later, or MySQL 8; a private one is always MariaDB."""

    name = "MariaDB or MySQL"
    variable = "TWOFOLD_MYSQL_URL"
    usual = "mysql+asyncmy://root@127.0.0.1:3306/test"
    programs = "mariadb-install-db and mariadbd"

    def installed(self) -> bool:
        """Tell whether a private server can be started."""
        return binary("mariadb-install-db", *SBIN) is not None and binary("mariadbd", *SBIN) is not None

    def reachable(self, url: str) -> bool:
        """Tell whether a server accepts us at this URL."""
        return reachable(url)

    def private(self) -> PrivateServer:
        """Start a private server; the caller removes it."""
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
                *(f"--socket={folder / 'socket'}", f"--pid-file={folder / 'pid'}", *sizes),
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

    def drop(self, url: str, database: str) -> None:
        """Drop a database and throw out who is still in it; the drop would wait for them for a day."""
        for session in administer(url, [f"SELECT id FROM information_schema.processlist WHERE db = '{database}'"]):
            with suppress(DBAPIError):  # it has just left by itself
                administer(url, [f"KILL {session}"])
        administer(url, [f"DROP DATABASE IF EXISTS `{database}`"])

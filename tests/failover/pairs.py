"""A primary server with a replica that may have a lag, and the promotion of the replica."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, cast
from urllib.parse import urlsplit

from tests.servers.kind import administer, reachable
from tests.servers.mysql import SBIN, MySQL
from tests.servers.postgresql import PostgreSQL
from tests.servers.process import PrivateServer, binary, free_port, new_folder, run
from tests.servers.waiting import wait_until

_STATUS = "SELECT variable_value FROM information_schema.global_status"


class Pair(Protocol):
    """A primary server and its replica."""

    primary: PrivateServer
    replica: PrivateServer

    def await_replica(self) -> None:
        """Return when the replica has everything that the primary committed."""
        ...

    def cut(self) -> None:
        """Stop the replication, so that the replica lags."""
        ...

    def promote(self) -> None:
        """Kill the primary, and let the replica accept writes."""
        ...


class PostgreSQLPair:
    """Streaming replication, by `pg_basebackup`.

    Args:
        synchronous: let a commit wait for the replica.
    """

    def __init__(self, *, synchronous: bool) -> None:
        primary = PostgreSQL().private()
        user, folder, port = primary.user, new_folder("standby", primary.user), free_port()
        place = urlsplit(primary.url)
        source = ["-h", "127.0.0.1", "-p", str(place.port), "-U", "postgres"]
        copy = ["-D", str(folder / "data"), "-R", "--checkpoint=fast", "--no-sync", "-X", "stream"]
        base = binary("pg_basebackup", *sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True))
        run([str(base), *source, *copy], folder, user)
        command = [str(each) for each in primary.command]
        command[command.index("-D") + 1] = str(folder / "data")
        command[command.index("-p") + 1] = str(port)
        url = primary.url.replace(f":{place.port}/", f":{port}/")
        self.primary = primary
        self.replica = PrivateServer(url, command, folder, user, reachable, signal.SIGINT).started()
        if synchronous:
            administer(primary.url, ["ALTER SYSTEM SET synchronous_standby_names = '*'", "SELECT pg_reload_conf()"])
            state = "SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync'"
            wait_until(lambda: bool(administer(primary.url, [state])), "the replica was to be synchronous")

    def await_replica(self) -> None:
        """Compare the journals."""
        (end,) = administer(self.primary.url, ["SELECT pg_current_wal_lsn()::text"])
        passed = f"SELECT pg_last_wal_replay_lsn() >= '{end}'"
        wait_until(lambda: administer(self.replica.url, [passed]) == [True], "the replica was to catch up")

    def cut(self) -> None:
        """Take the address of the primary from the replica."""
        administer(self.replica.url, ["ALTER SYSTEM SET primary_conninfo = ''", "SELECT pg_reload_conf()"])
        gone = "SELECT count(*) FROM pg_stat_replication"
        wait_until(lambda: administer(self.primary.url, [gone]) == [0], "the replication was to stop")

    def promote(self) -> None:
        """Kill the primary and call `pg_promote`."""
        self.primary.kill()
        administer(self.replica.url, ["SELECT pg_promote()"])


class MariaDBPair:
    """Replication by GTID, from the first transaction.

    Args:
        synchronous: let a commit wait for the replica (semi-synchronous replication, AFTER_SYNC).
    """

    def __init__(self, *, synchronous: bool) -> None:
        self.primary, self.replica = (self._started(number, synchronous) for number in (1, 2))
        place = urlsplit(self.primary.url)
        source = f"MASTER_HOST='127.0.0.1', MASTER_PORT={place.port}, MASTER_USER='root', MASTER_PASSWORD=''"
        administer(self.primary.url, ["CREATE USER IF NOT EXISTS 'root'@'127.0.0.1'"])
        if synchronous:  # from now on a commit waits for the replica, which is about to connect
            administer(self.primary.url, ["SET GLOBAL rpl_semi_sync_master_enabled = ON"])
        administer(
            self.replica.url,
            [f"CHANGE MASTER TO {source}, MASTER_USE_GTID=slave_pos", "START SLAVE"],
        )
        if synchronous:
            clients = f"{_STATUS} WHERE variable_name = 'RPL_SEMI_SYNC_MASTER_CLIENTS'"
            wait_until(lambda: administer(self.primary.url, [clients]) == ["1"], "the replica was to be synchronous")

    def await_replica(self) -> None:
        """Compare the GTIDs."""
        (end,) = administer(self.primary.url, ["SELECT @@gtid_binlog_pos"])
        wait = f"SELECT MASTER_GTID_WAIT('{end}', 60)"
        assert administer(self.replica.url, [wait]) == [0]

    def cut(self) -> None:
        """Stop the thread that receives the binary log."""
        administer(self.replica.url, ["STOP SLAVE IO_THREAD"])

    def promote(self) -> None:
        """Kill the primary and remove it from the replication."""
        self.primary.kill()
        administer(self.replica.url, ["STOP SLAVE", "RESET SLAVE ALL"])

    def _started(self, number: int, synchronous: bool) -> PrivateServer:
        options = [f"--server-id={number}", "--log-bin=binary", "--binlog-format=ROW", "--log-slave-updates"]
        if synchronous and number == 1:
            options += ["--rpl-semi-sync-master-wait-point=AFTER_SYNC", "--rpl-semi-sync-master-timeout=600000"]
        elif synchronous:
            options.append("--rpl-semi-sync-slave-enabled=ON")
        return MySQL().private(*options)


PAIRS = {"postgresql": PostgreSQLPair, "mariadb": MariaDBPair}


def missing(engine: str) -> str | None:
    """Return the missing programs of a pair, or None."""
    if engine == "postgresql":
        folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
        return (
            None
            if PostgreSQL().installed() and binary("pg_basebackup", *folders)
            else "initdb, postgres, pg_basebackup"
        )
    return None if MySQL().installed() and SBIN else "mariadb-install-db, mariadbd"


@contextmanager
def started(engine: str, *, synchronous: bool) -> Iterator[Pair]:
    """Start a pair for the length of a block."""
    pair = cast(Pair, PAIRS[engine](synchronous=synchronous))
    try:
        yield pair
    finally:
        pair.primary.remove()
        pair.replica.remove()

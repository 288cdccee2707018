"""PgBouncer in front of a PostgreSQL server."""

from __future__ import annotations

import signal
from pathlib import Path

from sqlalchemy import make_url

from .kind import reachable
from .process import PrivateServer, account, binary, free_port, new_folder

_FOLDERS = (Path("/usr/sbin"), Path("/usr/local/sbin"))

_SETTINGS = """
[databases]
* = host={host} port={target} user={user}{password}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = {mode}
default_pool_size = {sessions}
server_round_robin = 1
"""
"""Successive transactions of a client run in different sessions, as far as possible."""


def installed() -> bool:
    """Return whether PgBouncer can be started."""
    return binary("pgbouncer", *_FOLDERS) is not None


def pgbouncer(url: str, mode: str, *, sessions: int) -> PrivateServer:
    """Start a pooler in front of the server of a URL; the caller removes it.

    Args:
        url: the URL of a database. The URL of the pooler names the same database.
        mode: "transaction" or "session".
        sessions: the maximum number of sessions of the server.
    """
    program = binary("pgbouncer", *_FOLDERS)
    assert program is not None
    target, user = make_url(url), account("postgres", "nobody")
    folder, port = new_folder("pgbouncer", user), free_port()
    settings = folder / "pgbouncer.ini"
    settings.write_text(
        _SETTINGS.format(
            host=target.host or "127.0.0.1",
            target=target.port or 5432,
            user=target.username or "postgres",
            password=f" password={target.password}" if target.password else "",
            port=port,
            mode=mode,
            sessions=sessions,
        )
    )
    return PrivateServer(
        url=target.set(host="127.0.0.1", port=port, password=None).render_as_string(),
        command=[str(program), str(settings)],
        folder=folder,
        user=user,
        answers=reachable,
        gentle=signal.SIGTERM,
    ).started()

"""Redis for the tests."""

from __future__ import annotations

import signal
import socket
from urllib.parse import urlsplit

from .process import PrivateServer, account, binary, free_port, new_folder


def answers(url: str) -> bool:
    """Tell whether a Redis accepts us at this URL, and is no longer loading its data."""
    where = urlsplit(url)
    try:
        with socket.create_connection((where.hostname or "127.0.0.1", where.port or 6379), timeout=5) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(100).startswith(b"+PONG")
    except OSError:
        return False


class Redis:
    """Redis 6.2 or later."""

    name = "Redis"
    variable = "TWOFOLD_REDIS_URL"
    usual = "redis://127.0.0.1:6379"
    programs = "redis-server"

    def installed(self) -> bool:
        """Tell whether a private server can be started."""
        return binary("redis-server") is not None

    def reachable(self, url: str) -> bool:
        """Tell whether a server accepts us at this URL."""
        return answers(url)

    def private(self, *options: str) -> PrivateServer:
        """Start a private server that writes down each change; the caller removes it.

        Args:
            options: for `redis-server`; later ones win.
        """
        program = binary("redis-server")
        assert program is not None
        user = account("redis", "nobody")
        folder, port = new_folder("redis", user), free_port()
        server = PrivateServer(
            url=f"redis://127.0.0.1:{port}",
            command=[
                *(str(program), "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", ""),
                *("--appendonly", "yes", "--appendfsync", "no", *options),
            ],
            folder=folder,
            user=user,
            answers=answers,
            gentle=signal.SIGTERM,
        )
        try:
            server.start()
        except BaseException:
            server.remove()
            raise
        return server

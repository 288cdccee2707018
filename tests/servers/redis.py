"""Redis for the tests."""

from __future__ import annotations

import signal

from .process import PrivateServer, account, binary, free_port, greets, new_folder


def answers(url: str) -> bool:
    """Return whether a Redis accepts connections at this URL and has loaded its data."""
    return greets(url, 6379, b"PING\r\n", b"+PONG")


class Redis:
    """Redis 6.2 or later."""

    name = "Redis"
    variable = "TWOFOLD_REDIS_URL"
    usual = "redis://127.0.0.1:6379"
    programs = "redis-server"

    def installed(self) -> bool:
        """Return whether a private server can be started."""
        return binary("redis-server") is not None

    def reachable(self, url: str) -> bool:
        """Return whether a server accepts connections at this URL."""
        return answers(url)

    def private(self, *options: str) -> PrivateServer:
        """Start a private server that persists each change; the caller removes it.

        Args:
            options: for `redis-server`; later ones win.
        """
        program = binary("redis-server")
        assert program is not None
        user = account("redis", "nobody")
        folder, port = new_folder("redis", user), free_port()
        return PrivateServer(
            url=f"redis://127.0.0.1:{port}",
            command=[
                *(str(program), "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", ""),
                *("--appendonly", "yes", "--appendfsync", "no", *options),
            ],
            folder=folder,
            user=user,
            answers=answers,
            gentle=signal.SIGTERM,
        ).started()

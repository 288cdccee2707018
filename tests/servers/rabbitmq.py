"""RabbitMQ for the tests."""

from __future__ import annotations

import signal
import socket
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

from .process import PrivateServer, account, binary, free_port, new_folder

LIB = Path("/usr/lib/rabbitmq/bin")
"""Where Debian keeps the real programs; those on the PATH become the system's account first."""


def answers(url: str) -> bool:
    """Tell whether a RabbitMQ greets us at this URL."""
    where = urlsplit(url)
    try:
        with socket.create_connection((where.hostname or "127.0.0.1", where.port or 5672), timeout=5) as connection:
            connection.sendall(b"AMQP\x00\x00\x09\x01")
            return connection.recv(1) == b"\x01"
    except OSError:
        return False


def program(name: str) -> Path | None:
    """Return a program of RabbitMQ, the real one before the one that changes the account."""
    return LIB / name if (LIB / name).exists() else binary(name)


class RabbitMQServer:
    """RabbitMQ 3.10 or later."""

    name = "RabbitMQ"
    variable = "TWOFOLD_RABBITMQ_URL"
    usual = "amqp://guest:guest@127.0.0.1:5672/"
    programs = "rabbitmq-server"

    def installed(self) -> bool:
        """Tell whether a private server can be started."""
        return program("rabbitmq-server") is not None

    def reachable(self, url: str) -> bool:
        """Tell whether a server accepts us at this URL."""
        return answers(url)

    def private(self) -> PrivateServer:
        """Start a private server without plugins; the caller removes it."""
        found = program("rabbitmq-server")
        assert found is not None
        user = account("rabbitmq", "nobody")
        folder, port = new_folder("rabbitmq", user), free_port()
        settings = {
            **environment(folder, port),
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(port),
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_MNESIA_BASE": str(folder),
            "RABBITMQ_LOG_BASE": str(folder),
            "RABBITMQ_PID_FILE": str(folder / "pid"),
            "RABBITMQ_CONFIG_FILE": str(folder / "none"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
            "RUNNING_UNDER_SYSTEMD": "1",  # no shell around the server: a signal reaches it, and kills it
        }
        server = PrivateServer(
            url=f"amqp://guest:guest@127.0.0.1:{port}/",
            command=["env", *(f"{name}={value}" for name, value in settings.items()), str(found)],
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


def environment(folder: Path, port: int) -> dict[str, str]:
    """Return what names a private server to its tools."""
    return {"HOME": str(folder), "RABBITMQ_NODENAME": f"twofold{port}@localhost"}


def control(server: PrivateServer, *words: str) -> str:
    """Run `rabbitmqctl` on a private server."""
    found = program("rabbitmqctl")
    assert found is not None
    names = environment(server.folder, urlsplit(server.url).port or 0)
    command = ["env", *(f"{name}={value}" for name, value in names.items()), str(found), "--quiet", *words]
    done = subprocess.run(
        command, cwd=server.folder, user=server.user, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, f"{words} failed:\n{done.stdout}{done.stderr}"
    return done.stdout

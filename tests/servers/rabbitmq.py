"""RabbitMQ for the tests."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

from twofold.testing.conformance._tools.in_time import CEILING

from .process import PrivateServer, account, binary, free_port, greets, new_folder

LIB = Path("/usr/lib/rabbitmq/bin")
"""Where Debian keeps the real programs; those on the PATH become the system's account first."""


def answers(url: str) -> bool:
    """Return whether a RabbitMQ greets at this URL."""
    return greets(url, 5672, b"AMQP\x00\x00\x09\x01", b"\x01")


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
        """Return whether a private server can be started."""
        return program("rabbitmq-server") is not None

    def reachable(self, url: str) -> bool:
        """Return whether a server accepts connections at this URL."""
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
        return PrivateServer(
            url=f"amqp://guest:guest@127.0.0.1:{port}/",
            command=["env", *(f"{name}={value}" for name, value in settings.items()), str(found)],
            folder=folder,
            user=user,
            answers=answers,
            gentle=signal.SIGTERM,
        ).started()


def environment(folder: Path, port: int) -> dict[str, str]:
    """Return the environment variables that identify a private server to its tools."""
    return {"HOME": str(folder), "RABBITMQ_NODENAME": f"twofold{port}@localhost"}


def control(server: PrivateServer, *words: str) -> str:
    """Run `rabbitmqctl` on a private server."""
    found = program("rabbitmqctl")
    assert found is not None
    names = environment(server.folder, urlsplit(server.url).port or 0)
    command = ["env", *(f"{name}={value}" for name, value in names.items()), str(found), "--quiet", *words]
    done = subprocess.run(
        command, cwd=server.folder, user=server.user, capture_output=True, text=True, check=False, timeout=CEILING
    )
    assert done.returncode == 0, f"{words} failed:\n{done.stdout}{done.stderr}"
    return done.stdout

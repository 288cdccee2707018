"""A server of our own: a process on a free port of loopback, with its data in a temporary folder."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from twofold.testing.conformance._tools.in_time import CEILING

from .waiting import wait_until

PATIENCE = CEILING / 4
"""Seconds for a server to accept connections and to reply."""

# Should the tests end without saying so, their pipe closes, and their server goes with its data.
WATCH = 'read -r _; kill -KILL "$1" 2>/dev/null; rm -rf "$2"'


def binary(name: str, *folders: Path) -> Path | None:
    """Return the program of this name from the PATH, else from one of the folders, else nothing."""
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), *map(str, folders)])
    found = shutil.which(name, path=path)
    return Path(found) if found else None


def free_port() -> int:
    """Return a port of loopback on which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def account(*names: str) -> str | None:
    """Return the first of these accounts that exists when we are root, since servers refuse to run as root."""
    if not hasattr(os, "getuid") or os.getuid() != 0:
        return None
    import pwd

    known = {entry.pw_name for entry in pwd.getpwall()}
    return next((name for name in names if name in known), None)


def new_folder(kind: str, owner: str | None) -> Path:
    """Create a folder that belongs to the server's account. Only our account can enter the folders of pytest."""
    folder = Path(tempfile.mkdtemp(prefix=f"twofold-{kind}-"))
    if owner is not None:
        shutil.chown(folder, owner)
    return folder


def run(command: Sequence[str], folder: Path, user: str | None) -> None:
    """Run a program to its end, under the server's account. If it fails, raise an error with its output."""
    done = subprocess.run(command, cwd=folder, user=user, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]} failed ({done.returncode}):\n{done.stdout}{done.stderr}")


def greets(url: str, port: int, sent: bytes, reply: bytes) -> bool:
    """Return whether a server replies to a greeting as expected. If the URL has no port, use the given one."""
    where = urlsplit(url)
    place = where.hostname or "127.0.0.1", where.port or port
    try:
        with socket.create_connection(place, timeout=PATIENCE) as connection:
            connection.sendall(sent)
            return connection.recv(len(reply)) == reply
    except OSError:
        return False


@dataclass
class PrivateServer:
    """A private server, which tests may stop, kill and start again.

    Attributes:
        url: its URL; the same after each start.
        command: the command that starts it in the foreground.
        folder: its data and its log; deleted by `remove`.
        user: its account; ours when None.
        answers: returns whether it accepts connections.
        gentle: the signal that stops it without waiting for its clients.
    """

    url: str
    command: Sequence[str]
    folder: Path
    user: str | None
    answers: Callable[[str], bool]
    gentle: signal.Signals
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)
    _watch: subprocess.Popen[bytes] | None = field(default=None, init=False)
    _killed: bool = field(default=False, init=False)

    def started(self, *, prepare: Sequence[str] = ()) -> Self:
        """Start it for the first time, and remove it if that fails.

        Args:
            prepare: a program to run before, in its folder and under its account.
        """
        try:
            if prepare:
                run(prepare, self.folder, self.user)
            self.start()
        except BaseException:
            self.remove()
            raise
        return self

    def start(self) -> None:
        """Start it and return once it answers."""
        self._process = self._spawn()
        try:
            wait_until(self._has_started, "it was to answer")
        except (AssertionError, ChildProcessError) as failed:
            self.kill()
            end = (self.folder / "log").read_text("utf-8", "replace")[-2000:]
            raise RuntimeError(f"{self.command[0]} did not start: {failed}. The end of its log:\n{end}") from failed
        self._killed = False

    def recovered(self) -> None:
        """Return once the server answers after restarting itself."""
        wait_until(lambda: self.answers(self.url), f"{self.command[0]} was to recover")

    def stop(self) -> None:
        """Stop it as an administrator would, without waiting for its clients."""
        if self._process is not None:
            self._process.send_signal(self.gentle)
            try:
                self._process.wait(CEILING)
            except subprocess.TimeoutExpired:
                self.kill()
            self._ended()

    def kill(self) -> None:
        """Kill it, like a power cut. Committed data must exist after the next start."""
        if self._process is not None:
            for process in (self._process.pid, *self._frozen_children(self._process)):
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
            self._process.wait(CEILING)
            self._ended()
            self._killed = True

    @staticmethod
    def _frozen_children(process: subprocess.Popen[bytes]) -> list[int]:
        """Stop a process from starting children, and return its children.

        A session of PostgreSQL is such a child, and would finish its statement, even commit it, after its server's
        death. Only Linux lists the children; elsewhere `start` waits for them.
        """
        process.send_signal(signal.SIGSTOP)
        known = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        return [int(child) for child in known.read_text().split()] if known.exists() else []

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Let it do nothing inside the block, as on a machine that swaps: its connections stay, and it says nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def remove(self) -> None:
        """Stop it and remove its data."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _has_started(self) -> bool:
        if self.answers(self.url):
            return True
        if self._process is not None and self._process.poll() is not None:
            if not self._killed:
                raise ChildProcessError("it ended")
            # PostgreSQL refuses while a session of the killed server has not yet noticed its death.
            self._process = self._spawn()
        return False

    def _spawn(self) -> subprocess.Popen[bytes]:
        with (self.folder / "log").open("ab") as log:
            # A session of its own: Ctrl+C in the terminal is for pytest, which then stops the server.
            server = subprocess.Popen(
                self.command,
                cwd=self.folder,
                user=self.user,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._ended()
        watch = ["sh", "-c", WATCH, "watch", str(server.pid), str(self.folder)]
        self._watch = subprocess.Popen(watch, stdin=subprocess.PIPE, start_new_session=True)
        return server

    def _ended(self) -> None:
        self._process = None
        if self._watch is not None:
            self._watch.kill()
            self._watch.communicate()
            self._watch = None

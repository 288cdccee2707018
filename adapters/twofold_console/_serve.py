"""Serve a console until the process receives a signal."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import current_thread, main_thread

import anyio
import uvicorn

from twofold import Application
from twofold.errors import ConfigurationError

from ._create import create_console
from ._settings import is_loopback

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class _Server(uvicorn.Server):
    """A server that ends with SIGINT, SIGTERM and SIGHUP, and leaves the rest to the caller, who closes the stores."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop serving on a signal. Uvicorn itself would raise the signal again."""
        loop = asyncio.get_running_loop()
        signals = [
            each
            for each in _SIGNALS
            if current_thread() is main_thread() and signal.getsignal(each) is not signal.SIG_IGN
        ]
        for each in signals:
            loop.add_signal_handler(each, self.handle_exit, each, None)
        try:
            yield
        finally:
            for each in signals:
                loop.remove_signal_handler(each)


async def serve(
    application: Application,
    *,
    services: Sequence[Application] = (),
    host: str = "127.0.0.1",
    port: int = 8025,
    token: str | None = None,
    read_only: bool = False,
    hosts: Sequence[str] = (),
    started: Callable[[str], object] = lambda _: None,
) -> None:
    """Serve the console of a running application until SIGINT, SIGTERM, SIGHUP or cancellation. Requests are not logged.

    Args:
        application: the application that the console shows and repairs.
        services: other running applications, whose events are part of the path of a message.
        host: the address to listen on. An address other than that of the loopback interface demands a token.
        port: the port to listen on.
        token: the token that people sign in with, at least 20 characters.
        read_only: refuse every change.
        hosts: the host names, without ports, by which browsers call the console, as for `create_console`.
        started: called with the address of the console, once it is known.

    Raises:
        ConfigurationError: there is no token, and the host is not the loopback interface; or the token is too short.
    """
    if token is None and not is_loopback(host):
        raise ConfigurationError(
            f"a console on {host!r} demands a token, because other machines can call it. Pass a token, or listen on "
            "127.0.0.1."
        )
    web = create_console(application, services=services, token=token, read_only=read_only, hosts=hosts)
    config = uvicorn.Config(
        web, host=host, port=port, access_log=False, proxy_headers=False, server_header=False, log_level="warning",
        ws="none", timeout_graceful_shutdown=2,
    )  # fmt: skip
    started(f"http://{f'[{host}]' if ':' in host else host}:{port}/")
    server = _Server(config)
    async with anyio.create_task_group() as tasks:
        with anyio.CancelScope(shield=True):  # the server closes its connections and its socket itself
            tasks.start_soon(_stop_when_cancelled, server)
            await server.serve()
            tasks.cancel_scope.cancel()


async def _stop_when_cancelled(server: uvicorn.Server) -> None:
    try:
        await anyio.sleep_forever()
    finally:
        server.should_exit = True

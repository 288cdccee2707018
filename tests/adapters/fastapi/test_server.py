"""A real server and a real connection: streams end with their client, and sync routes share the application."""

from __future__ import annotations

import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import anyio
import httpx2
import uvicorn
from fastapi import FastAPI

from tests.adapters.fastapi.shop import Sell, new_api, new_shop, streaming
from tests.servers.process import free_port
from tests.servers.waiting import wait_until
from twofold.testing.conformance._tools.in_time import CEILING


@contextmanager
def served(api: FastAPI) -> Iterator[int]:
    """Serve a web application on a port of loopback, in a thread."""
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(api, host="127.0.0.1", port=port, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        wait_until(lambda: server.started or not thread.is_alive(), "the server was to listen")
        yield port
    finally:
        server.should_exit = True
        thread.join(CEILING)
    assert not thread.is_alive()


def test_a_query_ends_when_its_connection_closes() -> None:
    """An idle query is closed when the client closes its connection."""
    closed = threading.Event()

    async def idle() -> AsyncIterator[Any]:
        try:
            yield 1
            await anyio.sleep_forever()
        finally:
            closed.set()

    with served(streaming(idle)) as port:
        with socket.create_connection(("127.0.0.1", port), CEILING) as client:
            client.sendall(b"GET /count HTTP/1.1\r\nHost: test\r\n\r\n")
            received = b""
            while b"data: 1\n\n" not in received:
                received += client.recv(1_000)
            assert not closed.is_set()
        assert closed.wait(CEILING)


def test_a_sync_route_shares_the_application() -> None:
    """A `def` route runs in a thread and uses `app.sync`, in the event loop of the server."""
    application = new_shop()
    api = new_api(application)

    @api.post("/sync/{order_id}")
    def sell(order_id: str) -> str:
        return application.sync.dispatch(Sell(order_id=order_id))

    with served(api) as port, httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=CEILING) as client:
        assert client.post("/sync/1").json() == "1"
        assert client.get("/looked/1").json() == 1

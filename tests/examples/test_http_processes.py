"""The orders example over HTTP, in two processes that share a database: a client reads its own writes at either process."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import cycle

import anyio
import httpx2
import pytest

from orders import http_examples as examples
from tests.docs.test_served_how_to import serving
from tests.servers.process import free_port
from twofold.testing.conformance._tools.in_time import CEILING

CLIENTS = 50
READS = 4
"""The reads of each client. With `--everywhere` there are 50 times as many, 10,000 in all."""

COMMAND = "uvicorn orders.http:api --log-level warning --timeout-graceful-shutdown 5 --port {}"
TOKEN = "Consistency-Token"


@pytest.fixture
def anyio_backend() -> str:
    """The clients need one backend."""
    return "asyncio"


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """Run two processes on one database, and return their URLs. They start at the same time and create the tables."""
    first, second, folder = free_port(), free_port(), tmp_path_factory.mktemp("shared")
    with ExitStack() as stack, ThreadPoolExecutor() as threads:
        services = [serving(COMMAND.format(port), folder, port) for port in (first, second)]
        list(threads.map(stack.enter_context, services))
        yield f"http://127.0.0.1:{first}", f"http://127.0.0.1:{second}"


@dataclass
class Client:
    """A client that sends each request to another process than the request before, with its last token."""

    http: httpx2.AsyncClient
    servers: Iterator[str]
    token: str = ""
    stale: list[str] = field(default_factory=list)

    async def send(self, method: str, path: str, **body: object) -> httpx2.Response:
        """Send a request, and keep the token of the response."""
        headers = {TOKEN: self.token} if self.token else {}
        answer = await self.http.request(method, next(self.servers) + path, headers=headers, json=body or None)
        self.token = answer.headers.get(TOKEN, self.token)
        return answer

    async def read(self, order_id: str, status: str) -> None:
        """Read an order, which must have a status. On a busy machine, some answers are that the read is not ready."""
        with anyio.fail_after(CEILING):
            while (answer := await self.send("GET", f"/orders/{order_id}")).status_code == 503:
                assert answer.json()["type"] == "urn:twofold:problem:read-not-ready"
        if answer.status_code != 200 or answer.json()["status"] != status:
            self.stale.append(answer.text)

    async def run(self, rounds: int) -> None:
        """Place orders and pay for them. After each command, read the order at the other process."""
        for _ in range(rounds):
            order_id = (await self.send("POST", "/orders", **examples.PLACE)).json()["order_id"]
            await self.read(order_id, "pending")
            await self.send("POST", f"/orders/{order_id}/pay")
            await self.read(order_id, "paid")


async def test_concurrent_clients_read_their_own_writes_at_another_process(
    servers: tuple[str, str], everywhere: bool
) -> None:
    """No answer of 50 concurrent clients is stale, although another process answers than the one that wrote."""
    rounds = READS // 2 * (50 if everywhere else 1)
    limits = httpx2.Limits(max_connections=CLIENTS)
    async with httpx2.AsyncClient(timeout=CEILING, limits=limits) as http, anyio.create_task_group() as group:
        clients = [Client(http, cycle(servers[number % 2 :] + servers[: number % 2])) for number in range(CLIENTS)]
        for client in clients:
            group.start_soon(client.run, rounds)
    assert [answer for client in clients for answer in client.stale] == []


async def test_a_live_order_shows_the_changes_of_another_process(servers: tuple[str, str]) -> None:
    """A client that watches an order at one process receives the changes that another process writes, and then the end."""
    async with httpx2.AsyncClient(timeout=CEILING) as http:
        client = Client(http, cycle(servers))
        order_id = (await client.send("POST", "/orders", **examples.PLACE)).json()["order_id"]
        seen = []
        async with http.stream("GET", f"{servers[1]}/orders/{order_id}/live", headers={TOKEN: client.token}) as live:
            async for line in live.aiter_lines():
                if '"status":' in line:
                    seen.append(json.loads(line.removeprefix("data: "))["status"])
                    client.servers = cycle(servers)
                    await client.send("POST", f"/orders/{order_id}/{'pay' if len(seen) == 1 else 'cancel'}")
    assert seen == ["pending", "paid", "cancelled"]

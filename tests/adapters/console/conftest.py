"""A running shop, and clients of its console."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack
from typing import Any

import pytest
from httpx2 import ASGITransport, AsyncClient, Response
from starlette.types import ASGIApp

from tests.adapters.console.shop import HOSTILE, Place, new_shop
from twofold import Application
from twofold_console import create_console

TOKEN = "a-token-of-many-characters"
ORIGIN = {"origin": "http://localhost"}


class Client(AsyncClient):
    """A browser without scripts: it sends its origin, and the CSRF token of the last page, with each form."""

    csrf = ""

    async def page(self, path: str, **options: Any) -> str:
        """Open a page, and return its HTML."""
        response = await self.get(path, **options)
        assert response.status_code == 200, response.text
        self.csrf = csrf_of(response.text) or self.csrf
        return response.text

    async def submit(
        self, path: str, fields: Mapping[str, Any] | None = None, *, headers: Mapping[str, str] = ORIGIN
    ) -> Response:
        """Send a form as a page of the console does."""
        data = {"csrf": self.csrf} | {name: str(value) for name, value in (fields or {}).items()}
        return await self.post(path, data=data, headers=dict(headers))


NewClient = Callable[..., Client]


def csrf_of(html: str) -> str:
    """Return the CSRF token of a page's first form."""
    found = re.search(r'name="csrf" value="([0-9a-f]+)"', html)
    return found[1] if found else ""


def client_of(web: ASGIApp, *, address: str = "127.0.0.1", base_url: str = "http://localhost") -> Client:
    """Return a client of a web application, whose requests come from an address."""
    return Client(transport=ASGITransport(web, client=(address, 40_000)), base_url=base_url)


@pytest.fixture
def anyio_backend() -> str:
    """Run in memory."""
    return "asyncio"


@pytest.fixture
async def shop() -> AsyncIterator[Application]:
    """A shop with a handled order and a parked event, whose payload is hostile."""
    async with new_shop(refuses="onerror") as app:
        await app.dispatch(Place(order_id="1"))
        await app.dispatch(Place(order_id="2", product=HOSTILE))
        await app.settle()
        yield app


@pytest.fixture
async def new_client(shop: Application) -> AsyncIterator[NewClient]:
    """Create a console of the shop, and return a client of it."""
    async with AsyncExitStack() as stack:

        def create(*, address: str = "127.0.0.1", base_url: str = "http://localhost", **options: Any) -> Client:
            client = client_of(create_console(shop, **options), address=address, base_url=base_url)
            stack.push_async_callback(client.aclose)
            return client

        yield create


@pytest.fixture
def client(new_client: NewClient) -> Client:
    """A client of a console without a token."""
    return new_client()

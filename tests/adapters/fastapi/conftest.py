"""A client of the shop behind FastAPI."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from fastapi.testclient import TestClient
from starlette.applications import Starlette

from tests.adapters.fastapi.shop import new_api

NewClient = Callable[..., TestClient]
"""Starts a web application, by default that of the shop, and returns a client, which gets unknown errors as a 500."""


@pytest.fixture
def new_client() -> Iterator[NewClient]:
    """Start web applications."""
    with ExitStack() as stack:

        def start(api: Starlette | None = None, **options: Any) -> TestClient:
            client = TestClient(api or new_api(**options), raise_server_exceptions=False)
            return stack.enter_context(client)

        yield start


@pytest.fixture
def client(new_client: NewClient) -> TestClient:
    """Start the shop."""
    return new_client()

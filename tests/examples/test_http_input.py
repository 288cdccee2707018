"""Bad input over HTTP gets problem details with a status of 4xx, and never a 500."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx2
import pytest
from fastapi.testclient import TestClient
from hypothesis import given, settings
from hypothesis import strategies as st

from orders import http_examples as examples
from orders.http import LARGEST_BODY, new_api

TEXT = st.text(st.characters(exclude_categories=()), max_size=50)  # with NUL and halves of surrogate pairs
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)
ITEM = st.fixed_dictionaries(
    {"product_id": st.just("20000") | TEXT, "quantity": st.integers(1, 10_000) | JSON}, optional={"more": JSON}
)
PLACE = st.fixed_dictionaries(
    {"user_id": st.just(examples.USER_ID) | JSON, "items": st.lists(ITEM, max_size=3) | JSON},
    optional={"payment": st.just("card") | JSON, "order_id": JSON},
)
WORD = TEXT.map(lambda text: quote(text.encode(errors="surrogatepass"), safe="")).filter(
    lambda word: word not in ("", ".", "..")  # a client resolves these
)
REQUESTS = (
    st.tuples(st.just("POST"), st.just("/orders"), PLACE | JSON)
    | st.tuples(st.just("PUT"), WORD.map("/orders/{}/status".format), st.just({"status": "paid"}) | JSON)
    | st.tuples(st.just("POST"), st.builds("/orders/{}/{}".format, WORD, st.sampled_from(["pay", "ship"])), JSON)
    | st.tuples(st.just("GET"), st.builds("/orders/{}{}".format, WORD, st.sampled_from(["", "/live"])), st.none())
    | st.tuples(st.just("GET"), st.builds("/users/{}/orders?page={}&page_size={}".format, WORD, WORD, WORD), st.none())
    | st.tuples(st.just("GET"), WORD.map("/statistics/{}".format), st.none())
)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """Serve the orders of one database to all tests. An unknown error is a 500."""
    path = tmp_path_factory.mktemp("orders") / "orders.db"
    with TestClient(new_api(f"sqlite+aiosqlite:///{path}"), raise_server_exceptions=False) as client:
        yield client


def check(answer: httpx2.Response) -> None:
    """Check that a request was answered, or refused with problem details."""
    assert answer.status_code < 500, answer.text
    if answer.status_code >= 400:
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.json()["status"] == answer.status_code


@settings(max_examples=300)
@given(REQUESTS)
def test_any_request_is_answered_or_refused(client: TestClient, request_: tuple[str, str, Any]) -> None:
    """No id, number, date or body causes a 500."""
    method, path, body = request_
    check(client.request(method, path, content=json.dumps(body), headers={"Content-Type": "application/json"}))


@given(st.binary(max_size=50), st.binary(max_size=50))
def test_any_bytes_and_any_header_are_answered_or_refused(client: TestClient, body: bytes, header: bytes) -> None:
    """A body that is not JSON, a token or a key that is not valid, causes no 500."""
    value = header.translate(None, b"\r\n\0")
    headers = {b"Content-Type": b"application/json", b"Consistency-Token": value, b"Idempotency-Key": value}
    check(client.post("/orders", content=body, headers=headers))


@pytest.mark.parametrize(
    "changes",
    [
        {"user_id": 1},
        {"user_id": 2**31},
        {"user_id": 10**400},
        {"items": []},
        {"items": [{"product_id": "20000", "quantity": 1}] * 101},
        *[{"items": [{"product_id": "20000", "quantity": number}]} for number in (0, -1, 10_001, 1.5, True, "1")],
        *[{"items": [{"product_id": text, "quantity": 1}]} for text in ("", "1" * 41, "2\0", "\ud800", "unknown")],
        {"payment": "shells"},
        {"order_id": "1"},
    ],
    ids=lambda changes: str(changes)[:50],
)
def test_an_order_that_is_not_valid_is_refused(client: TestClient, changes: dict[str, object]) -> None:
    """A value outside of its bounds, an unknown customer and an unknown product are not processed."""
    body = json.dumps(examples.PLACE | changes)
    refused = client.post("/orders", content=body, headers={"Content-Type": "application/json"})
    check(refused)
    assert refused.status_code == 422


@pytest.mark.parametrize("body", [b"9" * 5000, b"[" * 30_000], ids=["a long number", "a deep list"])
def test_a_body_that_python_cannot_parse_is_refused(client: TestClient, body: bytes) -> None:
    """The limits of the JSON parser are faults of the request."""
    refused = client.post("/orders", content=body, headers={"Content-Type": "application/json"})
    check(refused)
    assert refused.status_code == 400


def test_a_large_body_is_refused(client: TestClient) -> None:
    """A body has a limit, with and without the header that announces its length."""
    body = b" " * (LARGEST_BODY + 1)
    for content in (body, iter([body])):
        refused = client.post("/orders", content=content, headers={"Content-Type": "application/json"})
        check(refused)
        assert refused.status_code == 413

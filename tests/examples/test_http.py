"""The orders example over HTTP: commands, queries, a live order, and the OpenAPI examples."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from dependency_injector import providers
from fastapi.testclient import TestClient

from orders import http_examples as examples
from orders.catalogue import ListedProducts
from orders.composition import running
from orders.container import Container
from orders.customers import ListedCustomers
from orders.http import OrderPage, live_order, new_api
from orders.messages import CancelOrder, PayOrder, PlaceOrder
from orders.views import OrderDetail, Statistics

TOKEN = "Consistency-Token"


class Shop:
    """A client that sends its last consistency token."""

    def __init__(self, client: TestClient) -> None:
        self.client = client

    def send(self, method: str, path: str, body: object = None, key: str | None = None) -> Any:
        """Send a request, and return the response."""
        answer = self.client.request(method, path, json=body, headers={"Idempotency-Key": key} if key else {})
        if TOKEN in answer.headers:
            self.client.headers[TOKEN] = answer.headers[TOKEN]
        return answer

    def place(self, **changes: object) -> str:
        """Place an order, and return its id."""
        return str(self.send("POST", "/orders", examples.PLACE | changes).json()["order_id"])

    def get(self, path: str) -> Any:
        """Return the answer to a query."""
        return self.send("GET", path).json()


@pytest.fixture
def anyio_backend() -> str:
    """SQLite needs asyncio."""
    return "asyncio"


@pytest.fixture
def url(tmp_path: Path) -> str:
    """Give the URL of a new database."""
    return f"sqlite+aiosqlite:///{tmp_path / 'orders.db'}"


@pytest.fixture
def shop(url: str) -> Iterator[Shop]:
    """Serve the orders."""
    with TestClient(new_api(url)) as client:
        yield Shop(client)


def test_an_order_has_prices_and_images_of_the_catalogue_and_the_address_of_its_customer(shop: Shop) -> None:
    """A customer orders by ids alone. The order is at the location of the response."""
    placed = shop.send("POST", "/orders", examples.PLACE)
    assert placed.status_code == 201
    order = shop.get(placed.headers["Location"])
    known = {name: examples.ORDER[name] for name in ("user_name", "lines", "total", "address", "payment")}
    assert order | known == order
    assert (order["status"], order["paid_at"]) == ("pending", None)


def test_an_order_is_paid_as_its_customer_usually_pays(shop: Shop) -> None:
    """The way to pay is the customer's usual one, unless the order names another one."""
    usual = shop.place(user_id=12346, payment=None)
    assert shop.get(f"/orders/{usual}")["payment"] == "invoice"
    assert shop.get(f"/orders/{shop.place(user_id=12346, payment='card')}")["payment"] == "card"


def test_a_repetition_with_the_same_key_places_one_order(shop: Shop) -> None:
    """Two requests with an idempotency key have the same order."""
    first, second = (shop.send("POST", "/orders", examples.PLACE, key="k").json() for _ in range(2))
    assert first == second
    assert shop.get(f"/users/{examples.USER_ID}/orders")["total"] == 1


def test_an_order_is_paid_shipped_and_delivered(shop: Shop) -> None:
    """Each transition takes effect and has its time in the detail. A transition that is not allowed is a conflict."""
    path = f"/orders/{shop.place()}"
    assert shop.send("POST", f"{path}/ship").status_code == 409
    done = [shop.send("POST", f"{path}/{change}") for change in ("pay", "ship", "deliver")]
    assert [(answer.status_code, answer.content) for answer in done] == [(204, b"")] * 3
    order = shop.get(path)
    assert order["status"] == "delivered"
    assert order["placed_at"] <= order["paid_at"] <= order["shipped_at"] <= order["delivered_at"]
    assert shop.send("POST", f"{path}/cancel").status_code == 409


@pytest.mark.parametrize("status", ["paid", "cancelled"])
def test_a_status_is_updated_by_its_name(shop: Shop, status: str) -> None:
    """An update of the status does the same as the named transition. No order becomes pending."""
    path = f"/orders/{shop.place()}"
    assert shop.send("PUT", f"{path}/status", {"status": status}).status_code == 204
    assert shop.get(path)["status"] == status
    for refused in (status, "pending"):
        assert shop.send("PUT", f"{path}/status", {"status": refused}).status_code == 409


def test_the_orders_of_a_user_are_listed_in_pages(shop: Shop) -> None:
    """The newest order is first. An entry shows the products with image and unit price."""
    placed = [shop.place() for _ in range(3)]
    shop.place(user_id=12346)
    pages = [shop.get(f"/users/{examples.USER_ID}/orders?page={page}&page_size=2") for page in (1, 2)]
    assert [page["total"] for page in pages] == [3, 3]
    assert [order["order_id"] for page in pages for order in page["items"]] == placed[::-1]
    assert pages[0]["items"][0]["first_lines"] == examples.LINES


def test_the_statistics_of_a_day_count_its_orders(shop: Shop) -> None:
    """The day of the orders has their number and amount, and the best-selling products."""
    order = shop.get(f"/orders/{shop.place()}")
    found = shop.get(f"/statistics/{order['placed_at'][:10]}")
    assert (found["day"]["orders"], found["day"]["amount"]) == (1, order["total"])
    assert [product["product_name"] for product in found["top_products"]] == ["Red Lantern", "Red Teapot"]


@pytest.mark.parametrize(
    "container",
    [
        lambda container: container.catalogue.override(providers.Object(ListedProducts())),
        lambda container: container.customers.override(providers.Object(ListedCustomers())),
    ],
    ids=["no products", "no customers"],
)
def test_the_container_provides_catalogue_and_customers(url: str, container: Callable[[Container], object]) -> None:
    """An override replaces them: here by empty ones, which do not know the products or the customer of the order."""
    overridden = Container()
    container(overridden)
    with TestClient(new_api(url, container=overridden)) as client:
        refused = client.post("/orders", json=examples.PLACE)
    assert (refused.status_code, refused.headers["Content-Type"]) == (422, "application/problem+json")


async def test_a_live_order_ends_with_its_final_status(url: str) -> None:
    """The stream contains the order, each change, and the end when the order is cancelled."""
    async with running(url) as app, app.session() as session:
        order_id = await session.dispatch(PlaceOrder.model_validate(examples.PLACE))
        seen = []
        async with aclosing(live_order(session, order_id)) as stream:
            async for order in stream:
                seen.append(order.status)
                if order.status == "pending":
                    await session.dispatch(PayOrder(order_id=order_id))
                elif order.status == "paid":
                    await session.dispatch(CancelOrder(order_id=order_id))
    assert seen == ["pending", "paid", "cancelled"]


def test_a_live_order_is_an_event_stream(shop: Shop) -> None:
    """An order that has ended already is one event and the end. An unknown order is not found."""
    path = f"/orders/{shop.place()}"
    shop.send("POST", f"{path}/cancel")
    events = shop.send("GET", f"{path}/live").text
    assert events.count("data:") == 2
    assert '"status":"cancelled"' in events
    assert events.endswith("event: end\ndata: {}\n\n")
    assert shop.send("GET", "/orders/unknown/live").status_code == 404


def test_the_examples_of_the_description_fit(shop: Shop) -> None:
    """The examples are those of the models, and the example of a request is accepted."""
    assert shop.send("POST", "/orders", examples.PLACE).status_code == 201
    for model, example in (
        (OrderDetail, examples.ORDER),
        (OrderPage, examples.LIST),
        (Statistics, examples.STATISTICS),
    ):
        assert model.model_validate(example).model_dump(mode="json") == example


def test_the_description_is_complete(shop: Shop) -> None:
    """Every reference in the OpenAPI description leads to a schema of the description."""
    description = shop.get("/openapi.json")
    referred = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(description)))
    assert referred <= set(description["components"]["schemas"])
    assert "ProblemDetails" in referred

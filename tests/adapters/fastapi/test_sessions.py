"""A request behind FastAPI has a session: the consistency token goes in and out, with tenant, trace and idempotency key."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from fastapi import BackgroundTasks, FastAPI, Request, Response, WebSocket
from fastapi.testclient import TestClient
from starlette.applications import Starlette
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse
from starlette.routing import Route

from tests.adapters.fastapi.conftest import NewClient
from tests.adapters.fastapi.shop import GetOrder, Look, Sell, new_api, new_shop
from twofold import Application, Envelope, Session
from twofold_fastapi import SessionDep, get_application, get_session, install

TOKEN = "Consistency-Token"
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_a_response_carries_the_token_of_its_writes(client: TestClient) -> None:
    """The token of a command makes a later request see the command, and goes out again."""
    token = client.post("/orders", json={"order_id": "1"}).headers[TOKEN]
    read = client.get("/orders/1", headers={TOKEN: token})
    assert read.json() == {"order_id": "1", "number": 1}
    assert read.headers[TOKEN] == token


def test_a_request_that_wrote_nothing_has_no_token(client: TestClient) -> None:
    """A query without a token has a response without one, and an empty token counts as none."""
    assert TOKEN not in client.get("/orders/1").headers
    assert TOKEN not in client.get("/orders/1", headers={TOKEN: ""}).headers


def test_an_error_carries_the_token_of_the_writes_before_it(new_client: NewClient) -> None:
    """A command that took effect can be seen with the token of the 503 of the query after it."""
    client = new_client(application=new_shop(work=False))
    failed = client.post("/shown", json={"order_id": "1"})
    assert failed.status_code == 503
    assert client.get("/looked/1").json() == 1
    assert failed.headers[TOKEN]


def test_an_unknown_error_carries_the_token_too(new_client: NewClient) -> None:
    """A route that fails after a command has a 500 with the token of the command."""
    api = new_api()

    @api.post("/broken")
    async def broken(session: SessionDep) -> None:
        await session.dispatch(Sell(order_id="1"))
        raise RuntimeError("broken")

    client = new_client(api)
    failed = client.post("/broken")
    assert (failed.status_code, client.get("/orders/1", headers={TOKEN: failed.headers[TOKEN]}).status_code) == (
        500,
        200,
    )


def test_an_idempotency_key_takes_effect_once(client: TestClient) -> None:
    """A repetition with the same key has the result and a token of the first request."""
    headers = {"Idempotency-Key": "a key"}
    first, second = (client.post("/orders", json={"order_id": "1"}, headers=headers) for _ in range(2))
    assert (first.status_code, second.status_code, second.json()) == (201, 201, "1")
    assert second.headers[TOKEN]


def test_tenants_do_not_share_idempotency_keys(new_client: NewClient) -> None:
    """The same key of another tenant is another key."""

    async def tenant(request: HTTPConnection) -> str | None:
        return request.headers.get("X-Tenant")

    client = new_client(tenant=tenant)
    keyed = {"Idempotency-Key": "k"}
    for name in ("1", "2"):
        done = client.post("/orders", json={"order_id": name}, headers={**keyed, "X-Tenant": name})
        assert (done.status_code, done.json()) == (201, name)


def test_an_envelope_has_the_metadata_of_the_request(new_client: NewClient) -> None:
    """Tenant, trace context and headers of the request are in the envelope of a command."""
    envelopes: list[Envelope[Any]] = []
    client = new_client(
        application=new_shop(envelopes=envelopes),
        tenant=lambda request: "blue",
        headers=lambda request: {"user": request.headers["X-User"]},
    )
    client.post(
        "/orders", json={"order_id": "1"}, headers={"traceparent": PARENT, "tracestate": "a=1", "X-User": "ada"}
    )
    (envelope,) = envelopes
    assert (envelope.tenant, envelope.headers) == ("blue", {"user": "ada"})
    assert envelope.trace == {"traceparent": PARENT, "tracestate": "a=1"}


@pytest.mark.parametrize(
    "headers",
    [
        {"traceparent": "x"},
        {"traceparent": "00-" + "0" * 32 + PARENT[35:]},
        {"traceparent": PARENT[:36] + "0" * 16 + "-01"},
        {"traceparent": "ff" + PARENT[2:]},
        {"traceparent": PARENT + "-more"},
        {"traceparent": PARENT.upper()},
        {"traceparent": "01" + PARENT[2:] + "-" + "x" * 600},
        {"tracestate": "a=1"},
        [("traceparent", PARENT), ("traceparent", PARENT)],
    ],
)
def test_an_invalid_trace_is_ignored(new_client: NewClient, headers: Any) -> None:
    """A request with an invalid trace context is handled without it."""
    envelopes: list[Envelope[Any]] = []
    client = new_client(application=new_shop(envelopes=envelopes))
    assert client.post("/orders", json={"order_id": "1"}, headers=headers).status_code == 201
    assert envelopes[0].trace == {}


@pytest.mark.parametrize("state", ["", "x" * 513, "\xe9"])
def test_an_unusable_trace_state_is_left_out(new_client: NewClient, state: str) -> None:
    """A tracestate that is empty, too long or not ASCII does not invalidate the traceparent."""
    envelopes: list[Envelope[Any]] = []
    client = new_client(application=new_shop(envelopes=envelopes))
    headers = {b"traceparent": PARENT.encode(), b"tracestate": state.encode("latin-1")}
    client.post("/orders", json={"order_id": "1"}, headers=headers)
    assert envelopes[0].trace == {"traceparent": PARENT}


def test_dependencies_of_a_request_share_its_session(new_client: NewClient) -> None:
    """A route and its dependencies get one session, however they ask for it."""
    api, seen = new_api(), list[Session]()

    @api.get("/twice")
    async def twice(session: SessionDep, request: Request) -> None:
        seen.extend((session, await get_session(request)))

    new_client(api).get("/twice")
    assert seen[0] is seen[1]


def test_requests_at_the_same_time_have_sessions_of_their_own(new_client: NewClient) -> None:
    """The token of one request does not contain the writes of another one."""
    client = new_client()
    one, other = (client.post("/orders", json={"order_id": each}).headers[TOKEN] for each in "12")
    assert one != other


def test_a_middleware_in_another_task_shares_its_writes(new_client: NewClient) -> None:
    """A middleware and its endpoint run in different tasks. The endpoint sees the middleware's writes. The token has all."""
    api = new_api(new_shop(work=False))

    @api.middleware("http")
    async def audit(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        session = await get_session(request)
        if "audited" in request.headers:
            await session.dispatch(Sell(order_id="before"))
        response = await call_next(request)
        if "audited" in request.headers:
            await session.dispatch(Sell(order_id="after"))
        return response

    @api.get("/lag")
    async def lag(session: SessionDep) -> int | None:
        return (await session.execute_stale(GetOrder(order_id="1"))).lag

    client = new_client(api)
    audited = client.get("/lag", headers={"audited": "yes"})
    later = client.get("/lag", headers={TOKEN: audited.headers[TOKEN]})
    assert (audited.json(), later.json()) == (1, 2)  # the projection does not run, so the lag counts the known writes


def test_a_background_task_may_use_the_session(new_client: NewClient) -> None:
    """A background task runs after the response, and may dispatch in the session of the request."""
    api = new_api()

    @api.post("/later")
    async def later(session: SessionDep, tasks: BackgroundTasks) -> None:
        tasks.add_task(session.dispatch, Sell(order_id="later"))

    client = new_client(api)
    client.post("/later")
    assert client.get("/looked/later").json() == 1


def test_a_dependency_can_be_overridden(new_client: NewClient) -> None:
    """A test replaces the session of the routes by its own."""
    api, envelopes = new_api(), list[Envelope[Any]]()
    other = new_shop(envelopes=envelopes)

    async def fixed() -> Any:
        async with other, other.session(tenant="test") as session:
            yield session

    api.dependency_overrides[get_session] = fixed
    assert new_client(api).post("/orders", json={"order_id": "1"}).status_code == 201
    assert [each.tenant for each in envelopes] == ["test"]


def test_a_starlette_endpoint_gets_the_session(new_client: NewClient) -> None:
    """A plain Starlette application has the same sessions, tokens and problem details."""

    async def sell(request: Request) -> JSONResponse:
        session = await get_session(request)
        done = await session.dispatch(Sell(order_id=request.path_params["id"]))
        return JSONResponse([done, (await get_application(request)).session().token])

    api = Starlette(routes=[Route("/sell/{id}", sell, methods=["POST"])])
    install(api, new_shop())
    client = new_client(api)
    first, second = client.post("/sell/1"), client.post("/sell/1")
    assert (first.json(), second.status_code) == (["1", ""], 409)
    assert first.headers[TOKEN]
    assert second.headers["content-type"] == "application/problem+json"


def test_a_websocket_has_a_session(new_client: NewClient) -> None:
    """A websocket dispatches and queries in a session, which reads the header of its handshake."""
    api = new_api()

    @api.websocket("/socket")
    async def socket(websocket: WebSocket, session: SessionDep) -> None:
        await websocket.accept()
        order_id = await session.dispatch(Sell(order_id="1"))
        view = await session.execute(GetOrder(order_id=order_id))
        await websocket.send_text(view.order_id if view else "")

    with new_client(api).websocket_connect("/socket") as connection:
        assert connection.receive_text() == "1"


def test_a_router_of_a_sub_application_needs_its_own_installation(new_client: NewClient) -> None:
    """A mounted application shares the running application, and has problem details and tokens."""
    application = new_shop()
    api, inner = FastAPI(), new_api(application)
    install(api, application)
    api.mount("/inner", inner)

    @api.get("/looked/{order_id}")
    async def looked(order_id: str, session: SessionDep) -> int:
        return await session.dispatch(Look(order_id=order_id))

    client = new_client(api)
    assert client.post("/inner/orders", json={"order_id": "1"}).headers[TOKEN]
    assert client.get("/looked/1").json() == 1
    assert client.get("/inner/looked/2").json()["instance"] == "/inner/looked/2"


def test_the_type_of_the_application(new_client: NewClient) -> None:
    """A route gets the application that was installed."""
    application, api, seen = new_shop(), FastAPI(), list[Application]()
    install(api, application)

    @api.get("/")
    async def root(request: Request) -> None:
        seen.append(await get_application(request))

    new_client(api).get("/")
    assert seen == [application]

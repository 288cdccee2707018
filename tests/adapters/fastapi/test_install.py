"""One call installs an application: lifespan, probes, middleware and the OpenAPI description."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from fastapi import APIRouter, FastAPI
from fastapi.testclient import TestClient
from starlette.applications import Starlette
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse

from tests.adapters.fastapi.conftest import NewClient
from tests.adapters.fastapi.shop import GetOrder, new_api, new_shop
from twofold import Application
from twofold.errors import ConfigurationError, TransientFailure, WiringError
from twofold.testing.conformance._tools.hooked import Call, Hooked
from twofold_fastapi import ApplicationDep, SessionDep, install
from twofold_memory import InMemory


def test_the_lifespan_runs_the_application_around_the_users_own() -> None:
    """A lifespan of the user can use the application, and its state reaches the requests."""
    application, log = new_shop(), list[str]()

    @asynccontextmanager
    async def own(api: Any) -> AsyncIterator[Any]:
        await application.execute(GetOrder(order_id="1"))
        log.append("started")
        yield {"answer": 42}
        await application.execute(GetOrder(order_id="1"))
        log.append("stopped")

    api = FastAPI(lifespan=own)
    install(api, application)

    @api.get("/")
    async def root(request: Request) -> int:
        return int(request.state.answer)

    with TestClient(api) as client:
        assert client.get("/").json() == 42
    assert log == ["started", "stopped"]
    with pytest.raises(Exception, match="not running"):
        application.session()


def test_a_function_opens_the_application() -> None:
    """Engines and clients are opened and closed around the application by a function. Each start calls it again."""
    log = list[str]()

    @asynccontextmanager
    async def opened() -> AsyncIterator[Application]:
        log.append("opened")
        async with new_shop() as application:
            yield application
        log.append("closed")

    api = new_api(opened)
    for _ in range(2):
        with TestClient(api) as client:
            assert client.post("/orders", json={"order_id": "1"}).status_code == 201
    assert log == ["opened", "closed"] * 2


def test_faults_of_the_wiring_stop_the_server() -> None:
    """A web application whose application has faults does not start."""
    application = new_shop()

    @application.query_handler(GetOrder)
    async def again(query: GetOrder) -> Any: ...

    with pytest.raises(WiringError), TestClient(new_api(application)):
        pass


def test_a_failing_lifespan_of_the_user_stops_the_application() -> None:
    """The application is closed when the lifespan inside fails."""
    application = new_shop()

    @asynccontextmanager
    async def own(api: Any) -> AsyncIterator[None]:
        raise OSError("broken")
        yield

    api = FastAPI(lifespan=own)
    install(api, application)
    with pytest.raises(OSError, match="broken"), TestClient(api):
        pass
    with pytest.raises(Exception, match="not running"):
        application.session()


def test_a_router_included_later_keeps_its_lifespan(new_client: NewClient) -> None:
    """The lifespan of a router of FastAPI runs as well."""
    started = list[str]()

    @asynccontextmanager
    async def own(api: Any) -> AsyncIterator[None]:
        started.append("router")
        yield

    api = new_api()
    api.include_router(APIRouter(lifespan=own))
    assert new_client(api).post("/orders", json={"order_id": "1"}).status_code == 201
    assert started == ["router"]


def test_a_request_without_a_lifespan_is_a_503() -> None:
    """A client that does not run the lifespan gets a clear status, and the log the reason."""
    assert TestClient(new_api()).get("/orders/1").status_code == 503


def test_a_function_without_a_lifespan_is_an_error_of_the_wiring() -> None:
    """Without its lifespan, there is no application at all."""

    @asynccontextmanager
    async def opened() -> AsyncIterator[Application]:
        yield new_shop()

    with pytest.raises(ConfigurationError, match="lifespan"):
        TestClient(new_api(opened)).get("/orders/1")


def test_a_route_without_an_installation_names_the_call(new_client: NewClient) -> None:
    """A session in a web application without an installation is an error with the call to add."""
    api = FastAPI()

    @api.get("/")
    async def root(session: SessionDep) -> None: ...

    with pytest.raises(ConfigurationError, match=r"install\("):
        TestClient(api).get("/")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"api": APIRouter()}, "APIRouter"),
        ({"application": None}, "application"),
        ({"tenant": "blue"}, "tenant"),
        ({"headers": {}}, "headers"),
    ],
)
def test_wrong_arguments_are_refused(arguments: Any, text: str) -> None:
    """An argument of a wrong type is refused when the web application is created."""
    with pytest.raises(ConfigurationError, match=text):
        install(**{"api": FastAPI(), "application": new_shop(), **arguments})


def test_a_second_installation_is_refused() -> None:
    """A web application has one application, and no other once it has started."""
    api, started = new_api(), FastAPI()
    with pytest.raises(ConfigurationError, match="already"):
        install(api, new_shop())
    with TestClient(started), pytest.raises(ConfigurationError, match="has started"):
        install(started, new_shop())


def test_a_middleware_that_fails_gets_problem_details(new_client: NewClient) -> None:
    """An error outside of the routes is a 500 without text as well."""
    api = new_api()

    @api.middleware("http")
    async def broken(request: Any, call_next: Any) -> Any:
        raise RuntimeError("secret")

    found = new_client(api).get("/orders/1")
    assert (found.status_code, found.headers["content-type"]) == (500, "application/problem+json")
    assert "secret" not in found.text


def test_other_middleware_sees_responses_and_problems(new_client: NewClient) -> None:
    """CORS headers are on answers and on problems."""
    api = new_api()
    api.add_middleware(CORSMiddleware, allow_origins=["*"], expose_headers=["Consistency-Token"])
    client = new_client(api)
    for headers in ({}, {"Consistency-Token": "x"}):
        found = client.get("/orders/1", headers={"Origin": "http://x", **headers})
        assert found.headers["access-control-expose-headers"] == "Consistency-Token"


def test_a_ready_application_answers_its_probes(client: TestClient) -> None:
    """A running application with stores that answer is alive and ready."""
    assert (client.get("/livez").status_code, client.get("/readyz").json()) == (200, {"status": "ready", "problems": 0})


def test_an_application_that_does_not_run_is_not_ready() -> None:
    """Before the lifespan, the process is alive and not ready."""
    client = TestClient(new_api())
    assert (client.get("/livez").status_code, client.get("/readyz").status_code) == (200, 503)


def test_a_store_that_fails_makes_an_application_not_ready(new_client: NewClient) -> None:
    """A store that does not answer takes the process out of the load balancer. The text stays inside."""

    async def failing(call: Call) -> Any:
        raise TransientFailure("the password is hunter2")

    application = Application("down", write=Hooked(InMemory(), "log.blocking_transactions", failing))
    found = new_client(new_api(application)).get("/readyz")
    assert (found.status_code, found.json()) == (503, {"status": "not ready", "problems": 1})


def test_a_problem_of_a_subscription_leaves_an_application_ready(new_client: NewClient) -> None:
    """No worker runs the projection: that is a problem, but this process can answer."""
    found = new_client(new_api(new_shop(work=False))).get("/readyz")
    assert (found.status_code, found.json()) == (200, {"status": "ready", "problems": 1})


def test_a_store_that_hangs_makes_an_application_not_ready(
    new_client: NewClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A probe does not wait longer than its limit."""

    async def hanging(call: Call) -> Any:
        await anyio.sleep_forever()

    monkeypatch.setattr("twofold_fastapi._probes._TIMEOUT", 0.01)
    application = Application("down", write=Hooked(InMemory(), "log.blocking_transactions", hanging))
    assert new_client(new_api(application)).get("/readyz").status_code == 503


def test_probes_can_be_left_out(new_client: NewClient) -> None:
    """An application without probes has no such routes."""
    assert new_client(new_api(probes=False)).get("/livez").status_code == 404


def test_probes_work_in_starlette(new_client: NewClient) -> None:
    """The probes do not need FastAPI."""
    api = Starlette()
    install(api, new_shop())
    assert new_client(api).get("/readyz").status_code == 200


def test_openapi_describes_headers_and_problems(client: TestClient) -> None:
    """A route with a session has its headers, and the problem details, in the schema."""
    schema = client.get("/openapi.json").json()
    post = schema["paths"]["/orders"]["post"]
    assert {each["name"] for each in post["parameters"]} == {"Consistency-Token", "Idempotency-Key"}
    assert "Consistency-Token" in post["responses"]["201"]["headers"]
    assert set(post["responses"]) == {"201", "400", "404", "409", "422", "503"}
    assert "application/problem+json" in post["responses"]["409"]["content"]
    assert "Retry-After" in post["responses"]["503"]["headers"]
    assert schema["components"]["schemas"]["ProblemDetails"]["required"] == ["type", "title", "status", "instance"]


def test_openapi_knows_the_required_key(client: TestClient) -> None:
    """A required key is required in the schema, and an optional one is not."""
    paths = client.get("/openapi.json").json()["paths"]
    required = {
        path: [each["required"] for each in paths[path]["post"]["parameters"] if each["name"] == "Idempotency-Key"]
        for path in ("/orders", "/keyed")
    }
    assert required == {"/orders": [False], "/keyed": [True]}
    assert "x-twofold" not in str(paths)


@pytest.mark.parametrize("key", ["k", " ~", "", "k" * 200, "k" * 201, "\u00e4", "\t"])
def test_openapi_describes_the_keys_that_are_accepted(client: TestClient, key: str) -> None:
    """A key that fits the schema is accepted, and every other one is refused."""
    (schema,) = [
        each["schema"]
        for each in client.get("/openapi.json").json()["paths"]["/orders"]["post"]["parameters"]
        if each["name"] == "Idempotency-Key"
    ]
    fits = schema["minLength"] <= len(key) <= schema["maxLength"] and re.search(schema["pattern"], key) is not None
    headers = {b"Idempotency-Key": key.encode("latin-1")}
    assert client.post("/orders", json={"order_id": "1"}, headers=headers).status_code == (201 if fits else 400)


def test_openapi_keeps_what_a_route_describes(new_client: NewClient) -> None:
    """A response that a route describes itself stays, and a route without a session has none of ours."""
    api = new_api()

    @api.get("/own", responses={404: {"description": "own"}})
    async def own(session: SessionDep) -> None: ...

    @api.get("/plain")
    async def plain(application: ApplicationDep) -> None: ...

    paths = new_client(api).get("/openapi.json").json()["paths"]
    assert paths["/own"]["get"]["responses"]["404"]["description"] == "own"
    assert set(paths["/plain"]["get"]["responses"]) == {"200"}
    assert "/livez" not in paths


def test_openapi_follows_routes_that_are_added_later(new_client: NewClient) -> None:
    """A route that is added after the first schema is in the next one."""
    api = new_api()
    client = new_client(api)
    client.get("/openapi.json")

    @api.get("/late")
    async def late(session: SessionDep) -> None: ...

    assert "503" in client.get("/openapi.json").json()["paths"]["/late"]["get"]["responses"]


def test_a_response_of_the_user_is_unchanged(new_client: NewClient) -> None:
    """A route that does not ask for a session has no header of ours, also if the request has a token."""
    api = new_api()

    @api.get("/plain")
    async def plain() -> JSONResponse:
        return JSONResponse({})

    assert "Consistency-Token" not in new_client(api).get("/plain", headers={"Consistency-Token": "x"}).headers

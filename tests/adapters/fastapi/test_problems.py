"""Errors behind FastAPI become problem details (RFC 9457), and never reveal internals."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from fastapi import FastAPI, HTTPException, WebSocket
from fastapi.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from tests.adapters.fastapi.conftest import NewClient
from tests.adapters.fastapi.shop import OutOfStock, new_api, new_shop
from twofold import TwofoldError, errors
from twofold_fastapi import HttpProblem, SessionDep, install

TABLE = [
    (errors.InvalidInput("why"), 400, "invalid-input", "why"),
    (errors.InvalidFind("why"), 400, "invalid-find", "why"),
    (errors.InvalidKey("why"), 400, "invalid-key", "why"),
    (errors.InvalidToken("why"), 400, "invalid-token", "why"),
    (errors.ForeignLog("secret"), 400, "foreign-token", None),
    (errors.NotAuthorised("secret"), 403, "not-authorised", None),
    (errors.AggregateNotFound("secret"), 404, "not-found", None),
    (errors.AggregateExists("secret"), 409, "already-exists", None),
    (errors.ConcurrencyConflict("secret", expected=1, actual=2), 409, "conflict", None),
    (errors.IdempotencyKeyReused("secret", key="k"), 409, "idempotency-key-reused", None),
    (errors.EventsLost("a consistency token", position=1, event="secret", head=0, advice=""), 409, "lost-writes", None),
    (errors.EventNotRecordable("secret"), 422, "not-storable", None),
    (errors.CommitUnknown("secret"), 500, "outcome-unknown", None),
    (errors.AfterCommitFailed("secret"), 500, "after-commit-failed", None),
    (errors.ReadNotReady("secret", lag=1), 503, "read-not-ready", None),
    (errors.TooFewAnswers("secret", answers={}, failures={}), 503, "too-few-answers", None),
    (errors.TransientFailure("secret"), 503, "unavailable", None),
    (errors.TransactionIdled("secret"), 503, "unavailable", None),
    (errors.ApplicationNotRunning("secret"), 503, "unavailable", None),
    (errors.NotSent("secret"), 503, "unavailable", None),
    (errors.RemoteTimeout("secret"), 504, "outcome-unknown", None),
]


def failing(error: Exception, **options: Any) -> FastAPI:
    """Return a web application whose route raises an error."""
    api = new_api(**options)

    @api.get("/fails")
    async def fails() -> None:
        raise error

    return api


@pytest.mark.parametrize(("error", "status", "name", "detail"), TABLE, ids=lambda each: type(each).__name__)
def test_an_error_has_a_status_and_a_type(
    new_client: NewClient, error: TwofoldError, status: int, name: str, detail: str | None
) -> None:
    """Only the text of an error that the client has caused is shown to the client."""
    found = new_client(failing(error)).get("/fails")
    assert (found.status_code, found.headers["content-type"]) == (status, "application/problem+json")
    body = found.json()
    assert (body["type"], body["status"]) == (f"urn:twofold:problem:{name}", status)
    assert (body["title"], body["instance"]) == (name.replace("-", " ").capitalize(), "/fails")
    assert body["detail"] == detail if detail else body["detail"] and "secret" not in found.text


@pytest.mark.parametrize(("error", "status", "name", "detail"), TABLE, ids=lambda each: type(each).__name__)
def test_only_what_may_succeed_later_has_a_time_to_retry(
    new_client: NewClient, error: TwofoldError, status: int, name: str, detail: str | None
) -> None:
    """A 503 says when to repeat the request. No other answer does."""
    assert ("retry-after" in new_client(failing(error)).get("/fails").headers) == (status == 503)


def test_a_parked_event_does_not_invite_to_retry(new_client: NewClient) -> None:
    """Waiting does not help when the read model has parked the event."""
    error = errors.ReadNotReady("orders", lag=0, parked=True, reason="secret")
    assert "retry-after" not in new_client(failing(error)).get("/fails").headers


UNKNOWN = [
    RuntimeError("secret"),
    errors.NoHandler("secret"),
    errors.CommitFailed("secret"),
    ExceptionGroup("secret", [ValueError()]),
]


@pytest.mark.parametrize("error", UNKNOWN, ids=lambda each: type(each).__name__)
def test_an_unknown_error_is_a_500_without_text(new_client: NewClient, error: Exception) -> None:
    """The client gets the status, and nothing of the error."""
    found = new_client(failing(error)).get("/fails")
    assert (found.status_code, found.headers["content-type"]) == (500, "application/problem+json")
    assert found.json() == {
        "type": "about:blank", "title": "Internal Server Error", "status": 500, "instance": "/fails"
    }  # fmt: skip


def test_errors_of_the_lost_log_are_told_apart(new_client: NewClient) -> None:
    """Lost events of a projection are not the client's, unlike those of its token."""
    error = errors.EventsLost("orders", position=1, event="x", head=0, advice="")
    assert new_client(failing(error)).get("/fails").status_code == 500


@pytest.mark.parametrize("key", ["", "x" * 201, "caf\xe9", "a\tb", "\x7f"])
def test_a_malformed_idempotency_key_is_refused(client: TestClient, key: str) -> None:
    """A key has 1 to 200 printable ASCII characters. Nothing is done for another one."""
    headers = {b"Idempotency-Key": key.encode("latin-1")}
    found = client.post("/orders", json={"order_id": "1"}, headers=headers)
    assert (found.status_code, found.json()["type"]) == (400, "urn:twofold:problem:invalid-key")
    assert client.get("/looked/1").status_code == 404


def test_several_keys_or_tokens_are_refused(client: TestClient) -> None:
    """A header that stands twice is ambiguous."""
    for name in ("Idempotency-Key", "Consistency-Token"):
        headers = [(name, "a"), (name, "b")]
        assert client.post("/orders", json={"order_id": "1"}, headers=headers).status_code == 400


def test_a_missing_key_is_refused_where_it_is_required(client: TestClient) -> None:
    """A route with a required key answers 400 to a request without one."""
    assert client.post("/keyed", json={"order_id": "1"}).status_code == 400
    assert client.post("/keyed", json={"order_id": "1"}, headers={"Idempotency-Key": "k"}).status_code == 201


def test_a_reused_key_is_a_conflict(client: TestClient) -> None:
    """The same key with other fields is a 409 and does nothing."""
    answers = [
        client.post("/orders", json={"order_id": each}, headers={"Idempotency-Key": "k"}).status_code for each in "12"
    ]
    assert answers == [201, 409]


@pytest.mark.parametrize("token", ["x", "x" * 40_000, ".", "WzFd", "\xe9", "WyJ4IiwxLCIiLFsxXV0"])
def test_a_bad_token_is_refused(client: TestClient, token: str) -> None:
    """A malformed, huge or foreign token is a 400, and the response does not repeat it in a header."""
    found = client.get("/orders/1", headers={b"Consistency-Token": token.encode("latin-1")})
    assert (found.status_code, found.headers["content-type"]) == (400, "application/problem+json")
    assert "Consistency-Token" not in found.headers


def test_a_bad_tenant_is_refused(new_client: NewClient) -> None:
    """A tenant that the stores cannot keep is a 400."""
    client = new_client(tenant=lambda request: "x" * 201)
    assert client.get("/orders/1").status_code == 400


def test_a_value_that_cannot_be_stored_is_refused(client: TestClient) -> None:
    """A NUL in a text of the body is a 422 without internals."""
    found = client.post("/orders", json={"order_id": "a\0b"})
    assert found.status_code in (400, 422)
    assert found.headers["content-type"] == "application/problem+json"
    assert client.get("/readyz").status_code == 200


def test_an_error_of_the_user_has_its_own_status(client: TestClient) -> None:
    """The text of an error in `errors=` is for the client."""
    found = client.post("/orders", json={"order_id": "1", "number": 101})
    assert (found.status_code, found.json()["title"]) == (409, "Out of stock")
    assert found.json()["detail"] == "there are 100 left, not 101"


def test_an_error_of_the_user_may_have_members(new_client: NewClient) -> None:
    """A function in `errors=` returns the whole problem."""
    api = FastAPI()
    problem = HttpProblem(
        402, "no", type="urn:x", title="t", headers={"X-Y": "z"}, extensions={"balance": 30, "status": 1}
    )
    install(api, new_shop(), errors={LookupError: lambda error: problem})

    @api.get("/fails")
    async def fails() -> None:
        raise KeyError

    found = new_client(api).get("/fails")
    assert (found.status_code, found.headers["x-y"]) == (402, "z")
    assert found.json() == {
        "type": "urn:x", "title": "t", "status": 402, "detail": "no", "instance": "/fails", "balance": 30
    }  # fmt: skip


def test_a_builtin_error_of_the_user_is_not_one_of_twofold(new_client: NewClient) -> None:
    """An entry for `LookupError` does not show the text of `NoHandler`, which is a `LookupError`."""
    api = FastAPI()
    install(api, new_shop(), errors={LookupError: 404})

    @api.get("/fails")
    async def fails(ours: bool) -> None:
        raise errors.NoHandler("secret") if ours else LookupError("for the client")

    client = new_client(api)
    assert client.get("/fails?ours=false").json()["detail"] == "for the client"
    assert client.get("/fails?ours=true").json() == {
        "type": "about:blank",
        "title": "Internal Server Error",
        "status": 500,
        "instance": "/fails",
    }


def test_a_route_may_raise_a_problem(new_client: NewClient) -> None:
    """A raised problem is the answer."""
    found = new_client(failing(HttpProblem(404, "There is no such thing."))).get("/fails")
    assert (found.status_code, found.json()["title"], found.json()["detail"]) == (
        404, "Not Found", "There is no such thing."
    )  # fmt: skip


def test_errors_of_fastapi_stay_as_they_are(new_client: NewClient) -> None:
    """An `HTTPException` and a validation error have the format that the OpenAPI schema of FastAPI describes."""
    client = new_client(failing(HTTPException(418, "teapot")))
    assert client.get("/fails").json() == {"detail": "teapot"}
    assert client.post("/orders", json={}).status_code == 422


def test_a_handler_of_the_user_takes_precedence(new_client: NewClient) -> None:
    """A handler for a more specific class, or for all errors, replaces the table."""
    api = FastAPI()

    @api.exception_handler(Exception)
    async def own(request: Any, error: Exception) -> Any:
        raise RuntimeError

    install(api, new_shop())
    assert api.exception_handlers[Exception] is own


def test_a_route_may_answer_later(new_client: NewClient) -> None:
    """A route with `accepted` answers 202 with a link and the token of the command."""
    client = new_client(application=new_shop(work=False))
    found = client.post("/accepted", json={"order_id": "1"})
    assert (found.status_code, found.json()) == (202, {"status_url": "http://testserver/orders/1"})
    assert found.headers["location"] == "http://testserver/orders/1"
    assert {"retry-after", "consistency-token"} <= set(found.headers)


def test_a_route_that_is_ready_answers_itself(client: TestClient) -> None:
    """With a read model that has caught up, `accepted` changes nothing."""
    found = client.post("/accepted?wait=60", json={"order_id": "1"})
    assert (found.status_code, found.json()) == (200, {"order_id": "1", "number": 1})


def test_a_websocket_is_closed_with_a_code(new_client: NewClient) -> None:
    """An error in a websocket closes it: 1008 for the client's, 1013 for transient ones, 1011 otherwise."""
    api = new_api()

    @api.websocket("/socket/{code}")
    async def socket(websocket: WebSocket, code: int, session: SessionDep) -> None:
        await websocket.accept()
        raise {1008: errors.InvalidKey, 1013: errors.TransientFailure, 1011: errors.CommitUnknown}[code]("secret")

    client = new_client(api)
    for code in (1008, 1013, 1011):
        with client.websocket_connect(f"/socket/{code}") as connection, pytest.raises(WebSocketDisconnect) as closed:
            connection.receive_text()
        assert closed.value.code == code
        assert "secret" not in closed.value.reason


def test_the_log_has_the_text_that_the_client_does_not_see(
    new_client: NewClient, caplog: pytest.LogCaptureFixture
) -> None:
    """The log explains a 503 in one line, whatever the text contains."""
    with caplog.at_level(logging.WARNING, "twofold.fastapi"):
        new_client(failing(errors.TransientFailure("lost\nCRITICAL forged"))).get("/fails")
    assert [each.getMessage() for each in caplog.records if each.name == "twofold.fastapi"] == [
        "/fails answers 503: TransientFailure: lost\\nCRITICAL forged"
    ]


def test_the_path_of_a_problem_is_a_uri(new_client: NewClient) -> None:
    """Characters that a URI may not have are escaped in `instance`."""
    found = new_client(failing(RuntimeError())).get("/orders/a%20%22b", headers={"Consistency-Token": "x"})
    assert found.json()["instance"] == "/orders/a%20%22b"


def test_out_of_stock_is_not_a_problem_without_a_table(new_client: NewClient) -> None:
    """An error that was not passed to `errors=` is unknown."""
    api = FastAPI()
    install(api, new_shop())

    @api.get("/fails")
    async def fails() -> None:
        raise OutOfStock("secret")

    assert new_client(api).get("/fails").json()["status"] == 500

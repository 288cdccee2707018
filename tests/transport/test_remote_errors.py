"""Errors of remote handlers, and requests and replies that cannot be read."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.domains.stock import Break, Fill, GetLevel, OutOfStock, Take
from tests.transport.serving import serving
from twofold import Command, RemoteCommandBus, RemoteQueryBus
from twofold._remote.wire import decode_request, encode_error
from twofold.errors import ConfigurationError, HandlersFailed, InvalidRequest, RemoteFailure, RemoteTimeout
from twofold.ports import LARGEST_BODY, Request, Requests, WriteStore
from twofold_memory import InMemoryTransport


async def test_a_listed_error_is_raised_as_itself(here: WriteStore, broker: InMemoryTransport) -> None:
    """It keeps its text and its attributes. An error that is not listed becomes a `RemoteFailure` that names it."""
    async with serving(here, broker):
        await RemoteCommandBus(broker, "stock").dispatch(Fill(article="lamp", number=1))
        with pytest.raises(OutOfStock, match="of lamp only 1 are left") as raised:
            await RemoteCommandBus(broker, "stock", errors=[OutOfStock]).dispatch(Take(article="lamp", number=2))
        assert (raised.value.article, raised.value.left) == ("lamp", 1)
        with pytest.raises(RemoteFailure, match="raised OutOfStock, which is not listed in errors=") as failed:
            await RemoteCommandBus(broker, "stock").dispatch(Take(article="lamp", number=2))
        assert failed.value.name == "OutOfStock"
        with pytest.raises(RemoteFailure, match="KeyError"):
            await RemoteCommandBus(broker, "stock").dispatch(Break(how="key"))


async def test_an_error_gets_only_the_attributes_that_it_declares(here: WriteStore) -> None:
    """A reply cannot set methods, private attributes, or attributes that the class does not declare."""
    fields = {"article": "lamp", "left": 1, "with_traceback": 1, "args": 2, "_secret": 3, "__notes__": [4], "other": 5}
    reply = json.dumps({"error": {"name": "OutOfStock", "text": "none left", "fields": fields}}).encode()

    class Shadowing(InMemoryTransport):
        async def request(self, service: str, request: Request, *, seconds: float) -> bytes:
            return reply

    with pytest.raises(OutOfStock, match="none left") as raised:
        await RemoteCommandBus(Shadowing(), "stock", errors=[OutOfStock]).dispatch(Take(article="lamp", number=1))
    assert {name: value for name, value in vars(raised.value).items() if name != "__notes__"} == {
        "article": "lamp",
        "left": 1,
    }
    assert getattr(raised.value, "__notes__", []) != [4]
    assert raised.value.with_traceback(None) is raised.value


def test_only_declared_attributes_are_sent() -> None:
    """An attribute that the class of an error does not declare, such as a connection string, is not sent."""
    error = OutOfStock("lamp", 1)
    vars(error)["connection"] = "postgresql://user:password@host"
    assert json.loads(encode_error(error))["error"]["fields"] == {"article": "lamp", "left": 1}


@pytest.mark.parametrize(
    ("how", "text"),
    [("text", r"half a pair \ud800, and NUL \x00"), ("no text", "(its text cannot be created: LookupError)")],
)
async def test_an_error_with_any_text_is_sent(here: WriteStore, broker: InMemoryTransport, how: str, text: str) -> None:
    """Lone surrogates and NUL are escaped in the reply, and an error without a text is reported, too."""
    async with serving(here, broker):
        with pytest.raises(RemoteFailure, match=re.escape(text)):
            await RemoteCommandBus(broker, "stock").dispatch(Break(how=how))


def test_an_exception_group_cannot_be_listed(broker: InMemoryTransport) -> None:
    """`errors=` refuses a class of exception groups."""
    with pytest.raises(ConfigurationError, match="cannot use HandlersFailed in errors="):
        RemoteCommandBus(broker, "stock", errors=[HandlersFailed])


async def test_a_failing_store_does_not_answer(here: WriteStore, broker: InMemoryTransport) -> None:
    """The request is redelivered until its deadline. Then its outcome is unknown."""
    async with serving(here, broker):
        with pytest.raises(RemoteTimeout):
            await RemoteCommandBus(broker, "stock", timeout=0.3).dispatch(Break(how="busy"))


async def test_a_timeout_says_how_to_send_the_message_again(here: WriteStore, broker: InMemoryTransport) -> None:
    """The error of a command names its idempotency key. A query needs none."""
    async with serving(here, broker):
        with pytest.raises(RemoteTimeout, match=r"'stock' did not answer Break .* idempotency_key='mine'"):
            await RemoteCommandBus(broker, "stock", timeout=0.1).dispatch(Break(how="busy"), idempotency_key="mine")
        queries = RemoteQueryBus(broker, "stock", timeout=0)
        with pytest.raises(
            RemoteTimeout, match=r"did not answer GetLevel within 0 s\. Check that the service runs, and send the query"
        ):
            await queries.execute(GetLevel(article="lamp"))


async def test_different_fields_are_reported_as_such(here: WriteStore, broker: InMemoryTransport) -> None:
    """A class that differs between the two sides is not reported as a missing handler. The error names the difference."""

    class Refill(Command[None], name="stock.fill"):
        article: str

    class Fill2(Command[None], name="stock.fill", version=2):
        article: str
        number: int

    async with serving(here, broker):
        commands = RemoteCommandBus(broker, "stock")
        with pytest.raises(
            InvalidRequest, match=r"did not handle the command 'stock\.fill': Fill has other fields there.*"
        ) as raised:
            await commands.dispatch(Refill(article="lamp"))
        assert "number" in str(raised.value)
        with pytest.raises(InvalidRequest, match="it was sent in version 2, and is served in version 1"):
            await commands.dispatch(Fill2(article="lamp", number=1))


def test_a_request_that_is_too_large_is_not_decoded() -> None:
    """A program without Twofold may send one. To decode it would delay all other requests."""
    with pytest.raises(ValueError, match="the limit is"):
        decode_request(b" " * LARGEST_BODY + b"{}")


async def test_a_malformed_request_is_answered_with_an_error(here: WriteStore, broker: InMemoryTransport) -> None:
    """The service reports the error to the sender, and continues."""
    async with serving(here, broker):
        requests: Requests = broker
        for body in (b"", b"[]", b"{}", b'{"kind":"command","name":"stock.fill","version":1,"data":{"number":"x"}}'):
            reply = await requests.request("stock", Request("1", None, body), seconds=5)
            assert b'"InvalidRequest"' in reply
        await RemoteCommandBus(broker, "stock").dispatch(Fill(article="lamp", number=1))


@pytest.mark.parametrize("asked", ["event", "Command", "", None, ["query"], "query "])
async def test_a_request_of_another_kind_is_refused(here: WriteStore, broker: InMemoryTransport, asked: Any) -> None:
    """Only commands and queries are served. The reply names the kind, and nothing is done."""
    body = {"kind": asked, "name": "stock.fill", "version": 1, "data": {"article": "lamp", "number": 1}}
    async with serving(here, broker):
        requests: Requests = broker
        reply = await requests.request("stock", Request("1", None, json.dumps(body).encode()), seconds=5)
        refused = json.loads(reply)["refused"]
        assert refused["name"] == "InvalidRequest"
        assert f"its kind is {asked!r}" in refused["text"]


async def test_a_malformed_reply_is_a_remote_failure(here: WriteStore) -> None:
    """Any reply that cannot be read raises `RemoteFailure`."""
    bodies = [
        b"",
        b"[]",
        b"{}",
        b'{"result":"x","token":""}',
        b'{"result":1,"token":"a\\r\\nSet-Cookie: b"}',
        b'{"result":1,"token":["a"]}',
        b'{"error":5}',
        b'{"refused":{}}',
        b"[" * 100_000,
        b"\xff",
    ]

    class Nonsense(InMemoryTransport):
        async def request(self, service: str, request: Request, *, seconds: float) -> bytes:
            return bodies.pop()

    while bodies:
        with pytest.raises(RemoteFailure, match="the reply to Take cannot be decoded"):
            await RemoteCommandBus(Nonsense(), "stock").dispatch(Take(article="lamp", number=1))

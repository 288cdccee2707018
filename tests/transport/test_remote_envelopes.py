"""Envelopes cross to another process with their message."""

from __future__ import annotations

import json
from uuid import UUID

from tests.domains.stock import Break, Fill, GetLevel, Unserved
from tests.transport.serving import serving
from twofold import Application, Command, Envelope, RemoteCommandBus, Session
from twofold.ports import Request, Requests, WriteStore
from twofold_memory import InMemoryTransport


async def test_a_nested_message_keeps_the_conversation(
    here: WriteStore, there: WriteStore, broker: InMemoryTransport
) -> None:
    """A message that is sent by a handler carries the tenant, and its correlation and causation."""
    shop = Application("shop", write=there, transport=broker)

    class Order(Command[None]):
        article: str

    seen: list[Envelope[Order]] = []

    @shop.command_handler(Order)
    async def order(command: Order, envelope: Envelope[Order]) -> None:
        seen.append(envelope)
        await RemoteCommandBus(broker, "stock").dispatch(Fill(article=command.article, number=1))

    await shop.create_schema()
    async with serving(here, broker) as app:
        async with shop, shop.session(tenant="north") as session:
            await session.dispatch(Order(article="lamp"))
        await app.settle()
        level = await app.execute(GetLevel(article="lamp"))
        assert level is not None
        assert level.by == "north"
        (stored,) = [event async for event in here.log.read("stock-lamp")]
        assert str(seen[0].correlation_id) in stored.metadata


async def test_the_handler_sees_the_envelope_of_the_sender(here: WriteStore, broker: InMemoryTransport) -> None:
    """The tenant, headers, trace, correlation and causation of the request reach the handler."""
    app = Application("deep", write=here, transport=broker)
    seen: list[Envelope[Fill]] = []

    @app.command_handler(Fill)
    async def fill(command: Fill, envelope: Envelope[Fill]) -> None:
        seen.append(envelope)

    app.serve(Fill)
    asked = json.dumps(
        {
            "kind": "command",
            "name": "stock.fill",
            "version": 1,
            "data": {"article": "lamp", "number": 1},
            "origin": {
                "correlation_id": str(UUID(int=1)),
                "causation_id": str(UUID(int=2)),
                "tenant": "north",
                "trace": {"traceparent": "00-1-2-01"},
                "headers": {"user": "ada"},
            },
        }
    ).encode()
    await app.create_schema()
    async with app:
        requests: Requests = broker
        await requests.request("deep", Request("1", None, asked), seconds=5)
    (envelope,) = seen
    assert (envelope.correlation_id, envelope.causation_id) == (UUID(int=1), UUID(int=2))
    assert (envelope.tenant, envelope.trace["traceparent"], dict(envelope.headers)) == (
        "north",
        "00-1-2-01",
        {"user": "ada"},
    )


async def test_a_request_carries_the_envelope_of_its_sender(here: WriteStore) -> None:
    """The request has the tenant, headers, trace, correlation and causation of the message that is being handled."""
    app = Application("shop", write=here)
    asked: list[Request] = []
    seen: list[Envelope[Unserved]] = []

    class Noting(InMemoryTransport):
        async def request(self, service: str, request: Request, *, seconds: float) -> bytes:
            asked.append(request)
            return b'{"token":"","result":null}'

    @app.command_handler(Unserved)
    async def unserved(command: Unserved, envelope: Envelope[Unserved]) -> None:
        seen.append(envelope)
        await RemoteCommandBus(Noting(), "stock").dispatch(Fill(article="lamp", number=1))

    @app.command_handler(Break)
    async def begin(command: Break, session: Session) -> None:
        await session.dispatch(Unserved())

    await app.create_schema()
    trace = {"traceparent": "00-1-2-01"}
    async with app, app.session(tenant="north", trace=trace, headers={"user": "ada"}) as session:
        await session.dispatch(Break(how="not"))
    origin = json.loads(asked[0].body)["origin"]
    assert origin["causation_id"] != origin["correlation_id"]
    assert origin == {
        "correlation_id": str(seen[0].correlation_id),
        "causation_id": str(seen[0].id),
        "tenant": "north",
        "trace": trace,
        "headers": {"user": "ada"},
    }

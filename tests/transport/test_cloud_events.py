"""Events between processes are CloudEvents 1.0 in JSON."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID, uuid4

import pytest

from twofold._cloud_events import Arrived, Progress, decode, encode_event, encode_progress, is_foreign
from twofold._metadata import event_envelope
from twofold.errors import UndecodableEvent
from twofold.ports import Checkpoint, Position, StoredEvent

METADATA: dict[str, Any] = {
    "correlation_id": "018f0000-0000-7000-8000-000000000001",
    "causation_id": "018f0000-0000-7000-8000-000000000002",
    "tenant": "north",
    "trace": {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "tracestate": "a=b"},
    "headers": {"user": "Ümit", "from": "web"},
}


def stored(**changes: Any) -> StoredEvent:
    """Return an event as it is in the log."""
    event = StoredEvent(
        UUID("018f0000-0000-7000-8000-00000000000a"), "orders.order_placed", 2, '{"order_id":"A-1","price":"1.10","é":"🚲"}',
        json.dumps(METADATA), datetime(2024, 5, 17, 12, 0, 0, 123456, UTC), "order-A-1", 3, Position(2**60),
    )  # fmt: skip
    return event._replace(**changes)


def foreign(**attributes: Any) -> bytes:
    """Return a CloudEvent of somebody else, with what is required and these."""
    return json.dumps({"specversion": "1.0", "id": "7", "source": "legacy", "type": "paid"} | attributes).encode()


def test_the_attributes_are_those_of_the_specification() -> None:
    """Required and optional attributes, and registered extensions, have the names and types that others expect."""
    found = json.loads(encode_event(stored(), source="orders", key="A-1", log="l1"))
    assert found == {
        "specversion": "1.0",
        "id": "018f0000-0000-7000-8000-00000000000a",
        "source": "orders",
        "type": "orders.order_placed",
        "subject": "order-A-1",
        "time": "2024-05-17T12:00:00.123456Z",
        "datacontenttype": "application/json",
        "schemaversion": 2,
        "partitionkey": "A-1",
        "sequence": "3",
        "originlog": "l1",
        "originposition": str(2**60),
        "correlationid": METADATA["correlation_id"],
        "causationid": METADATA["causation_id"],
        "tenant": "north",
        "traceparent": METADATA["trace"]["traceparent"],
        "tracestate": "a=b",
        "twofoldheaders": '{"from": "web", "user": "Ümit"}',
        "data": {"order_id": "A-1", "price": "1.10", "é": "🚲"},
    }


def test_an_event_arrives_as_it_was_sent() -> None:
    """Identity, name, version, fields, time and envelope survive; the stream says whose it was."""
    event = stored()
    arrived = decode(encode_event(event, source="orders", key="A-1", log="l1"))
    assert isinstance(arrived, Arrived)
    assert arrived.stream == "orders/order-A-1"
    assert arrived.event[:3] == event[:3]
    assert json.loads(arrived.event.data) == json.loads(event.data)
    assert arrived.event.time == event.time
    kept = event._replace(metadata=arrived.event.metadata)
    assert event_envelope(kept, None) == event_envelope(event, None)  # type: ignore[arg-type]
    origin = {"source": "orders", "log": "l1", "position": str(2**60), "version": "3"}
    assert json.loads(arrived.event.metadata)["origin"] == origin
    assert is_foreign(kept)
    assert not is_foreign(event)


def test_a_header_that_looks_like_an_origin_is_none() -> None:
    """Only what came from elsewhere counts as that."""
    assert not is_foreign(stored(metadata=json.dumps(METADATA | {"headers": {"origin": "web"}})))


def test_progress_arrives_as_it_was_sent() -> None:
    """How far a relay has come survives the way."""
    progress = Progress("orders", Checkpoint(Position(2**60), "l1"))
    assert decode(encode_progress(progress, id=uuid4(), time=datetime.now(UTC))) == progress


def test_an_event_of_another_toolkit_needs_only_what_is_required() -> None:
    """Without our extensions it is version 1, the start of a conversation, and always the same event."""
    first, again = decode(foreign()), decode(foreign())
    assert isinstance(first, Arrived)
    assert isinstance(again, Arrived)
    assert first.event.id == again.event.id != decode(foreign(source="other")).event.id  # type: ignore[union-attr]
    assert (first.event.name, first.event.schema, first.event.data) == ("paid", 1, "{}")
    assert first.stream == "legacy/7"
    assert json.loads(first.event.metadata)["correlation_id"] == str(first.event.id)


def test_times_are_utc() -> None:
    """A time of another zone is the same moment."""
    moment = datetime(2024, 5, 17, 12, tzinfo=timezone(timedelta(hours=2)))
    found = decode(foreign(time=moment.isoformat()))
    assert isinstance(found, Arrived)
    assert found.event.time == moment
    assert found.event.time.tzinfo == UTC


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b"7",
        b"{}",
        foreign(specversion="0.3"),
        foreign(time="yesterday"),
        foreign(time="2024-05-17T12:00:00"),
        foreign(schemaversion="two"),
        foreign(twofoldheaders="{"),
        foreign(type="twofold.progress"),
    ],
)
def test_anything_else_is_refused(body: bytes) -> None:
    """The error says what was found and what to do."""
    with pytest.raises(UndecodableEvent, match=r"as a CloudEvent 1\.0 in JSON .*Publish such events"):
        decode(body)

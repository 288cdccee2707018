"""Events between processes are CloudEvents 1.0 in JSON."""

from __future__ import annotations

import json
from base64 import b64encode
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID, uuid4

import pytest

from twofold._encoding.metadata import event_envelope, is_foreign, origin_of
from twofold._integration import cloud_events_decoding
from twofold._integration.cloud_events import FeedFilter, InboundEvent, Progress, encode_event, encode_progress
from twofold.errors import UndecodableEvent
from twofold.ports import LARGEST_BODY, Checkpoint, Position, StoredEvent

METADATA: dict[str, Any] = {
    "correlation_id": "018f0000-0000-7000-8000-000000000001",
    "causation_id": "018f0000-0000-7000-8000-000000000002",
    "tenant": "north",
    "trace": {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "tracestate": "a=b"},
    "headers": {"user": "Ümit", "from": "web"},
}


def stored(**changes: Any) -> StoredEvent:
    """Return the stored form of an event."""
    event = StoredEvent(
        UUID("018f0000-0000-7000-8000-00000000000a"), "orders.order_placed", 2, '{"order_id":"A-1","price":"1.10","é":"🚲"}',
        json.dumps(METADATA), datetime(2024, 5, 17, 12, 0, 0, 123456, UTC), "order-A-1", 3, Position(2**60),
    )  # fmt: skip
    return event._replace(**changes)


def decode(body: bytes, source: str = "legacy", *types: str) -> InboundEvent | Progress:
    """Read a CloudEvent where it is accepted."""
    found = cloud_events_decoding.decode(body, FeedFilter(source, frozenset(types or ("paid", "orders.order_placed"))))
    assert found is not None
    return found


def foreign(**attributes: Any) -> bytes:
    """Return a CloudEvent of another producer with the required attributes and the given ones."""
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
    arrived = decode(encode_event(event, source="orders", key="A-1", log="l1"), "orders")
    assert isinstance(arrived, InboundEvent)
    assert arrived.stream == "orders/order-A-1"
    assert arrived.event[:3] == event[:3]
    assert json.loads(arrived.event.data) == json.loads(event.data)
    assert arrived.event.time == event.time
    kept = event._replace(metadata=arrived.event.metadata)
    assert event_envelope(kept, None) == event_envelope(event, None)  # type: ignore[arg-type]
    origin = {"source": "orders", "log": "l1", "position": str(2**60), "version": "3"}
    assert json.loads(arrived.event.metadata)["origin"] == origin
    assert is_foreign(kept)
    assert origin_of(kept) == ("l1", 2**60)
    assert origin_of(event) is None
    assert not is_foreign(event)


def test_a_header_that_resembles_an_origin_is_ignored() -> None:
    """A header with the name of an origin is not an origin: only received events have one."""
    assert not is_foreign(stored(metadata=json.dumps(METADATA | {"headers": {"origin": "web"}})))


def test_progress_arrives_as_it_was_sent() -> None:
    """The progress of a relay is decoded unchanged."""
    now = datetime.now(UTC)
    for head in (None, Position(2**61)):
        progress = Progress("orders", Checkpoint(Position(2**60), "l1"), head, now)
        assert decode(encode_progress(progress, id=uuid4(), time=now), "orders") == progress


def test_an_event_of_another_toolkit_needs_only_what_is_required() -> None:
    """Without our extensions it is version 1, the start of a conversation, and always the same event."""
    first, again = decode(foreign()), decode(foreign())
    assert isinstance(first, InboundEvent)
    assert isinstance(again, InboundEvent)
    assert first.event.id == again.event.id != decode(foreign(source="other"), "other").event.id  # type: ignore[union-attr]
    assert (first.event.name, first.event.schema, first.event.data) == ("paid", 1, "{}")
    assert first.stream == "legacy/7"
    assert json.loads(first.event.metadata)["correlation_id"] == str(first.event.id)


def test_times_are_utc() -> None:
    """A time of another zone is the same moment."""
    moment = datetime(2024, 5, 17, 12, tzinfo=timezone(timedelta(hours=2)))
    found = decode(foreign(time=moment.isoformat()))
    assert isinstance(found, InboundEvent)
    assert found.event.time == moment
    assert found.event.time.tzinfo == UTC


def test_attributes_that_are_null_are_none() -> None:
    """As the specification says."""
    found = decode(foreign(time=None, subject=None, schemaversion=None, data=None, tenant=None))
    assert isinstance(found, InboundEvent)
    assert (found.stream, found.event.schema, found.event.data) == ("legacy/7", 1, "{}")


@pytest.mark.parametrize("trace", ["", "x" * 1_001, "\0", "\ud800", 7])
def test_a_trace_that_cannot_be_used_is_ignored(trace: object) -> None:
    """A client chooses the trace of a request. A wrong one does not keep the events of the request from their receivers."""
    found = decode(foreign(traceparent=trace, tracestate="a=b"))
    assert isinstance(found, InboundEvent)
    assert json.loads(found.event.metadata)["trace"] == {"tracestate": "a=b"}


def test_the_reason_of_a_refused_event_is_one_line() -> None:
    """The reason is logged. A type with a line break does not forge another line of the log."""
    with pytest.raises(UndecodableEvent) as caught:
        decode(foreign(source="other", type="sold\nCRITICAL forged"))
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("form", [{}, {"datacontenttype": "application/vnd.legacy+json; charset=utf-8"}])
def test_data_may_be_in_base64(form: dict[str, str]) -> None:
    """It is the same data."""
    found = decode(foreign(data_base64=b64encode(b'{"amount": "\xc3\xa9"}').decode(), **form))
    assert isinstance(found, InboundEvent)
    assert json.loads(found.event.data) == {"amount": "é"}


@pytest.mark.parametrize("moment", ["1000-01-01T00:00:00Z", "1969-07-20T20:17:40+00:00", "9998-12-31T23:59:59.999999Z"])
def test_times_that_every_store_keeps_are_taken(moment: str) -> None:
    """Times that every store accepts are accepted, also old ones."""
    found = decode(foreign(time=moment))
    assert isinstance(found, InboundEvent)
    assert found.event.time == datetime.fromisoformat(moment)


@pytest.mark.parametrize(
    "body",
    [
        b'"hunter2"',
        b'{"hunter2',
        b"hunter2 \xff",
        foreign(specversion="2.0", data={"password": "hunter2"}),
        foreign(type="sold", data={"password": "hunter2"}),
        foreign(data=["hunter2"]),
        foreign(data="hunter2"),
        foreign(data={"password": "hunter2\0"}),
        foreign(data_base64="hunter2"),
        foreign(subject={"password": "hunter2"}),
        foreign(twofoldheaders="hunter2"),
    ],
)
def test_an_error_does_not_quote_the_data(body: bytes) -> None:
    """The data of an event may contain secrets. The error has the size and the type of the message in place of it."""
    with pytest.raises(UndecodableEvent, match=rf"^cannot decode a message of {len(body)} bytes") as caught:
        decode(body)
    assert "hunter2" not in str(caught.value)
    assert (" of type '" in str(caught.value)) == body.startswith(b'{"specversion"')


def test_an_event_of_another_feed_is_left_to_that_feed() -> None:
    """Two sources may publish events of one name to one topic. Each feed records only the events of its own source."""
    accepted = FeedFilter("legacy", frozenset(["paid"]), frozenset([("legacy", "paid"), ("other", "paid")]))
    assert isinstance(cloud_events_decoding.decode(foreign(), accepted), InboundEvent)
    assert cloud_events_decoding.decode(foreign(source="other"), accepted) is None
    for attributes in ({"source": "third"}, {"source": "other", "type": "sold"}):
        with pytest.raises(UndecodableEvent, match="its source is"):
            cloud_events_decoding.decode(foreign(**attributes), accepted)


def _deep(levels: int) -> bytes:
    return foreign(data={"deep": 0}).replace(b"0}", b"[" * levels + b"]" * levels + b"}")


def _literal(text: bytes) -> bytes:
    return foreign(data={"amount": 0}).replace(b"0}", text + b"}")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b"7",
        b"{}",
        foreign(specversion="0.3"),
        foreign(source="other"),
        foreign(source=["legacy"]),
        foreign(type="other"),
        foreign(type={}),
        foreign(id=""),
        foreign(id=7),
        foreign(id="half \ud800"),
        foreign(id="nul \0"),
        foreign(id="7" * 1_001),
        foreign(subject="s" * 374),
        foreign(subject=["s"]),
        foreign(subject="half \ud800"),
        foreign(subject="nul \0"),
        foreign(tenant=["north"]),
        foreign(time="yesterday"),
        foreign(time=1715940000),
        foreign(time="2024-05-17T12:00:00"),
        foreign(time="0001-01-01T00:00:00Z"),
        foreign(time="0001-01-01T00:00:00+23:59"),
        foreign(time="0999-12-31T23:59:59Z"),
        foreign(time="9999-12-31T23:59:59Z"),
        foreign(time="9999-12-31T23:59:59-23:59"),
        foreign(schemaversion="two"),
        foreign(schemaversion=0),
        foreign(schemaversion=2**31),
        foreign(schemaversion=1.5),
        foreign(schemaversion=True),
        foreign(schemaversion=0).replace(b'"schemaversion": 0', b'"schemaversion": 1e999'),
        foreign(originposition=0),
        foreign(originposition=str(2**63)),
        foreign(originposition="9" * 5_000),
        foreign(originlog=7),
        foreign(originlog="l1\nCRITICAL forged"),
        foreign(sequence=7),
        foreign(twofoldheaders="{"),
        foreign(twofoldheaders="[]"),
        foreign(twofoldheaders='{"a": "\\u0000"}'),
        foreign(data="text"),
        foreign(data=[1]),
        foreign(data={"amount": "nul \0"}),
        foreign(data={"amount": "half \ud800"}),
        foreign(data="<a/>", datacontenttype="text/xml"),
        foreign(datacontenttype=7),
        foreign(data_base64="???"),
        foreign(data_base64="eA=="),
        foreign(data_base64=7),
        foreign(data_base64="e30=", data={}),
        foreign(data_base64="e30=", datacontenttype="application/octet-stream"),
        _literal(b"NaN"),
        _literal(b"-Infinity"),
        _literal(b"1e999"),
        _literal(b"9" * 5_000),
        _deep(100),
        _deep(100_000),
        b"[" * 100_000 + b"]" * 100_000,
        foreign(data={"amount": "x" * LARGEST_BODY}),
        foreign(type="twofold.progress"),
        foreign(type="twofold.progress", originlog="l1", originposition="-1"),
        foreign(type="twofold.progress", originlog="l1", originposition=str(2**63)),
        foreign(type="twofold.progress", originlog="l1", originposition="1e9"),
        foreign(type="twofold.progress", originlog="", originposition="1"),
        foreign(type="twofold.progress", originlog="l1\nCRITICAL forged", originposition="1"),
        foreign(type="twofold.progress", originlog="l1", originposition="1", source="other"),
    ],
    ids=lambda body: f"{len(body)} bytes, {body[-70:]!r}",
)
def test_anything_else_is_refused(body: bytes) -> None:
    """The error contains the value and the remedy."""
    with pytest.raises(UndecodableEvent, match=r"as a CloudEvent 1\.0 in JSON of 'legacy' .*Publish only such events"):
        decode(body)


@pytest.mark.parametrize(
    "body", [_deep(98), foreign(data={"amount": "a backslash and \\u0000"}), foreign(subject="s" * 373)]
)
def test_events_at_the_limits_are_accepted(body: bytes) -> None:
    """Events at the limits are accepted."""
    assert isinstance(decode(body), InboundEvent)

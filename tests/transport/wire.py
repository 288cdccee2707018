"""Messages of a shop as a broker carries them, and a depot that can be paused."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4
from zlib import crc32

import anyio

from tests.domains.shops import LEASE, GetParcel, Parcel, Sold
from twofold import Application, ReadModel, Retry, Router, on
from twofold._consistency.token import Written, encode_token
from twofold._definitions.retry import Mode
from twofold._integration.cloud_events import Progress, encode_progress
from twofold.errors import TransactionIdled
from twofold.ports import Checkpoint, Feed, Lease, Position, Transport, WireMessage, WriteStore
from twofold.testing.conformance._tools.in_time import in_time, until

LOG = "log-of-the-shop"


def key_of(part: int) -> str:
    """Return a key whose messages fall to one of two parts."""
    return next(key for key in map(str, range(100)) if crc32(key.encode()) % 2 == part)


def sold(number: int, order: str = "a", *, key: str = "k", **attributes: Any) -> WireMessage:
    """Return a sale; its place in the shop's log is its number."""
    body = {
        "specversion": "1.0", "id": f"{order} {number}", "source": "shop", "type": "shop.sold", "subject": f"order-{order}",
        "originlog": LOG, "originposition": str(number), "data": {"order_id": order, "number": number},
    }  # fmt: skip
    return WireMessage(str(uuid4()), "shop.sold", key, json.dumps(body | attributes).encode())


def mark(position: int, log: str = LOG, *, key: str | None = None, source: str = "shop") -> WireMessage:
    """Return the message with the progress of the shop's relay."""
    body = encode_progress(Progress(source, Checkpoint(Position(position), log)), id=uuid4(), time=datetime.now(UTC))
    return WireMessage(str(uuid4()), "twofold.progress.shop", key, body)


def token(*positions: int, log: str = LOG) -> str:
    """Return the token of a session of the shop that wrote at these positions."""
    return encode_token(Written(log, Position(positions[-1]), tuple(map(Position, positions))))


class Faults:
    """How a depot fails to record a sale: always, or the second sale a number of times, because it is too slow."""

    on = False
    idles = 0

    def meet(self, event: Sold) -> None:
        """Raise the error of an event, if it has one."""
        if self.on:
            raise ValueError("this one fails")
        if event.number == 2 and self.idles:
            self.idles -= 1
            raise TransactionIdled("the server has ended a transaction that idled")


@asynccontextmanager
async def held_up(store: WriteStore) -> AsyncIterator[None]:
    """Prevent updates of the depot's parcels."""
    leases: Sequence[Lease] = ()
    while not leases:
        leases = await store.subscriptions.claim("parcels", "nobody", seconds=600, limit=1, force=True)
        await anyio.sleep(0.001)
    yield
    await store.subscriptions.release(leases)


@asynccontextmanager
async def receiving(
    store: WriteStore,
    broker: Transport,
    faults: Faults | None = None,
    *,
    retry: Retry = Retry(attempts=1),
    partitions: int = 1,
    sources: tuple[str, ...] = ("shop",),
    mode: Mode = "async",
    **consume: Any,
) -> AsyncIterator[Application]:
    """Run a depot that records sales."""
    depot = Router("depot")

    @depot.projection("parcels", retry=retry, mode=mode)
    class Parcels:
        def __init__(self, parcels: ReadModel[Parcel]) -> None:
            self.parcels = parcels

        @on(Sold)
        async def sold(self, event: Sold) -> None:
            if faults is not None:
                faults.meet(event)
            parcel = await self.parcels.get(event.order_id) or Parcel(order_id=event.order_id)
            await self.parcels.put(Parcel(order_id=event.order_id, numbers=(*parcel.numbers, event.number)))

    @depot.query_handler(GetParcel)
    async def get_parcel(query: GetParcel, parcels: ReadModel[Parcel]) -> Parcel | None:
        return await parcels.get(query.order_id)

    app = Application("depot", write=store, transport=broker, lease=LEASE)
    app.include(depot)
    for source in sources:
        app.consume(Sold, source=source, partitions=partitions, **consume)
    await app.create_schema()
    with in_time():
        async with app:
            yield app


async def taken(broker: Transport, *messages: WireMessage, consumer: str = "depot.shop") -> None:
    """Publish messages, and return when the depot has recorded them."""
    await broker.publisher.publish(messages)

    async def nothing_waits() -> bool:
        return await broker.waiting(Feed(consumer=consumer, topics=())) == 0

    await until(nothing_waits, "the depot was to record everything")

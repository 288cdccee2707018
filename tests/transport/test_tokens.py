"""A token of another application is waited for: until its events have arrived here, and read models have them."""

from __future__ import annotations

import re
from pathlib import Path
from uuid import uuid4

import anyio
import pytest

from tests.domains.shops import GetParcel, Sell, selling, settled
from tests.transport.wire import LOG, Faults, held_up, key_of, mark, receiving, sold, taken, token
from twofold import Application, Retry
from twofold._consistency.arrivals import Arrivals
from twofold._consistency.token import (
    Written,
    decode_tokens,
)
from twofold._integration.cloud_events_decoding import identity_of
from twofold.errors import ForeignLog, ReadNotReady
from twofold.ports import Feed, NewEvent, Position, Transport, WriteStore
from twofold.testing.conformance._tools.in_time import CEILING, until
from twofold_memory import InMemory, InMemoryTransport
from twofold_sqlalchemy import SqlAlchemy

APPLICATIONS = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "applications.md"


async def missing(depot: Application, *, after: str) -> ReadNotReady:
    """Return why a query with a token is not answered immediately."""
    with pytest.raises(ReadNotReady) as caught:
        await depot.session().execute(GetParcel(order_id="a"), after=after, timeout=0)
    return caught.value


async def sees(depot: Application, *, after: str, order: str = "a") -> tuple[int, ...]:
    """Return the result of a query with a token."""
    parcel = await depot.execute(GetParcel(order_id=order), after=after, timeout=CEILING)
    return parcel.numbers if parcel else ()


@pytest.mark.parametrize("resumed", [False, True], ids=["after", "resumed"])
async def test_a_query_waits_for_arrived_events_in_the_projection(
    there: WriteStore, broker: Transport, resumed: bool
) -> None:
    """The event must be in the read models, not only in the log of the receiver."""
    async with receiving(there, broker) as depot:
        session = depot.session(token(1)) if resumed else depot.session()
        after = None if resumed else token(1)
        async with held_up(there):
            await taken(broker, sold(1), mark(1))
            with pytest.raises(ReadNotReady) as caught:
                await session.execute(GetParcel(order_id="a"), timeout=0, after=after)
            assert (caught.value.projection, caught.value.lag) == ("parcels", 1)
        parcel = await session.execute(GetParcel(order_id="a"), after=after, timeout=CEILING)
        assert parcel is not None


async def test_an_event_that_is_parked_in_the_projection_ends_the_wait(there: WriteStore, broker: Transport) -> None:
    """If an event of the token is parked in the projection, the query fails immediately.

    Tokens of other writes are not affected.
    """
    async with receiving(there, broker, faults := Faults()) as depot:
        faults.on = True
        await taken(broker, sold(1), sold(1, "b", originposition="2"), mark(2))
        await depot.settle()
        faults.on = False
        for after in (token(1), token(2), token(1, 2), depot.session(token(1)).token):
            assert (await missing(depot, after=after)).parked
        theirs = depot.session(token(2))
        with pytest.raises(ReadNotReady):
            await theirs.execute(GetParcel(order_id="b"), timeout=CEILING)
        assert decode_tokens(theirs.token)[0].log == await there.log.identity()
        assert (await missing(depot, after=theirs.token)).parked, "it travels on"
        await taken(broker, sold(3, "c"), mark(3))
        assert await sees(depot, after=token(3), order="c") == (3,)
        await depot.operations.retry("parcels", "shop/order-a")
        assert await sees(depot, after=token(1)) == (1,)
        assert (await missing(depot, after=token(1, 2))).parked


async def test_an_event_that_is_held_in_the_projection_is_waited_for(there: WriteStore, broker: Transport) -> None:
    """A query waits for a received event with a pending retry."""
    async with receiving(there, broker, faults := Faults(), retry=Retry(attempts=3, delay=600)) as depot:
        faults.on = True
        await taken(broker, sold(1), mark(1))

        async def it_is_held() -> bool:
            return bool(await there.parked.read("parcels"))

        await until(it_is_held, "the event was to be held")
        faults.on = False
        held = await missing(depot, after=token(1))
        assert (held.parked, held.lag) == (False, 1)
        await depot.operations.retry("parcels", "shop/order-a")
        assert await sees(depot, after=token(1)) == (1,)


async def test_all_parts_have_to_know_the_new_log(there: WriteStore, broker: Transport) -> None:
    """After the source has changed its log, a session waits until every partition has received an event of the new log."""
    even, odd = key_of(0), key_of(1)
    async with receiving(there, broker, partitions=2) as depot:
        await taken(broker, sold(1, key=odd), mark(1))
        assert await sees(depot, after=token(1)) == (1,)
        await taken(broker, mark(2, "new", key=even))
        assert (await missing(depot, after=token(2, log="new"))).sources == ("shop",)
        await taken(broker, sold(2, key=odd, originlog="new"), mark(2, "new", key=odd))
        assert await sees(depot, after=token(2, log="new")) == (1, 2)
        with pytest.raises(ForeignLog):
            await sees(depot, after=token(1))


async def test_a_source_that_is_restored_from_a_backup(there: WriteStore, broker: Transport) -> None:
    """It says that it is further back than before, and from then on that counts."""
    async with receiving(there, broker) as depot:
        await taken(broker, mark(100))
        await taken(broker, mark(50))
        assert (await missing(depot, after=token(60))).sources == ("shop",)
        await taken(broker, sold(60), mark(60))
        assert await sees(depot, after=token(60)) == (60,)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql", "mariadb"])
async def test_a_log_with_another_identity(here: WriteStore, there: WriteStore, broker: Transport) -> None:
    """With the SQL of the how-to page, the source continues at its position, and its log is a different one."""
    (statements,) = re.findall(r"```sql\n(.*?)```", APPLICATIONS.read_text(), flags=re.DOTALL)
    async with receiving(there, broker) as depot:
        async with selling(here, broker) as shop, shop.session() as before:
            await before.dispatch(Sell(order_id="a"))
            assert await sees(depot, after=before.token) == (1,)
            await shop.settle()
        engine = here._database.engine  # type: ignore[attr-defined]
        async with engine.begin() as connection:
            for statement in statements.strip().splitlines():
                await connection.exec_driver_sql(statement.rstrip(";"))
        async with selling(SqlAlchemy(engine), broker) as shop, shop.session() as after:
            with pytest.raises(ForeignLog):
                shop.session(before.token)
            await after.dispatch(Sell(order_id="a"))
            await settled(shop, depot)
            assert await sees(depot, after=after.token) == (1, 2)
            with pytest.raises(ForeignLog):
                await sees(depot, after=before.token)


async def test_another_source_is_not_waited_for(there: WriteStore, broker: Transport) -> None:
    """A session waits only for the source of its log, once that source is known."""
    async with receiving(there, broker, sources=("market", "shop")) as depot:
        async with held_up(there):
            assert (await missing(depot, after=token(1))).sources == ("market", "shop")
            await taken(broker, sold(1), mark(1))
            assert (await missing(depot, after=token(1))).projection == "parcels"
        assert await sees(depot, after=token(1)) == (1,)


async def test_a_query_waits_for_events_that_another_consumer_recorded(there: WriteStore, broker: Transport) -> None:
    """A renamed consumer receives events again that are already in the log. Their positions satisfy a token."""
    async with receiving(there, broker):
        await taken(broker, sold(1), mark(1))
    (event,) = (await there.log.read_all()).events
    transaction = await there.begin()
    await transaction.log.append("another", [NewEvent(*event[:6])._replace(id=uuid4())], expected=0)
    await transaction.commit()
    async with receiving(there, broker, consumer="depot.renamed", start="beginning"):
        await taken(broker, consumer="depot.renamed")
        assert len((await there.log.read_all()).events) == 2
        found = await there.subscriptions.checkpoint("depot.renamed.0.recorded")
        assert found is not None
        assert found.position == event.position


@pytest.mark.parametrize("later", [0, 1])
async def test_the_latest_place_of_all_parts_counts(there: WriteStore, broker: Transport, later: int) -> None:
    """Whichever part recorded last."""
    async with receiving(there, broker, partitions=2):
        await taken(broker, sold(1, key=key_of(1 - later)))
        await taken(broker, sold(2, "b", key=key_of(later)), mark(2))
        feed = Feed(consumer="depot.shop", topics=(), partitions=2)
        arrivals = Arrivals(there, [("shop", feed, 2)], identity_of)
        wanted = Written(LOG, Position(1), (Position(1),))
        (arrived,), left = await arrivals.wait([wanted], "here", 0)
        head = await there.log.head()
        event = (await there.log.ids([head]))[head]
        assert arrived == Written("here", head, (), ((LOG, Position(1)),), event)
        assert not left


async def test_both_tokens_are_waited_for_at_the_same_time() -> None:
    """The timeout of a query covers the wait for both tokens."""
    async with receiving(InMemory(), InMemoryTransport()) as depot:
        session, began = depot.session(token(1)), anyio.current_time()
        with pytest.raises(ReadNotReady):
            await session.execute(GetParcel(order_id="a"), after=token(2), timeout=2.0)
        assert anyio.current_time() - began < 3.8

"""A token of another application is waited for: until its events have arrived here, and read models have them."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from uuid import uuid4

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.domains.shops import GetParcel, Sell, selling, settled
from tests.transport.wire import LOG, Faults, held_up, key_of, mark, receiving, sold, taken, token
from twofold import Application, Retry
from twofold._consistency.arrivals import Arrivals
from twofold._consistency.token import (
    KEPT,
    REMEMBERED,
    Written,
    decode_token,
    decode_tokens,
    encode_token,
    encode_tokens,
    latest,
)
from twofold.errors import ForeignLog, InvalidToken, ReadNotReady
from twofold.ports import Feed, NewEvent, Position, Transport, WriteStore
from twofold.testing.conformance._tools.in_time import CEILING, until
from twofold_memory import InMemory, InMemoryTransport
from twofold_sqlalchemy import SqlAlchemy

APPLICATIONS = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "applications.md"


async def missing(depot: Application, *, after: str) -> ReadNotReady:
    """Return why a query with a token is not answered at once."""
    with pytest.raises(ReadNotReady) as caught:
        await depot.session().execute(GetParcel(order_id="a"), after=after, timeout=0)
    return caught.value


async def sees(depot: Application, *, after: str, order: str = "a") -> tuple[int, ...]:
    """Return what a query with a token finds."""
    parcel = await depot.execute(GetParcel(order_id=order), after=after, timeout=CEILING)
    return parcel.numbers if parcel else ()


@pytest.mark.parametrize("resumed", [False, True], ids=["after", "resumed"])
async def test_what_has_arrived_is_waited_for_in_the_projection(
    there: WriteStore, broker: Transport, resumed: bool
) -> None:
    """That it is in the log here is not enough: the read models have to have it."""
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


async def test_an_event_that_is_parked_in_the_projection_is_told(there: WriteStore, broker: Transport) -> None:
    """As for events of its own: waiting cannot help, and those who wrote something else are not concerned."""
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
    """It is tried again by itself."""
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
    """When the source has another log than before, a part that has not heard of it may still have events to come."""
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


@pytest.mark.parametrize("kind", ["sqlite", "postgresql", "mariadb"], indirect=True)
async def test_a_log_with_another_identity(here: WriteStore, there: WriteStore, broker: Transport) -> None:
    """As the how-to page tells, the source goes on where it was, and is not mistaken for what it was before."""
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
    """Whose log it is, is known by then; what that one publishes is another matter."""
    async with receiving(there, broker, sources=("market", "shop")) as depot:
        async with held_up(there):
            assert (await missing(depot, after=token(1))).sources == ("market", "shop")
            await taken(broker, sold(1), mark(1))
            assert (await missing(depot, after=token(1))).projection == "parcels"
        assert await sees(depot, after=token(1)) == (1,)


async def test_what_another_consumer_has_recorded_is_waited_for(there: WriteStore, broker: Transport) -> None:
    """Renamed, a consumer receives anew what is in the log already; where that is counts all the same."""
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
        arrivals = Arrivals(there, [("shop", feed, 2)])
        wanted = Written(LOG, Position(1), (Position(1),))
        (arrived,), left = await arrivals.wait([wanted], "here", 0)
        assert arrived == Written("here", await there.log.head(), (), ((LOG, Position(1)),))
        assert not left


async def test_both_tokens_are_waited_for_at_the_same_time() -> None:
    """The time that a query may take is not counted twice."""
    async with receiving(InMemory(), InMemoryTransport()) as depot:
        session, began = depot.session(token(1)), anyio.current_time()
        with pytest.raises(ReadNotReady):
            await session.execute(GetParcel(order_id="a"), after=token(2), timeout=2.0)
        assert anyio.current_time() - began < 3.8


POSITIONS = st.lists(st.integers(1, 2**63 - 1).map(Position), max_size=8, unique=True).map(sorted).map(tuple)


@given(st.lists(st.tuples(st.text(max_size=5), POSITIONS), unique_by=lambda each: each[0], max_size=3), POSITIONS)
def test_tokens_say_what_they_were_made_of(
    origins: list[tuple[str, tuple[Position, ...]]], events: tuple[Position, ...]
) -> None:
    """Whatever a session wrote, and wherever that came from."""
    pairs = tuple((log, position) for log, positions in origins for position in positions)
    written = Written("log", max(events, default=Position(0)), events, pairs)
    assert decode_token(encode_token(written)) == written


def test_a_token_stays_short() -> None:
    """However often it is passed on and merged with itself."""
    events = tuple(map(Position, range(1, KEPT + 100)))
    one = Written("log", events[-1], events, tuple(("other", each) for each in events))
    both = latest(one, latest(one, one))
    assert both is not None
    assert (both.events, len(both.origins)) == (events[-KEPT:], KEPT)
    decoded = decode_token(encode_tokens([both]))
    assert decoded.events == events[-REMEMBERED:]
    assert len(decoded.origins) == REMEMBERED
    assert latest(decoded, decoded) == decoded


@pytest.mark.parametrize(
    "text",
    [
        "[" * 3_000,
        '["log", 5]',
        '["log", 5, [5], {}, {}]',
        '["log", true, []]',
        '["log", -1, []]',
        '["log", 5.0, []]',
        '["log", 1' + "0" * 30 + ", []]",
        f'["log", {2**63}, []]',
        '["log", 5, [6]]',
        '["log", 5, [true]]',
        '["log", 5, [3, 0]]',
        '["log", 5, [3, -1]]',
        '["log", 5, {"1": 1}]',
        '["log", 5, "1"]',
        '["log", 5, null]',
        "[7, 5, [5]]",
        '["log", 5, [5], []]',
        '["log", 5, [5], {"other": 1}]',
        '["log", 5, [5], {"other": [0]}]',
        f'["log", 5, [5], {{"other": [{2**63}]}}]',
        "{}",
        "5",
    ],
    ids=lambda text: text[:40],
)
def test_what_is_no_token_is_refused(text: str) -> None:
    """It comes from a header, that is from anybody."""
    with pytest.raises(InvalidToken, match=r"Pass on Session\.token unchanged"):
        decode_token(base64.urlsafe_b64encode(text.encode()).decode())


def test_tokens_are_json() -> None:
    """So that the cases above are what they say."""
    text = json.loads(base64.urlsafe_b64decode(encode_token(Written("log", Position(5), (Position(5),))) + "=="))
    assert text == ["log", 5, [5]]

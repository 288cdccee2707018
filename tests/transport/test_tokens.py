"""A token of another application is waited for: until its events have arrived here, and read models have them."""

from __future__ import annotations

import base64
import json
import re
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any
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
    KEPT_TYPES,
    LONGEST,
    REMEMBERED,
    TYPES,
    Written,
    decode_token,
    decode_tokens,
    encode_token,
    encode_tokens,
    latest,
    merged,
    type_key,
)
from twofold._integration.cloud_events_decoding import identity_of
from twofold.errors import ForeignLog, InvalidToken, ReadNotReady
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


@pytest.mark.parametrize("kind", ["sqlite", "postgresql", "mariadb"], indirect=True)
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


POSITIONS = st.lists(st.integers(1, 2**63 - 1).map(Position), max_size=8, unique=True).map(sorted).map(tuple)


@given(
    st.lists(
        st.tuples(st.text(min_size=1, max_size=5).filter(str.isprintable), POSITIONS),
        unique_by=lambda each: each[0],
        max_size=3,
    ),
    POSITIONS,
)
def test_tokens_contain_the_written_positions(
    origins: list[tuple[str, tuple[Position, ...]]], events: tuple[Position, ...]
) -> None:
    """A token contains all writes of its session, whatever their origin."""
    pairs = tuple((log, position) for log, positions in origins for position in positions)
    written = Written("log", max(events, default=Position(0)), events, pairs)
    assert decode_token(encode_token(written)) == written


KEYS = tuple(map(type_key, ("t.a", "t.b", "t.c")))


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("wrote"), st.sampled_from(KEYS)),
            st.tuples(st.sampled_from(["of unknown type", "through a token"]), st.just("")),
        ),
        min_size=1,
        max_size=12,
    ),
    st.sets(st.sampled_from(KEYS)),
    st.permutations(range(1, 13)),
)
def test_a_wait_covers_every_event_of_a_type(
    steps: list[tuple[str, str]], names: set[str], positions: list[int]
) -> None:
    """The position to wait for is not below any event of the types that a projection applies, or of an unknown type.

    If all types are known, it is the position of the last of these events. Tokens change nothing.
    """
    written: Written | None = None
    relevant, typed = [Position(0)], True
    for (step, name), number in zip(steps, positions, strict=False):
        position = Position(number)
        if step == "through a token":
            written = written and decode_token(encode_token(written))
            continue
        known = step == "wrote"
        types = ((name, position),) if known else ()
        one = Written("log", position, (position,), (), None, types, Position(0) if known else None)
        written = latest(written, one)
        typed = typed and known
        if not known or name in names:
            relevant.append(position)
    if written is not None:
        upto = written.upto(frozenset(names))
        assert max(relevant) <= upto <= written.position == written.upto(None)
        assert not typed or upto == max(relevant)


def test_a_wait_covers_types_that_a_token_leaves_out() -> None:
    """A token and a session store a limited number of types. An event of another type is still waited for."""
    written: Written | None = None
    for number in range(1, 2 * KEPT_TYPES):
        position = Position(number)
        one = Written("log", position, (), (), None, ((type_key(f"t.{number}"), position),), Position(0))
        written = latest(written, one)
        assert written is not None
        for each in (written, decode_token(encode_token(written))):
            for earlier in range(1, number + 1):
                assert each.upto(frozenset({type_key(f"t.{earlier}")})) >= earlier
            assert each.upto(frozenset({type_key(f"t.{number}")})) == number
    assert written is not None
    assert (len(written.types), len(decode_token(encode_token(written)).types)) == (KEPT_TYPES, TYPES)


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
        '["log", 5, "", [5], {}, {}]',
        '["log", true, "", []]',
        '["log", -1, "", []]',
        '["log", 5.0, "", []]',
        '["log", 1' + "0" * 30 + ', "", []]',
        '["log", 5, "AA", [5]]',
        '["log", 5, 7, [5]]',
        f'["log", {2**63}, "", []]',
        '["log", 5, "", [6]]',
        '["log", 5, "", [true]]',
        '["log", 5, "", [3, 0]]',
        '["log", 5, "", [3, -1]]',
        '["log", 5, "", {"1": 1}]',
        '["log", 5, "", "1"]',
        '["log", 5, "", null]',
        '[7, 5, "", [5]]',
        '["", 5, "", [5]]',
        '["a\\u0000b", 5, "", [5]]',
        '["\\ud800", 5, "", [5]]',
        f'["{"x" * 101}", 5, "", [5]]',
        '["log", 5, "", [5], {"\\u0000": [1]}]',
        '["log", 5, "", [5], []]',
        '["log", 5, "", [5], {"other": 1}]',
        '["log", 5, "", [5], {"other": [0]}]',
        f'["log", 5, "", [5], {{"other": [{2**63}]}}]',
        '["log", 5, "", [5], {}, 0]',
        '["log", 5, "", [5], {}, 5, {"AAAAAAAA": 0}]',
        '["log", 5, "", [5], {}, -1, {"AAAAAAAA": 0}]',
        '["log", 5, "", [5], {}, true, {"AAAAAAAA": 0}]',
        '["log", 5, "", [5], {}, 0, {}]',
        '["log", 5, "", [5], {}, 0, []]',
        '["log", 5, "", [5], {}, 0, {"AAAAAAAA": 1}]',
        '["log", 5, "", [5], {}, 0, {"AAAAAAAA": 0, "BBBBBBBB": -1}]',
        '["log", 5, "", [5], {}, 0, {"AAAAAAAA": 0, "BBBBBBBB": 5}]',
        '["log", 5, "", [5], {}, 0, {"AAAAAAAA": 0, "\\u0000": 1}]',
        '["log", 5, "", [5], {}, 0, {"AAAAAAAA": 0, "BBBB": 1}]',
        '["log", 5, "", [5], {}, 0, {"AAAAAAAA": 0, "BBBBBBBB": "1"}]',
        "{}",
        "5",
    ],
    ids=lambda text: text[:70],
)
def test_a_text_that_is_not_a_token_is_refused(text: str) -> None:
    """An invalid token is refused, because any client can send one."""
    with pytest.raises(InvalidToken, match=r"Pass on Session\.token unchanged"):
        decode_token(base64.urlsafe_b64encode(text.encode()).decode())


@pytest.mark.parametrize(
    "token", ["A" * 32_769, "." * 40_000, "W" * 65_536, b"bytes", 7, None, "é", "a b", "\0", "\ud800"]
)
def test_texts_of_other_kinds_are_refused(token: Any) -> None:
    """A token that is too long, or that is not base64 text, is refused before it costs anything."""
    with pytest.raises(InvalidToken):
        decode_tokens(token)


def test_a_well_formed_token_that_is_too_long_is_refused() -> None:
    """A client can write a token of 64 kB that could be decoded. Its length decides."""
    part = token(5)
    assert len(decode_tokens(f"{part}.{part}")) == 2
    with pytest.raises(InvalidToken, match=rf"\d{{5}} characters, the limit is {LONGEST}"):
        decode_tokens(".".join([part] * -(-65_536 // len(part))))


def _of_positions(number: int) -> str:
    text = json.dumps(["log", 2**21, "", [1] * number + [2**20], {f"{each}": [1] for each in range(number)}])
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


COSTLY: dict[str, Callable[[int], str]] = {
    "one log": lambda number: ".".join(token(each) for each in range(1, number)),
    "many logs": lambda number: ".".join(token(5, log=f"{each}") for each in range(number)),
    "many positions": _of_positions,
}
"""Tokens of any length that clients can write."""


def _steps(decode: Callable[[], object]) -> int:
    """Return the number of steps of a call: a measure of its time that does not depend on the machine."""
    count, before = 0, sys.gettrace()

    def counted(frame: FrameType, event: str, argument: object) -> Any:
        nonlocal count
        count += 1
        return counted

    sys.settrace(counted)
    try:
        decode()
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize("kind", COSTLY)
def test_a_token_costs_linear_time(kind: str) -> None:
    """A token that is four times as long costs four times as much, not sixteen times."""
    short, long = (COSTLY[kind](number) for number in (100, 400))
    assert _steps(lambda: merged(decode_tokens(long))) < 6 * _steps(lambda: merged(decode_tokens(short)))


@pytest.mark.parametrize("kind", COSTLY)
def test_a_token_costs_bounded_memory(kind: str) -> None:
    """A token of the greatest length needs less than 100 bytes a character, whatever positions it names."""
    text = next(text for number in range(2_000, 0, -50) if len(text := COSTLY[kind](number)) <= LONGEST)
    tracemalloc.start()
    try:
        assert merged(decode_tokens(text))
        assert tracemalloc.get_traced_memory()[1] < 100 * LONGEST
    finally:
        tracemalloc.stop()


def test_a_token_of_many_logs_stays_short() -> None:
    """The logs share the positions that a token carries, so that it fits a header and can be decoded."""
    events = tuple(map(Position, range(1, KEPT)))
    written = [Written(f"{number:032}", events[-1], events) for number in range(200)]
    token = encode_tokens(written)
    assert len(token) <= LONGEST
    assert [each.log for each in decode_tokens(token)] == [each.log for each in written]


def test_origins_of_many_logs_are_encoded_once() -> None:
    """The encoder iterates once over the origins of many logs."""
    origins = tuple((f"{number:032}", Position(number)) for number in range(1, KEPT))
    decoded = decode_token(encode_token(Written("log", Position(5), (Position(5),), origins)))
    assert decoded.origins == origins[-REMEMBERED:]


def test_tokens_are_json() -> None:
    """Tokens are JSON, which the cases above rely on."""
    text = json.loads(base64.urlsafe_b64decode(encode_token(Written("log", Position(5), (Position(5),))) + "=="))
    assert text == ["log", 5, "", [5]]

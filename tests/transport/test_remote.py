"""Commands and queries that another process serves: the same types, one effect, typed errors."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import anyio
import pytest
from redis.asyncio import Redis as RedisClient

from twofold import (
    Aggregate,
    Application,
    Command,
    Envelope,
    Event,
    Query,
    ReadModel,
    RemoteCommandBus,
    RemoteQueryBus,
    RemoteSession,
    Repository,
    Router,
    Session,
    View,
    on,
)
from twofold.errors import (
    ApplicationNotRunning,
    ConfigurationError,
    HandlersFailed,
    InvalidRequest,
    NoHandler,
    NoRemoteService,
    ReadNotReady,
    RemoteFailure,
    RemoteTimeout,
    TransientFailure,
    UsedFromAnotherTask,
)
from twofold.ports import Request, Requests, WriteStore
from twofold_memory import InMemory, InMemoryTransport
from twofold_redis import RedisStreams


class Filled(Event, name="stock.filled"):
    article: str
    number: int


class Taken(Event, name="stock.taken"):
    number: int


class Stock(Aggregate, name="stock"):
    id: str
    number: int

    @on(Filled)
    def _filled(self, event: Filled) -> None:
        self.id, self.number = event.article, event.number

    @on(Taken)
    def _taken(self, event: Taken) -> None:
        self.number -= event.number


class Level(View, name="level", key="article"):
    article: str
    number: int
    by: str | None = None


class Fill(Command[None], name="stock.fill"):
    article: str
    number: int


class Take(Command[int], name="stock.take"):
    article: str
    number: int


class Break(Command[None], name="stock.break"):
    how: str


class GetLevel(Query["Level | None"], name="stock.get_level"):
    article: str


class GetTotal(Query[int], name="stock.get_total"):
    pass


class Unserved(Command[None], name="stock.unserved"):
    pass


class Nameless(Command[None]):
    pass


class OutOfStock(Exception):
    """There is less than was asked for."""

    def __init__(self, article: str, left: int) -> None:
        self.article, self.left = article, left
        super().__init__(f"of {article} only {left} are left")


stock = Router("stock")


@stock.command_handler(Fill)
async def fill(command: Fill, stocks: Repository[Stock]) -> None:
    """Begin with so many."""
    await stocks.add(Stock.begin(Filled(article=command.article, number=command.number)))


@stock.command_handler(Take)
async def take(command: Take, stocks: Repository[Stock]) -> int:
    """Take so many, and return how many are left."""
    found = await stocks.get(command.article)
    if found.number < command.number:
        raise OutOfStock(found.id, found.number)
    found.record(Taken(number=command.number))
    return found.number


@stock.command_handler(Break)
async def fail(command: Break) -> None:
    """Fail in some way."""
    raise {"key": KeyError, "busy": TransientFailure}[command.how]("on purpose")


@stock.command_handler(Unserved)
async def unserved(command: Unserved) -> None:
    """Be out of reach."""
    raise AssertionError("nobody may ask for this")


@stock.projection("levels")
class Levels:
    """How many there are of each article."""

    def __init__(self, levels: ReadModel[Level]) -> None:
        self.levels = levels

    @on(Filled)
    async def filled(self, event: Filled, envelope: Envelope[Filled]) -> None:
        await self.levels.put(Level(article=event.article, number=event.number, by=envelope.tenant))


@stock.query_handler(GetLevel)
async def get_level(query: GetLevel, levels: ReadModel[Level]) -> Level | None:
    """Return how many there are."""
    return await levels.get(query.article)


stock.serve(Fill, Take, Break, GetLevel, partitions=2)


@pytest.fixture
def broker() -> InMemoryTransport:
    """Give a broker."""
    return InMemoryTransport()


@asynccontextmanager
async def serving(store: WriteStore, broker: InMemoryTransport) -> AsyncIterator[Application]:
    """Run the application that serves."""
    app = Application("stock", write=store, transport=broker)
    app.include(stock)
    await app.create_schema()
    with anyio.fail_after(60):
        async with app:
            yield app


async def test_a_command_is_handled_there_and_its_result_comes_back(
    here: WriteStore, broker: InMemoryTransport
) -> None:
    """The caller gets what the handler returned, as the type that the command says."""
    async with serving(here, broker):
        commands = RemoteCommandBus(broker, "stock")
        await commands.dispatch(Fill(article="lamp", number=5))
        assert await commands.dispatch(Take(article="lamp", number=2)) == 3


async def test_a_query_is_answered_there_and_can_wait_for_a_token(here: WriteStore, broker: InMemoryTransport) -> None:
    """With the token of a session over there, the answer has what that session wrote."""
    async with serving(here, broker) as app:
        queries = RemoteQueryBus(broker, "stock")
        assert await queries.execute(GetLevel(article="lamp")) is None
        for number in range(1, 11):
            async with app.session() as session:
                await session.dispatch(Fill(article=f"lamp {number}", number=number))
            level = await queries.execute(GetLevel(article=f"lamp {number}"), after=session.token)
            assert level == Level(article=f"lamp {number}", number=number)


async def test_a_key_makes_a_command_take_effect_once(here: WriteStore, broker: InMemoryTransport) -> None:
    """However often it is sent, and at once, it is one effect and one result."""
    async with serving(here, broker):
        commands = RemoteCommandBus(broker, "stock")
        await commands.dispatch(Fill(article="lamp", number=100))
        results: list[int] = []

        async def take() -> None:
            results.append(await commands.dispatch(Take(article="lamp", number=1), idempotency_key="once"))

        async with anyio.create_task_group() as tasks:
            for _ in range(10):
                tasks.start_soon(take)
        assert results == [99] * 10


async def test_an_error_that_is_listed_is_raised_as_itself(here: WriteStore, broker: InMemoryTransport) -> None:
    """With its text and its attributes; one that is not listed is a failure that names it."""
    async with serving(here, broker):
        await RemoteCommandBus(broker, "stock").dispatch(Fill(article="lamp", number=1))
        with pytest.raises(OutOfStock, match="of lamp only 1 are left") as raised:
            await RemoteCommandBus(broker, "stock", errors=[OutOfStock]).dispatch(Take(article="lamp", number=2))
        assert (raised.value.article, raised.value.left) == ("lamp", 1)
        with pytest.raises(RemoteFailure, match="OutOfStock in the other process: of lamp only 1 are left") as failed:
            await RemoteCommandBus(broker, "stock").dispatch(Take(article="lamp", number=2))
        assert failed.value.name == "OutOfStock"
        with pytest.raises(RemoteFailure, match="KeyError"):
            await RemoteCommandBus(broker, "stock").dispatch(Break(how="key"))


async def test_a_store_that_is_away_is_no_answer(here: WriteStore, broker: InMemoryTransport) -> None:
    """The request comes again until its deadline; then nobody knows."""
    async with serving(here, broker):
        with pytest.raises(RemoteTimeout):
            await RemoteCommandBus(broker, "stock", timeout=0.3).dispatch(Break(how="busy"))


async def test_only_what_is_served_can_be_asked_for(here: WriteStore, broker: InMemoryTransport) -> None:
    """A handler alone does not open a command to other processes, and what has no name cannot leave."""
    async with serving(here, broker):
        commands = RemoteCommandBus(broker, "stock")
        with pytest.raises(
            NoHandler, match=r"'stock' does not serve the command 'stock\.unserved'.*Add the class to serve\(…\)"
        ):
            await commands.dispatch(Unserved())
        with pytest.raises(ConfigurationError, match="Nameless to another process: it has no stable name"):
            await commands.dispatch(Nameless())
        with pytest.raises(NoRemoteService, match="cannot send Unserved: nobody has ever served as 'nobody'"):
            await RemoteCommandBus(broker, "nobody").dispatch(Unserved())


async def test_a_bus_takes_its_own_kind_of_message(here: WriteStore, broker: InMemoryTransport) -> None:
    """What is no command, or no query, is an error as on a bus of this process, and nothing is sent."""
    async with serving(here, broker) as app:
        session = RemoteSession(broker, "stock")
        for dispatch in (RemoteCommandBus(broker, "stock").dispatch, session.dispatch):
            with pytest.raises(NoHandler, match=r"no handler for command GetLevel: it is no command\. It is a query"):
                await dispatch(GetLevel(article="lamp"))  # type: ignore[arg-type]
        for execute in (RemoteQueryBus(broker, "stock").execute, session.execute):
            with pytest.raises(NoHandler, match=r"no handler for query Fill: it is no query\. It is a command"):
                await execute(Fill(article="lamp", number=1))  # type: ignore[arg-type]
        assert await app.execute(GetLevel(article="lamp")) is None


async def test_other_fields_are_told_as_such(here: WriteStore, broker: InMemoryTransport) -> None:
    """A class that differs on the two sides is no missing handler: the text says what differs, and nothing was done."""

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


async def test_a_time_out_says_how_to_send_it_again(here: WriteStore, broker: InMemoryTransport) -> None:
    """It names the command and its idempotency key; a query is simply asked again."""
    async with serving(here, broker):
        with pytest.raises(RemoteTimeout, match=r"'stock' did not answer Break .* idempotency_key='mine'"):
            await RemoteCommandBus(broker, "stock", timeout=0.1).dispatch(Break(how="busy"), idempotency_key="mine")
        queries = RemoteQueryBus(broker, "stock", timeout=0)
        with pytest.raises(
            RemoteTimeout, match=r"did not answer GetLevel within 0 s\. See whether it runs, and ask again"
        ):
            await queries.execute(GetLevel(article="lamp"))


async def test_a_session_sees_its_own_writes_there(here: WriteStore, broker: InMemoryTransport) -> None:
    """Its queries wait there for what its commands wrote, and so do those of whoever has its token."""
    async with serving(here, broker):
        for number in range(1, 11):
            session = RemoteSession(broker, "stock")
            assert session.token == ""
            await session.dispatch(Fill(article=f"lamp {number}", number=number))
            level = Level(article=f"lamp {number}", number=number)
            assert await session.execute(GetLevel(article=f"lamp {number}")) == level
            resumed = RemoteSession(broker, "stock", token=session.token)
            assert await resumed.execute(GetLevel(article=f"lamp {number}")) == level
            assert await RemoteQueryBus(broker, "stock").execute(GetLevel(article="x"), after=session.token) is None


async def test_a_read_model_there_that_is_not_ready_is_told_as_itself(
    here: WriteStore, broker: InMemoryTransport
) -> None:
    """Whoever asks with a token hears that the answer would not have what was written, and not of a failure."""
    app = Application("count", write=here, transport=broker)

    @app.query_handler(GetTotal)
    async def get_total(query: GetTotal) -> int:
        raise ReadNotReady("levels", lag=3)

    app.serve(GetTotal)
    await app.create_schema()
    async with app:
        with pytest.raises(ReadNotReady) as raised:
            await RemoteSession(broker, "count").execute(GetTotal())
        assert (raised.value.projection, raised.value.lag) == ("levels", 3)


async def test_a_session_belongs_to_its_task(here: WriteStore, broker: InMemoryTransport) -> None:
    """From another task it is refused, before anything is sent."""
    async with serving(here, broker):
        session = RemoteSession(broker, "stock")
        refused: list[UsedFromAnotherTask] = []

        async def use() -> None:
            try:
                await session.dispatch(Fill(article="lamp", number=1))
            except UsedFromAnotherTask as error:
                refused.append(error)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(use)
        assert "RemoteSession.token" in str(refused[0])
        assert await session.execute(GetLevel(article="lamp")) is None


@pytest.mark.parametrize("make", [RemoteCommandBus, RemoteQueryBus, RemoteSession])
def test_what_carries_no_requests_is_refused(make: Callable[[Any, str], object]) -> None:
    """When the bus is made, and not when the first message is sent."""
    with pytest.raises(ConfigurationError, match=r"over Redis: it carries no requests.*RabbitMQ\(url\)"):
        make(RedisClient(), "stock")


def test_a_transport_that_carries_no_requests_cannot_serve() -> None:
    """check() says what to give besides, or instead."""
    streams: Any = RedisStreams(RedisClient())
    app = Application("shop", write=InMemory(), transport=streams)
    app.serve(Unserved)
    with pytest.raises(ConfigurationError, match=r"RedisStreams does not carry them.*requests=RabbitMQ\(url\)"):
        app.check()
    with pytest.raises(ConfigurationError, match=r"give what carries requests, such as RabbitMQ\(url\)"):
        Application("shop", write=InMemory(), requests=streams)


async def test_a_request_that_is_none_is_answered(here: WriteStore, broker: InMemoryTransport) -> None:
    """Whoever sends nonsense is told, and the service goes on."""
    async with serving(here, broker):
        requests: Requests = broker
        for body in (b"", b"[]", b"{}", b'{"kind":"command","name":"stock.fill","version":1,"data":{"number":"x"}}'):
            reply = await requests.request("stock", Request("1", None, body), seconds=5)
            assert b'"InvalidRequest"' in reply
        await RemoteCommandBus(broker, "stock").dispatch(Fill(article="lamp", number=1))


async def test_the_conversation_goes_on_there(here: WriteStore, there: WriteStore, broker: InMemoryTransport) -> None:
    """What is sent while a message is handled carries its tenant, and its correlation and causation."""
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


async def test_what_a_message_says_of_itself_arrives(here: WriteStore, broker: InMemoryTransport) -> None:
    """Tenant, headers, trace, correlation and causation of what is sent while a message is handled are those of that one."""
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


async def test_a_sender_says_what_it_handles(here: WriteStore) -> None:
    """The request of a remote bus carries all of the message in whose handling it is sent."""
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


async def test_a_reply_that_is_none_is_a_failure_there(here: WriteStore) -> None:
    """Whatever comes back, the caller gets an error of ours that says so."""
    bodies = [
        b"",
        b"[]",
        b"{}",
        b'{"result":"x","token":""}',
        b'{"error":5}',
        b'{"refused":{}}',
        b"[" * 100_000,
        b"\xff",
    ]

    class Nonsense(InMemoryTransport):
        async def request(self, service: str, request: Request, *, seconds: float) -> bytes:
            return bodies.pop()

    while bodies:
        with pytest.raises(RemoteFailure, match="has answered Take, and its reply cannot be read"):
            await RemoteCommandBus(Nonsense(), "stock").dispatch(Take(article="lamp", number=1))


async def test_an_error_gets_only_the_attributes_that_it_declares(here: WriteStore) -> None:
    """Nothing from the wire takes the place of its methods, of what is private, or of what its class does not know."""
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


def test_a_group_of_errors_cannot_come_back_as_itself(broker: InMemoryTransport) -> None:
    """It is refused when the bus is made."""
    with pytest.raises(ConfigurationError, match="cannot raise HandlersFailed as itself"):
        RemoteCommandBus(broker, "stock", errors=[HandlersFailed])


async def test_an_application_that_is_not_running_leaves_a_request_to_another(
    here: WriteStore, broker: InMemoryTransport
) -> None:
    """It is no answer that this server stops: the next one handles it."""
    calls: list[Take] = []
    app = Application("stock", write=here, transport=broker)

    @app.command_handler(Take)
    async def take(command: Take) -> int:
        calls.append(command)
        if len(calls) == 1:
            raise ApplicationNotRunning("it has stopped")
        return 7

    app.serve(Take)
    await app.create_schema()
    async with app:
        assert await RemoteCommandBus(broker, "stock").dispatch(Take(article="lamp", number=1)) == 7
    assert len(calls) == 2


async def test_requests_that_nobody_waits_for_are_not_kept(broker: InMemoryTransport) -> None:
    """Once their deadline has passed; nobody has to serve for that."""
    requests: Requests = broker

    async def never(request: Request) -> bytes:
        raise AssertionError(request)

    async with requests.serve("shop", never):
        pass
    for number in range(100):
        with anyio.move_on_after(0):
            await requests.request("shop", Request(str(number), None, b""), seconds=0)
    with pytest.raises(RemoteTimeout):
        await requests.request("shop", Request("last", None, b""), seconds=0)
    assert not broker._services["shop"]._waiting


async def test_a_start_that_is_given_up_leaves_nothing_running(here: WriteStore, broker: InMemoryTransport) -> None:
    """Whoever waits for less than it takes finds the store closed, and can start the application again."""
    held, scope = anyio.Event(), anyio.CancelScope()
    served: list[str] = []

    class Slow(InMemoryTransport):
        @asynccontextmanager
        async def serve(self, service: str, answer: Any, **options: Any) -> AsyncIterator[Any]:
            served.append("begins")
            scope.cancel()
            try:
                await held.wait()
                async with super().serve(service, answer, **options) as server:
                    yield server
            finally:
                served.append("ends")

    app = Application("stock", write=here, transport=Slow())
    app.include(stock)
    await app.create_schema()
    with scope:
        async with app:
            raise AssertionError("it cannot have started")
    assert scope.cancelled_caught
    assert served == ["begins", "ends"]
    held.set()
    async with app:
        assert await app.execute(GetLevel(article="lamp")) is None


async def test_commands_of_one_key_are_handled_in_order(here: WriteStore, broker: InMemoryTransport) -> None:
    """Sent one after another without waiting, they are handled in that order."""
    async with serving(here, broker):
        commands = RemoteCommandBus(broker, "stock")
        await commands.dispatch(Fill(article="lamp", number=20))
        left: list[int] = []

        async def take() -> None:
            left.append(await commands.dispatch(Take(article="lamp", number=1), key="lamp"))

        async with anyio.create_task_group() as tasks:
            for _ in range(20):
                tasks.start_soon(take)
        assert sorted(left, reverse=True) == left == list(range(19, -1, -1))


def test_an_application_without_a_carrier_cannot_serve() -> None:
    """check() says what is missing, all at once, with file and line."""
    app = Application("no way", write=InMemory())
    app.serve(Unserved, Nameless)
    app.serve(Take)
    with pytest.raises(ConfigurationError) as raised:
        app.check()
    text = str(raised.value)
    for part in (
        "nothing carries them",
        "'no way' serves under its name",
        "Unserved is served and has no handler",
        "Nameless is served and has no stable name",
        "a second serve()",
        f"{__file__}:",
    ):
        assert part in text

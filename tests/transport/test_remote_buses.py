"""Commands and queries that another process serves: the same types, and one effect."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio
import pytest
from redis.asyncio import Redis as RedisClient

from tests.domains.stock import Fill, GetLevel, Level, Take, Unserved
from tests.transport.serving import serving
from twofold import Command, RemoteCommandBus, RemoteQueryBus, RemoteSession
from twofold.errors import ConfigurationError, NoHandler, NoRemoteService
from twofold.ports import WriteStore
from twofold_memory import InMemoryTransport


class Nameless(Command[None]):
    pass


async def test_a_command_returns_the_result_of_its_remote_handler(here: WriteStore, broker: InMemoryTransport) -> None:
    """The caller gets the result of the handler, with the type that the command declares."""
    async with serving(here, broker):
        commands = RemoteCommandBus(broker, "stock")
        await commands.dispatch(Fill(article="lamp", number=5))
        assert await commands.dispatch(Take(article="lamp", number=2)) == 3


async def test_a_query_waits_for_a_consistency_token(here: WriteStore, broker: InMemoryTransport) -> None:
    """With the token of a remote session, the answer includes the writes of that session."""
    async with serving(here, broker) as app:
        queries = RemoteQueryBus(broker, "stock")
        assert await queries.execute(GetLevel(article="lamp")) is None
        for number in range(1, 11):
            async with app.session() as session:
                await session.dispatch(Fill(article=f"lamp {number}", number=number))
            level = await queries.execute(GetLevel(article=f"lamp {number}"), after=session.token)
            assert level == Level(article=f"lamp {number}", number=number)


async def test_an_idempotency_key_deduplicates_a_command(here: WriteStore, broker: InMemoryTransport) -> None:
    """Concurrent requests with one key have one effect and one result."""
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


async def test_commands_of_one_key_are_handled_in_order(here: WriteStore, broker: InMemoryTransport) -> None:
    """Commands that are sent one after another without waiting are handled in that order."""
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


async def test_only_served_messages_can_be_sent(here: WriteStore, broker: InMemoryTransport) -> None:
    """A handler alone does not open a command to other processes. A command without a name cannot be sent."""
    async with serving(here, broker):
        commands = RemoteCommandBus(broker, "stock")
        with pytest.raises(
            NoHandler, match=r"'stock' does not serve the command 'stock\.unserved'.*Add the class to serve\(…\)"
        ):
            await commands.dispatch(Unserved())
        with pytest.raises(ConfigurationError, match="Nameless to another process: it has no stable name"):
            await commands.dispatch(Nameless())
        with pytest.raises(NoRemoteService, match="cannot send Unserved: no application has ever served as 'nobody'"):
            await RemoteCommandBus(broker, "nobody").dispatch(Unserved())


async def test_a_bus_takes_its_own_kind_of_message(here: WriteStore, broker: InMemoryTransport) -> None:
    """A message of another kind is refused as on a bus of this process, and nothing is sent."""
    async with serving(here, broker) as app:
        session = RemoteSession(broker, "stock")
        for dispatch in (RemoteCommandBus(broker, "stock").dispatch, session.dispatch):
            with pytest.raises(
                NoHandler, match=r"no handler for command GetLevel: it is not a command\. It is a query"
            ):
                await dispatch(GetLevel(article="lamp"))  # type: ignore[arg-type]
        for execute in (RemoteQueryBus(broker, "stock").execute, session.execute):
            with pytest.raises(NoHandler, match=r"no handler for query Fill: it is not a query\. It is a command"):
                await execute(Fill(article="lamp", number=1))  # type: ignore[arg-type]
        assert await app.execute(GetLevel(article="lamp")) is None


@pytest.mark.parametrize("make", [RemoteCommandBus, RemoteQueryBus, RemoteSession])
def test_a_client_without_requests_is_refused(make: Callable[[Any, str], object]) -> None:
    """The constructor of the bus refuses it, not the first message."""
    with pytest.raises(ConfigurationError, match=r"over Redis: it does not carry requests.*RabbitMQ\(url\)"):
        make(RedisClient(), "stock")

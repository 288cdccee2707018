"""A middleware with a parameter `envelope` gets the envelope of each message, which is that of its handler."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from twofold import Application, Cache, Command, CommandBus, Envelope, Event, EventBus, Query, QueryBus, UnitOfWork
from twofold._buses.chain import CallNext
from twofold.errors import ConcurrencyConflict, ConfigurationError
from twofold.middleware import retry_conflicts
from twofold.testing.conformance._tools.in_time import until
from twofold_memory import InMemory, InMemoryCache


class Done(Event, name="enveloped.done"):
    pass


class Do(Command[UUID], name="enveloped.do"):
    number: int = 0
    nested: bool = False
    conflicts: int = 0


class Ask(Query[UUID]):
    number: int = 0


class AskCached(Query[UUID]):
    number: int = 0


class Watch(Query[AsyncIterator[UUID]]):
    pass


class Seen:
    """A middleware that keeps each envelope, and the message that came with it."""

    def __init__(self) -> None:
        self.envelopes: list[Envelope[Any]] = []

    async def __call__(self, message: Any, call_next: CallNext, envelope: Envelope[Any]) -> Any:
        assert envelope.message is message
        self.envelopes.append(envelope)
        return await call_next(message)


async def plain(message: Any, call_next: CallNext) -> Any:
    """Pass a message on, without its envelope."""
    return await call_next(message)


def shop(seen: Seen, **options: Any) -> tuple[Application, list[Envelope[Any]]]:
    """Return an application whose handlers keep their envelopes, and these envelopes."""
    app = Application("shop", write=InMemory(), cache=InMemoryCache(), **options)
    handled: list[Envelope[Any]] = []
    app.use(plain)
    app.use(seen)
    app.use(plain)

    @app.command_handler(Do, key="number")
    async def do(command: Do, envelope: Envelope[Do], unit: UnitOfWork, commands: CommandBus) -> UUID:
        handled.append(envelope)
        if len(handled) <= command.conflicts:
            raise ConcurrencyConflict("shop", expected=1, actual=2)
        if command.nested:
            await commands.dispatch(Do(number=command.number + 1))
        unit.record(Done())
        return envelope.id

    @app.query_handler(Ask)
    async def ask(query: Ask, envelope: Envelope[Ask]) -> UUID:
        handled.append(envelope)
        return envelope.id

    @app.query_handler(AskCached, cache=Cache(ttl=60, key="{number}"))
    async def ask_cached(query: AskCached, envelope: Envelope[AskCached]) -> UUID:
        handled.append(envelope)
        return envelope.id

    @app.query_handler(Watch)
    async def watch(query: Watch, envelope: Envelope[Watch]) -> AsyncIterator[UUID]:
        handled.append(envelope)
        yield envelope.id

    return app, handled


async def test_the_envelope_is_that_of_the_handler() -> None:
    """Middleware and the handlers of commands, queries, cached queries and streams get one envelope for a message."""
    seen = Seen()
    app, handled = shop(seen)
    async with app, app.session(tenant="north", headers={"user": "ada"}) as session:
        await session.dispatch(Do())
        await session.dispatch(Do(), idempotency_key="key")
        await session.execute(Ask())
        await session.execute(AskCached())
        assert [each async for each in session.stream(Watch())] == [handled[-1].id]
    assert handled == seen.envelopes
    assert {(each.tenant, each.headers["user"]) for each in handled} == {("north", "ada")}
    assert [each.idempotency_key for each in handled] == [None, "key", None, None, None]


async def test_a_nested_command_names_its_cause() -> None:
    """The envelope of a nested command has the outer command as its cause, and not its idempotency key."""
    seen = Seen()
    app, handled = shop(seen)
    async with app:
        await app.dispatch(Do(nested=True), idempotency_key="key")
    outer, inner = seen.envelopes
    assert handled == [outer, inner]
    assert (inner.causation_id, inner.correlation_id) == (outer.id, outer.correlation_id)
    assert (outer.idempotency_key, inner.idempotency_key) == ("key", None)


@pytest.mark.parametrize("outside", [True, False])
async def test_a_retry_around_the_middleware_and_inside(outside: bool) -> None:
    """A retry outside of the middleware is another message for it. A retry inside repeats the same message."""
    seen = Seen()
    app, handled = shop(seen, middleware=[retry_conflicts(delay=0)] if outside else [])
    if not outside:
        app.use(retry_conflicts(delay=0))
    async with app:
        await app.dispatch(Do(conflicts=2))
    ids = [each.id for each in handled]
    assert len(ids) == 3
    assert {each.id for each in seen.envelopes} == set(ids)
    assert len(seen.envelopes) == (3 if outside else 1)


async def test_another_message_keeps_the_envelope() -> None:
    """If a middleware passes on another message, the handler gets the envelope with that message."""
    seen = Seen()
    app, handled = shop(seen)

    async def replacing(command: Do, call_next: CallNext) -> Any:
        return await call_next(Do(number=command.number + 1))

    app.use(replacing, on=Do)
    async with app:
        await app.dispatch(Do(number=1))
    assert (handled[0].id, handled[0].message) == (seen.envelopes[0].id, Do(number=2))


async def test_middleware_inside_the_unit_of_work_takes_the_envelope() -> None:
    """The envelope inside the unit of work is the one outside, with and without a middleware outside that takes it."""
    for outside in (True, False):
        inside = Seen()
        app, handled = shop(Seen())
        if not outside:
            app._registered.middleware.clear()
        app.use(inside, on=Do, inside=True)
        async with app:
            await app.dispatch(Do())
        assert handled == inside.envelopes


async def test_a_scheduled_command_and_an_event_have_their_attempt() -> None:
    """Middleware gets the attempt of a scheduled command, and the position and the attempt of an event."""
    seen = Seen()
    app, _ = shop(seen)

    @app.event_handler(Done, name="done", start="beginning")
    async def done(event: Done, envelope: Envelope[Done]) -> None: ...

    async with app:
        await app.session().schedule(Do(), at=app.clock.now() - timedelta(seconds=1))
        await until(lambda: len(seen.envelopes) == 2, "the command and its event were to be handled")
    command, event = seen.envelopes
    assert (command.message, command.attempt, command.position) == (Do(), 1, None)
    assert (event.message, event.attempt, event.causation_id) == (Done(), 1, command.id)
    assert event.position


def test_explain_shows_the_envelope() -> None:
    """`explain` has a step for the envelope, only if a middleware takes it."""
    app, _ = shop(Seen())
    assert "envelope: ids and metadata" in app.explain(Do).splitlines()[1]
    app._registered.middleware.clear()
    app.use(plain)
    assert "envelope: ids" not in app.explain(Do)


def test_a_bus_without_an_application_has_no_envelope() -> None:
    """A bus refuses a middleware that requires the envelope, and accepts one that does not require it."""

    async def optional(message: Any, call_next: CallNext, envelope: Envelope[Any] | None = None) -> Any:
        return await call_next(message)

    for bus in (CommandBus, QueryBus, EventBus):
        with pytest.raises(ConfigurationError, match="messages of a bus without an application have none"):
            bus(middleware=[Seen()])  # type: ignore[list-item]
        bus(middleware=[optional])


def test_the_third_parameter_has_one_name() -> None:
    """A third parameter of another name is a fault, which names the right one. So is one that is passed by name only."""

    async def wrong(message: Any, call_next: CallNext, metadata: Any) -> Any:
        return await call_next(message)

    async def named(message: Any, call_next: CallNext, *, envelope: Any) -> Any:
        return await call_next(message)

    async def optional(message: Any, call_next: CallNext, *, envelope: Any = None) -> Any:
        return await call_next(message)

    for middleware, text in (
        (wrong, "A third parameter must be named `envelope`"),
        (named, r"takes `envelope` by name only.*Remove the `\*` before the parameter"),
        (optional, "takes `envelope` by name only"),
    ):
        app = Application("shop", write=InMemory())
        app.use(middleware)  # type: ignore[arg-type]
        with pytest.raises(ConfigurationError, match=text):
            app.check()

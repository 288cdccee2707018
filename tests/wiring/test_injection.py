"""Arguments from the user's container, and the end of their lifetime."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any, Self

import pytest
from dependency_injector import containers, providers
from dependency_injector.wiring import Provide

from tests.domains.orders import Boom, Place
from twofold import Application, Clock, Ids, UnitOfWork
from twofold_memory import InMemory


class Mailer:
    """A class whose objects are compared by identity."""


class Connection:
    """A context manager that records its calls."""

    notes: list[str]

    def __init__(self, notes: list[str]) -> None:
        self.notes = notes

    async def __aenter__(self) -> Self:
        self.notes.append("opened")
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        self.notes.append(f"closed {kind.__name__ if kind else 'well'}")


class Cursor:
    pass


class Cache:
    pass


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Name the event loop of a test."""
    return str(request.param)


@pytest.fixture
def notes() -> list[str]:
    """Return an empty list of records."""
    return []


@pytest.fixture
def container(notes: list[str]) -> Any:
    """Give a container of every kind of provider."""

    async def cursor() -> AsyncIterator[Cursor]:
        notes.append("cursor opened")
        try:
            yield Cursor()
        finally:
            notes.append("cursor closed")

    def cache() -> Iterator[Cache]:
        notes.append("cache opened")
        yield Cache()
        notes.append("cache closed")

    # Annotations are texts here; the container reads them where the functions were made.
    cursor.__annotations__["return"] = AsyncIterator[Cursor]
    cache.__annotations__["return"] = Iterator[Cache]
    made = containers.DynamicContainer()
    made.mailer = providers.Singleton(Mailer)
    made.connection = providers.Factory(Connection, notes)
    made.cursor = providers.Factory(cursor)
    made.cache = providers.Factory(cache)
    made.number = providers.Object(7)
    return made


async def dispatch(handler: Any, container: Any, times: int = 1) -> None:
    """Dispatch `Place` to a handler in an application with a container."""
    app = Application("injection", write=InMemory(), container=container)
    app.command_handler(Place)(handler)
    async with app:
        for _ in range(times):
            await app.dispatch(Place())


async def test_a_singleton_is_shared(container: Any) -> None:
    """Each message is given the one object, found by its type."""
    given: list[Mailer] = []

    async def place(command: Place, mailer: Mailer) -> str:
        given.append(mailer)
        return "placed"

    await dispatch(place, container, times=2)
    assert given == [container.mailer()] * 2


async def test_a_factory_makes_one_object_a_message_and_closes_it_after(container: Any, notes: list[str]) -> None:
    """Parameters of one message share the object; it is closed when the handler has ended."""
    given: list[Connection] = []

    async def place(command: Place, one: Connection, other: Connection) -> str:
        assert one is other
        given.append(one)
        notes.append("handled")
        return "placed"

    await dispatch(place, container, times=2)
    assert given[0] is not given[1]
    assert notes == ["opened", "handled", "closed well"] * 2


async def test_an_object_receives_the_failure_of_its_message(container: Any, notes: list[str]) -> None:
    """A context manager that was created for a failing message is closed with the error."""

    async def place(command: Place, connection: Connection) -> str:
        raise Boom

    with pytest.raises(Boom):
        await dispatch(place, container)
    assert notes == ["opened", "closed Boom"]


async def test_generators_are_closed_last_made_first(container: Any, notes: list[str]) -> None:
    """The yielded value of a generator is injected.

    The rest of the generator runs after the message, in reverse order.
    """

    async def place(command: Place, cursor: Cursor, cache: Cache) -> str:
        assert (type(cursor), type(cache)) == (Cursor, Cache)
        notes.append("handled")
        return "placed"

    await dispatch(place, container)
    assert notes == ["cursor opened", "cache opened", "handled", "cache closed", "cursor closed"]


async def test_provide_chooses_by_name(container: Any) -> None:
    """A parameter marked with `Provide` is given that provider's object, in `Annotated` or as the default."""
    given: list[object] = []

    async def place(
        command: Place, number: Annotated[int, Provide["number"]], mailer: Mailer = Provide["mailer"]
    ) -> str:
        given.extend((number, mailer))
        return "placed"

    await dispatch(place, container)
    assert given == [7, container.mailer()]


async def test_a_parameter_may_be_keyword_only(container: Any) -> None:
    """Parameters after `*` are passed by name."""
    given: list[object] = []

    async def place(command: Place, *, mailer: Mailer, clock: Clock, ids: Ids) -> str:
        given.extend((mailer, ids.new() != ids.new(), clock.now().tzinfo is not None))
        return "placed"

    await dispatch(place, container)
    assert given == [container.mailer(), True, True]


async def test_a_default_is_left_alone(container: Any) -> None:
    """A parameter that nothing provides keeps its default, also between others that are provided."""
    given: list[object] = []

    async def place(command: Place, text: str = "default", *, unit: UnitOfWork, size: float = 1.5) -> str:
        given.extend((text, type(unit), size))
        return "placed"

    await dispatch(place, container)
    assert given == ["default", UnitOfWork, 1.5]


async def test_a_class_is_given_in_its_init_and_in_its_call(container: Any, notes: list[str]) -> None:
    """A handler class is instantiated for each message. The arguments of `__init__` and `__call__` are injected."""
    made: list[object] = []

    class Handler:
        def __init__(self, mailer: Mailer) -> None:
            made.append(self)
            self.mailer = mailer

        async def __call__(self, command: Place, connection: Connection) -> str:
            assert self.mailer is container.mailer()
            notes.append("handled")
            return "placed"

    await dispatch(Handler, container, times=2)
    assert made[0] is not made[1]
    assert notes == ["opened", "handled", "closed well"] * 2

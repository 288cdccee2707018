"""Middleware: the order of the chain, what a link may do, and the links that Twofold ships."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import anyio
import pydantic
import pytest

from tests.domains.orders import Boom, Place
from twofold import CommandBus
from twofold._buses.chain import CallNext, Middleware, compose
from twofold.errors import ConcurrencyConflict, NotAuthorised, ReadNotReady, TransientFailure
from twofold.middleware import authorise, retry_conflicts, timeout, validation
from twofold.middleware import logging as logging_middleware


class Recorder:
    """A handler of `Place` that records its messages and raises the given errors, one for each call."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.given: list[Place] = []

    async def __call__(self, command: Place) -> str:
        self.given.append(command)
        if self.errors:
            raise self.errors.pop(0)
        return f"placed {command.number}"


def bus_of(handler: Recorder, *middleware: Middleware) -> CommandBus:
    """Return a bus with a handler of `Place` inside this middleware."""
    bus = CommandBus(middleware=middleware)
    bus.handler(Place)(handler)
    return bus


def noting(name: str, notes: list[str]) -> Middleware:
    """Return a middleware that notes when it is entered, left, and passed by an error."""

    async def link(message: Any, call_next: CallNext) -> Any:
        notes.append(f"> {name}")
        try:
            result = await call_next(message)
        except Exception as error:
            notes.append(f"! {name} {error}")
            raise
        notes.append(f"< {name}")
        return result

    return link


async def test_the_first_link_is_outermost() -> None:
    """Links run in the order given on the way in, and backwards on the way out."""
    notes: list[str] = []
    bus = bus_of(Recorder(), noting("a", notes), noting("b", notes), noting("c", notes))
    assert await bus.dispatch(Place()) == "placed 1"
    assert notes == ["> a", "> b", "> c", "< c", "< b", "< a"]


async def test_without_middleware_the_callable_itself_is_returned() -> None:
    """Composing nothing costs nothing."""
    handler = Recorder()
    assert compose([], handler) is handler


class Adding:
    """Links of every shape: each adds its number to the message on the way in."""

    def __init__(self, number: int) -> None:
        self.number = number

    async def __call__(self, message: Any, call_next: CallNext) -> Any:
        return await call_next(message.model_copy(update={"number": message.number + self.number}))

    async def method(self, message: Any, call_next: CallNext) -> Any:
        return await self(message, call_next)


async def with_a_default(message: Any, call_next: CallNext, number: int = 100) -> Any:
    """Add through a parameter that has a default."""
    return await Adding(number)(message, call_next)


async def with_a_keyword(message: Any, call_next: CallNext, *, number: int = 1_000) -> Any:
    """Add through a parameter that is given by name."""
    return await Adding(number)(message, call_next)


async def with_any(*args: Any, **kwargs: Any) -> Any:
    """Add through whatever is given."""
    return await Adding(10_000)(*args, **kwargs)


async def test_a_link_may_be_any_async_callable() -> None:
    """Objects, methods, closures, and functions with defaults; one may stand in several chains, and none is changed."""

    async def plain(message: Any, call_next: CallNext) -> Any:
        return await Adding(100_000)(message, call_next)

    links: list[Middleware] = [Adding(1), Adding(10).method, with_a_default, with_a_keyword, with_any, plain, plain]
    for _ in range(2):
        assert await bus_of(Recorder(), *links).dispatch(Place(number=0)) == "placed 211111"
    assert plain.__defaults__ is None


async def test_a_link_may_replace_the_message() -> None:
    """The rest of the chain sees the message that a middleware passes on."""

    async def louder(message: Any, call_next: CallNext) -> Any:
        return await call_next(message.model_copy(update={"number": message.number * 10}))

    handler = Recorder()
    assert await bus_of(handler, louder, louder).dispatch(Place(number=2)) == "placed 200"
    assert handler.given == [Place(number=200)]


async def test_a_link_may_answer_by_itself() -> None:
    """A link that does not call on keeps the message from what is inside, and its answer is the result."""
    notes: list[str] = []

    async def short(message: Any, call_next: CallNext) -> Any:
        return "cached"

    handler = Recorder()
    assert await bus_of(handler, noting("out", notes), short, noting("in", notes)).dispatch(Place()) == "cached"
    assert (handler.given, notes) == ([], ["> out", "< out"])


async def test_a_link_may_call_on_twice() -> None:
    """Each call goes through all of the rest of the chain."""
    notes: list[str] = []

    async def twice(message: Any, call_next: CallNext) -> Any:
        await call_next(message)
        return await call_next(message)

    handler = Recorder()
    assert await bus_of(handler, twice, noting("in", notes)).dispatch(Place()) == "placed 1"
    assert (len(handler.given), notes) == (2, ["> in", "< in", "> in", "< in"])


@pytest.mark.parametrize("where", [0, 1, 2, 3])
@pytest.mark.parametrize("when", ["before", "after"])
async def test_an_error_in_each_link_reaches_the_caller_once(where: int, when: str) -> None:
    """Whichever link fails, before or after calling on: each link outside it sees the error once, then the caller."""
    notes: list[str] = []
    error = Boom("no")

    async def fails(message: Any, call_next: CallNext) -> Any:
        if when == "after":
            await call_next(message)
        raise error

    links = [noting(str(number), notes) for number in range(3)]
    handler = Recorder()
    with pytest.raises(Boom) as caught:
        await bus_of(handler, *links[:where], fails, *links[where:]).dispatch(Place())
    assert caught.value is error
    assert [note for note in notes if note.startswith("!")] == [f"! {number} no" for number in reversed(range(where))]
    assert len(handler.given) == (when == "after")


async def test_a_link_that_handles_an_error_may_answer_none() -> None:
    """An error that was handled is gone; None is an answer like any other."""
    notes: list[str] = []

    async def forgiving(message: Any, call_next: CallNext) -> Any:
        try:
            return await call_next(message)
        except Boom:
            return None

    answer: object = await bus_of(Recorder(Boom("no")), noting("out", notes), forgiving).dispatch(Place())
    assert answer is None
    assert notes == ["> out", "< out"]


def conflicts(count: int) -> Sequence[Exception]:
    """Return this many errors that are worth a repetition, of both kinds in turn."""
    return [
        TransientFailure("deadlock") if number % 2 else ConcurrencyConflict("order-1", expected=1, actual=2)
        for number in range(count)
    ]


@pytest.mark.parametrize("failures", [0, 1, 2])
async def test_conflicts_are_repeated(failures: int) -> None:
    """`retry_conflicts` runs the handler again until it succeeds."""
    handler = Recorder(*conflicts(failures))
    assert await bus_of(handler, retry_conflicts(attempts=3, delay=0)).dispatch(Place()) == "placed 1"
    assert len(handler.given) == failures + 1


async def test_the_last_conflict_comes_through() -> None:
    """After the last attempt the caller gets the last error."""
    errors = conflicts(9)
    handler = Recorder(*errors)
    with pytest.raises(ConcurrencyConflict) as caught:
        await bus_of(handler, retry_conflicts(attempts=3, delay=0)).dispatch(Place())
    assert caught.value is errors[2]
    assert len(handler.given) == 3


async def test_other_errors_are_not_repeated() -> None:
    """An error of the domain is not a conflict."""
    handler = Recorder(Boom("no"))
    with pytest.raises(Boom):
        await bus_of(handler, retry_conflicts(attempts=3, delay=0)).dispatch(Place())
    assert len(handler.given) == 1


async def test_a_slow_handler_is_given_up() -> None:
    """`timeout` cancels the handler and says which message took too long."""
    ended: list[str] = []
    bus = CommandBus(middleware=[timeout(0.01)])

    @bus.handler(Place)
    async def place(command: Place) -> str:
        try:
            await anyio.sleep_forever()
        finally:
            ended.append("cancelled")
        return "too late"

    with pytest.raises(TimeoutError, match=r"Place was cancelled after 0\.01 s"):
        await bus.dispatch(Place())
    assert ended == ["cancelled"]


async def test_a_quick_handler_is_left_alone() -> None:
    """Within the limit `timeout` changes nothing."""
    assert await bus_of(Recorder(), timeout(60)).dispatch(Place()) == "placed 1"


@pytest.mark.parametrize("error", [TimeoutError("of the driver"), ReadNotReady("rows", lag=2)], ids=type)
async def test_a_time_out_of_something_else_comes_through_as_it_is(error: TimeoutError) -> None:
    """Within the limit a `TimeoutError` of the handler is the handler's own; `timeout` says nothing of its limit."""
    text = str(error)
    with pytest.raises(TimeoutError) as caught:
        await bus_of(Recorder(error), timeout(60)).dispatch(Place())
    assert caught.value is error
    assert str(caught.value) == text


async def allowed_later(message: Place) -> bool:
    """Allow even numbers, asynchronously."""
    return message.number % 2 == 0


def allowed_now(message: Place) -> bool:
    """Allow even numbers."""
    return message.number % 2 == 0


@pytest.mark.parametrize("allowed", [allowed_now, allowed_later])
async def test_a_refused_message_is_not_handled(allowed: Any) -> None:
    """`authorise` calls a function, async or not. If it returns False, the `NotAuthorised` error names it."""
    handler = Recorder()
    bus = bus_of(handler, authorise(allowed))
    assert await bus.dispatch(Place(number=2)) == "placed 2"
    with pytest.raises(NotAuthorised, match=f"Place was refused by {allowed.__qualname__}") as caught:
        await bus.dispatch(Place(number=3))
    assert isinstance(caught.value, PermissionError)
    assert handler.given == [Place(number=2)]


async def test_an_unchecked_message_is_validated() -> None:
    """`validation` refuses what was built without validation, before the handler sees it."""
    handler = Recorder()
    bus = bus_of(handler, validation())
    assert await bus.dispatch(Place(number=2)) == "placed 2"
    with pytest.raises(pydantic.ValidationError):
        await bus.dispatch(Place.model_construct(number="many"))
    assert handler.given == [Place(number=2)]


async def test_successes_and_failures_are_logged_without_fields(caplog: pytest.LogCaptureFixture) -> None:
    """`logging` names the message and its error, at the levels asked for, and no field of the message."""
    bus = bus_of(Recorder(Boom("no")), logging_middleware(level=logging.DEBUG))
    with caplog.at_level(logging.DEBUG, "twofold.messages"):
        with pytest.raises(Boom):
            await bus.dispatch(Place(number=987654321))
        await bus.dispatch(Place(number=987654321))
    failed, took = [record for record in caplog.records if record.name == "twofold.messages"]
    assert (failed.levelno, took.levelno) == (logging.ERROR, logging.DEBUG)
    assert failed.getMessage().startswith("Place failed after ")
    assert failed.getMessage().endswith("Boom")
    assert took.getMessage().startswith("Place took ")
    assert "987654321" not in caplog.text


async def test_an_error_that_quotes_fields_is_logged_by_its_class(caplog: pytest.LogCaptureFixture) -> None:
    """`logging` writes neither the text of an error nor its traceback: both may quote what the message holds."""
    bus = bus_of(Recorder(LookupError("no order 987654321")), logging_middleware())
    with caplog.at_level(logging.DEBUG, "twofold.messages"), pytest.raises(LookupError, match="987654321"):
        await bus.dispatch(Place(number=987654321))
    (failed,) = [record for record in caplog.records if record.name == "twofold.messages"]
    assert failed.getMessage().endswith(": LookupError")
    assert (failed.exc_info, failed.exc_text, failed.stack_info) == (None, None, None)
    assert "987654321" not in caplog.text


async def test_a_logger_of_ones_own(caplog: pytest.LogCaptureFixture) -> None:
    """`logging` writes to the logger it is given."""
    with caplog.at_level(logging.INFO, "my.messages"):
        await bus_of(Recorder(), logging_middleware(logging.getLogger("my.messages"))).dispatch(Place())
    assert [record.name for record in caplog.records if "Place" in record.getMessage()] == ["my.messages"]

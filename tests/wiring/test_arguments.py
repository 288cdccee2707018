"""Arguments of the wrong type are refused immediately, with the correct argument in the error."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any, cast

import pytest
import redis.asyncio

from tests.domains.orders import Placed
from tests.wiring.domain import Thing
from twofold import Application, Cache, Command, Event, RemoteCommandBus, Retry, Router, View
from twofold.errors import ConfigurationError, InvalidDefinition, InvalidKey, NotSchedulable
from twofold.middleware import retry_conflicts
from twofold_memory import InMemory, InMemoryTransport
from twofold_rabbitmq import RabbitMQ
from twofold_redis import Redis, RedisCache, RedisNotifier, RedisStreams
from twofold_sqlalchemy import SqlAlchemy

PARTS = ("write", "read", "transport", "requests", "cache", "notifier", "container", "clock", "ids")


class ReadOnly:
    """The attributes of a read store, without the further ones of a write store."""

    begin = create_schema = subscriptions = None


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"write": "sqlite:///"}, r"write=<str>\): pass a store"),
        ({"read": "redis"}, r"read=<str>\): pass a store"),
        ({"event_sourced": Thing}, "event_sourced=.*Thing.*pass a list of aggregate classes"),
        ({"event_sourced": ["Thing"]}, r"event_sourced=\['Thing'\]\): pass aggregate classes"),
        ({"event_sourced": "Thing"}, r"event_sourced='Thing'\): pass a list"),
        ({"keep_records": 7}, r"keep_records=7\): pass a timedelta"),
        ({"lease": 0}, r"lease=0\): lease must be a positive number of seconds"),
        ({"lease": timedelta(seconds=1)}, "lease=.*must be a positive number of seconds"),
    ],
)
def test_an_application_argument_of_the_wrong_type(options: dict[str, Any], text: str) -> None:
    """An argument of the wrong type is refused immediately. The error says what to pass instead."""
    with pytest.raises(ConfigurationError, match=text):
        Application("wiring", **{"write": InMemory(), **options})


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"write": InMemory}, r"write=InMemory.*that is a class; pass a store, such as InMemory\(\)"),
        ({"write": None}, r"write=None\): pass a store"),
        ({"write": ReadOnly()}, "it stores read models only; pass it as read="),
        ({"cache": InMemory()}, r"cache=.*pass a cache, such as Redis\(client\).cache\(\)"),
        ({"transport": "amqp://"}, r"transport=<str>\): pass a broker, such as RabbitMQ\(url\)"),
        ({"requests": "amqp://"}, r"requests=<str>\): pass a transport of requests"),
        ({"notifier": InMemory()}, r"notifier=.*pass a notifier, such as Redis\(client\).notifier\(\)"),
        ({"container": {}}, r"container=<dict>\): pass a container"),
        ({"clock": timedelta(1)}, "clock=.*pass a clock"),
        ({"retry_scheduled": 3}, r"retry_scheduled=3\): pass a Retry"),
        ({"middleware": retry_conflicts()}, "middleware=.*pass a list"),
    ],
)
def test_a_part_of_an_application_that_cannot_be_one(options: dict[str, Any], text: str) -> None:
    """A part is recognised by its methods. A class, a URL or a raw client is refused."""
    with pytest.raises(ConfigurationError, match=text):
        Application("wiring", **{"write": InMemory(), **options})


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"ttl": timedelta(minutes=1)}, "ttl=.*it must be a number of seconds, such as 60"),
        ({"ttl": None}, "ttl=None: it must be a number of seconds"),
        ({"negative_ttl": "5"}, "negative_ttl='5'"),
        ({"key": 7}, "key=7: it must be a string"),
        ({"invalidated_by": [Placed]}, "invalidated_by=.*it must map each event to a key"),
    ],
)
def test_a_cache_argument_of_the_wrong_type(options: dict[str, Any], text: str) -> None:
    """Times are seconds, and keys are strings."""
    with pytest.raises(InvalidDefinition, match=text):
        Cache(**{"ttl": 1, "key": "all", **options})


@pytest.mark.parametrize("errors", [LookupError, ["LookupError"], "Refused", [LookupError()]])
def test_remote_errors_of_the_wrong_type(errors: Any) -> None:
    """`errors=` takes a list of classes."""
    with pytest.raises(ConfigurationError, match=r"errors=.*must be a list of exception classes"):
        RemoteCommandBus(InMemoryTransport(), "shop", errors=errors)


async def test_times_and_keys_of_the_wrong_type(app: Application) -> None:
    """A command is scheduled for a time with a time zone. A key is a string."""

    class Remind(Command[None], name="wiring.remind"):
        pass

    app.command_handler(Remind)(lambda command: None)
    async with app:
        with pytest.raises(
            NotSchedulable, match=r"at= must be a datetime with a time zone\. Add a timedelta to Clock.now"
        ):
            await app.session().schedule(Remind(), at=timedelta(1))  # type: ignore[arg-type]
        with pytest.raises(NotSchedulable, match="the time has no time zone"):
            await app.session().schedule(Remind(), at=app.clock.now().replace(tzinfo=None))
        with pytest.raises(InvalidKey, match=r"cannot use 7 \(int\) as an idempotency key: it is not a str"):
            await app.dispatch(Remind(), idempotency_key=7)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text", ["postgresql://u:s3cret@h/x", "u:s3cret@h", "redis://h?password=s3cret", "amqp:u:s3cret@h"]
)
def test_no_name_repeats_a_url(text: str) -> None:
    """A URL that is passed in place of a name is refused, and the error does not show it."""
    given: Any = text

    class Sent(Event, name="arguments.sent"):
        pass

    client = redis.asyncio.Redis.from_url("redis://localhost")
    router, app = Router("a"), Application("a", write=InMemory(), transport=InMemoryTransport())
    app.consume(Sent, source=given, consumer=given)
    made: list[Callable[[], object]] = [
        partial(Router, given),
        partial(Application, given, write=InMemory()),
        partial(RabbitMQ, "amqp://localhost", prefix=given),
        *(partial(kind, client, prefix=given) for kind in (Redis, RedisCache, RedisNotifier, RedisStreams)),
        partial(RemoteCommandBus, InMemoryTransport(), given),
        partial(router.event_handler, Sent, name=given),
        partial(router.projection, given),
        partial(router.relay, Sent, name=given),
        partial(type, "Named", (Event,), {}, name=given),
        partial(type, "Row", (View,), {"__annotations__": {"id": "str"}}, name=given, key="id"),
        partial(Retry, on=given),
        partial(Cache, ttl=given, key="a"),
        partial(app.include, given),
        partial(router.command_handler, given),
        app.check,
    ]
    for make in made:
        with pytest.raises((ConfigurationError, InvalidDefinition)) as caught:
            make()
        assert "s3" not in str(caught.value)


@pytest.mark.parametrize(
    "text", ["postgresql://u:s3cret@h/x", "u:s3cret@h", "amqp://u:s3[cret@h", "amqp:u:s3cret@h", "s3cret"]
)
def test_no_error_repeats_a_url(text: str) -> None:
    """An argument of the wrong type is described by its class: a URL may contain a password, also if it is malformed."""
    given: Any = text
    made: list[Callable[[], object]] = [
        *(partial(Application, "a", **{"write": InMemory(), part: given}) for part in PARTS),
        partial(Application, "a", write=InMemory(), read=cast(Any, [text])),
        *(partial(kind, given) for kind in (SqlAlchemy, Redis, RedisCache, RedisNotifier, RedisStreams)),
        partial(RabbitMQ, text),
    ]
    for make in made:
        with pytest.raises(ConfigurationError) as caught:
            make()
        assert "s3" not in f"{caught.value} {caught.value.__cause__}"

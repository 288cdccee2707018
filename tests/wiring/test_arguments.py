"""Arguments of the wrong type are refused at once, with what to pass instead."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.domains.orders import Placed
from tests.wiring.domain import Thing
from twofold import Application, Cache, Command, RemoteCommandBus
from twofold.errors import ConfigurationError, InvalidDefinition, InvalidKey, NotSchedulable
from twofold.middleware import retry_conflicts
from twofold_memory import InMemory, InMemoryTransport


class ReadOnly:
    """What a read store has and a write store has besides more of."""

    begin = create_schema = subscriptions = None


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"write": "sqlite:///"}, r"write='sqlite:///'\): pass a store"),
        ({"read": "redis"}, r"read='redis'\): pass a store"),
        ({"event_sourced": Thing}, "event_sourced=.*Thing.*pass a list of aggregate classes"),
        ({"event_sourced": ["Thing"]}, r"event_sourced=\['Thing'\]\): pass aggregate classes"),
        ({"event_sourced": "Thing"}, r"event_sourced='Thing'\): pass a list"),
        ({"keep_records": 7}, r"keep_records=7\): pass a timedelta"),
        ({"lease": 0}, r"lease=0\): lease must be a positive number of seconds"),
        ({"lease": timedelta(seconds=1)}, "lease=.*must be a positive number of seconds"),
    ],
)
def test_an_application_argument_of_the_wrong_type(options: dict[str, Any], text: str) -> None:
    """An argument of the wrong type is refused at once. The error says what to pass instead."""
    with pytest.raises(ConfigurationError, match=text):
        Application("wiring", **{"write": InMemory(), **options})


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"write": InMemory}, r"write=<class.*that is a class; pass a store, such as InMemory\(\)"),
        ({"write": None}, r"write=None\): pass a store"),
        ({"write": ReadOnly()}, "it stores read models only; pass it as read="),
        ({"cache": InMemory()}, r"cache=.*pass a cache, such as Redis\(client\).cache\(\)"),
        ({"transport": "amqp://"}, r"transport='amqp://'\): pass a broker, such as RabbitMQ\(url\)"),
        ({"requests": "amqp://"}, r"requests='amqp://'\): pass a carrier of requests"),
        ({"notifier": InMemory()}, r"notifier=.*pass a notifier, such as Redis\(client\).notifier\(\)"),
        ({"container": {}}, r"container={}\): pass a container"),
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
        with pytest.raises(InvalidKey, match=r"cannot use 7 as an idempotency key: it is not a str. Use a str"):
            await app.dispatch(Remind(), idempotency_key=7)  # type: ignore[arg-type]

"""An invalid URL and refused credentials are reported as such, and not as an unavailable broker."""

from __future__ import annotations

import re

import pytest

from tests.servers.process import PrivateServer
from twofold.errors import ConfigurationError
from twofold.ports import Outcome, Request, WireMessage
from twofold.testing.conformance._tools.in_time import CEILING
from twofold_rabbitmq import RabbitMQ


@pytest.mark.parametrize("url", ["127.0.0.1:5672", "redis://guest:secret@127.0.0.1:6379", "localhost", "amqp:///", ""])
def test_an_invalid_url_is_refused_immediately(url: str) -> None:
    """An invalid URL is refused when the object is created, without repeating its password."""
    with pytest.raises(ConfigurationError, match=r"amqp://guest:guest@localhost:5672/") as raised:
        RabbitMQ(url)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        (("guest:guest", "guest:secret"), r"refuses the user 'guest'.*Correct the user, the password"),
        (("/", "/nope"), r"does not open the virtual host 'nope' for the user 'guest'.*create the virtual host"),
    ],
    ids=["password", "virtual host"],
)
async def test_a_refused_login_is_not_an_unavailable_broker(
    server: PrivateServer, wrong: tuple[str, str], text: str
) -> None:
    """If the broker refuses the user, opening, publishing and requesting raise an error that names the cause."""
    login, path = server.url.removesuffix("/"), "/"
    url = login.replace(*wrong) + path if wrong[0] != "/" else login + wrong[1]
    async with RabbitMQ(url, timeout=10) as broker:
        with pytest.raises(ConfigurationError, match=text) as raised:
            await broker.open()
        assert "secret" not in str(raised.value)
        with pytest.raises(ConfigurationError, match=text):
            await broker.request("shop", Request("r1", None, b""), seconds=CEILING)
        (outcome,) = await broker.publisher.publish([WireMessage("1", "shop.sold", "a", b"")])
        assert outcome is Outcome.UNKNOWN
        assert re.search(text, broker.publisher.problem or "")

"""The page of consumers and their parked messages."""

from __future__ import annotations

import html
from collections.abc import AsyncIterator

import pytest

from tests.adapters.console.conftest import Client, client_of
from tests.adapters.console.seeded import CONSUMER, consuming
from tests.adapters.console.shop import HOSTILE
from twofold import Application, ConsumerStatus
from twofold_console import create_console


@pytest.fixture
async def shop() -> AsyncIterator[Application]:
    """A shop with a consumer that has parked a message with a hostile id."""
    async with consuming() as (app, _):
        yield app


async def consumer(shop: Application) -> ConsumerStatus:
    """Return the status of the consumer."""
    (found,) = await shop.operations.consumers()
    return found


async def test_foreign_text_of_messages_is_never_markup(client: Client) -> None:
    """Ids and reasons of parked messages are shown, and escaped."""
    text = await client.page("/messages")
    assert html.escape(HOSTILE, quote=False).partition(";")[0] in text
    assert "<img" not in text
    assert 'method="post"' in text


async def test_a_parked_message_is_retried_and_discarded(client: Client, shop: Application) -> None:
    """A message that fails again is parked again, and a discarded one is deleted."""
    await client.page("/messages")
    response = await client.submit("/messages/retry", {"consumer": CONSUMER})
    assert "1 message is delivered again." in await client.page(response.headers["location"])
    await shop.settle()
    assert (await consumer(shop)).parked == 1
    response = await client.submit("/messages/discard", {"consumer": CONSUMER, "id": HOSTILE})
    assert "Nothing is parked" in await client.page(response.headers["location"])
    assert (await consumer(shop)).parked == 0


async def test_a_consumer_is_paused_and_resumed(client: Client, shop: Application) -> None:
    """The reason is stored and escaped, and the page offers to resume."""
    await client.page("/messages")
    response = await client.submit("/messages/pause", {"consumer": CONSUMER, "reason": "until <6>"})
    text = await client.page(response.headers["location"])
    assert f"{CONSUMER} is paused in every process." in text
    assert "until &lt;6&gt;" in text
    pause = (await consumer(shop)).pause
    assert pause is not None
    assert pause.reason == "until <6>"
    response = await client.submit("/messages/resume", {"consumer": CONSUMER})
    assert f"{CONSUMER} is resumed." in await client.page(response.headers["location"])
    assert (await consumer(shop)).pause is None


@pytest.mark.parametrize("change", ["pause", "resume", "retry", "discard"])
async def test_changes_of_an_unknown_consumer_are_not_found(client: Client, change: str) -> None:
    """The answer names the consumer that does not exist."""
    await client.page("/messages")
    response = await client.submit(f"/messages/{change}", {"consumer": "depot.<b>", "id": "1"})
    assert response.status_code == 404
    assert "depot.&lt;b&gt;" in response.text


async def test_a_read_only_console_shows_messages_and_pauses(shop: Application) -> None:
    """It shows no buttons, the reason of a pause, and refuses a pause at the server."""
    await shop.operations.pause(CONSUMER, reason="inventory")
    async with client_of(create_console(shop, read_only=True)) as client:
        text = await client.page("/messages")
        assert "inventory" in text
        assert 'method="post"' not in text
        assert (await client.submit("/messages/resume", {"consumer": CONSUMER})).status_code == 403
    assert (await consumer(shop)).pause is not None


async def test_a_pause_of_a_consumer_needs_the_csrf_token(client: Client, shop: Application) -> None:
    """A form without the token of the page pauses nothing."""
    await client.page("/messages")
    client.csrf = "0" * 64
    assert (await client.submit("/messages/pause", {"consumer": CONSUMER})).status_code == 403
    assert (await consumer(shop)).pause is None


async def test_advice_names_commands(client: Client) -> None:
    """Health on the overview names commands of the command line as code, and no calls of Python."""
    text = await client.page("/")
    assert f"<code>twofold messages list {CONSUMER}</code>" in text
    assert "app.operations" not in text
    assert "`" not in text

"""The pages of the console: facts, changes, and foreign texts."""

from __future__ import annotations

import html
from uuid import UUID, uuid4

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from tests.adapters.console.conftest import TOKEN, Client, client_of
from tests.adapters.console.shop import HOSTILE, GetOrder, Place, new_billing, new_shop
from twofold import Application
from twofold.ports import ParkedEvent
from twofold.testing.conformance._tools.in_time import in_time
from twofold_console import create_console
from twofold_memory import InMemoryTransport

PAGES = [
    "/",
    "/topology",
    "/parked",
    "/events",
    "/path",
    "/processes",
    "/schedule",
    "/caches",
    "/workers",
    "/subscription?name=mail",
]


async def parked_event(shop: Application) -> ParkedEvent:
    """Return the parked event of the shop."""
    (found,) = await shop.operations.parked("mail")
    return found


async def place_of(shop: Application) -> dict[str, str]:
    """Return what names the parked event in a form."""
    found = await parked_event(shop)
    return {"subscription": "mail", "key": found.key, "id": str(found.event.id)}


async def path_of(shop: Application, position: int) -> UUID:
    """Return the correlation id of an event."""
    found = (await shop.operations.events(after=position - 1, limit=1)).events[0].correlation_id
    assert found is not None
    return found


@pytest.mark.parametrize("path", PAGES)
async def test_every_page_is_served(client: Client, path: str) -> None:
    """Each page has one main heading, and names the application."""
    text = await client.page(path)
    assert text.count("<h1>") == 1
    assert "<b>shop</b>" in text


async def test_the_overview_shows_subscriptions(client: Client) -> None:
    """The overview lists each subscription with its condition, those with parked events first, and filters them."""
    text = await client.page("/")
    assert text.index(">mail</a>") < text.index(">order_rows</a>")
    assert "parked events</span>" in text
    rows = (await client.page("/?show=projection")).partition("<tbody>")[2]
    assert ">order_rows</a>" in rows
    assert ">mail</a>" not in rows
    assert "No subscription fits" in await client.page("/?q=nothing")


async def test_foreign_text_is_never_markup(client: Client, shop: Application) -> None:
    """A hostile payload is shown as text on every page that shows it."""
    place = await place_of(shop)
    query = "&".join(f"{name}={value}" for name, value in place.items())
    path = f"/path?correlation={await path_of(shop, (await parked_event(shop)).event.position)}"
    for page in ("/parked", f"/parked/event?{query}", "/events", path):
        text = await client.page(page)
        assert "<img" not in text
        assert "<script>" not in text
        assert "&lt;img src=x" in text
        assert "{{ 7*7 }}" in text


@pytest.mark.parametrize(
    "path", ["/?q={}", "/?show={}", "/events?type={}", "/events?stream={}", "/events?correlation={}", "/events?since={}",
             "/path?correlation={}", "/parked?subscription={}", "/subscription?name={}", "/topology?kind=event&name={}",
             "/{}", "/parked/event?subscription={0}&key={0}&id={0}"],
)  # fmt: skip
async def test_what_a_link_contains_is_never_markup(client: Client, path: str) -> None:
    """A hostile link gets an answer without its markup, and no failure of the server."""
    response = await client.get(path.format("%22%3E%3Cscript%3Ealert(1)%3C%2Fscript%3E"))
    assert response.status_code < 500
    assert "<script>alert" not in response.text


async def test_secrets_are_masked(client: Client, shop: Application) -> None:
    """No page shows a secret of a payload."""
    place = await place_of(shop)
    event = "/parked/event?" + "&".join(f"{name}={value}" for name, value in place.items())
    for path in (*PAGES, event, f"/path?correlation={await path_of(shop, 1)}"):
        assert "4111-secret" not in await client.page(path)


async def test_a_parked_event_is_edited_and_retried(client: Client, shop: Application) -> None:
    """The edited payload is processed, its mask keeps the secret, and the page says so once."""
    place = await place_of(shop)
    text = await client.page("/parked/event", params=place)
    payload = html.unescape(text.partition("<textarea")[2].partition(">")[2].partition("</textarea>")[0])
    edited = payload.replace(HOSTILE.replace('"', '\\"'), "desk")
    response = await client.submit("/parked/edit", {**place, "payload": edited, "by": "amara", "then": "retry"})
    assert response.status_code == 303
    assert await shop.operations.parked("mail") == []
    shown = response.headers["location"]
    assert "The events were processed." in await client.page(shown)
    assert "The events were processed." not in await client.page(shown)


@pytest.mark.parametrize("payload", ["{", "[]", '{"order_id": 1}', "[" * 100_000])
async def test_a_wrong_payload_is_refused(client: Client, shop: Application, payload: str) -> None:
    """The page shows the fault and what was typed, and nothing changes."""
    place = await place_of(shop)
    await client.page("/parked/event", params=place)
    response = await client.submit("/parked/edit", {**place, "payload": payload, "then": "retry"})
    assert response.status_code == 400
    assert html.escape(payload[:200], quote=True).replace("&quot;", "&#34;") in response.text
    assert (await parked_event(shop)).edit is None


async def test_parked_events_are_discarded(client: Client, shop: Application) -> None:
    """One event is discarded by its id."""
    await client.page("/parked")
    assert (await client.submit("/parked/discard", await place_of(shop))).status_code == 303
    assert await shop.operations.parked("mail") == []


async def test_parked_events_are_repaired_by_reason(client: Client, shop: Application) -> None:
    """All events of an error are retried, and those that fail again stay; then all are discarded."""
    await shop.dispatch(Place(order_id="3", product="onerror"))
    await shop.settle()
    assert "MailServerAway</a>" in await client.page("/parked?subscription=mail")
    reason = {"subscription": "mail", "error": "MailServerAway"}
    response = await client.submit("/parked/retry", reason)
    assert "2 events are still parked" in await client.page(response.headers["location"])
    assert [each.attempts for each in await shop.operations.parked("mail")] == [2, 2]
    await client.submit("/parked/discard", reason)
    assert await shop.operations.parked("mail") == []


async def test_events_that_changed_meanwhile_are_not_found(client: Client, shop: Application) -> None:
    """A retry or a discard of an event that another operator was faster with gets a page that says so."""
    place = await place_of(shop)
    await client.page("/parked")
    await shop.operations.discard("mail", place["key"])
    for path in ("/parked/retry", "/parked/discard"):
        assert (await client.submit(path, place)).status_code == 404
    assert (await client.get("/parked/event", params=place)).status_code == 404


async def test_a_subscription_is_paused_and_resumed(client: Client, shop: Application) -> None:
    """The reason is stored, and the page offers to resume."""
    await client.page("/subscription?name=mail")
    response = await client.submit("/pause", {"subscription": "mail", "reason": "until <6>"})
    assert "until &lt;6&gt;" in await client.page(response.headers["location"])
    await client.submit("/resume", {"subscription": "mail"})
    assert [each.pause for each in await shop.operations.status() if each.name == "mail"] == [None]


async def test_events_are_filtered(client: Client, shop: Application) -> None:
    """Filters select events; a filter that cannot be used is explained."""
    last = (await shop.operations.events(newest_first=True, limit=1)).events[0]
    for query in (f"stream={last.stream}", f"correlation={last.correlation_id}", f"before={last.position + 1}"):
        assert f'id="event-{last.position}"' in await client.page(f"/events?{query}")
    assert "No events" in await client.page("/events?type=shop.unknown")
    response = await client.get("/events?correlation=x&before=-1")
    assert response.status_code == 400
    assert "is not a UUID" in response.text


async def test_the_path_of_a_message(client: Client, shop: Application) -> None:
    """The path shows the message, its events, what each subscription did with them, and commands that are scheduled."""
    position = (await parked_event(shop)).event.position
    text = await client.page(f"/path?correlation={await path_of(shop, position)}")
    assert text.index("shop.place<") < text.index("shop.placed") < text.index("shop.pay")
    assert '<li class="parked" title="MailServerAway' in text
    assert text.count('<li class="passed">') == 1  # the projection
    assert "Nothing was found" in await client.page(f"/path?correlation={uuid4()}")


async def test_the_path_goes_across_services() -> None:
    """An event that another application consumes is part of the path in both, under the names of both."""
    broker = InMemoryTransport()
    async with new_billing(broker) as billing, new_shop(transport=broker) as shop:
        await shop.dispatch(Place(order_id="1"))
        await shop.settle()
        with in_time():
            await anext(billing.operations.follow(after=0))
        async with client_of(create_console(shop, services=[billing])) as client:
            text = await client.page(f"/path?correlation={await path_of(shop, 1)}")
    assert "shop → billing" in text
    assert text.count("<b>shop.placed</b>") == 2
    assert "invoice</b>" in text


async def test_the_topology_is_limited_to_a_part(client: Client) -> None:
    """A chosen part is shown with its connections only."""
    whole, part = await client.page("/topology"), await client.page("/topology?kind=query&name=GetOrder")
    assert "event handler mail" in whole
    assert "event handler mail" not in part
    assert "projection order_rows" in part
    assert (await client.get("/topology?kind=query&name=Nothing")).status_code == 404


async def test_caches_and_workers(client: Client, shop: Application) -> None:
    """The counters of the cache, and the subscriptions of each process are shown."""
    for _ in range(2):
        await shop.execute(GetOrder(order_id="1"))
    assert "50.0<small>%</small>" in await client.page("/caches")
    text = await client.page("/workers")
    assert ">order_rows</a><span>partition 0</span>" in text


async def test_an_application_that_does_not_run_has_no_pages() -> None:
    """The page says that the application is not running."""
    async with client_of(create_console(new_shop())) as client:
        response = await client.get("/events")
    assert response.status_code == 503
    assert "not running" in html.unescape(response.text)


async def test_a_mounted_console_keeps_its_links(shop: Application) -> None:
    """All links and forms of a mounted console begin with the place where it is mounted."""
    async with client_of(Starlette(routes=[Mount("/ops", create_console(shop, token=TOKEN))])) as client:
        assert (await client.get("/ops/")).headers["location"] == "/ops/login"
        await client.page("/ops/login")
        assert (await client.submit("/ops/login", {"token": TOKEN})).headers["location"] == "/ops/"
        text = await client.page("/ops/")
    links = [part.partition('"')[0] for part in text.split('href="')[1:] + text.split('action="')[1:]]
    assert all(each.startswith(("/ops/", "#")) for each in links)

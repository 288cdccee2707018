"""The console in headless Chromium: accessibility, foreign texts, live regions, phones.

Chromium must be installed, and `AXE` must name axe.min.js of the npm package axe-core for the accessibility check.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal

from tests.adapters.console.browser import EXECUTABLE, Browser, browsing
from tests.adapters.console.seeded import seeded
from tests.adapters.console.shop import Place
from tests.servers.process import free_port
from tests.servers.waiting import wait_until
from twofold import Application
from twofold_console import serve

pytestmark = pytest.mark.skipif(EXECUTABLE is None, reason="Chromium is not installed")

AXE = os.environ.get("AXE", "")
PATHS = [
    "/", "/?show=attention", "/topology", "/topology?kind=event&name=Placed", "/parked", "/events?follow=on", "/path",
    "/messages", "/processes", "/schedule", "/caches", "/workers", "/subscription?name=mail", "/nothing",
]  # fmt: skip

WIDTH = "Math.max(document.documentElement.scrollWidth, innerWidth)"
"""The width that a page needs. A phone enlarges `innerWidth` until a page that is too wide fits."""


class Served:
    """A shop whose console is served, and a browser.

    Args:
        browser: the browser.
        url: the address of the console, without a slash at the end.
        shop: the shop.
        portal: calls the shop from a test.
    """

    def __init__(self, browser: Browser, url: str, shop: Application, portal: BlockingPortal) -> None:
        self.browser, self.url, self.shop, self.portal = browser, url, shop, portal

    def paths(self) -> list[str]:
        """Return the pages, with those of the parked event."""
        (parked,) = self.portal.call(self.shop.operations.parked, "mail")
        found = self.portal.call(self.shop.operations.show, "mail", parked.key, parked.event.id)
        event = f"/parked/event?subscription=mail&key={parked.key}&id={parked.event.id}"
        return [*PATHS, event, f"/path?correlation={found.correlation_id}"]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Serve the console of a shop with something on every page, and hostile payloads."""
    port = free_port()

    async def run(*, task_status: anyio.abc.TaskStatus[Application]) -> None:
        async with seeded() as shop:
            task_status.started(shop)
            await serve(shop, port=port)

    with start_blocking_portal() as portal:
        running, shop = portal.start_task(run)
        with browsing(tmp_path_factory.mktemp("profile")) as browser:
            wait_until(lambda: answers(browser, f"http://127.0.0.1:{port}"), "the console was to answer")
            yield Served(browser, f"http://127.0.0.1:{port}", shop, portal)
        running.cancel()


def test_the_sign_in_page_is_accessible(served: Served) -> None:
    """Axe finds no violation on the page that asks for the token, and a phone shows it without scrolling sideways."""
    if not Path(AXE).is_file():
        pytest.skip("AXE does not name axe.min.js")
    axe, port = Path(AXE).read_text("utf-8"), free_port()

    async def run(*, task_status: anyio.abc.TaskStatus[None]) -> None:
        task_status.started()
        await serve(served.shop, port=port, token="a-token-of-many-characters")

    running, _ = served.portal.start_task(run)
    url = f"http://127.0.0.1:{port}"
    wait_until(lambda: answers(served.browser, url), "the console was to answer")
    for dark, width in ((False, 1440), (True, 390)):
        served.browser.show_as(width=width, dark=dark)
        served.browser.open(f"{url}/login")
        served.browser.run(f"{axe};0")
        report = "axe.run().then(r => r.violations.map(v => [v.id, v.nodes[0].target.join(' ')]))"
        assert served.browser.run(report) == []
        assert served.browser.run(WIDTH) == width
    running.cancel()


def answers(browser: Browser, url: str) -> bool:
    """Return whether the console answers."""
    browser.open(f"{url}/")
    return "shop" in browser.run("document.title")


@pytest.mark.skipif(not Path(AXE).is_file(), reason="AXE does not name axe.min.js")
@pytest.mark.parametrize("width", [1440, 390])
@pytest.mark.parametrize("dark", [False, True])
def test_every_page_is_accessible(served: Served, width: int, dark: bool) -> None:
    """Axe finds no violation on any page, in light and dark, on a desktop and on a phone."""
    axe, found = Path(AXE).read_text("utf-8"), dict[str, object]()
    served.browser.show_as(width=width, dark=dark)
    for path in served.paths():
        served.browser.open(served.url + path)
        served.browser.run(f"{axe};0")
        report = served.browser.run("axe.run().then(r => r.violations.map(v => [v.id, v.nodes[0].target.join(' ')]))")
        found |= {path: report} if report else {}
    assert found == {}


def test_no_page_runs_foreign_text_or_calls_another_host(served: Served) -> None:
    """A hostile payload runs nothing, breaks no rule of the content security policy, and every request is to the console."""
    for path in served.paths():
        served.browser.open(served.url + path)
        assert served.browser.run("document.title") != "owned"
        assert served.browser.run("document.querySelectorAll('main img, main script').length") == 0
        for event in served.browser.events:
            if event.get("method") == "Network.requestWillBeSent":
                # The browser draws its own date fields with pictures in data URLs.
                assert event["params"]["request"]["url"].startswith((f"{served.url}/", "data:image/svg+xml"))
            assert event.get("method") != "Runtime.exceptionThrown"
            assert "Content Security Policy" not in str(event)


def test_no_page_is_wider_than_a_phone(served: Served) -> None:
    """A phone shows every page without scrolling sideways, and what is pressed is large enough for a finger."""
    served.browser.show_as(width=390)
    for path in served.paths():
        served.browser.open(served.url + path)
        assert served.browser.run(WIDTH) == 390, path
        small = (
            "[...document.querySelectorAll('main button, nav a')].filter(e => e.offsetParent && e.offsetHeight < 44)"
        )
        assert served.browser.run(f"{small}.map(e => e.textContent)") == [], path


def test_live_regions_follow(served: Served) -> None:
    """A followed list of events gets a new event without a reload, and keeps what is open and what has the focus."""
    browser = served.browser
    browser.open(f"{served.url}/events?follow=on")
    browser.run("window.same = true; document.querySelector('details').open = true")
    opened = browser.run("document.querySelector('details').id")
    browser.run("document.querySelector('details summary').focus()")
    served.portal.call(served.shop.dispatch, Place(order_id="live"))
    wait_until(
        lambda: "order-live" in browser.run("document.getElementById('found').innerText"), "the event was to appear"
    )
    assert browser.run("window.same") is True
    assert browser.run(f"document.getElementById('{opened}').open") is True
    assert browser.run("document.activeElement.parentElement.id") == opened


def test_a_browser_sends_what_a_change_needs(served: Served) -> None:
    """A form of the console's own page is accepted: the policies of the page let the browser send its origin."""

    def is_paused() -> bool:
        found = served.portal.call(served.shop.operations.status)
        return any(each.name == "handler_05" and each.pause is not None for each in found)

    served.browser.open(f"{served.url}/subscription?name=handler_05")
    assert not is_paused()
    served.browser.run("document.querySelector('form[action$=pause] button').click()")
    wait_until(is_paused, "the subscription was to be paused")


def test_pages_are_used_with_the_keyboard(served: Served) -> None:
    """The first stop of the Tab key skips to the content, and every stop is visible."""
    served.browser.show_as(width=1440)
    served.browser.open(f"{served.url}/parked")
    here = "document.readyState + location.pathname"  # the form of the test before may still lead to its page
    wait_until(lambda: served.browser.run(here) == "complete/parked", "the page was to load")
    for _ in range(12):
        served.browser.press("Tab", 9)
        stop = "document.activeElement"
        assert served.browser.run(f"{stop}.matches(':focus-visible') && {stop}.getBoundingClientRect().top >= 0")
    served.browser.open(f"{served.url}/parked")
    served.browser.press("Tab", 9)
    served.browser.press("Enter", 13)
    assert served.browser.run("location.hash") == "#main"


def test_pages_are_readable_without_scripts(served: Served) -> None:
    """Without scripts, pages show the same figures, and forms work."""
    served.browser.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        served.browser.open(f"{served.url}/")
        assert served.browser.run("document.querySelectorAll('#rows tbody tr').length") >= 30
        assert served.browser.run("document.getElementById('live').hidden") is True
    finally:
        served.browser.call("Emulation.setScriptExecutionDisabled", value=False)

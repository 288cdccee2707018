"""Pages that stay open in a browser while the console is away."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import anyio
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal

from tests.adapters.console.browser import EXECUTABLE, Browser, browsing
from tests.adapters.console.shop import Place, new_shop
from tests.servers.process import free_port
from tests.servers.waiting import wait_until
from twofold import Application
from twofold_console import serve

pytestmark = pytest.mark.skipif(EXECUTABLE is None, reason="Chromium is not installed")

NOTICE = "document.getElementById('lost').checkVisibility() ? document.getElementById('lost').innerText : ''"


class Server:
    """A console that can be stopped and started again at the same address.

    Args:
        portal: runs the shop.
        shop: a running shop.
    """

    def __init__(self, portal: BlockingPortal, shop: Application) -> None:
        self._portal, self._shop, self._port = portal, shop, free_port()
        self._running: Future[None] | None = None
        self.url = f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Serve the console."""
        self._running = self._portal.start_task_soon(self._serve)

    def stop(self) -> None:
        """Stop, and wait until the port is free."""
        if self._running is not None:
            self._running.cancel()
            wait_until(self._running.done, "the console was to stop")

    async def _serve(self) -> None:
        await serve(self._shop, port=self._port)


@pytest.fixture
def portal() -> Iterator[BlockingPortal]:
    """Run an event loop beside the test."""
    with start_blocking_portal() as found:
        yield found


@pytest.fixture
def shop(portal: BlockingPortal) -> Iterator[Application]:
    """A running shop with an order."""
    app = new_shop()

    async def run(*, task_status: anyio.abc.TaskStatus[None]) -> None:
        async with app:
            await app.dispatch(Place(order_id="1"))
            await app.settle()
            task_status.started()
            await anyio.sleep_forever()

    running, _ = portal.start_task(run)
    yield app
    running.cancel()


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    """A browser with an empty profile."""
    with browsing(tmp_path / "profile") as found:
        yield found


def test_an_open_page_recovers(browser: Browser, portal: BlockingPortal, shop: Application) -> None:
    """The page says that its figures are not current. After a restart they are, without a reload, and its forms work."""
    server = Server(portal, shop)
    server.start()
    here = f"{server.url}/subscription?name=mail"

    def is_open() -> bool:
        browser.open(here)
        return bool(browser.run("document.title").startswith("mail"))

    def is_paused() -> bool:
        return any(each.name == "mail" and each.pause is not None for each in portal.call(shop.operations.status))

    wait_until(is_open, "the console was to answer")
    browser.run("window.same = true")
    assert browser.run(NOTICE) == ""
    server.stop()
    wait_until(lambda: "not current" in browser.run(NOTICE), "the page was to say that the console is away")
    portal.call(shop.dispatch, Place(order_id="2"))
    server.start()
    wait_until(lambda: browser.run(NOTICE) == "", "the notice was to go")
    last = str(portal.call(shop.write.log.head))
    wait_until(
        lambda: f"of {last}" in browser.run("document.getElementById('details').innerText"),
        "the figures were to follow",
    )
    assert browser.run("window.same") is True
    browser.run("document.querySelector('form[action$=pause] button').click()")
    wait_until(is_paused, "the subscription was to be paused by the form of the open page")
    server.stop()

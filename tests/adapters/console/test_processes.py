"""The page of processes."""

from __future__ import annotations

from tests.adapters.console.conftest import client_of
from twofold.testing.conformance._domain.fulfilment import (
    NAME,
    Handlers,
    Order,
    Reject,
    Undeclared,
    fulfilling,
    shop,
)
from twofold_console import create_console
from twofold_memory import InMemory


async def test_a_stuck_process_is_shown_and_retried() -> None:
    """The page counts processes by state, shows those that are stuck, and retries one."""
    handlers = Handlers(failing={("refund", "<a>"): Undeclared})
    async with shop(InMemory(), fulfilling(handlers)) as app, client_of(create_console(app)) as client:
        for command in (Order(order_id="<a>"), Order(order_id="b"), Reject(order_id="<a>")):
            await app.dispatch(command)
            await app.settle()
        text = await client.page("/processes")
        assert "Undeclared: refund" in text
        assert "&lt;a&gt;" in text
        assert '<code class="clip">b</code>' in await client.page(f"/processes?name={NAME}&state=waiting")
        handlers.failing.clear()
        answer = await client.submit("/processes/retry", {"name": NAME, "key": "<a>"})
        assert answer.status_code == 303
        await app.settle()
        assert (await app.operations.process(NAME, "<a>")).state == "failed"
        assert "Stuck" not in await client.page("/processes")

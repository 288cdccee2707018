"""Invalid values of clients raise errors with one base class, which a web layer maps to HTTP 400."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest

from twofold import Application, Keyset, Query, ReadModel, Router
from twofold.errors import InvalidInput
from twofold.testing.conformance._domain.bank import Balance, Open, bank
from twofold_memory import InMemory

router = Router("finding")


class FindBalances(Query[int]):
    filters: Mapping[str, Any] = {}
    order_by: str = "account_id"
    cursor: str | None = None
    size: int = 10


@router.query_handler(FindBalances)
async def find(query: FindBalances, balances: ReadModel[Balance]) -> int:
    """Pass values of a client to `find`."""
    page = Keyset(query.size, after=query.cursor)
    return len((await balances.find(query.filters, order_by=query.order_by, page=page)).items)


@pytest.fixture
def kind() -> str:
    """Check the core, which validates for every store."""
    return "memory-asyncio"


@pytest.mark.parametrize(
    "call",
    [
        lambda app: app.execute(FindBalances(filters={"colour": "red"})),
        lambda app: app.execute(FindBalances(filters={"balance": "much"})),
        lambda app: app.execute(FindBalances(order_by="colour")),
        lambda app: app.execute(FindBalances(cursor="§")),
        lambda app: app.execute(FindBalances(size=0)),
        lambda app: app.execute(FindBalances(), after="§"),
        lambda app: app.dispatch(Open(account_id="b"), idempotency_key=""),
        lambda app: app.session(tenant="x" * 201).dispatch(Open(account_id="b"), idempotency_key="k"),
    ],
    ids=["field", "value", "order", "cursor", "size", "token", "key", "tenant"],
)
async def test_one_except_catches_it(call: Callable[[Application], Awaitable[object]]) -> None:
    """An invalid filter, order, cursor, size, token, key or tenant is an `InvalidInput`, and nothing is written."""
    app = Application("bank", write=InMemory())
    app.include(bank)
    app.include(router)
    async with app:
        with pytest.raises(InvalidInput):
            await call(app)
        assert await app.write.log.head() == 0

"""Time limits in an application."""

from __future__ import annotations

from itertools import count
from typing import cast

import pytest

from twofold import Command, Router, Session
from twofold.errors import ReadNotReady, TransientFailure
from twofold.middleware import timeout
from twofold.ports import WriteStore
from twofold.testing.conformance._domain.bank import Balance, GetBalance, Open, application
from twofold.testing.conformance._tools.in_time import CEILING
from twofold.testing.conformance._tools.proxy import Proxy


class Look(Command[Balance | None]):
    account_id: str


async def test_a_read_model_that_is_behind_is_no_slow_command(store: WriteStore) -> None:
    """The `timeout` middleware does not change the `ReadNotReady` of a query in a handler."""
    router = Router("look")
    router.use(timeout(60), on=Command)

    @router.command_handler(Look)
    async def look(command: Look, session: Session) -> Balance | None:
        return await session.execute(GetBalance(account_id=command.account_id))

    app = await application(store, router, work=False)
    async with app, app.session() as session:
        await session.dispatch(Open(account_id="a"))
        with pytest.raises(ReadNotReady, match="projection 'balances' is not ready") as caught:
            await session.dispatch(Look(account_id="a"))
    assert (caught.value.projection, caught.value.lag) == ("balances", 1)


async def test_a_store_with_a_new_server_for_each_call_cannot_stop_a_query(store: WriteStore) -> None:
    """A query in a session fails at its timeout if the server of its store is replaced again and again."""
    runs = count()

    async def run() -> str:
        return str(next(runs))

    app = await application(cast(WriteStore, Proxy(store, run=run)))
    async with app, app.session() as session:
        await session.dispatch(Open(account_id="a"))
        await app.settle(timeout=CEILING)
        with pytest.raises(TransientFailure, match=r"cannot answer GetBalance within 0.1 s: the server"):
            await session.execute(GetBalance(account_id="a"), timeout=0.1)

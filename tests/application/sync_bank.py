"""A bank for callers that block; as a program, it forks and lets each process write."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator
from contextvars import ContextVar
from secrets import token_hex
from typing import Any

from sqlalchemy.ext.asyncio import create_async_engine

from twofold import Application, Command, Event, EventBus, Query, ReadModel, View, on
from twofold.ports import WriteStore
from twofold_sqlalchemy import SqlAlchemy

USER: ContextVar[str] = ContextVar("user", default="")


class Paid(Event, name="sync.paid"):
    id: str


class Pay(Command[str], name="sync.pay"):
    id: str


class Payment(View, name="sync_payment", key="id"):
    id: str


class GetPayment(Query["Payment | None"]):
    id: str


class AllPayments(Query[AsyncIterator[Payment]]):
    pass


def bank(store: WriteStore, **options: Any) -> Application:
    """Return the application."""
    app = Application("bank", write=store, **options)

    @app.command_handler(Pay)
    async def pay(command: Pay, events: EventBus) -> str:
        await events.publish(Paid(id=command.id))
        return command.id + USER.get()

    @app.projection("payments")
    class Payments:
        def __init__(self, views: ReadModel[Payment]) -> None:
            self.views = views

        @on(Paid)
        async def paid(self, event: Paid) -> None:
            await self.views.put(Payment(id=event.id))

    @app.query_handler(GetPayment)
    async def get(query: GetPayment, views: ReadModel[Payment]) -> Payment | None:
        return await views.get(query.id)

    @app.query_handler(AllPayments)
    async def all_payments(query: AllPayments, views: ReadModel[Payment]) -> AsyncIterator[Payment]:
        for each in await views.find(order_by="id"):
            yield each

    return app


def main(url: str, close: str, read: str, broker: str) -> None:
    """Write in this process, fork twice, and write in every process.

    Args:
        url: the write store.
        close: "close" to close the application before the fork.
        read: the Redis for the read models; empty for the write store.
        broker: the RabbitMQ to which events are relayed; empty for none.
    """
    options: dict[str, Any] = {}
    if read:
        from redis.asyncio import Redis as Client

        from twofold_redis import Redis

        options["read"] = Redis(Client.from_url(read), prefix=token_hex(8))
    if broker:
        from twofold_rabbitmq import RabbitMQ

        options["transport"] = RabbitMQ(broker, prefix=token_hex(8))
    app = bank(SqlAlchemy(create_async_engine(url)), **options)
    if broker:
        app.relay(Paid, unroutable="drop")
    app.sync.create_schema()
    app.sync.dispatch(Pay(id="first"))
    if close == "close":
        app.sync.close()
    children = []
    for number in range(2):
        child = os.fork()
        if child == 0:
            try:
                with app.sync.session() as session:
                    session.dispatch(Pay(id=f"child {number}"))
                    assert session.execute(GetPayment(id=f"child {number}"), timeout=60)
            except Exception as error:  # noqa: BLE001 -- the parent's caller reads it
                # One short write is not mixed with the write of the other child.
                os.write(sys.stderr.fileno(), f"{type(error).__name__}: {error}\n".encode())
                sys.exit(1)
            sys.exit()
        children.append(child)
    app.sync.dispatch(Pay(id="second"))
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    app.sync.settle()
    payments = sorted(each.id for each in app.sync.stream(AllPayments()))
    sys.stdout.write("\n".join([str(codes), *payments, ""]))


if __name__ == "__main__":
    main(*sys.argv[1:])

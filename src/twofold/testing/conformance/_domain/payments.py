"""Payments: commands whose effects and results show how often they were handled."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from decimal import Decimal

import anyio.lowlevel
from pydantic import BaseModel

from twofold import Application, Command, Repository, Router, Session
from twofold.middleware import retry_conflicts

from .bank import Account, Deposited


class Receipt(BaseModel):
    """A result with fields of several types."""

    number: int
    balance: Decimal
    at: datetime
    notes: tuple[str, ...]


class Pay(Command[Receipt]):
    """Deposits an amount and returns a receipt with a new number, so that two effects are never equal."""

    account_id: str
    amount: Decimal


class Look(Command["Decimal | None"]):
    """Changes nothing."""

    account_id: str


class PayTwice(Command["tuple[Receipt, Receipt]"]):
    """Dispatches the same payment twice, with one idempotency key."""

    account_id: str
    fail: bool = False


class Crash(Exception):
    """The error that a test raises in a handler or a store."""


def paying(
    *, seen: list[str] | None = None, during: Callable[[], Awaitable[None]] = anyio.lowlevel.checkpoint
) -> Router:
    """Return a router that handles the commands above.

    Args:
        seen: collects the account of each payment whose handler ran, also if it was rolled back.
        during: awaited in the handler, before the deposit is committed.
    """
    router = Router("paying")
    router.use(retry_conflicts(attempts=20))
    seen = [] if seen is None else seen

    @router.command_handler(Pay)
    async def pay(command: Pay, accounts: Repository[Account]) -> Receipt:
        seen.append(command.account_id)
        number = len(seen)
        account = await accounts.get(command.account_id)
        account.record(Deposited(account_id=account.id, amount=command.amount))
        await during()
        return Receipt(number=number, balance=account.balance, at=datetime.now(UTC), notes=("naïve ☕", ""))

    @router.command_handler(Look)
    async def look(command: Look, accounts: Repository[Account]) -> Decimal | None:
        account = await accounts.find(command.account_id)
        return None if account is None else account.balance

    @router.command_handler(PayTwice)
    async def pay_twice(command: PayTwice, session: Session) -> tuple[Receipt, Receipt]:
        payment = Pay(account_id=command.account_id, amount=Decimal("2.50"))
        pair = (
            await session.dispatch(payment, idempotency_key="k"),
            await session.dispatch(payment, idempotency_key="k"),
        )
        if command.fail:
            raise Crash
        return pair

    return router


async def balance(app: Application, account: str = "a") -> Decimal | None:
    """Return the balance in the write model."""
    return await app.dispatch(Look(account_id=account))


PAY = Pay(account_id="a", amount=Decimal("2.50"))

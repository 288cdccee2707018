"""Payments: commands whose effects and results tell whether they happened once."""

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
    """A result of several types."""

    number: int
    balance: Decimal
    at: datetime
    notes: tuple[str, ...]


class Pay(Command[Receipt]):
    """Deposits an amount and gives a receipt with a number of its own, so that two effects never look like one."""

    account_id: str
    amount: Decimal


class Look(Command["Decimal | None"]):
    """Changes nothing."""

    account_id: str


class PayTwice(Command["tuple[Receipt, Receipt]"]):
    """Dispatches the same payment twice, with one key."""

    account_id: str
    fail: bool = False


class Crash(Exception):
    """What a test makes a handler or a store raise."""


def paying(
    *, seen: list[str] | None = None, during: Callable[[], Awaitable[None]] = anyio.lowlevel.checkpoint
) -> Router:
    """Return a module that handles the commands above.

    Args:
        seen: gets the account of each payment whose handler ran, also of those that were rolled back.
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
    """Return the balance as the write side has it."""
    return await app.dispatch(Look(account_id=account))


PAY = Pay(account_id="a", amount=Decimal("2.50"))

"""Aggregates for the suite about state."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from typing import cast

from pydantic import BaseModel

from twofold._definitions.aggregate import Aggregate
from twofold.ports import WriteStore

from .._tools.opened import reading, writing


class Kind(Enum):
    """The kind of an account."""

    SAVINGS = "savings"
    CURRENT = "current"


class Address(BaseModel):
    """A nested model of an account."""

    street: str
    since: date


class Account(Aggregate, name="conformance_account"):
    """An aggregate whose state has fields of many types."""

    id: str
    balance: Decimal
    opened: datetime
    kind: Kind
    address: Address
    former: tuple[Address, ...]
    tags: list[str]
    limits: dict[str, Decimal]
    closed: date | None
    saves: int


class Other(Aggregate, name="conformance_other"):
    """A second aggregate type."""

    id: str
    text: str


class Counted(Aggregate, name="conformance_counter"):
    """An aggregate as an older release stored it."""

    id: str
    count: str


class Counter(Aggregate, name="conformance_counter"):
    """The same aggregate in a release in which the field is a number."""

    id: str
    count: int


class OldFee(BaseModel):
    """A nested model as an older release defines it."""

    amount: Decimal = Decimal("1.00")


class NewFee(BaseModel):
    """The same model in a release with another default, and with one more field."""

    amount: Decimal = Decimal("2.00")
    currency: str = "EUR"


class OldTariff(Aggregate, name="conformance_tariff"):
    """An aggregate as an older release stored it."""

    id: str
    fee: OldFee


class NewTariff(Aggregate, name="conformance_tariff"):
    """The same aggregate in the later release."""

    id: str
    fee: NewFee


class Taken(Aggregate, name="conformance_taken"):
    """An aggregate without a field other than its id."""

    id: str


def account(id: str = "1", *, saves: int = 0) -> Account:
    """Return a new account."""
    made = Account()
    made.id, made.saves = id, saves
    made.balance = Decimal("2.50")
    made.opened = datetime(2024, 2, 29, 23, 59, 59, 999999, tzinfo=UTC)
    made.kind = Kind.CURRENT
    made.address = Address(street="Große Straße 東京", since=date(2024, 2, 29))
    made.former = made.address, Address(street="", since=date(1, 1, 1))
    made.tags = ["b", "a"]
    made.limits = {"ä": Decimal("12345678901234567890.0123456789"), "": Decimal("1E+3")}
    made.closed = None
    return made


async def load(store: WriteStore, id: str = "1") -> tuple[Account, int] | None:
    """Return the committed account and its version."""
    async with reading(store) as transaction:
        found = await transaction.state(Account).load(id)
    return None if found is None else (cast(Account, found.aggregate), found.version)


async def insert(store: WriteStore, made: Account) -> None:
    """Commit a new account."""
    async with writing(store) as transaction:
        await transaction.state(Account).insert(made.id, made)


async def version(store: WriteStore, id: str = "1") -> int | None:
    """Return the committed version."""
    async with reading(store) as transaction:
        return await transaction.state(Account).version(id)


async def save_again(store: WriteStore, id: str = "1") -> None:
    """Load an account, change it and commit it."""
    async with writing(store) as transaction:
        state = transaction.state(Account)
        found = await state.load(id)
        assert found is not None
        changed = cast(Account, found.aggregate)
        changed.saves += 1
        await state.update(id, changed, expected=found.version)

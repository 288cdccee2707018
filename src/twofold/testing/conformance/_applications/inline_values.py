"""Inline projections see the events as they are stored, and so do asynchronous projections."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID, uuid4

from pydantic import BaseModel, Field

from twofold import Command, Event, ReadModel, Router, UnitOfWork, View, on

from .._domain.audit import running, settled
from .._tools.opened import NewStore, reading


class ByCard(BaseModel):
    kind: Literal["card"] = "card"
    id: UUID = Field(default_factory=uuid4)


class ByTransfer(BaseModel):
    kind: Literal["transfer"] = "transfer"
    reference: str = "none"


class Paid(Event, name="suite.paid"):
    amount: Decimal
    way: Annotated[ByCard | ByTransfer, Field(discriminator="kind")]
    parts: tuple[ByCard, ...] = Field(default_factory=lambda: (ByCard(), ByCard()))
    by: dict[str, frozenset[int]] = Field(default_factory=dict)
    id: UUID = Field(default_factory=uuid4)
    note: Any = None


class Pay(Command[None]):
    payments: tuple[Paid, ...]


class SeenInline(View, name="suite_seen_inline", key="id"):
    id: str
    seen: str


class SeenLater(View, name="suite_seen_later", key="id"):
    id: str
    seen: str


PAYMENTS = (
    Paid(amount=Decimal("9.90"), way=ByCard()),
    Paid(amount=Decimal("1E+3"), way=ByTransfer(), by={"b": frozenset({2, 1}), "a": frozenset()}),
    Paid(amount=Decimal(0), way=ByTransfer(reference="é\n\u2028"), parts=(), note={"a": [1, None, 0.5]}),
)


def payments() -> Router:
    """Return a router with one projection that is inline, and one that is not. Both write what they see."""
    router = Router("payments")

    @router.command_handler(Pay)
    async def pay(command: Pay, unit: UnitOfWork) -> None:
        for event in command.payments:
            unit.record(event, stream=f"payment-{event.id}")

    @router.projection("suite_seen_inline", mode="inline")
    class Inline:
        @on(Paid)
        async def paid(self, event: Paid, rows: ReadModel[SeenInline]) -> None:
            await rows.put(SeenInline(id=str(event.id), seen=repr(event)))

    @router.projection("suite_seen_later")
    class Later:
        @on(Paid)
        async def paid(self, event: Paid, rows: ReadModel[SeenLater]) -> None:
            await rows.put(SeenLater(id=str(event.id), seen=repr(event)))

    return router


class InlineValues:
    """The promises about the events that inline projections see. Needs the fixture `new_store`."""

    async def test_it_sees_what_an_asynchronous_projection_sees(self, new_store: NewStore) -> None:
        """Generated ids, nested defaults and the digits of decimals are those of the stored event, in both projections."""
        async with new_store([SeenInline, SeenLater]) as store, running(store, payments()) as app:
            await app.dispatch(Pay(payments=PAYMENTS))
            await settled(app)
            ids = [str(each.id) for each in PAYMENTS]
            async with reading(store) as transaction:
                inline = await transaction.rows(SeenInline).get_many(ids)
                later = await transaction.rows(SeenLater).get_many(ids)
            assert _seen(ids, inline) == _seen(ids, later) == [repr(each) for each in PAYMENTS]


def _seen(ids: Sequence[str], rows: Mapping[object, Any]) -> list[str | None]:
    return [rows[each].seen if each in rows else None for each in ids]

"""The payloads of parked events, as operators see and replace them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from pydantic import BaseModel, SecretStr, field_serializer

from twofold import Application, Command, Event, ParkedDetails, Retry, UnitOfWork
from twofold.errors import UndecodableEvent
from twofold_memory import InMemory


class Card(BaseModel):
    owner: str
    number: SecretStr

    @field_serializer("number")
    def stored(self, number: SecretStr) -> str:
        """Store the number in the clear."""
        return number.get_secret_value()


class Paid(Event, name="payloads.paid"):
    order: str
    cards: list[Card]
    amount: int = 1


class Pay(Command[None]):
    order: str


@pytest.fixture
def anyio_backend() -> str:
    """Run in memory."""
    return "asyncio"


@asynccontextmanager
async def shop(store: InMemory, handled: list[Paid] | None = None) -> AsyncIterator[Application]:
    """Run an application whose event handler fails, unless it collects the events."""
    app = Application("payloads", write=store)

    @app.command_handler(Pay)
    async def pay(command: Pay, unit: UnitOfWork) -> None:
        cards = [Card(owner="a", number=SecretStr("4711")), Card(owner="b", number=SecretStr("4712"))]
        unit.record(Paid(order=command.order, cards=cards), stream=f"order-{command.order}")

    @app.event_handler(Paid, name="receipt", retry=Retry(attempts=1), partition_by="order")
    async def receipt(event: Paid) -> None:
        if handled is None:
            raise KeyError(event.order)
        handled.append(event)

    async with app:
        yield app


async def parked(app: Application) -> ParkedDetails:
    """Let an event be parked, and return it."""
    await app.dispatch(Pay(order="o1"))
    await app.settle()
    (event,) = await app.operations.parked("receipt")
    return await app.operations.show("receipt", event.key, event.event.id)


async def edit(app: Application, details: ParkedDetails, payload: Mapping[str, Any], **why: str) -> None:
    """Replace the payload of an event."""
    await app.operations.edit("receipt", details.parked.key, details.parked.event.id, payload, **why)


async def test_secrets_are_masked() -> None:
    """A secret is masked wherever it is nested, also if the class stores it in the clear."""
    async with shop(InMemory()) as app:
        details = await parked(app)
    cards = [{"owner": "a", "number": "**********"}, {"owner": "b", "number": "**********"}]
    assert details.payload == {"order": "o1", "cards": cards, "amount": 1}
    assert "4711" in details.parked.event.data
    assert (details.error, details.correlation_id) == ("KeyError", details.causation_id)


async def test_a_mask_stands_for_the_stored_secret() -> None:
    """An edit that keeps a mask keeps the secret. Another text replaces it."""
    store, handled = InMemory(), list[Paid]()
    async with shop(store) as app:
        details = await parked(app)
        first, second = details.payload["cards"]
        await edit(app, details, {**details.payload, "amount": 5, "cards": [first, {**second, "number": "9"}]})
    async with shop(store, handled) as app:
        assert await app.operations.retry("receipt", "o1") == []
    (event,) = handled
    assert (event.amount, [card.number.get_secret_value() for card in event.cards]) == (5, ["4711", "9"])


async def test_the_payload_of_an_unknown_event_is_masked() -> None:
    """Without the class of an event, nothing tells secrets from others. Its payload cannot be replaced."""
    store = InMemory()
    async with shop(store) as app:
        details = await parked(app)
    later = Application("payloads", write=store)

    @later.event_handler(Event, name="receipt")
    async def receipt(event: Event) -> None: ...

    async with later:
        later._started().log.event_types.by_name.pop("payloads.paid", None)
        masked = await later.operations.show("receipt", "o1", details.parked.event.id)
        assert set(masked.payload.values()) == {"**********"}
        with pytest.raises(UndecodableEvent, match=r"no event class 'payloads\.paid'"):
            await edit(later, details, details.payload)


async def test_a_refused_payload_is_not_quoted() -> None:
    """The error for a payload that the class refuses names the field and not its value, which may be a secret."""
    async with shop(InMemory()) as app:
        details = await parked(app)
        with pytest.raises(ValueError, match="'amount'") as caught:
            await edit(app, details, {**details.payload, "amount": "hunter2"})
    assert "hunter2" not in str(caught.value)


async def test_an_edit_keeps_the_ordering_key() -> None:
    """A payload with another ordering key is refused: the event would belong among other events."""
    async with shop(InMemory()) as app:
        details = await parked(app)
        with pytest.raises(ValueError, match="'order' is the ordering key of the event, 'o1'"):
            await edit(app, details, {**details.payload, "order": "o2"})


@pytest.mark.parametrize("why", [{"by": "x" * 501}, {"reason": "a\0"}, {"by": "\ud800"}])
async def test_texts_that_cannot_be_stored_are_refused(why: Mapping[str, str]) -> None:
    """The texts of an edit, `by` and `reason`, are texts that every store can keep."""
    async with shop(InMemory()) as app:
        details = await parked(app)
        with pytest.raises(ValueError, match="at most 500 characters"):
            await edit(app, details, details.payload, **why)


async def test_an_unknown_event_is_not_shown() -> None:
    """An event that is not parked is reported with the events of its key that are."""
    async with shop(InMemory()) as app:
        details = await parked(app)
        assert details.causation_id is not None
        with pytest.raises(LookupError, match="cannot show the event") as caught:
            await app.operations.show("receipt", "o1", details.causation_id)
        assert str(details.parked.event.id) in str(caught.value)
        with pytest.raises(LookupError, match="cannot show 'o9'"):
            await app.operations.show("receipt", "o9", details.parked.event.id)

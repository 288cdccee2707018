"""What JSON masks, or has no JSON, is found before it is stored: nobody reads asterisks where a secret was."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple

import pytest
from pydantic import (
    BaseModel,
    Field,
    PlainSerializer,
    Secret,
    SecretBytes,
    SecretStr,
    field_serializer,
    model_serializer,
)
from typing_extensions import TypedDict

from twofold import Aggregate, Application, Command, Event, Query, ReadModel, Repository, UnitOfWork, View, on
from twofold._encoding.secrets import masked, masks
from twofold._remote.wire import encode_request
from twofold.errors import ConfigurationError, EventNotRecordable, NotSchedulable, WiringError
from twofold_memory import InMemory, InMemoryTransport

Revealed = Annotated[SecretStr, PlainSerializer(lambda value: value.get_secret_value())]


class Card(BaseModel):
    number: SecretStr
    replaced: Card | None = None


@dataclass
class Pinned:
    pin: SecretBytes


class Pair(NamedTuple):
    left: str
    right: SecretStr


class Typed(TypedDict):
    code: Secret[int]


class Paid(Event, name="secrets.paid"):
    cards: list[Card]


class Said(Event, name="secrets.said"):
    what: object


class Buy(Command[None], name="secrets.buy"):
    what: object = 1


class Ask(Query[str]):
    number: int = 1


class Tell(Query[Card], name="secrets.tell"):
    card: Card | None = None


class Row(View, name="secrets_row", key="id"):
    id: str
    token: SecretStr | None


class Account(Aggregate, name="secret_account"):
    id: str
    password: SecretStr


class Snapped(Account, name="secret_snapped", snapshot_every=10):
    @on(Said)
    def said(self, event: Said) -> None: ...


def found(app: Application) -> str:
    """Return the faults of an application, all of them in this file."""
    with pytest.raises(WiringError) as caught:
        app.check()
    assert all(fault.file == __file__ and fault.line for fault in caught.value.faults)
    return "\n".join(fault.message for fault in caught.value.faults)


@pytest.fixture
def app() -> Application:
    """Give an application without handlers."""
    return Application("secrets", write=InMemory())


def test_secrets_are_found_wherever_they_are() -> None:
    """In nested models, containers, dataclasses, tuples and typed dictionaries, and in a model that has itself in it."""

    class Everything(BaseModel):
        plain: str
        maybe: SecretStr | None
        many: dict[str, list[SecretStr]]
        card: Card
        pinned: tuple[Pinned, ...]
        pair: Pair
        typed: Typed
        number: Secret[int]

    assert masked(Everything) == ["maybe", "many", "card.number", "pinned.pin", "pair.right", "typed.code", "number"]
    assert masks(list[Card])
    assert not masks(list[str])


def test_a_serializer_of_the_users_own_decides() -> None:
    """Whoever says in which form a secret is stored has it stored so."""

    class Own(BaseModel):
        named: SecretStr
        annotated: Revealed
        inside: list[Revealed]
        left_out: SecretStr = Field(default=SecretStr(""), exclude=True)

        @field_serializer("named")
        def reveal(self, value: SecretStr) -> str:
            return value.get_secret_value()

    class Whole(BaseModel):
        named: SecretStr

        @model_serializer
        def reveal(self) -> dict[str, str]:
            return {"named": self.named.get_secret_value()}

    assert masked(Own) == []
    assert masked(Whole) == []


def test_an_event_with_a_secret(app: Application) -> None:
    """An event whose secret would be lost in the log is a fault where its class is."""

    @app.event_handler(Paid, name="r")
    async def react(event: Paid) -> None: ...

    assert "the event Paid would be stored without its secrets: cards.number would come back" in found(app)


def test_a_view_with_a_secret(app: Application) -> None:
    """So is a view."""

    @app.projection("rows")
    class Rows:
        def __init__(self, rows: ReadModel[Row]) -> None: ...

        @on(Said)
        async def said(self, event: Said) -> None: ...

    assert "the rows of Row would be stored without their secrets: token would" in found(app)


def test_the_state_of_an_aggregate_with_a_secret(app: Application) -> None:
    """So is an aggregate that is kept as its state."""

    @app.command_handler(Buy)
    async def buy(command: Buy, accounts: Repository[Account]) -> None: ...

    assert "cannot keep the state of Account with its secrets: password would come back" in found(app)


def test_a_snapshot_with_a_secret() -> None:
    """An event-sourced aggregate keeps its state too, where it has snapshots."""
    app = Application("secrets", write=InMemory(), event_sourced=[Snapped])
    with pytest.raises(ConfigurationError, match="cannot keep the state of Snapped with its secrets: password"):
        app.check()


def test_what_is_served_with_a_secret() -> None:
    """What other processes send and are answered with goes through JSON as well."""
    app = Application("secrets", write=InMemory(), transport=InMemoryTransport())
    app.serve(Tell)

    @app.query_handler(Tell)
    async def tell(query: Tell) -> Card:
        return Card(number=SecretStr("7"))

    text = found(app)
    assert "Tell is served and would be sent without its secrets: card.number" in text
    assert "Tell is served, and its result contains secrets" in text


@pytest.mark.parametrize(
    ("what", "text"),
    [
        (SecretStr("7"), r"cannot record Said: its field\(s\) what would come back masked"),
        ({"deep": [SecretStr("7")]}, "what would come back masked"),
        (iter, "cannot record Said: its field 'what' has no JSON"),
    ],
)
async def test_an_event_that_cannot_be_kept_is_not_recorded(app: Application, what: Any, text: str) -> None:
    """What `check` cannot see is refused before the commit, with the class and the field; nothing is written."""

    @app.command_handler(Buy)
    async def buy(command: Buy, unit: UnitOfWork) -> None:
        unit.record(Said(what="first"))
        unit.record(Said(what=command.what))

    async with app:
        with pytest.raises(EventNotRecordable, match=text):
            await app.dispatch(Buy(what=what))
        assert await app.write.log.head() == 0


async def test_asterisks_are_no_secret(app: Application) -> None:
    """A text that looks like a mask is a text."""

    @app.command_handler(Buy)
    async def buy(command: Buy, unit: UnitOfWork) -> None:
        unit.record(Said(what="**********"))

    async with app:
        await app.dispatch(Buy())
        assert await app.write.log.head() == 1


@pytest.mark.parametrize("what", [SecretStr("7"), iter])
def test_a_command_that_cannot_be_sent(what: Any) -> None:
    """A command for another process is refused with its class and field."""
    with pytest.raises(ConfigurationError, match=r"cannot send Buy: its field.*what"):
        encode_request(Buy(what=what), None, "")


async def test_a_command_that_cannot_be_scheduled(app: Application) -> None:
    """So is one for later."""
    app.command_handler(Buy)(lambda command: None)
    async with app:
        with pytest.raises(NotSchedulable, match="cannot schedule Buy: its field 'what' has no JSON"):
            await app.session().schedule(Buy(what=iter), at=app.clock.now())

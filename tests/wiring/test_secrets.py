"""Masked values and values without JSON are found before they are stored, so that no secret is replaced by asterisks."""

from __future__ import annotations

import json
from dataclasses import dataclass
from traceback import format_exception
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
    field_validator,
    model_serializer,
)
from typing_extensions import TypedDict

from twofold import Aggregate, Application, Command, Event, Query, ReadModel, Repository, UnitOfWork, View, on
from twofold._encoding.fingerprint import fingerprint
from twofold._encoding.secrets import masked, masks
from twofold._encoding.wire_types import WireTypes
from twofold._remote.wire import encode_request
from twofold.errors import (
    ConfigurationError,
    EventNotRecordable,
    NotSchedulable,
    NotStorable,
    UndecodableCommand,
    WiringError,
)
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
    """If the user's serializer defines the form of a secret, the secret is stored in this form."""

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
    """A state-stored aggregate with a secret is refused, too."""

    @app.command_handler(Buy)
    async def buy(command: Buy, accounts: Repository[Account]) -> None: ...

    assert "cannot store the state of Account with its secrets: password would come back" in found(app)


def test_a_snapshot_with_a_secret() -> None:
    """An event-sourced aggregate keeps its state too, where it has snapshots."""
    app = Application("secrets", write=InMemory(), event_sourced=[Snapped])
    with pytest.raises(ConfigurationError, match="cannot store the state of Snapped with its secrets: password"):
        app.check()


def test_a_served_message_with_a_secret() -> None:
    """Messages from other processes and their replies are encoded as JSON as well."""
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
        (SecretStr("7"), "cannot record Said: the field 'what' is a secret, and would come back masked"),
        ({"deep": [SecretStr("7")]}, "the field 'what.deep.0' is a secret"),
        (iter, "cannot record Said: the field 'what' is <built-in function iter>.*which has no JSON"),
    ],
)
async def test_an_event_that_cannot_be_kept_is_not_recorded(app: Application, what: Any, text: str) -> None:
    """A value that `check` cannot examine is refused before the commit, with class and field. Nothing is written."""

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
    with pytest.raises(NotStorable, match="cannot send Buy: the field 'what' is"):
        encode_request(Buy(what=what), None, "")


async def test_a_command_that_cannot_be_scheduled(app: Application) -> None:
    """So is one for later."""
    app.command_handler(Buy)(lambda command: None)
    async with app:
        with pytest.raises(NotSchedulable, match=r"cannot schedule Buy: the field 'what' is .*which has no JSON"):
            await app.session().schedule(Buy(what=iter), at=app.clock.now())


async def test_an_idempotency_key_distinguishes_secrets() -> None:
    """Two commands that differ only in a secret are two commands for an idempotency key."""

    class Login(Command[None]):
        password: SecretStr

    one, other = Login(password=SecretStr("a")), Login(password=SecretStr("b"))
    assert await fingerprint(one, "k") == await fingerprint(Login(password=SecretStr("a")), "k")
    assert await fingerprint(one, "k") != await fingerprint(other, "k")


class Reset(Command[None], name="secrets.reset"):
    password: Revealed
    user: str

    @field_validator("user")
    @classmethod
    def known(cls, user: str) -> str:
        """Refuse a user with a text that quotes it."""
        if user == "hunter2":
            raise ValueError(f"{user} is unknown")
        return user


@pytest.mark.parametrize(
    "data",
    [
        {"password": "hunter2"},
        {"pass": "hunter2", "user": "a"},
        {"password": ["hunter2"], "user": "a"},
        {"password": "b", "user": "hunter2"},
    ],
)
def test_the_error_for_stored_data_that_does_not_fit_has_no_values(data: dict[str, Any]) -> None:
    """The error and its traceback reach log lines, `health()` and other applications. They name the fields."""
    commands = WireTypes[Command[Any]]("command", UndecodableCommand)
    commands.add(Reset)
    with pytest.raises(UndecodableCommand, match=r"Reset refuses its data: the field '(user|password)'") as caught:
        commands.decode("secrets.reset", 1, json.dumps(data))
    assert "hunter2" not in "".join(format_exception(caught.value))


def test_an_error_names_few_fields() -> None:
    """A message of another application may have many fields."""
    commands = WireTypes[Command[Any]]("command", UndecodableCommand)
    commands.add(Reset)
    with pytest.raises(UndecodableCommand, match="and 992 more") as caught:
        commands.decode("secrets.reset", 1, json.dumps({f"field {number}": 1 for number in range(1_000)}))
    assert len(str(caught.value)) < 2_000

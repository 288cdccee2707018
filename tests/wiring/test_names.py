"""Names that some store or broker could not keep are refused, wherever they are used; the others are accepted."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from decimal import Decimal
from types import new_class
from typing import Any

import pytest

from tests.domains.orders import Place, Placed
from tests.wiring.faults import faults_of
from twofold import Aggregate, Application, Command, Event, Query, ReadModel, Repository, Router, View, on
from twofold.errors import ConfigurationError, InvalidDefinition, InvalidKey, WiringError
from twofold_memory import InMemory, InMemoryTransport

GOOD = ("order", "Order", "order_view", "o1", "select", "group", "x" * 48)
"""Names that are valid everywhere."""

TEXTS = ("order view", "bestellung-größe", "a'b", 'a"b', "a%b", "a:b", "a`b", "{a}", "é" * 200, "名前", "a;--")
"""Names that are valid where a name is a text, and not where a name is an identifier."""

BAD = ("", " ", "a ", " a", "a\nb", "a\0b", "a\udcffb", "x" * 201, "\u202e", "a\tb", None, 7, b"a", ["a"])
"""Names that are valid nowhere."""


def define(base: Any, *fields: str, **arguments: Any) -> Any:
    """Define a class with fields that are texts."""
    body = {"__annotations__": dict.fromkeys(fields, str), "__module__": __name__}
    return new_class("Defined", (base,), arguments, lambda namespace: namespace.update(body))


def app(name: Any = "check", **options: Any) -> Application:
    return Application(name, write=InMemory(), **options)


def as_view(name: Any) -> None:
    define(View, "id", name=name, key="id")


def as_aggregate(name: Any) -> None:
    async def handle(command: Place, things: Any) -> str:
        return ""

    things: Any = Repository
    handle.__annotations__["things"] = things[define(Aggregate, "id", name=name)]
    checked = app()
    checked.command_handler(Place)(handle)
    checked.check()


def as_event(name: Any) -> None:
    if name is None:
        raise InvalidDefinition("None is the absence of a name")
    define(Event, name=name)


def as_projection(name: Any) -> None:
    class Views:
        @on(Placed)
        async def placed(self, event: Placed) -> None: ...

    checked = app()
    checked.projection(name)(Views)
    checked.check()


def as_event_handler(name: Any) -> None:
    async def handle(event: Placed) -> None: ...

    checked = app()
    checked.event_handler(Placed, name=name)(handle)
    checked.check()


def as_relay(name: Any) -> None:
    checked = app(transport=InMemoryTransport())
    checked.relay(Placed, name=name)
    checked.check()


def as_application(name: Any) -> None:
    app(name).check()


def as_router(name: Any) -> None:
    Router(name)


def as_application_with_relay(name: Any) -> None:
    checked = app(name, transport=InMemoryTransport())
    checked.relay(Placed)
    checked.check()


def as_source(name: Any) -> None:
    checked = app(transport=InMemoryTransport())
    checked.consume(Placed, source=name)
    checked.check()


def as_consumer(name: Any) -> None:
    if name is None:
        raise InvalidDefinition("None is the default")
    checked = app(transport=InMemoryTransport())
    checked.consume(Placed, source="shop", consumer=name)
    checked.check()


IDENTIFIERS = (as_view, as_aggregate, as_event, as_application_with_relay, as_source, as_consumer)
LABELS = (as_projection, as_event_handler, as_relay, as_application, as_router)


@pytest.mark.parametrize("use", [*IDENTIFIERS, *LABELS])
@pytest.mark.parametrize("name", GOOD)
def test_plain_names(name: str, use: Callable[[Any], None]) -> None:
    """Letters, digits and underscores are valid everywhere, reserved words too."""
    use(name)


@pytest.mark.parametrize("use", [*IDENTIFIERS, *LABELS])
@pytest.mark.parametrize("name", TEXTS)
def test_texts(name: str, use: Callable[[Any], None]) -> None:
    """Any printable text is the name of a subscription, a router or an application. Other names are identifiers."""
    if use in LABELS:
        use(name)
    else:
        with pytest.raises((InvalidDefinition, WiringError), match="Use"):
            use(name)


@pytest.mark.parametrize("use", [*IDENTIFIERS, *LABELS])
@pytest.mark.parametrize("name", BAD, ids=repr)
def test_names_that_are_valid_nowhere(name: Any, use: Callable[[Any], None]) -> None:
    """No name is empty, too long, invisible or not a text: the class or `check()` refuses it."""
    with pytest.raises(ConfigurationError):
        use(name)


@pytest.mark.parametrize(
    "name",
    ["twofold_events", "Twofold_x", "sqlite_master", "pg_class", "ix_a", "stock__rebuild", "A__REBUILD", "a_pkey"],
)
def test_reserved_names_of_views(name: str) -> None:
    """A view is never named like a table or an index that Twofold or a database derives from another name."""
    with pytest.raises(InvalidDefinition, match=r"cannot name the view Defined .* are reserved"):
        as_view(name)


@pytest.mark.parametrize(
    "field", ["key", "view_name", "view_key", "view_indexes", "model_fields", "model_dump", "model_copy"]
)
def test_fields_that_shadow_attributes_of_views(field: str) -> None:
    """A field with the name of an attribute of `View` is refused, in a base class too, before pydantic warns."""
    with warnings.catch_warnings(), pytest.raises(InvalidDefinition, match=rf"cannot declare '{field}' in \w+.*Rename"):
        warnings.simplefilter("error")
        define(View, "id", field, name="v", key="id")


@pytest.mark.parametrize("base", [Command, Query, Event])
@pytest.mark.parametrize("field", ["message_name", "message_version", "model_fields", "model_dump_json"])
def test_fields_that_shadow_attributes_of_messages(base: type[Any], field: str) -> None:
    """A field with the name of an attribute of `Message` is refused."""
    with pytest.raises(InvalidDefinition, match=f"cannot declare '{field}' in Defined"):
        define(base, field)


@pytest.mark.parametrize("field", ["name", "version", "model_name", "keys", "view", "id", "data", "type", "time"])
def test_fields_that_shadow_nothing(field: str) -> None:
    """Other names of fields are free, in views and in messages."""
    assert field in define(View, "id", field, name="v", key="id").model_fields
    assert field in define(Event, "id", field, name="e").model_fields


@pytest.mark.parametrize(
    "attribute", ["record", "recorded", "begin", "replay", "aggregate_name", "_recorded", "_apply"]
)
def test_attributes_that_shadow_those_of_aggregates(attribute: str) -> None:
    """The state of an aggregate never replaces its methods."""
    with pytest.raises(InvalidDefinition, match=f"cannot declare '{attribute}' in Defined"):
        define(Aggregate, "id", attribute, name="a")


@pytest.mark.parametrize(
    "fields", [("Size", "size"), ("größe", "GRÖSE"), ("é", "e"), ("maß", "mas"), ("xmin",), ("CTID",), ("𠀀",)]
)
def test_fields_that_are_no_columns(fields: tuple[str, ...]) -> None:
    """A view refuses fields that some database would treat as one column, or as a column of the store."""
    with pytest.raises(InvalidDefinition, match=r"cannot declare the view Defined: .*(Rename|Use letters)"):
        define(View, "id", *fields, name="v", key="id")


@pytest.mark.parametrize("tenant", ["", "a\0", "\udcff", "x" * 201, 7])
def test_tenants_that_no_store_can_keep(tenant: Any) -> None:
    """A tenant that is not a text, is empty, too long or cannot be stored is refused when the session is opened."""
    with pytest.raises(InvalidKey, match="as a tenant: "):
        app().session(tenant=tenant)


@pytest.mark.parametrize("texts", [{"a": "\udcff"}, {"\0": "a"}, {"a": 7}])
def test_headers_that_no_store_can_keep(texts: Any) -> None:
    """Headers and the trace context map texts to texts that can be stored."""
    for given in ({"headers": texts}, {"trace": texts}):
        with pytest.raises(InvalidKey, match="Map each str to a str"):
            app().session(**given)


class First(Aggregate, name="account"):
    id: str


class Second(Aggregate, name="account"):
    id: str


class Stock(View, name="stock_row", key="id"):
    id: str


class Loud(View, name="STOCK_ROW", key="id"):
    id: str


class Asked(Query[int], name="asked"): ...


class AskedAgain(Query[int], name="asked"): ...


class Other(Command[None]): ...


@pytest.mark.parametrize("event_sourced", [[], [First], [First, Second]])
def test_two_aggregates_of_one_name(event_sourced: list[type[Aggregate]]) -> None:
    """Two aggregates of one name would load the data of each other, however they are stored."""
    checked = app(event_sourced=event_sourced)

    @checked.command_handler(Place)
    async def first(command: Place, firsts: Repository[First]) -> str:
        return ""

    @checked.command_handler(Other)
    async def second(command: Other, seconds: Repository[Second]) -> None: ...

    assert "two aggregates are named 'account'" in faults_of(checked)


def test_views_whose_names_differ_by_case() -> None:
    """Some databases do not distinguish the tables of such views."""
    checked = app()

    @checked.projection("rows")
    class Rows:
        def __init__(self, stock: ReadModel[Stock], loud: ReadModel[Loud]) -> None: ...
        @on(Placed)
        async def placed(self, event: Placed) -> None: ...

    assert "two views are named 'stock_row' and 'STOCK_ROW'" in faults_of(checked)


@pytest.mark.parametrize(
    ("annotation", "key", "said"),
    [
        (Decimal, "value", "the key is the field 'value': equal decimals"),
        (int | None, "value", "the key is the field 'value': it is optional"),
        (list[int], "value", "the key is the field 'value': its values cannot be compared"),
        (dict[str, int], "id", "the index is the field 'value': its values cannot be compared"),
    ],
)
def test_keys_and_indexes_that_some_store_cannot_have(annotation: Any, key: str, said: str) -> None:
    """Keys and indexes are fields whose values every store compares alike."""
    with pytest.raises(InvalidDefinition, match=said):
        _defined(annotation, key)


def test_a_key_whose_type_is_not_known_at_the_definition() -> None:
    """The key of a view with a type that is defined later is checked when the application starts."""
    rows: Any = ReadModel
    view = _defined("list[Later]", "value")
    view.model_rebuild(_types_namespace={"Later": int})

    class Rows:
        def __init__(self, views: Any) -> None: ...
        @on(Placed)
        async def placed(self, event: Placed) -> None: ...

    Rows.__init__.__annotations__["views"] = rows[view]
    checked = app()
    checked.projection("rows")(Rows)
    with pytest.raises(WiringError, match="the view Defined cannot be stored: the key is the field 'value'"):
        checked.check()


def _defined(annotation: Any, key: str) -> type[View]:
    body = {"__annotations__": {"id": str, "value": annotation}, "__module__": __name__}
    arguments = {"name": "compared", "key": key, "indexes": ["value"]}
    return new_class("Defined", (View,), arguments, lambda namespace: namespace.update(body))


def test_two_queries_of_one_name() -> None:
    """Cached answers and served queries go by the wire name."""
    checked = app()
    for query in (Asked, AskedAgain):

        async def answer(query: Any) -> int:
            return 1

        checked.query_handler(query)(answer)
    assert "two query classes are named 'asked'" in faults_of(checked)


def test_two_upcasters_of_one_version() -> None:
    """Only one of them would run."""
    checked = app()
    checked.upcaster("orders.placed", from_version=1)(lambda fields: fields)
    checked.upcaster("orders.placed", from_version=1)(dict)
    assert "two upcasters convert version 1 of 'orders.placed'" in faults_of(checked)


@pytest.mark.parametrize("name", ["check.shop.0", "check.shop.12.recorded", "twofold.cache.1a2b"])
def test_subscriptions_named_like_other_checkpoints(name: str) -> None:
    """The checkpoints of consumers, and the subscriptions of Twofold, have names of their own."""
    checked = app(transport=InMemoryTransport())
    checked.consume(Placed, source="shop")
    checked.event_handler(Placed, name=name)(_nothing)
    assert f"is named {name!r}" in faults_of(checked)


async def _nothing(event: Placed) -> None: ...

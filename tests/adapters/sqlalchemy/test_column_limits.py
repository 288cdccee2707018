"""Values that a column of the user's table would cut, round or convert."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import pytest
from pydantic import SkipValidation
from sqlalchemy import (
    CHAR,
    BigInteger,
    Column,
    Date,
    DateTime,
    Dialect,
    Float,
    Integer,
    Interval,
    MetaData,
    Numeric,
    SmallInteger,
    String,
    Table,
    Time,
)
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import registry
from sqlalchemy.types import TypeDecorator

from twofold import Aggregate, Application, Command, Event, Repository, on
from twofold.errors import NotStorable
from twofold_sqlalchemy import AggregateRows, ExactDecimal, SqlAlchemy, TableMapping, UtcDateTime


class Upper(TypeDecorator[str]):
    """A text that is converted when it is read only."""

    impl = String(5)
    cache_ok = True

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:
        """Return the stored value."""
        return None if value is None else value.upper()


metadata = MetaData()
COLUMNS: dict[str, Any] = {
    "price": ExactDecimal(9, 2),
    "amount": Numeric(9, 2),
    "name": String(5),
    "small": SmallInteger,
    "number": Integer,
    "big": BigInteger,
    "ratio": Float,
    "at": UtcDateTime,
    "local": DateTime,
    "long": Numeric(20, 0),
    "code": CHAR(3),
    "cents": Numeric(9, 2, asdecimal=False),
    "day": Date,
    "hour": Time,
    "takes": Interval,
    "upper": Upper,
}
products = Table(
    "limited_products",
    metadata,
    Column("id", String(20), primary_key=True),
    Column("version", Integer, nullable=False),
    *(Column(name, kind) for name, kind in COLUMNS.items()),
)
NOW = datetime(2026, 1, 1, tzinfo=UTC)

KEPT: list[tuple[str, Any]] = [
    ("price", Decimal("9.90")),
    ("price", Decimal("9.9")),
    ("price", Decimal("1234567.00")),
    ("amount", Decimal("9.90")),
    ("name", "🚲äöüß"),
    ("small", -(2**15)),
    ("number", 2**31 - 1),
    ("big", -(2**63)),
    ("ratio", 0.1),
    ("at", NOW),
    ("local", datetime(2026, 1, 1, 12)),  # noqa: DTZ001 -- the column has no time zone
    ("code", "EUR"),
    ("cents", 9.9),
    ("day", NOW.date()),
    ("hour", time(1, 2, 3)),
    ("takes", timedelta(hours=-1)),
    ("upper", "ABC"),
]
REFUSED: list[tuple[str, Any]] = [
    ("price", Decimal("9.999")),
    ("price", Decimal("12345678.00")),
    ("price", Decimal("NaN")),
    ("amount", Decimal("9.999")),
    ("amount", Decimal("1E+9")),
    ("name", "123456"),
    ("name", "a\0"),
    ("name", "\ud800"),
    ("small", 2**15),
    ("number", 2**31),
    ("big", 2**63),
    ("ratio", float("nan")),
    ("ratio", float("-inf")),
    ("at", datetime(2026, 1, 1)),  # noqa: DTZ001 -- the time zone is missing on purpose
    ("local", NOW),
    ("local", datetime(2026, 1, 1, fold=1)),  # noqa: DTZ001 -- the column has no time zone
    ("code", "EURO"),
    ("cents", 9.999),
    ("cents", float("inf")),
    ("day", NOW),
    ("hour", time(1, tzinfo=UTC)),
    ("upper", "ABCDEF"),
]
ONLY: dict[str, list[tuple[str, Any]]] = {
    "sqlite": [("long", Decimal(2**60)), ("takes", timedelta.max)],
    "postgresql": [("code", "EU")],
    "mariadb": [
        ("code", "EU "),
        ("ratio", 0.123456789),
        ("local", datetime(2026, 1, 1, 12, 0, 0, 1)),  # noqa: DTZ001 -- the column has no time zone
        ("hour", time(1, 2, 3, 4)),
        ("takes", timedelta(microseconds=1)),
        ("takes", timedelta.max),
    ],
}
"""Values that one database would change. Other databases keep them."""


class Offered(Event, name="limits.offered"):
    """A product was offered."""

    id: str


class Product(Aggregate, name="limits_product"):
    """A product whose fields are set by the handler."""

    id: str
    values: dict[str, Any]

    @on(Offered)
    def _offered(self, event: Offered) -> None:
        self.id, self.values = event.id, {}


class ProductTables(TableMapping[Product]):
    """One column for each field."""

    root, version = products, products.c.version

    def to_rows(self, product: Product) -> AggregateRows:
        return AggregateRows({"id": product.id, **product.values})

    def from_rows(self, rows: AggregateRows) -> Product:
        product = Product.replay()
        product.id, product.values = rows.root["id"], {name: rows.root[name] for name in COLUMNS}
        return product


class MappedProduct(Aggregate, name="limits_product"):
    """The same product, mapped by the ORM."""

    if TYPE_CHECKING:
        id: str

    @on(Offered)
    def _offered(self, event: Offered) -> None:
        self.id = event.id

    @property
    def values(self) -> dict[str, Any]:
        """The fields by their names."""
        return {name: getattr(self, name) for name in COLUMNS}

    @values.setter
    def values(self, values: dict[str, Any]) -> None:
        for name, value in values.items():
            setattr(self, name, value)


registry(metadata=metadata).map_imperatively(MappedProduct, products, version_id_col=products.c.version)


class Offer(Command[None]):
    """Offer a product with one field."""

    id: str
    field: str
    value: Annotated[Any, SkipValidation]


class Change(Offer):
    """Change one field of a product."""


class Look(Command[object]):
    """Return a field."""

    id: str
    field: str


def application(store: SqlAlchemy, kind: type[Any]) -> Application:
    """Return an application that stores products of a class."""
    app = Application("limits", write=store)

    async def offer(command: Offer, products: Any) -> None:
        product = kind.begin(Offered(id=command.id))
        product.values = {command.field: command.value}
        await products.add(product)

    async def change(command: Change, products: Any) -> None:
        (await products.get(command.id)).values = {command.field: command.value}

    async def look(command: Look, products: Any) -> object:
        return (await products.get(command.id)).values[command.field]

    handlers: tuple[tuple[Any, Any], ...] = ((offer, Offer), (change, Change), (look, Look))
    generic: Any = Repository
    for handler, message in handlers:
        handler.__annotations__["products"] = generic[kind]
        app.command_handler(message)(handler)
    return app


class TestColumnLimits:
    """Every database gives the same answer, for a table mapping and for the ORM, unless its columns differ."""

    kinds = ("sqlite", "postgresql", "mariadb")

    @pytest.fixture(params=[Product, MappedProduct])
    async def app(self, kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Application]:
        """Run the application on an empty database."""
        url = f"sqlite+aiosqlite:///{tmp_path / 'limits.db'}"
        if kind != "sqlite":
            url = request.getfixturevalue(f"{'mysql' if kind == 'mariadb' else kind}_url")
        engine = create_async_engine(url)
        app = application(SqlAlchemy(engine, state={Product: ProductTables()}), request.param)
        async with engine.begin() as connection:
            await connection.run_sync(metadata.create_all)
        await app.create_schema()
        async with app:
            yield app
        await engine.dispose()

    async def test_a_value_that_fits_comes_back(self, app: Application, kind: str) -> None:
        """A value that its column can store comes back equal. `ExactDecimal` keeps trailing zeros."""
        others = [value for name, values in ONLY.items() if name != kind for value in values]
        kept = KEPT + [value for value in others if value not in ONLY[kind]]
        for number, (field, value) in enumerate(kept):
            await app.dispatch(Offer(id=str(number), field=field, value=value))
            found = await app.dispatch(Look(id=str(number), field=field))
            assert found == value, field
            assert field != "price" or str(found) == str(value)

    async def test_a_value_that_does_not_fit_is_refused(self, app: Application, kind: str) -> None:
        """A value that its column would change is refused with the field and the value, and nothing is written."""
        await app.dispatch(Offer(id="kept", field="name", value="a"))
        for field, value in REFUSED + ONLY[kind]:
            named = rf"limits_product-\w+.*limited_products\.{field} is"
            with pytest.raises(NotStorable, match=named):
                await app.dispatch(Offer(id="new", field=field, value=value))
            with pytest.raises(NotStorable, match=named):
                await app.dispatch(Change(id="kept", field=field, value=value))
        assert await app.write.log.head() == 1
        assert await app.dispatch(Look(id="kept", field="name")) == "a"

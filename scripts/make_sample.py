"""Create the data of the orders example. The same seed creates the same files.

- `sample.csv`: invoices like those of a real shop, including dirty rows.
- `products.csv` and `customers.csv`: the products and customers of these invoices.

python scripts/make_sample.py
"""

from __future__ import annotations

import csv
import random
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path

COLUMNS = ("InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Country")
COUNTRIES = ("United Kingdom", "France", "Germany", "Norway", "Österreich")
THINGS = ("Lantern", "Teapot", "Blanket", "Candle", "Clock", "Basket", "Mirror", "Notebook", "Lamp", "Tray")
LOOKS = ("Red", "Blue", "Wooden", "Glass", "Striped", "Tiny", "Vintage", "Paper")
FIRST_NAMES = ("Ada", "Bela", "Carla", "David", "Elif", "Frida")
LAST_NAMES = ("Berg", "Costa", "Dubois", "Novak", "Okafor")
STREETS = ("Harbour Street", "Mill Lane", "Station Road")
CITIES = ("Bristol", "Lyon", "Bremen", "Bergen", "Linz")
PAYMENTS = ("card", "invoice", "transfer")
INVOICES = 300
FIRST_CUSTOMER, LAST_CUSTOMER = 12345, 12374
FOLDER = Path(__file__).parents[1] / "examples" / "orders"


def new_products(source: random.Random) -> list[tuple[str, str, str]]:
    """Return the id, the name and the price of each product."""
    return [
        (f"{20000 + n}", f"{look} {thing}", f"{source.randint(25, 2500) / 100:.2f}")
        for n, (look, thing) in enumerate((look, thing) for look in LOOKS for thing in THINGS)
    ]


def customers() -> list[tuple[object, ...]]:
    """Return the rows of the customer directory."""
    names = [f"{first} {last}" for first in FIRST_NAMES for last in LAST_NAMES]
    return [
        (
            number,
            name,
            f"{number % 90 + 1} {STREETS[number % 3]}",
            CITIES[number % 5],
            COUNTRIES[number % 5],
            PAYMENTS[number % 3],
        )
        for number, name in zip(range(FIRST_CUSTOMER, LAST_CUSTOMER + 1), names, strict=True)
    ]


def rows(source: random.Random, products: Sequence[tuple[str, str, str]]) -> list[tuple[str, ...]]:
    """Return the rows of the sample, including dirty rows."""
    made: list[tuple[str, ...]] = []
    time = datetime(2025, 3, 3, 8, 0)  # noqa: DTZ001 -- the file's times have no zone
    for number in range(100_000, 100_000 + INVOICES):
        time += timedelta(minutes=source.randint(2, 25))
        kind = source.random()
        invoice = f"C{number}" if kind < 0.06 else f"A{number}" if kind < 0.07 else f"{number}"
        customer = "" if source.random() < 0.08 else f"{source.randint(FIRST_CUSTOMER, LAST_CUSTOMER)}.0"
        country = source.choice(COUNTRIES)
        for code, name, price in source.sample(products, source.randint(1, 12)):
            quantity = source.randint(-3, 0) if source.random() < 0.01 else source.randint(1, 24)
            cost = "0.00" if source.random() < 0.01 else price
            made.append((invoice, code, name, f"{quantity}", f"{time:%Y-%m-%d %H:%M:%S}", cost, customer, country))
    made.insert(57, (made[57][0], "20001", "a row that was cut", "3"))
    made.insert(
        140, (made[140][0], "20002", "Blue Lantern", "many", "2025-03-03 09:00:00", "1.25", "12350.0", "France")
    )
    return made


def write(name: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    with (FOLDER / name).open("w", newline="", encoding="utf-8") as target:
        csv.writer(target, lineterminator="\n").writerows([columns, *rows])


def main() -> None:
    source = random.Random(2025)
    products = new_products(source)
    write("sample.csv", COLUMNS, rows(source, products))
    images = [(*product, f"https://shop.example/images/{product[0]}.jpg") for product in products]
    write("products.csv", ("product_id", "name", "unit_price", "image"), images)
    write("customers.csv", ("user_id", "name", "street", "city", "country", "payment"), customers())


if __name__ == "__main__":
    main()

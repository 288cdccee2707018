"""Make `sample.csv`: invoices like those of a real shop, dirty rows included. The same seed makes the same file.

python scripts/make_sample.py
"""

from __future__ import annotations

import csv
import random
from datetime import datetime, timedelta
from pathlib import Path

COLUMNS = ("InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Country")
COUNTRIES = ("United Kingdom", "France", "Germany", "Norway", "Österreich")
THINGS = ("Lantern", "Teapot", "Blanket", "Candle", "Clock", "Basket", "Mirror", "Notebook", "Lamp", "Tray")
LOOKS = ("Red", "Blue", "Wooden", "Glass", "Striped", "Tiny", "Vintage", "Paper")
INVOICES = 300
SAMPLE = Path(__file__).parents[1] / "examples" / "orders" / "sample.csv"


def rows(source: random.Random) -> list[tuple[str, ...]]:
    """Return the rows of the sample, the dirty ones among them."""
    products = [
        (f"{20000 + n}", f"{look} {thing}", f"{source.randint(25, 2500) / 100:.2f}")
        for n, (look, thing) in enumerate((look, thing) for look in LOOKS for thing in THINGS)
    ]
    made: list[tuple[str, ...]] = []
    time = datetime(2025, 3, 3, 8, 0)  # noqa: DTZ001 -- the file's times have no zone
    for number in range(100_000, 100_000 + INVOICES):
        time += timedelta(minutes=source.randint(2, 25))
        kind = source.random()
        invoice = f"C{number}" if kind < 0.06 else f"A{number}" if kind < 0.07 else f"{number}"
        customer = "" if source.random() < 0.08 else f"{source.randint(12345, 12374)}.0"
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


if __name__ == "__main__":
    with SAMPLE.open("w", newline="", encoding="utf-8") as target:
        writer = csv.writer(target, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(rows(random.Random(2025)))

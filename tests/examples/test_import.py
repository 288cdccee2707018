"""The orders example on files: a small one, a damaged one, and the real orders."""

from __future__ import annotations

import csv
import gzip
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import pytest

from orders.composition import running
from orders.csv_rows import COLUMNS, NotAnOrderFile
from orders.domain import Order
from orders.figures import Figures, GetFigures
from orders.importing import import_orders
from orders.read_side import GetOrder, ListUserOrders, OrderStatistics
from twofold import Application, Query, Repository, Router
from twofold.testing.conformance._tools.in_time import CEILING

ROOT = Path(__file__).resolve().parents[2]
REAL = ROOT.parent / "shared" / "data" / "online_retail_2010-12_2011-01.csv.gz"


class Extent(NamedTuple):
    """A number of the real rows, from the first one on, and the figures of their orders."""

    rows: int
    figures: Figures

    def written(self, folder: Path) -> Path:
        """Write the rows into a file."""
        with gzip.open(REAL, "rb") as source:
            file = folder / "real.csv"
            file.write_bytes(b"".join(islice(source, 1 + self.rows)))
        return file


WHOLE = Extent(77_628, Figures(2387, 47386, Decimal("1142158.93")))
"""All rows, which `--everywhere` imports."""
EXCERPT = Extent(5_000, Figures(248, 3725, Decimal("91039.42")))
"""Enough to be interrupted."""

needs_real = pytest.mark.skipif(not REAL.exists(), reason="the file of real orders is not beside the project")
KINDS = pytest.mark.parametrize("event_sourced", [False, True], ids=["state stored", "event sourced"])

GOOD = ["1", "P1", "Lamp", "2", "2025-03-03 08:00:00", "1.50", "7.0", "France"]


@pytest.fixture
def anyio_backend() -> str:
    """SQLite needs asyncio."""
    return "asyncio"


class AddUp(Query[Figures]):
    """The figures of some orders in the write model."""

    order_ids: tuple[str, ...]


write_side = Router("figures of the write side")


@write_side.query_handler(AddUp)
async def add_up(query: AddUp, orders: Repository[Order]) -> Figures:
    """Load every order through its repository."""
    lines, amount = 0, Decimal()
    for order_id in query.order_ids:
        order = await orders.get(order_id)
        lines, amount = lines + len(order.lines), amount + order.total
    return Figures(len(query.order_ids), lines, amount)


@asynccontextmanager
async def shop(path: Path, *, event_sourced: bool = False) -> AsyncIterator[Application]:
    """Run the application on a database in a folder."""
    async with running(
        f"sqlite+aiosqlite:///{path / 'orders.db'}", None, write_side, event_sourced=event_sourced
    ) as app:
        yield app


def write(path: Path, *rows: list[str], header: tuple[str, ...] = COLUMNS) -> Path:
    """Write a CSV file."""
    with path.open("w", newline="", encoding="utf-8") as target:
        csv.writer(target).writerows([header, *rows])
    return path


def rejected(path: Path) -> list[tuple[int, str]]:
    """Return the row numbers and reasons of a reject file."""
    with path.open(newline="", encoding="utf-8") as source:
        return [(int(row["Row"]), row["Reason"]) for row in csv.DictReader(source)]


async def test_every_row_is_imported_or_rejected_with_its_number(tmp_path: Path) -> None:
    """A row that is not an order line goes to the reject file, with row number and reason. Other rows become orders."""
    file = write(
        tmp_path / "a.csv",
        GOOD,
        ["1", "P2", "Mug", "0", *GOOD[4:]],
        ["1", "P3", "Cup", "1", GOOD[4], "0", *GOOD[6:]],
        ["C2", *GOOD[1:]],
        ["A3", *GOOD[1:]],
        ["4", *GOOD[1:6], "", "France"],
        ["5", "P1"],
        ["6", "P1", "Lamp", "two", *GOOD[4:]],
        ["7", *GOOD[1:5], "NaN", *GOOD[6:]],
        ["8", *GOOD[1:]],
    )
    async with shop(tmp_path) as app:
        done = await import_orders(app, file.open("rb"), tmp_path / "r.csv")
        await app.settle()
        assert set((await app.execute(GetFigures())).values()) == {Figures(2, 2, Decimal("6.00"))}
        order = await app.execute(GetOrder(order_id="8"))
        listed = await app.execute(ListUserOrders(user_id=7, page=1, page_size=1))
        assert order is not None
        day = await app.execute(OrderStatistics(day=order.placed_at.date()))
    assert (done["orders created"], done["lines created"]) == (2, 2)
    assert [number for number, _ in rejected(tmp_path / "r.csv")] == [3, 4, 5, 6, 7, 8, 9, 10]
    assert all(reason for _, reason in rejected(tmp_path / "r.csv"))
    assert order.user_name == "Customer 7, France"
    assert (listed.total, len(listed.items)) == (2, 1)
    assert [(product.product_id, product.quantity, product.amount) for product in day.top_products] == [
        ("P1", 4, Decimal("6.00"))
    ]


async def test_cells_that_begin_like_formulas(tmp_path: Path) -> None:
    """A cell is data and never a formula: a text in the notation of spreadsheets is read, and a name may begin with "=".

    The reject file is opened in spreadsheets, so it contains no cell that they would evaluate.
    """
    file = write(
        tmp_path / "a.csv",
        ['="1"', '="0012"', "=Lamp", '="2"', GOOD[4], '="1.50"', '="7"', '="France"'],
        ["1", "P2", '="A ""big"" mug"', *GOOD[3:]],
        ["1", "P3", '=HYPERLINK("http://x")', "=2", GOOD[4], "1.50", "7", "@F"],
        ["1", "P4", "+Cup", "-2", *GOOD[4:]],
    )
    async with shop(tmp_path) as app:
        await import_orders(app, file.open("rb"), tmp_path / "r.csv")
        await app.settle()
        order = await app.execute(GetOrder(order_id="1"))
    assert order is not None
    assert [(line.product_id, line.product_name) for line in order.lines] == [("0012", "=Lamp"), ("P2", 'A "big" mug')]
    assert (order.user_name, order.lines[0].quantity) == ("Customer 7, France", 2)
    with (tmp_path / "r.csv").open(newline="", encoding="utf-8") as source:
        _, formula, number = csv.reader(source)
    assert formula[4:] == ['\'=HYPERLINK("http://x")', "'=2", GOOD[4], "1.50", "7", "'@F"]
    assert number[4:6] == ["'+Cup", "-2"]


async def test_another_order_of_the_same_number_is_rejected(tmp_path: Path) -> None:
    """Rows of an invoice number that is an order with other lines are rejected, and the order stays."""
    file = write(tmp_path / "a.csv", GOOD, ["2", *GOOD[1:]], ["1", "P9", *GOOD[2:3], "5", *GOOD[4:]])
    async with shop(tmp_path) as app:
        done = await import_orders(app, file.open("rb"), tmp_path / "r.csv")
    assert (done["orders created"], done["orders there already"]) == (2, 0)
    assert [number for number, _ in rejected(tmp_path / "r.csv")] == [4]


@pytest.mark.parametrize("content", [b"", b"a,b,c\n1,2,3\n", b"\x1f\x8bnot gzip", b"\x00\xff\xfe"])
async def test_a_file_that_is_no_such_csv_is_refused(tmp_path: Path, content: bytes) -> None:
    """A file of something else is refused with a clear error, and nothing is imported."""
    file = tmp_path / "a.csv"
    file.write_bytes(content)
    async with shop(tmp_path) as app:
        with pytest.raises(NotAnOrderFile):
            await import_orders(app, file.open("rb"), tmp_path / "r.csv")
        assert await app.write.log.head() == 0


@needs_real
@KINDS
async def test_the_real_orders_give_the_known_figures(tmp_path: Path, event_sourced: bool, everywhere: bool) -> None:
    """The three read models agree with the known totals and with the write side; every other row is accounted for."""
    real = WHOLE if everywhere else EXCERPT
    async with shop(tmp_path, event_sourced=event_sourced) as app:
        done = await import_orders(app, real.written(tmp_path).open("rb"), tmp_path / "r.csv")
        await app.settle(timeout=CEILING)
        found = await app.execute(GetFigures())
        page = await app.write.log.read_all(limit=real.rows, names={"orders.order_created"})
        numbers = tuple(event.stream.removeprefix("order-") for event in page.events)
        assert await app.execute(AddUp(order_ids=numbers)) == real.figures
    assert set(found.values()) == {real.figures}
    assert len(rejected(tmp_path / "r.csv")) == real.rows - real.figures.lines
    assert done["orders created"] == real.figures.orders


@needs_real
@KINDS
async def test_a_killed_import_is_completed_by_the_next(tmp_path: Path, event_sourced: bool, everywhere: bool) -> None:
    """Killed in the middle (SIGKILL) and run again, the import ends in the same figures, and a third run creates nothing."""
    real = WHOLE if everywhere else EXCERPT
    file = real.written(tmp_path)
    kind = "event-sourced" if event_sourced else "state-stored"
    command = [sys.executable, "-m", "tests.examples.killed", str(tmp_path), str(file), kind]
    first = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=CEILING, check=False)
    assert first.returncode == -signal.SIGKILL, first.stderr
    async with shop(tmp_path, event_sourced=event_sourced) as app:
        second = await import_orders(app, file.open("rb"), tmp_path / "r.csv")
        await app.settle(timeout=CEILING)
        assert set((await app.execute(GetFigures())).values()) == {real.figures}
        third = await import_orders(app, file.open("rb"), tmp_path / "r.csv")
        await app.settle(timeout=CEILING)
        assert set((await app.execute(GetFigures())).values()) == {real.figures}
    assert 0 < second["orders created"] < real.figures.orders
    assert second["orders created"] + second["orders there already"] == real.figures.orders
    kept = {name: number for name, number in third.items() if "rejected" not in name}
    assert kept == {"orders there already": real.figures.orders, "lines there already": real.figures.lines}


async def test_a_file_that_ends_in_the_middle_is_reported(tmp_path: Path) -> None:
    """A gzip file that was cut is refused, and nothing is imported."""
    whole = gzip.compress(
        (",".join(COLUMNS) + "\n" + "\n".join(",".join([f"{n}", *GOOD[1:]]) for n in range(500))).encode()
    )
    file = tmp_path / "cut.csv.gz"
    file.write_bytes(whole[: len(whole) // 2])
    async with shop(tmp_path) as app:
        with pytest.raises(NotAnOrderFile, match="damaged"):
            await import_orders(app, file.open("rb"), tmp_path / "r.csv")
        assert await app.write.log.head() == 0


@pytest.mark.parametrize("asked", [["show", "1"], ["list", "7"], ["stats", "2025-03-05"]], ids=lambda asked: asked[0])
def test_a_question_without_a_database_creates_none(tmp_path: Path, asked: list[str]) -> None:
    """A query before the first import fails with one line of advice, and creates no empty database."""
    done = subprocess.run(
        [sys.executable, "-m", "orders", *asked],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=CEILING,
        check=False,
    )
    assert (done.returncode, done.stdout, list(tmp_path.iterdir())) == (1, "", [])
    assert done.stderr == (
        "FileNotFoundError: The database orders.db does not exist. Create it with: python -m orders import FILE\n"
    )

"""What the command line prints."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from orders.figures import Figures
from orders.importing import Summary
from orders.views import OrderDetail, Statistics, UserOrder
from twofold import Rows, SubscriptionStatus


@contextmanager
def progress(console: Console, size: int) -> Iterator[Callable[[int], object]]:
    columns = TextColumn("Importing"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn()
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("import", total=size)
        yield lambda done: bar.update(task, completed=done)


def summary(console: Console, done: Summary, rejects: Path) -> None:
    table = _table("Import", "", "orders", "rows")
    table.add_row("created", f"{done.created:,}", f"{done.lines:,}")
    table.add_row("there already", f"{done.there_already:,}", f"{done.lines_there_already:,}")
    for reason, count in done.rejected.most_common():
        table.add_row(f"rejected: {reason}", "", f"{count:,}")
    console.print(table)
    console.print(f"{done.paid:,} orders paid. Rejected rows, with reasons: {rejects}", highlight=False)


def figures(console: Console, found: Mapping[str, Figures]) -> None:
    table = _table("What the read models say", "read model", "orders", "lines", "amount")
    for name, each in found.items():
        table.add_row(name, f"{each.orders:,}", f"{each.lines:,}", f"{each.amount:,.2f}")
    console.print(table)


def order(console: Console, order_id: str, found: OrderDetail | None) -> None:
    if found is None:
        console.print(f"There is no order {order_id}.")
        return
    title = f"Order {found.order_id}: {found.user_name}, {found.placed_at:%Y-%m-%d %H:%M}, {found.status}"
    table = _table(title, "product", "name", "quantity", "price", "amount", left=2)
    for line in found.lines:
        table.add_row(
            line.product_id, line.product_name, f"{line.quantity:,}", f"{line.unit_price}", f"{line.amount:,.2f}"
        )
    table.add_section()
    table.add_row("", "total", "", "", f"{found.total:,.2f}")
    console.print(table)


def user_orders(console: Console, user: int, page: int, size: int, rows: Rows[UserOrder]) -> None:
    pages = -(-(rows.total or 0) // size)
    title = f"Orders of user {user}: {rows.total} in all, page {page} of {pages}"
    table = _table(title, "order", "placed", "status", "lines", "total", left=3)
    for row in rows.items:
        table.add_row(
            row.order_id, f"{row.placed_at:%Y-%m-%d %H:%M}", row.status, f"{row.line_count}", f"{row.total:,.2f}"
        )
    console.print(table)


def statistics(console: Console, found: Statistics) -> None:
    day = found.day
    table = _table(
        f"{day.day}: {day.orders} orders, {day.amount:,.2f}; cancelled {day.cancelled}, {day.cancelled_amount:,.2f}",
        "best-selling product", "quantity", "amount",
    )  # fmt: skip
    for each in found.top_products:
        table.add_row(f"{each.product_id} {each.product_name}", f"{each.quantity:,}", f"{each.amount:,.2f}")
    console.print(table)


def subscriptions(console: Console, found: Sequence[SubscriptionStatus]) -> None:
    table = _table("Projections", "name", "state", "events behind", "parked", left=2)
    for each in found:
        table.add_row(each.name, each.state, f"{each.behind:,}", f"{each.parked:,}")
    console.print(table)


def _table(title: str, *columns: str, left: int = 1) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold")
    for index, column in enumerate(columns):
        table.add_column(column, justify="left" if index < left else "right")
    return table

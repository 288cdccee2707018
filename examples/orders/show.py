"""The output of the command line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path

from rich.console import Console
from rich.table import Table

from orders.figures import Figures
from orders.views import OrderDetail, Statistics, UserOrder
from twofold import Rows, SubscriptionStatus

console = Console()


def imported(done: Counter[str], rejects: Path) -> None:
    table("Import", [{"what": what, "number": number} for what, number in sorted(done.items())])
    console.print(f"Rejected rows, with reasons: {rejects}", highlight=False)


def figures(found: Mapping[str, Figures]) -> None:
    table("What the read models say", [{"read model": name, **each._asdict()} for name, each in found.items()])


def order(found: OrderDetail | None) -> None:
    if found is None:
        console.print("There is no such order.")
        return
    head = f"Order {found.order_id}: {found.user_name}, {found.placed_at:%Y-%m-%d %H:%M}, {found.status}, {found.total:,.2f}"
    table(head, [{**line.model_dump(exclude={"image"}), "amount": line.amount} for line in found.lines])
    place = ", ".join(filter(None, dict(found.address).values()))
    console.print(f"Address: {place}. Payment: {found.payment}.", highlight=False)


def user_orders(rows: Rows[UserOrder]) -> None:
    shown = "order_id", "placed_at", "status", "line_count", "total"
    table(f"{rows.total} orders", [{name: getattr(row, name) for name in shown} for row in rows])


def statistics(found: Statistics) -> None:
    day = found.day
    head = f"{day.day}: {day.orders} orders, {day.amount:,.2f}; cancelled {day.cancelled}, {day.cancelled_amount:,.2f}"
    table(head, [sales.model_dump(exclude={"id", "day"}) for sales in found.top_products])


def subscriptions(title: str, found: Sequence[SubscriptionStatus]) -> None:
    shown = "name", "state", "lag", "retrying", "parked"
    table(title, [{name: getattr(each, name) for name in shown} for each in found])


def table(title: str, rows: Sequence[Mapping[str, object]]) -> None:
    """Print a table with a column for each key of the rows. Numbers are aligned to the right."""
    shown = Table(title=title, title_justify="left", title_style="bold")
    for name, value in rows[0].items() if rows else ():
        shown.add_column(name.replace("_", " "), justify="right" if isinstance(value, (int, Decimal)) else "left")
    for row in rows:
        shown.add_row(*map(_text, row.values()))
    console.print(shown)


def _text(value: object) -> str:
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    return f"{value:,}" if isinstance(value, (int, Decimal)) else str(value)

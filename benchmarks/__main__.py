"""Run the measurements: `python -m benchmarks [NAME …] [--json FILE]`."""

from __future__ import annotations

import asyncio
import json
import platform
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from benchmarks._ratio import Ratio

GROUPS = {
    "buses": "benchmarks.buses",
    "telemetry": "benchmarks.telemetry",
    "import": "benchmarks.importing",
    "sqlite": "benchmarks.sqlite",
    "postgresql": "benchmarks.postgresql",
    "cache": "benchmarks.cache",
    "rabbitmq": "benchmarks.rabbitmq",
    "redis-rows": "benchmarks.redis_rows",
    "processes": "benchmarks.processes",
    "latency": "benchmarks.latency",
}
"""The module of each group. It is imported when the group is measured, so that a missing driver skips only that group."""


def main(
    names: Annotated[
        list[str] | None, typer.Argument(help=f"Which groups: {', '.join(GROUPS)}; all by default.")
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Also write the rows to a file.")] = None,
) -> None:
    """Run the measurements and print a table that shows which rows meet their limit."""
    unknown = set(names or ()) - set(GROUPS)
    if unknown:
        raise typer.BadParameter(f"no such group: {', '.join(unknown)}. Groups: {', '.join(GROUPS)}.")
    rows = asyncio.run(_measure(names or list(GROUPS)))
    table = Table(
        title=f"Python {platform.python_version()}; every row is a ratio within this run", title_justify="left"
    )
    for column in ("work", "against", "ours", "theirs", "ratio", "limit", "met"):
        table.add_column(column, justify="left" if column in ("work", "against") else "right")
    for row in rows:
        limit = "" if row.limit is None else f"{'≤' if row.at_most else '≥'} {row.limit}×"
        met = {None: "", True: "[green]yes[/]", False: "[red]no[/]"}[row.met]
        table.add_row(row.work, row.against, row.ours, row.theirs, f"{row.ratio:.2f}×", limit, met)
    Console().print(table)
    if json_file is not None:
        json_file.write_text(json.dumps([row.as_json() for row in rows], indent=2) + "\n", encoding="utf-8")


async def _measure(names: list[str]) -> list[Ratio]:
    rows: list[Ratio] = []
    for name in names:
        try:
            group = import_module(GROUPS[name])
            rows.extend([row async for row in group.measure()])
        except (ImportError, OSError) as error:  # a driver or a server is missing
            Console().print(f"{name} is skipped: {error}", markup=False)
    return rows


if __name__ == "__main__":
    typer.run(main)

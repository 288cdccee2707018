"""Commands about the tables that belong to Twofold: schema current, upgrade, sql, create."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import typer

from twofold import Application
from twofold.ports import MigratedStore, Migrations, ReadStore

from ._output import FINDING, JsonOption, YesOption, confirmed, print_json, print_lines, print_table, run, say
from ._target import AppOption, opened

schema = typer.Typer(help="Create and upgrade the tables of Twofold.", no_args_is_help=True)


@schema.command()
def create(app: AppOption = None) -> None:
    """Create missing tables: those of the stores, and those of the read models. Existing tables stay unchanged."""

    async def work() -> None:
        async with opened(app) as application:
            await application.create_schema()
        say(f"{application.name}: the tables exist.")

    run(work)


@schema.command()
def current(app: AppOption = None, as_json: JsonOption = False) -> None:
    """Show the schema version of each store. The exit code is 1 if one differs from the version of this release."""

    async def work() -> int:
        async with opened(app) as application:
            found = [(name, await each.current(), each.latest) for name, each in _migrations(application)]
        if as_json:
            print_json([{"store": name, "current": version, "latest": latest} for name, version, latest in found])
        else:
            rows = [(name, "no tables" if version is None else version, latest) for name, version, latest in found]
            print_table(
                ("store", "version", "latest"), rows, empty="The stores of this application have no schema version."
            )
        return 0 if all(version == latest for _, version, latest in found) else FINDING

    run(work)


@schema.command()
def upgrade(app: AppOption = None, yes: YesOption = False) -> None:
    """Bring the tables of Twofold to the version of this release. All data is kept."""

    async def work() -> None:
        async with opened(app) as application:
            for name, migrations in _migrations(application):
                version = await migrations.current()
                if version == migrations.latest:
                    say(f"{name}: version {version} is the latest.")
                    continue
                confirmed(f"{name}: upgrade from {version or 'no tables'} to {migrations.latest}?", yes)
                reached = await migrations.upgrade()
                say(f"{name}: upgraded to version {reached[-1] if reached else migrations.latest}.")

    run(work)


@schema.command()
def sql(
    app: AppOption = None,
    empty: Annotated[bool, typer.Option(help="Print the statements for an empty database.")] = False,
) -> None:
    """Print the statements that `upgrade` would run, for an administrator."""

    async def work() -> None:
        async with opened(app) as application:
            for name, migrations in _migrations(application):
                print_lines(f"-- {name}\n{await migrations.sql(empty=empty)}")

    run(work)


def _migrations(application: Application) -> Iterator[tuple[str, Migrations]]:
    stores: dict[str, ReadStore] = {"write store": application.write}
    if application.read is not application.write:
        stores["read store"] = application.read
    for name, store in stores.items():
        if isinstance(store, MigratedStore):
            yield name, store.migrations

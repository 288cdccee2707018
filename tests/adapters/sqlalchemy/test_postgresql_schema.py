"""The tables of the log on PostgreSQL: refused changes, faults that `open` finds, and polls that use an index."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

import asyncpg
import pytest

from tests.adapters.sqlalchemy.postgresql_lab import INSERT, Lab, begun, lab_at, put, streams
from twofold.errors import ConfigurationError, SchemaMissing, TwofoldError
from twofold_sqlalchemy import SqlAlchemy
from twofold_sqlalchemy._log.postgresql.frontier import _LAST, _RUN
from twofold_sqlalchemy._schema.tables import SCHEMA

ROWS = 5000


@pytest.fixture
async def lab(postgresql_url: str) -> AsyncIterator[Lab]:
    """An empty database."""
    async with lab_at(postgresql_url) as lab:
        yield lab


@pytest.fixture
async def store(lab: Lab) -> SqlAlchemy:
    """A store with Twofold's own tables."""
    return await lab.process()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE twofold_events SET data = '1'",
        "UPDATE twofold_events SET position = DEFAULT",
        "DELETE FROM twofold_events",
        "DELETE FROM twofold_events WHERE false",
        "TRUNCATE twofold_events",
        "TRUNCATE twofold_meta, twofold_events CASCADE",
        "INSERT INTO twofold_events SELECT * FROM twofold_events ON CONFLICT (id) DO UPDATE SET data = '1'",
        "MERGE INTO twofold_events USING (SELECT 1) AS one ON true WHEN MATCHED THEN DELETE",
    ],
)
async def test_changes_of_the_log_are_refused_by_the_database(lab: Lab, store: SqlAlchemy, statement: str) -> None:
    """Changing or deleting events fails for every user, and the log stays unchanged."""
    await put(store, "kept", 2)
    by_hand = await lab.session()
    if statement.startswith("MERGE") and by_hand.get_server_version().major < 15:
        pytest.skip("MERGE came with PostgreSQL 15")

    with pytest.raises(asyncpg.PostgresError) as refused:
        await by_hand.execute(statement)

    assert re.search("never changed or deleted|GENERATED ALWAYS|generated always|identity column", str(refused.value))
    assert await streams(store) == ["kept", "kept"]


async def test_a_position_is_not_chosen_by_hand(lab: Lab, store: SqlAlchemy) -> None:
    """The database alone assigns positions, unless a statement overrides this explicitly."""
    by_hand = await lab.session()

    with pytest.raises(asyncpg.GeneratedAlwaysError):
        await by_hand.execute(
            INSERT.format(stream="x").replace("(stream,", "(position, stream,").replace("('x'", "(7, 'x'")
        )

    assert await streams(store) == []


TRIGGERS = "ALTER TABLE twofold_events {} TRIGGER {}"
FAULTS = [
    (TRIGGERS.format("DISABLE", "twofold_events_appending"), SchemaMissing, "twofold_events_appending is missing"),
    (
        TRIGGERS.format("ENABLE REPLICA", "twofold_events_appending"),
        SchemaMissing,
        "twofold_events_appending is missing",
    ),
    (TRIGGERS.format("DISABLE", "twofold_events_unchanged"), SchemaMissing, "twofold_events_unchanged is missing"),
    (TRIGGERS.format("DISABLE", "ALL"), SchemaMissing, "2 fault"),
    ("DROP TRIGGER twofold_events_appending ON twofold_events", SchemaMissing, "twofold_events_appending is missing"),
    (
        "DROP FUNCTION twofold_inline_generation",
        SchemaMissing,
        r"the function twofold_inline_generation\(\) is missing",
    ),
    (
        "ALTER TABLE twofold_events ALTER COLUMN position SET CACHE 10",
        ConfigurationError,
        "position has a cache.*SET CACHE 1",
    ),
    ("UPDATE twofold_meta SET schema_version = 1", SchemaMissing, rf"schema version 1, .* needs {SCHEMA}"),
    ("DELETE FROM twofold_meta", SchemaMissing, "twofold_meta is empty"),
    ("ALTER TABLE twofold_events DROP COLUMN metadata", SchemaMissing, "twofold_events lacks the column metadata"),
    (
        "ALTER TABLE twofold_events ALTER COLUMN schema_version TYPE text",
        SchemaMissing,
        "schema_version should be INTEGER, but is TEXT",
    ),
    ("DROP TABLE twofold_inbox", SchemaMissing, r"twofold_inbox is missing.*create_schema\(\)"),
]


@pytest.mark.parametrize(("change", "error", "said"), FAULTS, ids=[change for change, *_ in FAULTS])
async def test_a_fault_is_found_when_the_store_is_opened(
    lab: Lab, store: SqlAlchemy, change: str, error: type[TwofoldError], said: str
) -> None:
    """A fault of the schema is found when the store is opened. The error names the fault and the remedy."""
    await lab.ask(change)

    with pytest.raises(error, match=said):
        await store.open([])


@pytest.mark.parametrize("how", ["DISABLE", "ENABLE REPLICA"])
async def test_creating_the_schema_again_restores_the_triggers(lab: Lab, store: SqlAlchemy, how: str) -> None:
    """`create_schema` enables disabled triggers again."""
    for trigger in ("twofold_events_appending", "twofold_events_unchanged"):
        await lab.ask(TRIGGERS.format(how, trigger))

    await store.create_schema([])
    await store.open([])

    late = await begun(store, "late")
    await put(store, "behind")
    assert await streams(store) == []
    await late.commit()
    with pytest.raises(asyncpg.RaiseError):
        await lab.ask("DELETE FROM twofold_events")


async def test_creating_the_schema_again_creates_a_dropped_function(lab: Lab, store: SqlAlchemy) -> None:
    """`create_schema` creates the function that appends call, without which the store cannot be opened."""
    await lab.ask("DROP FUNCTION twofold_inline_generation")

    await store.create_schema([])

    await store.open([])
    assert await lab.ask("SELECT twofold_inline_generation()") == 0


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Give all parts of a plan."""
    yield plan
    for part in plan.get("Plans", ()):
        yield from nodes(part)


@pytest.mark.parametrize("generic", [False, True], ids=["for these values", "for any values"])
@pytest.mark.parametrize("name", ["page", "filtered page", "run", "last", "stream", "version"])
async def test_polls_go_by_an_index(lab: Lab, store: SqlAlchemy, name: str, generic: bool) -> None:
    """The plans of all that a reader sends, on some thousand events, scan no table, and sort one stream at most."""
    await lab.ask(
        "INSERT INTO twofold_events (stream, version, name, schema_version, time, id, metadata, data) "
        "SELECT 's-' || n % 50, n / 50 + 1, 'name-' || n % 5, 1, now(), gen_random_uuid(), '{}', '{}' "
        f"FROM generate_series(0, {ROWS - 1}) AS n"
    )
    session = await lab.session()
    await session.execute("ANALYZE twofold_events")
    await session.execute(f"SET plan_cache_mode = {'force_generic_plan' if generic else 'force_custom_plan'}")
    log = store.log
    late = ROWS - 40
    page, filtered = (store._prepared.compiler.prepare(log._page(names)) for names in (None, ["name-1", "name-2"]))
    window: dict[str, Any] = {"after": late, "upto": ROWS, "size": 500, "name0": "name-1", "name1": "name-2"}
    text, values = {
        "page": (page.text, page.bind(window)),
        "filtered page": (filtered.text, filtered.bind(window)),
        "run": (_RUN, (late,)),
        "last": (_LAST, ()),
        "stream": (log._streams._events.text, log._streams._events.bind({"of": "s-7", "after": 20, "upto": 520})),
        "version": (log._streams._version.text, log._streams._version.bind({"of": "s-7"})),
    }[name]

    await session.execute(f"PREPARE looked AS {text}")
    given = f"({', '.join(repr(value) for value in values)})" if values else ""
    explained = await session.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE looked{given}")

    parts = list(nodes(json.loads(explained)[0]["Plan"]))
    scans = [part for part in parts if part.get("Relation Name") == "twofold_events"]
    assert scans
    assert all("Index" in part["Node Type"] or part["Node Type"] == "Bitmap Heap Scan" for part in scans), parts
    assert name == "stream" or all(part["Node Type"] != "Sort" for part in parts), parts
    # An index that is walked from its beginning would be as bad.
    assert sum(part["Actual Rows"] * part["Actual Loops"] for part in scans) <= 150
    assert all(part.get("Rows Removed by Filter", 0) <= 40 for part in scans)


async def test_a_waiting_reader_does_not_scan_events_after_the_gap(lab: Lab, store: SqlAlchemy) -> None:
    """A reader at a gap reads one event after it, however many events are committed there."""
    late = await begun(store, "late")
    for _ in range(3):
        await put(store, "behind", 500)
    session = await lab.session()
    await session.execute("ANALYZE twofold_events")

    explained = await session.fetchval("EXPLAIN (ANALYZE, FORMAT JSON) " + _RUN.replace("$1", "0"))

    parts = nodes(json.loads(explained)[0]["Plan"])
    assert sum(part["Actual Rows"] for part in parts if part.get("Relation Name") == "twofold_events") <= 1
    await late.rollback()

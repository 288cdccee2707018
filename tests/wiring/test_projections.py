"""Each view has one projection that writes it, and a subscription has usable options."""

from __future__ import annotations

import re
from typing import Any

from pydantic import create_model

from tests.domains.orders import Ask, Row
from tests.wiring.domain import Rows
from tests.wiring.faults import faults_of
from twofold import Application, ReadModel, View


def test_two_projections_of_one_view(app: Application) -> None:
    """Rows belong to one projection: a rebuild of one would lose the rows of the other."""
    app.projection("first")(Rows)
    app.projection("second")(type("MoreRows", (Rows,), {}))
    assert re.search("two projections write the rows of Row: 'second' here and 'first' at .*:", faults_of(app))


def test_a_query_of_a_view_that_no_projection_writes(app: Application) -> None:
    """A query of a view that no projection writes would find nothing."""

    @app.query_handler(Ask)
    async def ask(query: Ask, rows: ReadModel[Row]) -> str:
        return ""

    assert "reads the rows of Row, which no projection writes" in faults_of(app)


async def test_reads_is_optional(app: Application) -> None:
    """A query waits for the projections that write the views of its parameters, with or without `reads=`."""
    app.projection("rows")(Rows)

    @app.query_handler(Ask)
    async def ask(query: Ask, rows: ReadModel[Row]) -> str:
        return ""

    assert "wait: until rows contains the session's writes" in app.explain(Ask)


def test_a_wrong_number_of_partitions_and_a_wrong_mode(app: Application) -> None:
    """A subscription has at least one partition, and a projection one of two modes."""
    app.projection("rows", partitions=0, mode="sync")(Rows)  # type: ignore[arg-type]
    text = faults_of(app)
    assert "partitions=0 of 'rows': must be at least 1" in text
    assert "mode='sync' of 'rows': use 'async' or 'inline'" in text


def test_the_names_of_a_projection_fit_its_checkpoint(app: Application) -> None:
    """A projection with more names of fields than a checkpoint records is refused."""
    fields: dict[str, Any] = {f"field_with_a_long_name_{number}": (int, 0) for number in range(3_000)}
    wide = create_model("Wide", __base__=View, __cls_kwargs__={"name": "wide", "key": "id"}, id=(str, ...), **fields)

    class Wides(Rows):
        def __init__(self, rows: ReadModel[Row], wide: ReadModel[wide]) -> None:  # type: ignore[valid-type]
            super().__init__(rows)

    Wides.__init__.__annotations__["wide"] = ReadModel[wide]  # type: ignore[valid-type]
    app.projection("wides")(Wides)
    assert "the names of the views, fields and events of the projection 'wides' have" in faults_of(app)

"""An aggregate and a projection for the tests of this folder."""

from __future__ import annotations

from tests.domains.orders import Placed, Row
from twofold import Aggregate, ReadModel, on


class Thing(Aggregate, name="thing"):
    id: str


class Rows:
    def __init__(self, rows: ReadModel[Row]) -> None:
        self.rows = rows

    @on(Placed)
    async def placed(self, event: Placed) -> None: ...

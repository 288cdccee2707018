from __future__ import annotations

import pytest

from tests.stores import READ_STORES
from twofold._encoding.round_trip import RoundTrip
from twofold._reading.read_model import ProjectedRows
from twofold.testing.conformance import NewReadStore, RowsSuite
from twofold.testing.conformance._domain.row_samples import Task


class TestRows(RowsSuite):
    """The rows of read models, on every adapter."""

    kinds = READ_STORES


class TestRowsAsText:
    """Rows that a projection writes to a store that keeps a row in one value."""

    kinds = ("memory", "redis")

    @pytest.mark.parametrize("change", ["put", "update"])
    async def test_a_row_is_encoded_once(
        self, new_store: NewReadStore, change: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The core encodes and compares a row. The store stores the text of the core."""
        encoded: list[object] = []
        encode = RoundTrip.encode

        def counting(self: RoundTrip[object], value: object, **options: object) -> str:
            encoded.append(value)
            return encode(self, value, **options)  # type: ignore[arg-type]

        async with new_store([Task]) as store:
            transaction = await store.begin()
            rows = ProjectedRows(Task, transaction.rows(Task))
            await rows.put(Task(id="a"))
            await rows.flush()
            monkeypatch.setattr(RoundTrip, "encode", counting)
            if change == "put":
                await rows.put(Task(id="a", rank=2))
            else:
                await rows.update("a", rank=2)
            await rows.flush()
            await transaction.commit()
            reader = await store.begin()
            stored = await reader.rows(Task).get_many(["a"])
            await reader.rollback()
        assert stored == {"a": Task(id="a", rank=2)}
        assert encoded == [Task(id="a", rank=2)]

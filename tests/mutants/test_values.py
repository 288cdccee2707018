"""Stores that change values, and a round trip that does not compare."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from tests.mutants.combinators import Wrap, changing, changing_result, ignoring, without_zeros
from tests.mutants.harness import Mutants, MutantSuite
from tests.mutants.places import at, unbroken_read_store
from tests.mutants.rows import rows
from tests.stores import READ_STORES
from twofold._encoding.round_trip import RoundTrip
from twofold.testing.conformance import NewReadStore, NewStore, RowValuesSuite, ValuesSuite


def without_escapes(text: str) -> str:
    """Return a JSON text without NUL characters."""
    return text.replace("\\u0000", "")


def reading_events(change: Callable[[str], str]) -> Wrap:
    """Change the text of events that are read."""

    def changed(found: Any) -> list[Any]:
        return [event._replace(data=change(event.data)) for event in found]

    return at("log", changing_result("read", to=changed))


def _shorter(found: Any) -> Any:
    value = found.aggregate.value
    if isinstance(value, Decimal):
        found.aggregate.value = value.normalize()
    return found


def _reading_rows(change: Callable[[Any], Any]) -> Wrap:
    def changed(found: dict[object, Any]) -> dict[object, Any]:
        return {key: row.model_copy(update={"value": change(row.value)}) for key, row in found.items()}

    return rows(changing_result("get_many", to=changed))


MUTANTS: Mutants = {
    "test_an_event_comes_back_or_is_refused": {
        "the log drops trailing zeros": reading_events(without_zeros),
        "the log drops NUL characters": reading_events(without_escapes),
    },
    "test_a_state_comes_back_or_is_refused": {
        "states drop trailing zeros": at("transaction.state", changing_result("load", to=_shorter))
    },
    "test_a_snapshot_comes_back_or_is_left_out": {
        "snapshots drop trailing zeros": at(
            "transaction.snapshots",
            changing_result("get", to=lambda found: found and found._replace(data=without_zeros(found.data))),
        ),
        "no snapshot is kept": at("transaction.snapshots", ignoring("put")),
    },
    "test_a_scheduled_command_comes_back_or_is_refused": {
        "the schedule drops trailing zeros": at(
            "transaction.schedule",
            changing("put", command=lambda command: command._replace(data=without_zeros(command.data))),
        )
    },
    "test_a_result_comes_back_or_is_refused": {
        "results drop NUL characters": at("transaction.keys", changing("answer", result=without_escapes))
    },
}

ROW_MUTANTS: Mutants = {
    "test_a_row_comes_back_or_is_refused": {
        "numbers become floats": _reading_rows(lambda value: float(value) if type(value) is int else value),
        "texts lose the spaces around them": _reading_rows(
            lambda value: value.strip() if type(value) is str else value
        ),
        "tuples become lists": _reading_rows(lambda value: list(value) if isinstance(value, tuple) else value),
    }
}


class TestMutants(MutantSuite):
    """Stores that change values."""

    suite = ValuesSuite
    mutants = MUTANTS


class TestRowMutants(MutantSuite):
    """Rows whose values are changed by the store."""

    suite = RowValuesSuite
    mutants = ROW_MUTANTS
    kinds = READ_STORES
    unbroken = staticmethod(unbroken_read_store)


class TestRoundTrips:
    """Round trips that are broken on purpose. The suite needs no wrapper of a store to notice them."""

    kinds = ("memory-asyncio",)
    mutants = ()

    @pytest.fixture(params=["nothing is compared", "everything is recognised"])
    def broken(self, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
        """Break every round trip."""
        if request.param == "nothing is compared":
            monkeypatch.setattr(RoundTrip, "_compare", lambda *_: None)
        else:
            monkeypatch.setattr(RoundTrip, "comes_back", lambda *_: True)

    @pytest.mark.usefixtures("broken")
    async def test_events_notice(self, new_store: NewStore) -> None:
        """A changed event fails the suite."""
        with pytest.raises(Exception, match=r"came back as|validation error"):
            await ValuesSuite().test_an_event_comes_back_or_is_refused(new_store)

    @pytest.mark.usefixtures("broken")
    async def test_rows_notice(self, new_store: NewReadStore) -> None:
        """A changed row fails the suite."""
        with pytest.raises(Exception, match=r"came back as|cannot read the row"):
            await RowValuesSuite().test_a_row_comes_back_or_is_refused(new_store)

"""`check()` finds invalidations without effect: keys that are never equal, and events that no projection handles."""

from __future__ import annotations

import pytest

from tests.domains.cached_bank import GetNote, Note
from twofold import Application, Cache, Event, ReadModel, on
from twofold._caching.keys import can_match, shape_of_key
from twofold.errors import WiringError
from twofold.testing.conformance._domain.bank import Deposited, Opened
from twofold.testing.conformance._domain.bank import bank as bank_module
from twofold_memory import InMemory


@pytest.mark.parametrize(
    ("one", "other", "meet"),
    [
        ("a:{x}", "a:{y}", True),
        ("a:{x}", "b:{x}", False),
        ("a:{x}", "ab:{x}", False),
        ("a{x}", "ab{y}", True),
        ("{x}:{y}", "{x}", False),
        ("{x}{y}", "{x}", True),
        ("{x}b", "a{x}", True),
        ("a:{x}", "a:1", True),
        ("a:{x}", "a:1:2", False),
        ("all", "all", True),
        ("all", "al", False),
        ("", "{x}", True),
        ("a{{{x}", "a{{1", True),
    ],
)
def test_keys_that_can_be_equal(one: str, other: str, meet: bool) -> None:
    """Two keys can be equal if their fixed parts can. A field contains no colon."""
    assert (
        can_match(shape_of_key(one), shape_of_key(other)) is can_match(shape_of_key(other), shape_of_key(one)) is meet
    )


def test_an_event_that_invalidates_nothing_is_a_fault() -> None:
    """Keys that are never equal, and events that change no row that the query reads."""
    app = Application("bank", write=InMemory())
    app.include(bank_module)

    class Notes:
        def __init__(self, notes: ReadModel[Note]) -> None:
            self.notes = notes

        @on(Opened)
        async def opened(self, event: Opened) -> None: ...

    app.projection("notes")(Notes)
    events: dict[type[Event], str] = {Opened: "note:{account_id}", Deposited: "notes:{account_id}"}

    @app.query_handler(GetNote, cache=Cache(ttl=1, key="notes:{account_id}", invalidated_by=events))
    async def get_note(query: GetNote, notes: ReadModel[Note]) -> Note | None:
        return None

    with pytest.raises(WiringError) as raised:
        app.check()
    text = str(raised.value)
    assert len(raised.value.faults) == 2
    assert (
        "Opened invalidates 'note:{account_id}', and the answers of GetNote are stored under 'notes:{account_id}'"
        in text
    )
    assert (
        "Deposited invalidates the answers of GetNote, and no projection that it reads handles this event (notes)"
        in text
    )

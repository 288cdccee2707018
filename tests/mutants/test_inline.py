"""Stores that lose, or do not compare, the records of inline projections."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import partial
from typing import Any

from tests.mutants.combinators import Wrap, changing_result, for_each, ignoring, replacing
from tests.mutants.core import Fault, Faults, FaultSuite
from tests.mutants.core import replacing as replacing_in
from tests.mutants.harness import Mutants, MutantSuite
from tests.mutants.places import at
from tests.mutants.transactions import commits_anyway
from twofold._wiring import assembly
from twofold.testing.conformance import InlineRecordSuite, InlineSuite
from twofold.testing.conformance._tools.proxy import Proxy


def inline(broken: Wrap) -> Wrap:
    """Break the records of inline projections."""
    return at("transaction.inline", broken)


uncompared = at("transaction.log", replacing("append", inline=None))
unlocked = at("transaction.log", ignoring("lock"))
unforgotten = inline(ignoring("delete", returning=True))
without_generation = at("log", changing_result("inline", to=lambda found: found._replace(generation=0)))


RECORDS: Mutants = {
    "test_a_record_is_kept": {
        "a record is lost": inline(ignoring("record")),
        "a record is replaced by nothing": inline(replacing("record", views="")),
        "a record is not forgotten": unforgotten,
    },
    "test_a_record_that_is_undone_is_not_kept": {"rollback keeps records": commits_anyway},
    "test_each_change_has_a_generation": {"the generation never grows": without_generation},
    "test_an_append_of_another_generation_is_refused": {"the generation is not compared": uncompared},
    "test_holders_run_one_after_another": {"a holder does not wait": inline(ignoring("hold"))},
    "test_a_change_waits_for_holders": {"a record is kept for nobody": inline(ignoring("record", "hold", "delete"))},
    "test_a_locked_log_takes_no_events": {"the generation is not compared after a wait": uncompared},
    "test_a_lock_waits_for_appends": {"the log is not locked": unlocked},
}


class FirstRead(Proxy):
    """Rows that are read as they were first read, as a transaction reads that another one overtakes."""

    def __init__(self, inner: Any, seen: dict[object, Any]) -> None:
        super().__init__(inner)
        self._seen = seen

    async def get_many(self, keys: Collection[object]) -> Mapping[object, Any]:
        found = await self.inner.get_many(keys)
        for key, row in found.items():
            self._seen.setdefault(key, row)
        return {key: self._seen[key] for key in found}


unswapped = at("transaction.shadows", ignoring("swap"))
overtaken = for_each(lambda _: at("writing.rows", partial(FirstRead, seen={})))

MUTANTS: Mutants = {
    "test_it_can_be_rebuilt": {
        "a rebuild keeps the old rows": unswapped,
    },
    "test_a_rebuild_that_fails": {
        "a rebuild ignores the events that it fails on": at("parked", ignoring("read", returning=())),
    },
    "test_a_projection_that_becomes_inline": {"new rows are not swapped in": unswapped},
    "test_a_mode_that_changes": {
        "a mode changes without the checkpoint": at("transaction.checkpoints", ignoring("advance")),
    },
    "test_a_row_that_many_commands_change": {"a row is read before another command has written it": overtaken},
    "test_processes_that_start_together": {"a process reads the rows of an earlier one": overtaken},
    "test_a_writer_without_the_projection": {"a projection is not forgotten": unforgotten},
    "test_a_writer_whose_mode_is_out_of_date": {"an old writer appends": uncompared},
    "test_a_mode_that_changes_behind_the_log": {"an old writer appends, lagging": uncompared},
    "test_a_field_that_is_added": {"an old writer appends, without the field": uncompared},
    "test_an_event_that_is_added": {"an old writer appends, without the event": uncompared},
    "test_an_event_that_is_added_before_it_occurs": {"an old writer appends an event that is added": uncompared},
    "test_an_event_that_is_added_with_the_mode": {"new rows are not swapped in, with the event": unswapped},
    "test_a_field_that_is_removed": {"an old writer appends, with the field": uncompared},
    "test_a_view_that_is_added": {"an old writer appends, without the view": uncompared},
}


class ForgetsDefaults(Proxy):
    """Decodes events for inline projections with new values of generated defaults."""

    def decode_stored(self, stored: Any) -> Any:
        event = self.inner.decode_stored(stored)
        return type(event)(**{name: getattr(event, name) for name in ("amount", "way")})


class RoundsDecimals(Proxy):
    """Decodes decimals for inline projections with the digits that they need."""

    def decode_stored(self, stored: Any) -> Any:
        event = self.inner.decode_stored(stored)
        return event.model_copy(update={"amount": event.amount.normalize()})


def decoding_by(broken: Wrap) -> Fault:
    """Let inline projections get other events than asynchronous ones."""
    return replacing_in(
        assembly, "inline_step", lambda step: lambda one, services, types: step(one, services, broken(types))
    )


VALUES: Faults = {
    InlineSuite().test_it_sees_what_an_asynchronous_projection_sees: {
        "an inline projection sees other generated values": decoding_by(ForgetsDefaults),
        "an inline projection sees other digits": decoding_by(RoundsDecimals),
    }
}


class TestValues(FaultSuite):
    """Inline projections whose events differ from the stored ones."""

    mutants = VALUES


class TestRecordMutants(MutantSuite):
    """Stores whose records of inline projections are broken."""

    suite = InlineRecordSuite
    mutants = RECORDS


class TestMutants(MutantSuite):
    """Stores on which inline projections miss events, or apply them twice."""

    suite = InlineSuite
    mutants = MUTANTS

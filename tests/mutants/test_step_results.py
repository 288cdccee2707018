"""Stores with broken outcomes of steps."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from tests.mutants.combinators import Wrap, both, changing, changing_result, ignoring, instead
from tests.mutants.harness import Mutants, MutantSuite
from tests.mutants.places import at
from tests.mutants.transactions import commits_anyway, leaves_savepoints, quietly
from twofold.ports import StepRecord
from twofold.testing.conformance import StepResultSuite
from twofold.testing.conformance._stores.step_results import INPUT
from twofold.testing.conformance._tools.proxy import Proxy


def steps(broken: Wrap) -> Wrap:
    """Break the outcomes of steps."""
    return at("transaction.steps", broken)


def _recording(**change: Any) -> Wrap:
    return steps(
        changing(
            "begin",
            "keep",
            record=lambda record: record._replace(**{k: f(getattr(record, k)) for k, f in change.items()}),
        )
    )


async def _replace(steps: Any, record: StepRecord) -> StepRecord:
    await steps.delete(*record[:3])
    kept: StepRecord = await steps.keep(record)
    return kept


async def _keep_unless_begun(steps: Any, record: StepRecord) -> StepRecord:
    found: StepRecord | None = await steps.begin(record._replace(state="begun", outcome=None))
    return await _replace(steps, record) if found is None else found


async def _begin_again(steps: Any, record: StepRecord) -> StepRecord | None:
    found: StepRecord | None = await steps.begin(record)
    return None if found is not None and found.outcome is None else found


async def _begin_over(steps: Any, record: StepRecord) -> StepRecord | None:
    found: StepRecord | None = await steps.begin(record)
    if found is not None and found.outcome is not None:
        await steps.delete(*record[:3])
        await steps.begin(record)
    return found


async def _delete_all(steps: Any, owner: str, input: UUID, name: str | None = None) -> int:
    deleted: int = await steps.delete(owner, input)
    return deleted


async def _delete_none_of_input(steps: Any, owner: str, input: UUID, name: str | None = None) -> int:
    return 0 if name is None else int(await steps.delete(owner, input, name))


async def _same(record: StepRecord) -> StepRecord:
    return record


async def _returning(work: Any, record: StepRecord) -> StepRecord:
    await work
    return record


async def _deleting_both(steps: Any, owner: str, *more: Any) -> int:
    await steps.delete("mails", more[0])
    deleted: int = await steps.delete(owner, *more)
    return deleted


class LooksFirst(Proxy):
    """A store that reads the records before its transaction begins, and waits for no other transaction."""

    def __init__(self, inner: Any) -> None:
        super().__init__(inner)
        self.records: dict[Any, StepRecord] = {}

    async def begin(self, *, read_only: bool = False) -> Any:
        return Looked(await self.inner.begin(read_only=read_only), self.records)


class Looked(Proxy):
    """A transaction of `LooksFirst`."""

    def __init__(self, inner: Any, records: dict[Any, StepRecord]) -> None:
        super().__init__(inner)
        self._records = records
        self._seen = dict(records)
        self.steps = Proxy(None, begin=self._begin, keep=self._keep, delete=self._delete)

    async def _begin(self, record: StepRecord) -> StepRecord | None:
        found = self._seen.get(record[:3])
        self._seen.setdefault(record[:3], record)
        return found

    async def _keep(self, record: StepRecord) -> StepRecord:
        found = self._seen.get(record[:3])
        if found is None or found.outcome is None:
            self._seen[record[:3]] = record
        kept: StepRecord = self._seen[record[:3]]
        return kept

    async def _delete(self, owner: str, input: UUID, name: str | None = None) -> int:
        gone = [key for key in self._seen if key[:2] == (owner, input)]
        for key in gone:
            del self._seen[key]
        return len(gone)

    async def commit(self) -> None:
        await self.inner.commit()
        self._records.clear()
        self._records.update(self._seen)


MUTANTS: Mutants = {
    "test_an_outcome_is_read_again": {
        "nothing is kept": steps(instead(keep=lambda _, record: _same(record))),
        "a failure is a result": _recording(state=lambda _: "kept"),
        "times are coarse": _recording(time=lambda time: time.replace(microsecond=0)),
        "an empty result is none": _recording(outcome=lambda outcome: None if outcome == "null" else outcome),
        "nothing is deleted": steps(ignoring("delete", returning=1)),
    },
    "test_the_first_outcome_stays": {
        "the last outcome stays": steps(instead(keep=_replace)),
        "the first outcome is not returned": steps(
            instead(keep=lambda steps, record: _returning(steps.keep(record), record))
        ),
    },
    "test_an_outcome_completes_a_begun_step": {
        "a begun step stays open": steps(instead(keep=_keep_unless_begun)),
        "a step begins again": steps(instead(begin=_begin_again)),
        "a begin erases an outcome": steps(instead(begin=_begin_over)),
    },
    "test_changes_go_with_their_transaction": {
        "savepoints keep changes": leaves_savepoints,
        "rollbacks keep changes": commits_anyway,
    },
    "test_steps_are_told_apart": {
        "case does not count": _recording(name=str.lower),
        "a space at the end does not count": _recording(name=str.rstrip),
        "owners share steps": _recording(owner=lambda _: "payments"),
        "inputs share steps": _recording(input=lambda _: INPUT),
        "the order is lost": at("steps", changing_result("read", to=lambda found: list(reversed(found)))),
    },
    "test_records_are_deleted_by_input_or_by_step": {
        "a step takes its input along": steps(instead(delete=_delete_all)),
        "an input is not deleted": steps(instead(delete=_delete_none_of_input)),
        "owners are deleted together": steps(instead(delete=_deleting_both)),
    },
    "test_a_second_begin_waits": {"begins do not wait": LooksFirst},
    "test_a_second_outcome_waits": {"outcomes do not wait": LooksFirst},
    "test_changes_need_a_transaction_that_writes": {
        "a reader begins quietly": quietly("steps", "begin"),
        "a reader keeps quietly": quietly("steps", "keep"),
        "a reader deletes quietly": both(quietly("steps", "delete")),
    },
}


class TestMutants(MutantSuite):
    """Broken outcomes of steps."""

    suite = StepResultSuite
    mutants = MUTANTS

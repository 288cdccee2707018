"""Faults of the core in durable steps."""

from __future__ import annotations

import json
from typing import Any, ClassVar
from uuid import NAMESPACE_OID, uuid4, uuid5

import anyio

from tests.mutants.core import Faults, FaultSuite, replacing, setting
from twofold import Steps, UnitOfWork
from twofold._dispatch.inputs import StepInput
from twofold._steps import outcomes, records, steps
from twofold._steps.outcomes import Outcomes
from twofold._steps.records import StepRecords
from twofold._subscriptions.event_handler_processor import EventHandlerProcessor
from twofold.ports import StepRecord
from twofold.testing.conformance import StepSuite


async def _nothing(*_: object, **__: object) -> None:
    return None


async def _not_kept(self: StepRecords, step: str, state: Any, outcome: str) -> StepRecord:
    return self._record(step, state, outcome)


async def _kept_over(self: StepRecords, step: str, state: Any, outcome: str) -> StepRecord:
    await self.delete(step)
    return await self._keep(self._record(step, state, outcome))


def _finding_any(find: Any) -> Any:
    async def found(self: StepRecords, step: str) -> StepRecord | None:
        await find(self, step)
        return next(iter((self._known or {}).values()), None)

    return found


async def _none_in_time(work: Any, seconds: float | None, expected: object) -> Any:
    with anyio.move_on_after(seconds):
        return await work()


def _as_it_is(self: Outcomes, value: Any) -> tuple[str, str]:
    return "kept", json.dumps(value)


def _without_attributes(known: type[Exception], fields: Any) -> Exception:
    error = known.__new__(known)
    error.args = (fields["text"],)
    return error


not_kept = setting(StepRecords, "keep", _not_kept)
random_keys = setting(StepInput, "key", lambda *_: str(uuid4()))

MUTANTS: Faults = {
    StepSuite.test_a_kept_result_is_reused: {
        "results are not kept": not_kept,
        "results are not found": setting(StepRecords, "find", _nothing),
        "results come back as another type": replacing(
            outcomes, "_round_trip", lambda made: lambda _: made(dict[str, Any])
        ),
        "records outlive their event": setting(StepInput, "forget", _nothing),
    },
    StepSuite.test_steps_are_kept_one_by_one: {
        "steps share one record": replacing(StepRecords, "find", _finding_any),
    },
    StepSuite.test_keys_are_deterministic: {
        "keys are random": random_keys,
        "subscriptions share keys": setting(StepInput, "key", lambda self, step: str(uuid5(self.id, step))),
        "steps share keys": setting(StepInput, "key", lambda self, step: str(uuid5(self.id, self.owner))),
        "events share keys": setting(StepInput, "key", lambda self, step: str(uuid5(NAMESPACE_OID, self.owner + step))),
        "case does not count": replacing(StepInput, "key", lambda key: lambda self, step: key(self, step.lower())),
    },
    StepSuite.test_an_unknown_outcome_is_repeated_with_its_key: {
        "an unknown call is repeated with another key": random_keys
    },
    StepSuite.test_a_kept_outcome_survives_its_process: {"results are kept by the process alone": not_kept},
    StepSuite.test_an_unknown_outcome_is_raised_on_request: {
        "the begin is not stored": setting(StepRecords, "begin", _nothing),
    },
    StepSuite.test_a_call_without_an_effect_is_made_again: {
        "the begin stays": setting(StepRecords, "delete", _nothing),
    },
    StepSuite.test_a_deadline_leaves_the_outcome_unknown: {
        "a call that is too slow has no result": setting(steps, "in_time", _none_in_time),
    },
    StepSuite.test_a_final_error_is_kept: {
        "errors are not kept": not_kept,
        "attributes of errors are lost": setting(outcomes, "exception_of", _without_attributes),
    },
    StepSuite.test_an_outcome_of_another_worker_counts: {
        "the last outcome counts": setting(StepRecords, "keep", _kept_over),
        "each worker has its own outcome": not_kept,
    },
    StepSuite.test_one_of_two_workers_begins_a_step: {
        "each worker begins": setting(StepRecords, "begin", _nothing),
    },
    StepSuite.test_a_result_that_cannot_be_stored_is_reported: {
        "any result is stored": setting(Outcomes, "result", _as_it_is),
        "the failure is not kept": not_kept,
    },
    StepSuite.test_two_steps_of_one_name_are_refused: {"names may repeat": setting(Steps, "_check", lambda *_: None)},
    StepSuite.test_a_step_inside_of_a_transaction_is_refused: {
        "an open transaction is not noticed": setting(UnitOfWork, "has_begun", False),
    },
    StepSuite.test_steps_end_with_their_event: {
        "discarded and skipped events leave records": setting(EventHandlerProcessor, "forget", _nothing),
    },
    StepSuite.test_steps_end_with_a_retried_event: {
        "handled events leave records": setting(StepInput, "forget", _nothing),
        "skipped retries leave records": setting(EventHandlerProcessor, "forget", _nothing),
    },
    StepSuite.test_an_outcome_is_stored_although_the_store_fails_for_a_moment: {
        "the first failure counts": setting(records, "_ATTEMPTS", 1),
    },
}


class TestMutants(FaultSuite):
    """Durable steps that repeat calls, mix them up, or leave records behind."""

    mutants = MUTANTS
    given: ClassVar = {"self": StepSuite}

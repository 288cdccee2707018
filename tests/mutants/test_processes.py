"""Processes that repeat, lose or confuse their inputs, commands and timeouts, and stores that lose them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar
from uuid import uuid4

from tests.mutants.combinators import Wrap, both, changing, changing_result, ignoring, instead, replacing
from tests.mutants.core import Faults, FaultSuite, setting
from tests.mutants.core import replacing as replacing_attribute
from tests.mutants.harness import Mutants, MutantSuite
from tests.mutants.places import at
from tests.mutants.transactions import commits_anyway, leaves_savepoints, quietly
from twofold._application import parked_operations
from twofold._definitions.process_marks import MessageMethod
from twofold._processes import instance, processor, records
from twofold._processes.inputs import CommandDiscarded
from twofold._processes.instance import Effects, Instance
from twofold._processes.processor import ProcessProcessor
from twofold._processes.round import Round
from twofold._wiring import assembly
from twofold._writing import transactions
from twofold.ports import ProcessRecord, WriteTransaction
from twofold.testing.conformance import ProcessRecordSuite, ProcessSuite

SUITE = ProcessSuite()


async def _write_after_the_commit(opened: Round, write: Any, transaction: WriteTransaction, stored: Any) -> None:
    """Write the state in a transaction of its own, after the checkpoint is committed."""
    changed, opened._changed = opened._changed, {}
    await write(opened, transaction, stored)
    store = opened.services.write.store

    async def later() -> None:
        apart = await store.begin()
        await apart.processes.write(list(changed.values()))
        await apart.commit()

    opened.unit.after_commit(later)


def _apart(write: Any) -> Any:
    async def written(opened: Round, transaction: WriteTransaction, stored: Any) -> None:
        await _write_after_the_commit(opened, write, transaction, stored)

    return written


def _of_any_timer(timed_out: Any) -> Any:
    def handled(found: Instance, timeout: str, timer: object, input_id: Any) -> Any:
        return timed_out(found, timeout, found.progress.timers.get(timeout), input_id)

    return handled


def _undoing_what_failed(failed: Any) -> Any:
    def handled(found: Instance, sent: Any, *args: Any) -> Any:
        undo = found.progress.sent[sent.id]
        if undo is not None:
            found.progress.completed.append(undo)
        return failed(found, sent, *args)

    return handled


async def _own_time(store: object, clock: Any) -> Any:
    return clock.now()


def _without_input(services: Any, gone: object) -> Any:
    """Only delete the parked events."""
    return transactions.writing(services.write.store)


def _dropping_everything(discarded: Any) -> Any:
    """Undo no step that was executed after the discard."""

    def drop(self: Instance, command: CommandDiscarded) -> Effects | None:
        self.progress.completed.clear()
        return discarded(self, command)  # type: ignore[no-any-return]

    return drop


def _first(found: Instance) -> Any:
    undo = found.progress.completed[0]
    return found._sent(undo, uuid4() if not found.progress.completed else undo.step, compensates=True)


def _keeping_timers(end: Any) -> Any:
    def ended(found: Instance, effects: Any) -> None:
        end(found, effects)
        effects.cancelled.clear()

    return ended


def _decoding_anything(decode: Any) -> Any:
    def decoded(codec: Any, record: ProcessRecord) -> Instance:
        progress = instance.Progress.model_validate_json(record.progress)
        fields = codec._process.model_construct(order_id=record.key)
        return Instance(record.key, record.incarnation, fields, record.state, progress, record.reason)

    return decoded


FAULTS: Faults = {
    SUITE.test_an_input_delivered_twice: {"handled inputs are not recorded": setting(Round, "is_new", lambda *_: True)},
    SUITE.test_an_interruption_at_each_point: {
        "the state is committed apart from the checkpoint": replacing_attribute(Round, "_write", _apart)
    },
    SUITE.test_a_compensation_that_is_interrupted_at_each_point: {
        "the state is committed apart from the compensations": replacing_attribute(Round, "_write", _apart)
    },
    SUITE.test_an_id_that_is_used_again: {
        "timeouts are not bound to their process": replacing_attribute(Instance, "timed_out", _of_any_timer)
    },
    SUITE.test_a_timeout_at_the_moment_of_completion: {
        "a process that has ended handles inputs": setting(Instance, "_is_open", True),
    },
    SUITE.test_an_input_before_the_start_or_after_the_end: {
        "every input starts a process": setting(MessageMethod, "starts", True),
    },
    SUITE.test_a_clock_that_jumps: {"the clock of the process decides": setting(processor, "time_of", _own_time)},
    SUITE.test_compensations_run_in_reverse_order: {
        "compensations run forward": setting(Instance, "_compensation", _first),
        "a failed step is undone": replacing_attribute(Instance, "failed", _undoing_what_failed),
    },
    SUITE.test_a_command_that_was_not_executed_is_dropped: {
        "dropped commands are executed": setting(Round, "is_dropped", lambda *_: False),
    },
    SUITE.test_a_compensation_that_fails_is_stuck: {
        "ids of commands are not derived": setting(instance, "uuid5", lambda *_: uuid4()),
        "a compensation is never stuck": setting(ProcessProcessor, "_is_final", lambda *_: False),
    },
    SUITE.test_from_start_to_completion: {
        "timeouts of ended processes stay": replacing_attribute(Instance, "_end", _keeping_timers),
        "keys are ignored": setting(processor, "key_in", lambda *_: "same"),
    },
    SUITE.test_a_command_starts_a_process: {
        "commands start nothing": setting(assembly, "starting", lambda _, command, invoke: invoke),
    },
    SUITE.test_a_changed_class_affects_only_processes_that_do_not_fit: {
        "any state is accepted": replacing_attribute(records.ProcessRecords, "decode", _decoding_anything),
    },
    SUITE.test_an_upcaster_converts_a_stored_process: {
        "versions are ignored": setting(records.ProcessRecords, "_upcast", lambda _, record: record.data),
    },
    SUITE.test_an_error_without_a_method_parks_the_key: {
        "errors without a method are ignored": setting(Instance, "failed", lambda *_: Effects()),
    },
    SUITE.test_a_discarded_command_compensates: {
        "the process is not told": setting(parked_operations, "discarding", _without_input),
        "the process waits on": setting(Instance, "discarded", lambda *_: Effects()),
    },
    SUITE.test_one_of_two_commands_is_discarded: {
        "every command is dropped": replacing_attribute(Instance, "discarded", _dropping_everything),
    },
    SUITE.test_two_inputs_at_once: {
        "inputs while a process compensates are handled": setting(Instance, "_is_open", True),
    },
}


class TestFaults(FaultSuite):
    """Broken processes."""

    mutants = FAULTS


def processes(broken: Wrap) -> Wrap:
    """Break the processes of every transaction."""
    return at("transaction.processes", broken)


def writing(change: Callable[[ProcessRecord], ProcessRecord]) -> Wrap:
    """Store other processes than those that are given."""
    return processes(changing("write", records=lambda found: [change(each) for each in found]))


async def _write_new(inner: Any, found: Sequence[ProcessRecord]) -> None:
    for each in found:
        if not await inner.read(each.process, [each.key]):
            await inner.write([each])


async def _list_all(inner: Any, *, after: Any = None, **options: Any) -> Any:
    return await inner.list(**options)


def _confusing(record: ProcessRecord) -> ProcessRecord:
    return record._replace(key=record.key.lower())


MUTANTS: Mutants = {
    "test_a_process_comes_back_unchanged": {
        "the first record stays": processes(instead(write=_write_new)),
        "text is ASCII": writing(lambda each: each._replace(data=each.data.encode("ascii", "replace").decode())),
        "times are coarse": writing(lambda each: each._replace(time=each.time.replace(microsecond=0))),
    },
    "test_many_are_read_in_one_call": {
        "only the first keys are read": processes(changing("read", keys=lambda keys: keys[:20])),
    },
    "test_keys_are_exact": {"case does not count": writing(_confusing)},
    "test_lists_are_ordered_and_filtered": {
        "a page begins again": at("processes", instead(list=_list_all)),
        "states are ignored": at("processes", replacing("list", state=None)),
        "lists are backwards": at("processes", changing_result("list", to=lambda found: found[::-1])),
        "counts are of one": at("processes", changing_result("counts", to=lambda found: dict.fromkeys(found, 1))),
    },
    "test_old_ended_processes_are_deleted": {
        "nothing is deleted": at("processes", ignoring("delete", returning=3)),
        "more are deleted than asked for": at("processes", replacing("delete", limit=100)),
    },
    "test_changes_go_with_their_transaction": {
        "savepoints keep changes": leaves_savepoints,
        "rollbacks keep changes": commits_anyway,
    },
    "test_changes_need_a_transaction_that_writes": {"a reader writes quietly": quietly("processes", "write")},
}


class TestMutants(MutantSuite):
    """Broken records of processes."""

    suite = ProcessRecordSuite
    mutants = MUTANTS
    unbroken: ClassVar[Any] = staticmethod(both(at("processes", lambda inner: inner), processes(lambda inner: inner)))

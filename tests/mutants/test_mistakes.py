"""Mistakes in handlers that nothing reports, and events and errors of other processes that are not handled in full."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from tests.application import test_mistakes
from tests.mutants.core import Fault, Faults, FaultSuite, replacing, setting
from tests.transport import test_receiving_inline, test_remote_errors
from twofold import Application, Command, Event, UnitOfWork
from twofold._background.calls import Calls
from twofold._dispatch import pipeline
from twofold._encoding import exceptions
from twofold._registration.registered import Registered
from twofold._subscriptions import projection
from twofold._writing import event_sourced, unit_of_work
from twofold._writing.inline import InlineProjections
from twofold._writing.storage import WriteSide
from twofold_memory import InMemory, InMemoryTransport


def _forgetting(calls: Calls) -> None:
    for call in calls:
        call.close()  # otherwise Python warns of it
    calls.clear()


def _dropping_aggregates(write: Any) -> Any:
    async def changed(self: Any, transaction: Any, changes: Any, cause: Any) -> Any:
        changes.touched = [each for each in changes.touched if each[0] is None]
        return await write(self, transaction, changes, cause)

    return changed


def _in_the_task_of_the_caller(self: Application, command: Command[Any], key: str) -> Coroutine[Any, Any, Any]:
    return self.session().dispatch(command, idempotency_key=key)


def _by_class(record: Any) -> Any:
    def changed(self: Any, event: Event, *, stream: str | None = None) -> None:
        record(self, event, stream=stream or type(event).__name__)

    return changed


async def _none(*_: object) -> tuple[()]:
    return ()


def _nothing(*_: object) -> None:
    return None


unawaited: Fault = setting(pipeline, "check_awaited", _forgetting)

MISTAKES: Faults = {
    test_mistakes.test_an_aggregate_that_is_never_added: {
        "an aggregate is dropped": replacing(WriteSide, "write", _dropping_aggregates),
    },
    test_mistakes.test_a_call_that_is_never_awaited: {"a call of a handler is dropped": unawaited},
    test_mistakes.test_a_projection_that_does_not_await: {
        "a call of a projection is dropped": setting(projection, "check_awaited", _forgetting),
    },
    test_mistakes.test_a_callback_that_does_not_await: {
        "a call of a callback is dropped": setting(unit_of_work, "check_awaited", _forgetting),
    },
    test_mistakes.test_a_change_that_no_event_records: {
        "attributes are not compared with the events": setting(event_sourced, "check_recorded", _nothing),
    },
    test_mistakes.test_a_handler_that_is_registered_too_late: {
        "a handler is never called": setting(Registered, "_runs", _nothing),
    },
    test_mistakes.test_a_dispatch_with_a_key_runs_in_any_task: {
        "a session is opened in the task of the caller": setting(
            Application, "_dispatch_once", _in_the_task_of_the_caller
        ),
    },
    test_mistakes.test_published_events_do_not_wait_for_each_other: {
        "all events of a class are in one stream": replacing(UnitOfWork, "record", _by_class),
    },
}

RECEIVED: Faults = {
    test_receiving_inline.test_received_events_are_applied_with_their_append: {
        "received events are not applied": setting(InlineProjections, "hold", _none),
    },
    test_remote_errors.test_an_error_with_any_text_is_sent: {
        "a text is sent as it is": setting(exceptions, "text_of", str),
    },
}


class TestMistakes(FaultSuite):
    """Mistakes of users that lose writes without an error."""

    mutants = MISTAKES


class TestReceived(FaultSuite):
    """Events that inline projections miss, and errors that no reply carries."""

    mutants = RECEIVED
    given = {"here": InMemory, "there": InMemory, "broker": InMemoryTransport}  # noqa: RUF012 -- declared as a ClassVar

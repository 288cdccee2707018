"""The faults of the lab: how an operator sees each one, and the command that repairs it. The runbook shows this table."""

from __future__ import annotations

from typing import Final, NamedTuple

import pytest


class Page(NamedTuple):
    """A page of the console that shows a fault.

    Attributes:
        name: its name in the console.
        path: its address.
        says: a part of its text while the fault lasts.
    """

    name: str
    path: str
    says: str


class Fault(NamedTuple):
    """A fault, and where it is visible.

    Attributes:
        cause: what has failed.
        alert: the alert that fires.
        metric: an expression of Prometheus whose value is above 0 while the fault lasts.
        health: the code of the problem in `app.health()`, or a field of the status of a subscription.
        page: the page of the console; None if no process answers.
        repair: the command or the action that repairs it.
    """

    cause: str
    alert: str
    metric: str
    health: str
    page: Page | None
    repair: str


def _problem(code: str) -> str:
    """Return the expression of a problem of health."""
    return f'twofold_health_problems{{twofold_problem_code="{code}"}}'


def _overview(says: str) -> Page:
    return Page("Overview", "/", says)


def _subscription(name: str, says: str) -> Page:
    return Page("Subscription", f"/subscription?name={name}", says)


_WORKERS: Final = Page("Workers", "/workers", "without a worker for every partition")

FAULTS: Final = (
    Fault(
        "A poison event: the update of a read model fails",
        "TwofoldParked",
        "twofold_subscription_parked",
        "parked",
        Page("Parked events", "/parked", "exchange rates"),
        "`twofold parked retry NAME`",
    ),
    Fault(
        "An event handler fails, and is retried",
        "TwofoldRetrying",
        "twofold_subscription_retrying",
        "status.retrying",
        _subscription("mail", "1 with a pending retry"),
        "`twofold parked retry NAME`",
    ),
    Fault(
        "The worker is killed",
        "TwofoldNoWorker",
        "twofold_subscription_covered == bool 0",
        "no_worker",
        _WORKERS,
        "`twofold worker`",
    ),
    Fault(
        "The worker is paused for longer than its lease",
        "TwofoldNoWorker",
        "twofold_subscription_covered == bool 0",
        "no_worker",
        _WORKERS,
        "none: the worker claims its partitions again when it continues",
    ),
    Fault(
        "A scheduled command is due, and no worker runs",
        "TwofoldScheduleOverdue",
        _problem("schedule_overdue"),
        "schedule_overdue",
        Page("Schedule", "/schedule", "lab.remind"),
        "`twofold worker`",
    ),
    Fault(
        "A projection hangs",
        "TwofoldLag",
        "twofold_subscription_lag_seconds",
        "lag",
        _subscription("order_rows", "order_rows lags by"),
        "restart of the worker with `twofold worker`",
    ),
    Fault(
        "A projection hangs while many events are recorded",
        "TwofoldBacklog",
        "twofold_subscription_backlog",
        "backlog",
        _subscription("order_rows", "event(s), more than 1000"),
        "restart of the worker with `twofold worker`",
    ),
    Fault(
        "A scheduled command fails at every attempt",
        "TwofoldScheduleStuck",
        _problem("schedule_stuck"),
        "schedule_stuck",
        Page("Schedule", "/schedule", "the mail server"),
        "`twofold scheduled retry ID`",
    ),
    Fault(
        "A compensation of a process fails at every attempt",
        "TwofoldProcessStuck",
        _problem("process_stuck"),
        "process_stuck",
        Page("Processes", "/processes", "the stock"),
        "`twofold processes retry NAME KEY`",
    ),
    Fault(
        "The cache server stops",
        "TwofoldCacheUnavailable",
        _problem("cache_unavailable"),
        "cache_unavailable",
        Page("Caches", "/caches", "the cache does not answer"),
        "start of the server",
    ),
    Fault(
        "The server of the notifier stops",
        "TwofoldNotifierUnavailable",
        _problem("notifier_unavailable"),
        "notifier_unavailable",
        _overview("notifications between processes fail"),
        "start of the server",
    ),
    Fault(
        "The broker stops: events are not relayed",
        "TwofoldSubscriptionFailing",
        _problem("failing"),
        "failing",
        _subscription("relay", "relay fails"),
        "start of the server",
    ),
    Fault(
        "The broker stops: events do not arrive",
        "TwofoldBrokerUnavailable",
        _problem("receiver_failed"),
        "receiver_failed",
        _overview("lab.carrier cannot receive"),
        "start of the server",
    ),
    Fault(
        "The broker stops: requests do not arrive",
        "TwofoldBrokerUnavailable",
        _problem("requests_unavailable"),
        "requests_unavailable",
        _overview("lab cannot serve requests"),
        "start of the server",
    ),
    Fault(
        "The database stops",
        "TwofoldStoreUnavailable",
        _problem("store_unavailable"),
        "store_unavailable",
        _overview("a store does not answer"),
        "start of the server",
    ),
    Fault(
        "All processes are killed",
        "TwofoldNoReport",
        "absent(twofold_health_healthy)",
        "",
        None,
        "`twofold worker`",
    ),
    Fault(
        "The event loop of a process is blocked",
        "TwofoldLagUnknown",
        'twofold_subscription_lag_unknown{twofold_reason="stale"}',
        "",
        None,
        "restart of the process",
    ),
    Fault(
        "The clock of a process is ahead",
        "TwofoldLagUnknown",
        'twofold_subscription_lag_unknown{twofold_reason="clock_ahead"}',
        "status.lag_unknown_code",
        _subscription("order_rows", "is ahead of the clock of this one"),
        "none: the lag is known again when the event is processed",
    ),
    Fault(
        "A session appends, and its transaction stays open",
        "TwofoldReadersBlocked",
        'twofold_subscription_lag_unknown{twofold_reason="open_transaction"}',
        "readers_blocked",
        _overview("an open transaction keeps all readers of the event log waiting"),
        "end of the transaction in the database",
    ),
    Fault(
        "A release lacks events of the stored rows",
        "TwofoldProjectionChanged",
        _problem("projection_changed"),
        "projection_changed",
        _subscription("order_rows", "order_rows fails: ProjectionChanged"),
        "`twofold rebuild NAME`",
    ),
    Fault(
        "Another program has changed a row",
        "TwofoldUnreadableRow",
        _problem("unreadable_row"),
        "unreadable_row",
        _overview("lab_order_row has an unreadable row"),
        "`twofold rebuild NAME`",
    ),
    Fault(
        "The event log has lost its last events",
        "TwofoldEventsLost",
        _problem("events_lost"),
        "events_lost",
        _subscription("order_rows", "order_rows fails: EventsLost"),
        "`twofold realign`, and `twofold replay NAME --after POSITION`",
    ),
    Fault(
        "The broker has lost events that the event log has lost, too",
        "TwofoldBrokerLostEvents",
        _problem("broker_lost_events"),
        "broker_lost_events",
        _overview("the broker may have lost events, which cannot be relayed again"),
        "`twofold replay NAME --after POSITION`",
    ),
    Fault(
        "The event log of another application has lost events",
        "TwofoldSourceLostEvents",
        _problem("source_lost_events"),
        "source_lost_events",
        _overview("lab.carrier has recorded events that the event log of their application has lost"),
        "`twofold lost CONSUMER --accept`",
    ),
    Fault(
        "A message of another application cannot be recorded",
        "TwofoldMessagesParked",
        _problem("messages_parked"),
        "messages_parked",
        _overview("lab.carrier has parked 1 message(s)"),
        "`twofold messages discard CONSUMER ID`",
    ),
    Fault(
        "A background task has a defect",
        "TwofoldTaskFailed",
        _problem("task_failed"),
        "task_failed",
        _overview("a background task failed and was restarted"),
        "restart of the process",
    ),
)
"""All faults, in the order of the runbook."""

TESTED: Final[set[Fault]] = set()
"""The faults that a test of the lab causes."""


def causes(*alerts: str) -> pytest.MarkDecorator:
    """Pass the faults of these alerts to a test of the lab as `faults`."""
    return _marked([each for each in FAULTS if each.alert in alerts])


def fault(*those: str) -> pytest.MarkDecorator:
    """Pass the faults with these causes to a test of the lab as `faults`."""
    return _marked([each for each in FAULTS if each.cause in those])


def _marked(found: list[Fault]) -> pytest.MarkDecorator:
    assert found
    TESTED.update(found)
    return pytest.mark.parametrize("faults", [found], ids=["+".join(sorted({each.alert for each in found}))])


def table() -> str:
    """Return the table of the runbook."""
    rows = [
        (
            each.cause,
            f"[{each.alert}](#{each.alert.lower()})",
            f"`{each.metric}`",
            _health(each.health),
            each.page.name if each.page else "–",
            each.repair,
        )
        for each in FAULTS
    ]
    head = [("fault", "alert", "metric above 0", "`app.health()`", "page of the console", "repair"), ("---",) * 6]
    return "\n".join(f"| {' | '.join(row)} |" for row in (*head, *rows))


def _health(code: str) -> str:
    if not code:
        return "–"
    return f"`{code.removeprefix('status.')}` of its status" if code.startswith("status.") else f"`{code}`"

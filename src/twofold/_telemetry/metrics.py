"""The metrics of Twofold: name, unit and attributes of each."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

APPLICATION: Final = "twofold.application"
MESSAGE_KIND: Final = "twofold.message.kind"
MESSAGE_TYPE: Final = "twofold.message.type"
SUBSCRIPTION: Final = "twofold.subscription"
SUBSCRIPTION_KIND: Final = "twofold.subscription.kind"
OUTCOME: Final = "twofold.outcome"
REASON: Final = "twofold.reason"
PROBLEM_CODE: Final = "twofold.problem.code"
PROBLEM_SEVERITY: Final = "twofold.problem.severity"
PROBLEM_SUBJECT: Final = "twofold.problem.subject"
PROCESS_NAME: Final = "twofold.process"
PROCESS_STATE: Final = "twofold.process.state"
SERVICE: Final = "twofold.service"
ERROR_TYPE: Final = "error.type"
SYSTEM: Final = "messaging.system"
OPERATION: Final = "messaging.operation.name"
CONSUMER: Final = "messaging.consumer.group.name"


class Metric(NamedTuple):
    """A metric. The values of its attributes are bounded: names in the code, codes and outcomes; never ids or keys.

    Attributes:
        name: the name, by the semantic conventions of OpenTelemetry where they have one.
        kind: the kind of instrument.
        unit: the unit, in UCUM.
        text: the meaning.
        attributes: the names of its attributes, besides `twofold.application`. A measurement may lack some.
        buckets: the upper bounds of a histogram's buckets, in the unit.
    """

    name: str
    kind: Literal["counter", "histogram", "gauge"]
    unit: str
    text: str
    attributes: tuple[str, ...]
    buckets: tuple[float, ...] = ()


_CALLS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_DELAYS: Final = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 3600.0)


def _duration(name: str, text: str, *attributes: str, buckets: tuple[float, ...] = _CALLS) -> Metric:
    return Metric(name, "histogram", "s", text, attributes, buckets)


HANDLER_DURATION: Final = _duration(
    "twofold.handler.duration",
    "Duration of the handlers of commands, queries and events. Failures have `error.type`.",
    *(MESSAGE_KIND, MESSAGE_TYPE, SUBSCRIPTION, ERROR_TYPE),
)
QUERY_DURATION: Final = _duration(
    "twofold.query.duration",
    "Duration of queries with middleware and cache, without the wait for consistency.",
    *(MESSAGE_TYPE, ERROR_TYPE),
)
WAIT_DURATION: Final = _duration(
    "twofold.consistency.wait.duration",
    "Time for which queries of a session waited for a projection. A timeout has `error.type`.",
    *(SUBSCRIPTION, ERROR_TYPE),
)
APPEND_DURATION: Final = _duration(
    "twofold.append.duration", "Duration of appending the events of one unit of work, before the commit.", ERROR_TYPE
)
BATCH_DURATION: Final = _duration(
    "twofold.subscription.batch.duration",
    "Duration of one transaction of a subscription: a batch of events, or one event of an event handler.",
    *(SUBSCRIPTION, SUBSCRIPTION_KIND, ERROR_TYPE),
)
REMOTE_DURATION: Final = _duration(
    "twofold.remote.duration",
    "Duration of commands and queries that another application handles.",
    *(SERVICE, MESSAGE_TYPE, ERROR_TYPE),
)
SCHEDULE_DELAY: Final = _duration(
    "twofold.schedule.delay",
    "Time from when a scheduled command was due until a worker began to dispatch it.",
    MESSAGE_TYPE,
    buckets=_DELAYS,
)
PROCESSED: Final = Metric(
    "twofold.subscription.processed", "counter", "{event}", "Events that a subscription has processed.", (SUBSCRIPTION,)
)
FAILURES: Final = Metric(
    "twofold.subscription.failures",
    "counter",
    "{event}",
    "Failed attempts of a subscription to process an event. `twofold.outcome` is `retry`, `parked` or `skipped`.",
    (SUBSCRIPTION, OUTCOME, ERROR_TYPE),
)
CACHE_LOOKUPS: Final = Metric(
    "twofold.cache.lookups",
    "counter",
    "{lookup}",
    "Lookups of cached answers. `twofold.outcome` is `hit`, `miss`, `shared` with a load under way, or `failure`.",
    (MESSAGE_TYPE, OUTCOME),
)
LEASE_CHANGES: Final = Metric(
    "twofold.lease.changes",
    "counter",
    "{change}",
    "Changes of leases in this process. `twofold.outcome` is `acquired`, `released` or `lost`.",
    (SUBSCRIPTION, OUTCOME),
)
SCHEDULE_FAILURES: Final = Metric(
    "twofold.schedule.failures",
    "counter",
    "{command}",
    "Failed attempts to dispatch a scheduled command. `twofold.outcome` is `retry`, `stuck` or `skipped`.",
    (MESSAGE_TYPE, OUTCOME, ERROR_TYPE),
)
SENT: Final = Metric(
    "messaging.client.sent.messages",
    "counter",
    "{message}",
    "Messages that the relay has sent. `twofold.outcome` is the answer of the broker: `confirmed`, `unroutable`, …",
    (SYSTEM, OPERATION, OUTCOME, ERROR_TYPE),
)
CONSUMED: Final = Metric(
    "messaging.client.consumed.messages",
    "counter",
    "{message}",
    "Messages received from other applications. `twofold.outcome` is `recorded` or `parked`.",
    (SYSTEM, OPERATION, CONSUMER, OUTCOME),
)
LAG: Final = Metric(
    "twofold.subscription.lag",
    "gauge",
    "s",
    "Age of the first event that a subscription has not processed. No value while it is unknown.",
    (SUBSCRIPTION,),
)
BACKLOG: Final = Metric(
    "twofold.subscription.backlog",
    "gauge",
    "{event}",
    "Events that a subscription has not processed. No value while it is unknown.",
    (SUBSCRIPTION,),
)
LAG_UNKNOWN: Final = Metric(
    "twofold.subscription.lag.unknown",
    "gauge",
    "1",
    "1 while the lag of a subscription is unknown, with the reason; no value otherwise.",
    (SUBSCRIPTION, REASON),
)
PARKED: Final = Metric(
    "twofold.subscription.parked",
    "gauge",
    "{event}",
    "Parked events (dead letters) of a subscription.",
    (SUBSCRIPTION,),
)
RETRYING: Final = Metric(
    "twofold.subscription.retrying",
    "gauge",
    "{event}",
    "Events of a subscription that wait for a retry, or for an earlier event of their key.",
    (SUBSCRIPTION,),
)
COVERED: Final = Metric(
    "twofold.subscription.covered",
    "gauge",
    "1",
    "1 if processes run all partitions of a subscription, 0 if not. No value while it is paused.",
    (SUBSCRIPTION,),
)
PROBLEMS: Final = Metric(
    "twofold.health.problems",
    "gauge",
    "{problem}",
    "Problems that `Application.health` reports, by code and subject. Scheduled commands are not named.",
    (PROBLEM_CODE, PROBLEM_SEVERITY, PROBLEM_SUBJECT),
)
PROCESSES: Final = Metric(
    "twofold.processes",
    "gauge",
    "{process}",
    "Processes (sagas) by name and state.",
    (PROCESS_NAME, PROCESS_STATE),
)
HEALTHY: Final = Metric(
    "twofold.health.healthy",
    "gauge",
    "1",
    "1 if `Application.health` reports no problem, 0 otherwise. No value means that no probe has ended in time.",
    (),
)

METRICS: Final = (
    *(HANDLER_DURATION, QUERY_DURATION, WAIT_DURATION, APPEND_DURATION, CACHE_LOOKUPS),
    *(LAG, BACKLOG, LAG_UNKNOWN, PARKED, RETRYING, COVERED, BATCH_DURATION, PROCESSED, FAILURES, LEASE_CHANGES),
    *(SCHEDULE_DELAY, SCHEDULE_FAILURES, SENT, CONSUMED, REMOTE_DURATION, PROCESSES, PROBLEMS, HEALTHY),
)
"""All metrics, in the order of the documentation."""

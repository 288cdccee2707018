"""The spans of Twofold: the operation, kind and attributes of each."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

from .metrics import (
    APPLICATION,
    CONSUMER,
    ERROR_TYPE,
    MESSAGE_KIND,
    MESSAGE_TYPE,
    OPERATION,
    SERVICE,
    SUBSCRIPTION,
    SUBSCRIPTION_KIND,
    SYSTEM,
)

OPERATION_TYPE: Final = "messaging.operation.type"
COUNT: Final = "messaging.batch.message_count"
ATTEMPT: Final = "twofold.attempt"
CANCELLED: Final = "twofold.cancelled"


class SpanType(NamedTuple):
    """A type of span. No attribute holds the content of a message, a key or an id.

    Attributes:
        operation: the first word of the name.
        of: what follows in the name.
        kind: the kind of span.
        text: the meaning.
        attributes: the names of its attributes. A span may lack some. `error.type` and `twofold.cancelled` are not listed.
        nested: whether it is always inside another span of Twofold, so that it is left out if that one is not sampled.
    """

    operation: str
    of: str
    kind: Literal["INTERNAL", "CLIENT", "SERVER", "PRODUCER", "CONSUMER"]
    text: str
    attributes: tuple[str, ...]
    nested: bool = False


DISPATCH: Final = SpanType(
    "dispatch",
    "message type",
    "INTERNAL",
    "A command or query, from the bus to the commit. Continues the current span, or else the trace of the session.",
    (MESSAGE_KIND, MESSAGE_TYPE),
)
HANDLE: Final = SpanType(
    "handle",
    "message type",
    "INTERNAL",
    "The handler of a command, a query or an event. A streaming query has none.",
    (MESSAGE_KIND, MESSAGE_TYPE, SUBSCRIPTION),
    nested=True,
)
APPEND: Final = SpanType(
    "append", "", "INTERNAL", "Appending the events of a unit of work to the log.", (COUNT,), nested=True
)
COMMIT: Final = SpanType("commit", "", "INTERNAL", "The commit of a unit of work.", (), nested=True)
PROCESS: Final = SpanType(
    "process",
    "subscription",
    "CONSUMER",
    "One transaction of a subscription: a batch of events, or one event of an event handler. Links to the spans that "
    "recorded the events.",
    (SYSTEM, OPERATION, OPERATION_TYPE, CONSUMER, SUBSCRIPTION_KIND, COUNT, ATTEMPT),
)
PUBLISH: Final = SpanType(
    "publish",
    "application",
    "PRODUCER",
    "Messages that the relay sends to the broker. Links to the spans that recorded the events.",
    (SYSTEM, OPERATION, OPERATION_TYPE, COUNT),
)
RECEIVE: Final = SpanType(
    "receive",
    "consumer",
    "CONSUMER",
    "Events of another application that are recorded in the log. Links to the spans that recorded them there.",
    (SYSTEM, OPERATION, OPERATION_TYPE, CONSUMER, COUNT),
)
CALL: Final = SpanType(
    "call",
    "message type",
    "CLIENT",
    "A command or query that another application handles, until the reply.",
    (SERVICE, MESSAGE_KIND, MESSAGE_TYPE),
)
SERVE: Final = SpanType(
    "serve",
    "message type",
    "SERVER",
    "A command or query of another application, until the reply. Continues its trace.",
    (MESSAGE_KIND, MESSAGE_TYPE),
)
SCHEDULED: Final = SpanType(
    "scheduled",
    "message type",
    "CONSUMER",
    "A scheduled command that is due. Links to the span that scheduled it.",
    (MESSAGE_TYPE, ATTEMPT),
)

SPANS: Final = (DISPATCH, HANDLE, APPEND, COMMIT, PROCESS, PUBLISH, RECEIVE, CALL, SERVE, SCHEDULED)
"""All types of spans, in the order of the documentation."""

OF_ALL: Final = (APPLICATION, ERROR_TYPE, CANCELLED)
"""The attributes that any span may have."""

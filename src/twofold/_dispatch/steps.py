"""The pipeline of a message type: named steps, composed into one callable."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from .._buses.no_handler import Handle
from .._definitions.message import Message


@dataclass(frozen=True, slots=True)
class Step:
    """A step of a pipeline.

    Attributes:
        name: the kind of step, such as "middleware" or "commit".
        text: the line that `explain` prints.
        around: puts the step around the callable of the steps after it; None when another step runs this one.
        claims: whether only dispatches with a claim take this step.
    """

    name: str
    text: str
    around: Callable[[Any], Any] | None = None
    claims: bool = False


@dataclass(frozen=True, slots=True)
class Pipeline:
    """How a message is handled: its steps in the order in which they run, and the callable that they are composed into.

    Attributes:
        message: the type of message.
        steps: the steps, in order.
        handle: handles a message.
        claimed: handles a message whose caller claims something first, such as an idempotency key.
        reads: the projections that a query reads, and that may lag.
        streams: whether a query is answered with an async generator.
    """

    message: type[Message]
    steps: tuple[Step, ...]
    handle: Handle
    claimed: Handle
    reads: Sequence[str] = ()
    streams: bool = False


def pipeline(
    message: type[Message],
    steps: Sequence[Step],
    last: Callable[..., Any],
    *,
    reads: Sequence[str] = (),
    streams: bool = False,
) -> Pipeline:
    """Compose steps around the callable of a handler, once, so that a message costs no loop over them."""
    handle = _composed([step for step in steps if not step.claims], last)
    claimed = _composed(steps, last) if any(step.claims for step in steps) else handle
    return Pipeline(message, tuple(steps), handle, claimed, reads, streams)


def _composed(steps: Sequence[Step], last: Any) -> Any:
    for step in reversed(steps):
        if step.around is not None:
            last = step.around(last)
    return last

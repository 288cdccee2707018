"""The steps of a message, and its pipeline, which is composed of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from .._buses.no_handler import Handle
from .._definitions.message import Message


class Step(NamedTuple):
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


@dataclass(frozen=True, slots=True, eq=False)
class Pipeline:
    """The handling of a message: its steps in the order in which they run, and the callable composed of them.

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

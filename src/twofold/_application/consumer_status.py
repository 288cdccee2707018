"""The status of consumers, which receive the events of other applications."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from ..ports.subscription_store import Pause
from .problems import Problem

if TYPE_CHECKING:
    from .._integration.inbound import Inbound
    from .running import Running

ConsumerState: TypeAlias = Literal["receiving", "paused", "failing", "no process"]


@dataclass(frozen=True, slots=True)
class ConsumerStatus:
    """The current status of one consumer: what receives the events of another application.

    Attributes:
        name: the name of the consumer, such as "depot.shop".
        source: the application that publishes the events.
        state: "paused" if an operator has paused it in all processes; "failing" if it fails in this process; "receiving" if
            a process receives; otherwise "no process".
        processes: the number of processes that receive, did within the last lease, or check whether a pause has ended.
        parked: the number of parked messages, which wait for `retry_messages` or `discard_messages`; None if the broker does
            not answer.
        error: the current failure in this process as a text; empty if there is none.
        pause: since when it is paused, and why; None if it is not paused.
    """

    name: str
    source: str
    state: ConsumerState
    processes: int = 0
    parked: int | None = None
    error: str = ""
    pause: Pause | None = None


async def consumer_statuses(running: Running) -> Sequence[ConsumerStatus]:
    """Return the status of every consumer, in the order of registration."""
    return [await _status_of(running, each) for each in running.messaging.inbound]


async def _status_of(running: Running, inbound: Inbound) -> ConsumerStatus:
    name, store = inbound.feed.consumer, running.parts.write.subscriptions
    pause = await store.paused(name)
    processes = await store.attend(name, f"{running.owner}/status", seconds=0)
    error = inbound.failure or ""
    state: ConsumerState = "failing" if error else "receiving" if processes else "no process"
    return ConsumerStatus(
        name,
        inbound.source,
        state if pause is None else "paused",
        processes,
        await running.messaging.parked_count(name),
        error,
        pause,
    )


def consumer_problems(consumers: Sequence[ConsumerStatus]) -> Iterator[Problem]:
    """Yield a problem for each consumer with parked messages."""
    for each in consumers:
        if each.parked:
            text = f"{each.name} has parked {each.parked} message(s) that it cannot record"
            advice = f"app.operations.parked_messages({each.name!r}) names the reasons. Retry or discard them."
            yield Problem("messages_parked", "warning", each.name, text, advice)

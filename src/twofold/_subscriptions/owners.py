"""The workers that hold the partitions of a subscription, as they are named in its leases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ..ports.subscription_store import Partition

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class SubscriptionWorker:
    """A process that runs partitions of a subscription.

    Attributes:
        owner: its name in leases, `host/pid/…`; each running application has another one.
        host: the name of its host.
        pid: its process id on that host; None if it is not known.
        partitions: the numbers of the partitions that it holds.
        since: since when it has held the first of them without a break, by the clock of the store, in UTC.
    """

    owner: str
    host: str
    pid: int | None
    partitions: tuple[int, ...]
    since: datetime


def workers_of(partitions: Sequence[Partition]) -> tuple[SubscriptionWorker, ...]:
    """Return the workers that hold partitions now, in the order of their first partition."""
    found: dict[str, list[Partition]] = {}
    for each in partitions:
        if each.owner is not None:
            found.setdefault(each.owner, []).append(each)
    return tuple(_worker(owner, held) for owner, held in found.items())


def _worker(owner: str, held: Sequence[Partition]) -> SubscriptionWorker:
    host, pid, *_ = (*owner.rsplit("/", 2), "", "")
    # The generation of a claim is its time in microseconds; see `SubscriptionStore.claim`.
    since = min(_EPOCH + timedelta(microseconds=each.generation) for each in held)
    return SubscriptionWorker(
        owner, host, int(pid) if pid.isdecimal() else None, tuple(each.number for each in held), since
    )

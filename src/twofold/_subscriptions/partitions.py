"""The partitions of a subscription: create them, and change their number."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence

import anyio

from .._definitions.partitioning import partition_of
from .._definitions.position import START, Position
from .._writing.transactions import writing
from ..errors import CheckpointMoved, ForeignLog
from ..ports.checkpoints import Checkpoint, Lease
from .decoded_log import DecodedLog
from .partition_runner import PartitionRunner
from .subscription import Subscription

logger = logging.getLogger("twofold.subscriptions")


class Partitions:
    """Creates the partitions of a subscription, and changes their number.

    Args:
        subscription: the subscription.
        log: the event log.
        owner: the name of this process.
        lease: the duration of a lease, in seconds.
        runner_of: returns a runner for a lease, given the number of partitions.
    """

    def __init__(
        self,
        subscription: Subscription,
        log: DecodedLog,
        owner: str,
        lease: float,
        runner_of: Callable[[Lease, int], PartitionRunner],
    ) -> None:
        self._subscription = subscription
        self._store = subscription.store.subscriptions
        self._log = log
        self._owner = owner
        self._lease = lease
        self._runner_of = runner_of

    async def prepare(self) -> None:
        """Check the checkpoints, and create those of a new subscription that does not start at the beginning.

        Raises:
            ForeignLog: a checkpoint belongs to another log.
        """
        subscription = self._subscription
        partitions = await self._store.partitions(subscription.name)
        for partition in partitions:
            if partition.checkpoint.log != self._log.identity:
                raise ForeignLog(
                    f"cannot run {subscription.name!r}: its checkpoint belongs to log {partition.checkpoint.log}, and this "
                    f"log is {self._log.identity}. A restored backup or another database counts as another log. Point the "
                    "application to the store of its log, or rename the subscription and its views, so that they are filled "
                    "from the beginning. If the database was only recreated for development, empty the read store."
                )
        if not partitions and subscription.start != "beginning":
            await self.create()

    async def create(self) -> int:
        """Create the first checkpoints. Return the number of partitions."""
        start, count = self._subscription.start, self._subscription.partitions
        if start == "now":
            position = await self._log.events.head()
        else:
            position = START if start == "beginning" else Position(int(start))
        try:
            await self._divide([Checkpoint(position, self._log.identity)] * count, ())
        except CheckpointMoved:  # another process was faster
            return len(await self._store.partitions(self._subscription.name))
        return count

    async def change(self, count: int) -> int:
        """Change the number of partitions, unless another worker holds one. Return the number of partitions.

        All partitions are brought to one position, and divided again there.
        """
        name, wanted = self._subscription.name, self._subscription.partitions
        leases = await self._store.claim(name, self._owner, seconds=self._lease, limit=count)
        try:
            if len(leases) < count:
                logger.info("subscription %s keeps its %d partitions while other workers hold some", name, count)
                return count
            top = max(partition.checkpoint.position for partition in await self._store.partitions(name))

            async def renew(_: Position) -> None:
                await self._store.renew(leases, seconds=self._lease)

            for lease in leases:
                await self._runner_of(lease, count).catch_up(top, renew)
            counts = parked_by_partition(await self._subscription.store.parked.keys(name), wanted)
            await self._divide([Checkpoint(top, self._log.identity, parked) for parked in counts], leases)
            logger.info("subscription %s has %d partitions now; it had %d", name, wanted, count)
            return wanted
        finally:
            with anyio.CancelScope(shield=True):
                await self.release(leases)

    async def release(self, leases: Sequence[Lease]) -> None:
        """Release leases. If the store fails, they expire."""
        try:
            await self._store.release(leases)
        except Exception as error:  # noqa: BLE001 -- the leases expire
            logger.warning("subscription %s: cannot release a lease: %s", self._subscription.name, error)

    async def _divide(self, checkpoints: Sequence[Checkpoint], leases: Sequence[Lease]) -> None:
        async with writing(self._subscription.store) as transaction:
            await transaction.checkpoints.divide(self._subscription.name, checkpoints, leases=leases)


def parked_by_partition(counts: Mapping[str, int], partitions: int) -> list[int]:
    """Return the number of parked events of each partition, given the number of parked events of each key."""
    found = [0] * partitions
    for key, count in counts.items():
        found[partition_of(key, partitions)] += count
    return found

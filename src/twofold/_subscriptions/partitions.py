"""The partitions of a subscription: create them, and change their number."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import anyio

from .._background.log_lines import logger_of
from .._definitions.partitioning import partition_of
from .._definitions.position import START, Position
from .._writing.transactions import writing
from ..errors import CheckpointMoved, ForeignLog
from ..ports.checkpoints import Checkpoint, Lease
from .decoded_log import DecodedLog
from .partition_runner import PartitionRunner, SubscriptionPaused
from .recording import record_contents, take_over
from .subscription import EVERY_PARTITION, Subscription

logger = logger_of("twofold.subscriptions")


class Partitions:
    """Creates the partitions of a subscription, and changes their number.

    Args:
        subscription: the subscription.
        log: the event log.
        owner: the name of this process.
        lease: the duration of a lease, in seconds.
        runner_of: returns a runner for a lease.
    """

    def __init__(
        self,
        subscription: Subscription,
        log: DecodedLog,
        owner: str,
        lease: float,
        runner_of: Callable[[Lease], PartitionRunner],
    ) -> None:
        self._subscription = subscription
        self._store = subscription.store.subscriptions
        self._log = log
        self._owner = owner
        self._lease = lease
        self._runner_of = runner_of

    async def prepare(self) -> None:
        """Check the checkpoints. Create those of a new projection, and of one that does not start at the beginning.

        New contents of a projection are recorded; see `recording`.

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
        if not partitions and (subscription.start != "beginning" or subscription.contents):
            await self.create()
        else:
            await self.record_contents()

    async def record_contents(self) -> None:
        """Record new contents of a projection; see `recording`."""
        await record_contents(self._subscription, self._log, self._owner, self._lease)

    async def take_over(self) -> bool:
        """Run a projection without fields that another release has recorded. Return False while a worker runs it."""
        return await take_over(self._subscription, self._owner, self._lease)

    async def create(self) -> int:
        """Create the first checkpoints. Return the number of partitions."""
        start, count = self._subscription.start, self._subscription.partitions
        if start == "now":
            first = await self._log.at_head()
        else:
            first = await self._log.at(START if start == "beginning" else Position(int(start)))
        try:
            await self._divide([replace(first, contents=self._subscription.contents)] * count, ())
        except CheckpointMoved:  # another process was faster
            await self.record_contents()
            return len(await self._store.partitions(self._subscription.name))
        return count

    async def change(self) -> int:
        """Change the number of partitions, unless another worker holds one. Return the number of partitions.

        All partitions are brought to one position, and divided again there.
        """
        name, wanted = self._subscription.name, self._subscription.partitions
        leases = await self._store.claim(name, self._owner, seconds=self._lease, limit=EVERY_PARTITION)
        try:
            partitions = await self._store.partitions(name)
            count = len(partitions)
            if len(leases) < count:
                logger.info("subscription %s keeps its %d partitions: other workers have leases of some", name, count)
                return count
            top = max((partition.checkpoint for partition in partitions), key=lambda each: each.position)

            async def renew(_: Position) -> None:
                await self._store.renew(leases, seconds=self._lease)

            for lease in leases:
                await self._runner_of(lease).catch_up(top, renew)
            counts = parked_by_partition(await self._subscription.store.parked.keys(name), wanted)
            await self._divide([replace(top, parked=parked) for parked in counts], leases)
            logger.info("subscription %s has %d partitions now; it had %d", name, wanted, count)
            return wanted
        except SubscriptionPaused:
            return len(leases)
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

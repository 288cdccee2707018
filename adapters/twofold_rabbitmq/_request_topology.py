"""What is declared for requests: a queue that every server of a service shares, and queues for requests that have a key."""

from __future__ import annotations

import aiormq

from twofold.errors import ConfigurationError
from twofold.ports import Request

from ._topology import BUCKETS, REFUSED, Arguments, bucket_of, declare_partitions, partitions_found

_DELIVERIES = 50
"""How often a request is delivered at most: one that ends every server, or its connection, is dropped then."""


class RequestTopology:
    """Names and declarations.

    Args:
        prefix: what the name of everything begins with.
    """

    def __init__(self, prefix: str) -> None:
        self.exchange = f"{prefix}:requests"  # no consumer has a colon in its name

    def routing_key(self, service: str, request: Request) -> str:
        """Return how a request is addressed."""
        return f"{'any' if request.key is None else bucket_of(request.key)}.{service}"

    def queues(self, service: str, partitions: int) -> list[str]:
        """Return the queues of a service: the shared one first."""
        shared = f"{self.exchange}.{service}"
        return [shared, *(f"{shared}.{part}" for part in range(partitions))]

    async def declare_exchange(self, channel: aiormq.Channel) -> None:
        """Declare what requests are sent to."""
        await channel.exchange_declare(self.exchange, exchange_type="direct", durable=True)

    async def declare(self, channel: aiormq.Channel, service: str, partitions: int) -> None:
        """Declare what a service needs; safe to repeat.

        Raises:
            ConfigurationError: it is there with another number of partitions.
        """
        shared, *parts = self.queues(service, partitions)
        quorum: Arguments = {"x-queue-type": "quorum", "x-delivery-limit": _DELIVERIES}
        try:
            await self.declare_exchange(channel)
            await declare_partitions(channel, shared, partitions)
            await channel.queue_declare(shared, durable=True, arguments=quorum)
            for part in parts:
                await channel.queue_declare(part, durable=True, arguments=quorum | {"x-single-active-consumer": True})
        except REFUSED as error:
            raise ConfigurationError(
                f"cannot serve {service!r} with {partitions} partitions: {partitions_found(error)}. It was declared in "
                "another form before. "
                f"Serve it as before, or delete what it has with `await RabbitMQ(…).forget_service({service!r})`."
            ) from error
        for bucket in range(BUCKETS):
            queue = parts[bucket % len(parts)]
            await channel.queue_bind(queue, self.exchange, routing_key=f"{bucket}.{service}", nowait=True)
        await channel.queue_bind(shared, self.exchange, routing_key=f"any.{service}")

    async def forget(self, channel: aiormq.Channel, service: str) -> None:
        """Delete what belongs to a service alone, into however many parts it is divided."""
        shared, *parts = self.queues(service, BUCKETS)
        for queue in parts:
            await channel.queue_delete(queue, nowait=True)  # one that is not there is no error
        await channel.queue_delete(shared)
        await channel.exchange_delete(shared)

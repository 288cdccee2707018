"""The exchange and queues of requests: a queue that all servers of a service share, and queues for requests with a key."""

from __future__ import annotations

from aio_pika import ExchangeType
from aio_pika.abc import AbstractChannel, HeadersType

from twofold.errors import ConfigurationError
from twofold.ports import Request

from ._connection import underlying
from ._topology import BUCKETS, REFUSED, bucket_of, declare_partitions, partitions_found

_DELIVERIES = 50
"""The number of deliveries after which a request is dropped.

Such a request crashes each server, or breaks its connection.
"""


class RequestTopology:
    """Names and declarations.

    Args:
        prefix: the prefix of all names.
    """

    def __init__(self, prefix: str) -> None:
        self.exchange = f"{prefix}:requests"  # the name of a consumer contains no colon

    def routing_key(self, service: str, request: Request) -> str:
        """Return the routing key of a request."""
        return f"{'any' if request.key is None else bucket_of(request.key)}.{service}"

    def queues(self, service: str, partitions: int) -> list[str]:
        """Return the queues of a service, the shared queue first."""
        shared = f"{self.exchange}.{service}"
        return [shared, *(f"{shared}.{partition}" for partition in range(partitions))]

    async def declare_exchange(self, channel: AbstractChannel) -> None:
        """Declare the exchange for requests."""
        await channel.declare_exchange(self.exchange, ExchangeType.DIRECT, durable=True)

    async def declare(self, channel: AbstractChannel, service: str, partitions: int) -> None:
        """Declare the queues of a service. Safe to repeat.

        Raises:
            ConfigurationError: it exists with another number of partitions.
        """
        shared, *divided = self.queues(service, partitions)
        quorum: HeadersType = {"x-queue-type": "quorum", "x-delivery-limit": _DELIVERIES}
        try:
            await self.declare_exchange(channel)
            await declare_partitions(channel, shared, partitions)
            await channel.declare_queue(shared, durable=True, arguments=quorum)
            for queue in divided:
                await channel.declare_queue(queue, durable=True, arguments=quorum | {"x-single-active-consumer": True})
        except REFUSED as error:
            raise ConfigurationError(
                f"cannot serve {service!r} with {partitions} partitions: {partitions_found(error)}. Keep the number of "
                f"partitions, or delete the queues of the service with `await RabbitMQ(…).delete_service({service!r})`."
            ) from error
        below = await underlying(channel)
        for bucket in range(BUCKETS):
            queue = divided[bucket % len(divided)]
            await below.queue_bind(queue, self.exchange, routing_key=f"{bucket}.{service}", nowait=True)
        await below.queue_bind(shared, self.exchange, routing_key=f"any.{service}")

    async def delete(self, channel: AbstractChannel, service: str) -> None:
        """Delete the queues and the exchange of a service, for any number of partitions."""
        shared, *divided = self.queues(service, BUCKETS)
        for queue in divided:
            await channel.queue_delete(queue, nowait=True)  # deleting a queue that does not exist is not an error
        await channel.queue_delete(shared)
        await channel.exchange_delete(shared)

"""A RabbitMQ adapter that a request with a broken reply address crashes, blocks, or misuses."""

from __future__ import annotations

import asyncio
from typing import Any

from aiormq import spec
from aiormq.abc import DeliveredMessage

from tests.adapters.rabbitmq import test_request_failures, test_requests
from tests.adapters.rabbitmq.conftest import broken, private_server, server
from tests.mutants.core import Faults, FaultSuite, choosing, setting
from twofold_rabbitmq import _server
from twofold_rabbitmq._replies import Replies
from twofold_rabbitmq._server import RabbitMQServer

__all__ = ("broken", "private_server", "server")


async def _over_the_connection_of_requests(self: Any, delivered: DeliveredMessage, reply: bytes | None) -> None:
    properties = delivered.header.properties
    if reply is not None and properties.reply_to:
        answer = spec.Basic.Properties(correlation_id=properties.correlation_id)
        await delivered.channel.basic_publish(reply, routing_key=properties.reply_to, properties=answer)
    await self._acknowledge(delivered)


async def _until_it_is_sent(self: Replies, to: str, body: bytes, properties: Any) -> None:
    """Take a refusal of the broker for a failure of the connection."""
    while True:
        try:
            return await self._publish(await self._link.channel(), to, body, properties)
        except Exception:  # noqa: BLE001 -- whatever the reason
            await asyncio.sleep(0.1)


BROKEN = test_request_failures.test_a_request_with_a_broken_reply_address

MUTANTS: Faults = {
    choosing(BROKEN, reply_to="amq.rabbitmq.reply-to.x.y"): {
        "a refused address is tried forever": setting(Replies, "send", _until_it_is_sent),
        "replies share the connection of the requests": setting(
            RabbitMQServer, "_settle", _over_the_connection_of_requests
        ),
    },
    test_requests.test_a_malformed_request_blocks_no_other_request: {
        "replies go to every queue": setting(_server, "REPLIES", ""),
    },
}


class TestReplyAddresses(FaultSuite):
    """Broken reply addresses that block other requests."""

    mutants = MUTANTS
    kinds = ("rabbitmq",)
    before = setting(test_request_failures, "CEILING", 5.0)

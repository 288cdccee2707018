"""A process that serves and never answers: python -m tests.adapters.rabbitmq.serving URL PREFIX."""

from __future__ import annotations

import asyncio
import sys

from twofold.ports import Request
from twofold_rabbitmq import RabbitMQ


async def never(request: Request) -> bytes:
    """Report that a request was begun, and never return."""
    print(request.id, flush=True)  # noqa: T201 -- the test listens
    await asyncio.Event().wait()
    return b""


async def main(url: str, prefix: str) -> None:
    """Serve until killed."""
    async with RabbitMQ(url, prefix=prefix).serve("shop", never):
        print("serving", flush=True)  # noqa: T201 -- the same
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))

"""Requests to another process, and its replies."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import NamedTuple, Protocol, runtime_checkable

from .receiver import Receiver


class Request(NamedTuple):
    """A request as a broker carries it.

    Attributes:
        id: the same each time the request is delivered again.
        key: requests of one key are handled one after another, in the order in which they came; None is any order.
        body: its content, in UTF-8; at most `LARGEST_BODY` bytes.
    """

    id: str
    key: str | None
    body: bytes


Answerer = Callable[[Request], Awaitable[bytes]]
"""Handles a request and returns the reply, of at most `LARGEST_BODY` bytes. It never raises for what the requester should
know: that is a reply too."""


@runtime_checkable
class Requests(Protocol):
    """Ask a service and wait for its reply.

    A request is delivered at least once while its deadline has not passed, and not begun after it; a server that dies in
    the middle leaves it to the next. Replies that come too late are dropped.
    """

    async def request(self, service: str, request: Request, *, seconds: float) -> bytes:
        """Send a request; return the reply.

        Args:
            service: the name under which it is served.
            request: the request.
            seconds: the deadline, from now.

        Raises:
            NoRemoteService: nobody has ever served under this name at this broker; nothing was done.
            NotSent: the broker has been away for the adapter's time-out, or until the deadline; nothing was sent.
            ConfigurationError: the broker does not let us in, or has what requests need in another form.
            RemoteTimeout: there was no reply by then. Whether it was handled is not known.
            MessageTooLarge: the body has too many bytes, and nothing was sent; or the reply has, and it was handled.
        """
        ...

    def serve(
        self, service: str, answer: Answerer, *, partitions: int = 1, concurrency: int = 16
    ) -> AbstractAsyncContextManager[Receiver]:
        """Serve requests inside the block; with other processes of the same name it shares the work.

        A request whose `answer` raises or is cancelled is given back and delivered again. A broker that is away is no error:
        the receiver's `trouble` says so, and it serves as soon as the broker is back. Leaving the block, by cancellation
        too, waits for those under way, for at most a few seconds; no other is begun here any more, and goes to the next.

        Args:
            service: the name to serve under.
            answer: handles one request.
            partitions: into how many parts requests are divided by their key, one process at a time having a part.
            concurrency: how many requests of different keys, or without one, are handled at the same time.
        """
        ...

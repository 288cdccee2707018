"""Requests to another process, and its replies."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import NamedTuple, Protocol, runtime_checkable

from .receiver import Receiver


class Request(NamedTuple):
    """A request as a broker carries it.

    Attributes:
        id: identifies the request. It does not change when the request is sent or delivered again.
        key: requests of one key are handled one after another, in the order of arrival; None means any order.
        body: the content, in UTF-8, of at most `LARGEST_BODY` bytes.
    """

    id: str
    key: str | None
    body: bytes


Answerer = Callable[[Request], Awaitable[bytes]]
"""Handles a request and returns the reply, of at most `LARGEST_BODY` bytes. Application errors are encoded as replies. It
raises only for infrastructure failures."""


@runtime_checkable
class Requests(Protocol):
    """Send requests to a service and wait for its replies.

    A request is delivered at least once before its deadline, and is not started after it. If a server dies while it handles
    a request, the next server gets it. Replies after the deadline are dropped.
    """

    async def request(self, service: str, request: Request, *, seconds: float) -> bytes:
        """Send a request. Return the reply.

        Args:
            service: the name that the service is served under.
            request: the request.
            seconds: the deadline, in seconds from now.

        Raises:
            NoRemoteService: no application has served under this name at this broker; nothing was done.
            NotSent: the broker was not available for the adapter's timeout, or until the deadline; nothing was sent.
            ConfigurationError: the broker refuses the user, or an object for requests exists with other settings.
            RemoteTimeout: there was no reply in time. The request may have been handled.
            MessageTooLarge: the body is too large, and nothing was sent; or the reply is, and the request was handled.
        """
        ...

    def serve(
        self, service: str, answer: Answerer, *, partitions: int = 1, concurrency: int = 16
    ) -> AbstractAsyncContextManager[Receiver]:
        """Serve requests inside the block. Processes of the same name share the requests.

        If `answer` raises or is cancelled, the request is delivered again. A broker that is not available is not an error:
        the receiver reports `problem`, and serves as soon as the broker is back. At the end of the block, also if it is
        cancelled, no more requests are started here, and the call waits a few seconds for those that are being handled.

        Args:
            service: the name to serve under.
            answer: handles one request.
            partitions: the number of partitions into which requests are divided by their keys. One process at a time serves
                a partition.
            concurrency: how many requests of different keys, or without a key, are handled at the same time.
        """
        ...

"""202 Accepted, for a route whose answer is not ready."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from starlette.datastructures import URL
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse, Response

from twofold.errors import ReadNotReady

from ._problems import RETRY_AFTER


class Accepted(Exception):
    """The commands of the request took effect, and the answer is at another URL later.

    Args:
        status_url: the URL.
    """

    def __init__(self, status_url: str) -> None:
        self.status_url = status_url
        super().__init__(f"accepted: {status_url}")


@contextmanager
def accepted(status_url: str | URL) -> Iterator[None]:
    """Answer 202 with a link, instead of 503, if a read model is not ready.

        order_id = await session.dispatch(place)
        with accepted(request.url_for("get_order", order_id=order_id)):
            return await session.execute(GetOrder(order_id=order_id))

    The response has the headers `Location`, `Retry-After` and `Consistency-Token`, and the link as `status_url` in its body.

    Args:
        status_url: the URL at which the client finds the answer later.
    """
    try:
        yield
    except ReadNotReady as error:
        raise Accepted(str(status_url)) from error


async def answer_accepted(request: HTTPConnection, error: Exception) -> Response:
    """Answer 202 with the link."""
    url = error.status_url if isinstance(error, Accepted) else ""
    return JSONResponse({"status_url": url}, 202, {"Location": url, "Retry-After": str(RETRY_AFTER)})

"""The probes `/livez` and `/readyz`, for orchestrators and load balancers."""

from __future__ import annotations

import anyio
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from twofold.errors import ApplicationNotRunning, ConfigurationError

from ._context import context_of
from ._problems import logger

_TIMEOUT = 5.0
"""The seconds that the stores have to answer."""


async def livez(request: Request) -> Response:
    """Answer 200 as long as the process answers."""
    return JSONResponse({"status": "alive"})


async def readyz(request: Request) -> Response:
    """Answer 200 if the application is running and its stores answer, otherwise 503.

    A problem that a restart or another replica does not solve, such as a parked event, is counted and logged, and the answer
    remains 200. Clients do not see its text.
    """
    try:
        with anyio.fail_after(_TIMEOUT):
            health = await context_of(request.scope).installation.running().health()
    except (ApplicationNotRunning, ConfigurationError) as error:
        logger.warning("not ready: %s", error)
        return JSONResponse({"status": "not ready"}, 503)
    except TimeoutError:
        logger.warning("not ready: the stores did not answer within %d s", _TIMEOUT)
        return JSONResponse({"status": "not ready"}, 503)
    for problem in health.problems:
        logger.warning("health: %s", problem)
    status = "ready" if health.ready else "not ready"
    return JSONResponse({"status": status, "problems": len(health.problems)}, 200 if health.ready else 503)


def probes() -> list[Route]:
    """Return the routes of the probes."""
    return [Route("/livez", livez, include_in_schema=False), Route("/readyz", readyz, include_in_schema=False)]

"""Responses with problem details."""

from __future__ import annotations

import logging

from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse, Response
from starlette.types import Scope
from starlette.websockets import WebSocket

from ._context import context_of, instance_of
from ._problems import HttpProblem, known_problem_of, logger

MEDIA_TYPE = "application/problem+json"


def problem_response(problem: HttpProblem, scope: Scope) -> Response:
    """Return the response with the details of a problem."""
    return JSONResponse(problem.body(instance_of(scope)), problem.status, problem.headers, MEDIA_TYPE)


async def answer(request: HTTPConnection, error: Exception) -> Response | None:
    """Answer a known error with problem details. A websocket is closed instead."""
    given = context_of(request.scope).installation.problems
    if (problem := known_problem_of(error, given)) is None:
        raise error  # the handler of unknown errors answers, and the server logs the traceback
    log(request.scope, problem, error)
    if isinstance(request, WebSocket):
        code = 1008 if problem.status < 500 else 1013 if problem.status == 503 else 1011
        await request.close(code, problem.title)
        return None
    return problem_response(problem, request.scope)


async def answer_unknown(request: HTTPConnection, error: Exception) -> Response:
    """Answer an error that no handler knows, without a text. The server logs the error."""
    return problem_response(context_of(request.scope).problem(error), request.scope)


def log(scope: Scope, problem: HttpProblem, error: BaseException) -> None:
    """Log the text of an error that the client does not see."""
    if problem.status >= 500 or problem.detail != str(error):
        level = logging.INFO if problem.status < 500 else logging.ERROR if problem.status == 500 else logging.WARNING
        text = f"{type(error).__name__}: {error}"
        traceback = error if problem.status == 500 else None
        place = instance_of(scope)
        logger.log(level, "%s answers %d: %s", place, problem.status, text, exc_info=traceback)

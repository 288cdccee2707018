"""Problem details (RFC 9457): the answers to errors."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from starlette.exceptions import HTTPException

from twofold import errors
from twofold.ports import logger_of

logger = logger_of("twofold.fastapi")

TYPES: Final = "urn:twofold:problem:"
"""The prefix of the types of problems."""

RETRY_AFTER: Final = 1
"""The seconds after which a client repeats a request that failed for the moment."""

_WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


class HttpProblem(Exception):
    """An answer with problem details. Raise one in a route, a dependency or a handler.

        raise HttpProblem(404, "There is no order with this id.")

    Args:
        status: the HTTP status.
        detail: what is wrong with this request, for the client. None leaves it out.
        type: a URI reference that identifies the kind of problem.
        title: a short summary of the kind of problem; by default the phrase of the status.
        headers: further headers of the response.
        extensions: further members of the body, as JSON values.
    """

    def __init__(
        self,
        status: int,
        detail: str | None = None,
        *,
        type: str = "about:blank",
        title: str | None = None,
        headers: Mapping[str, str] | None = None,
        extensions: Mapping[str, Any] | None = None,
    ) -> None:
        self.status = status
        self.detail = detail
        self.type = type
        self.title = _phrase(status) if title is None else title
        self.headers = dict(headers or {})
        self.extensions = dict(extensions or {})
        super().__init__(f"{status} {self.title}" + (f": {detail}" if detail else ""))

    def body(self, instance: str) -> dict[str, Any]:
        """Return the members of the body.

        Args:
            instance: the URI reference of the request.
        """
        members = {"type": self.type, "title": self.title, "status": self.status, "detail": self.detail}
        return {**self.extensions, **{k: v for k, v in members.items() if v is not None}, "instance": instance}


ProblemOf = int | Callable[[Any], HttpProblem]
"""An HTTP status, or a function that returns the problem of an error."""


@dataclass(frozen=True, slots=True)
class _Kind:
    """The problem of a class of errors.

    Attributes:
        status: the HTTP status.
        name: the last part of the type, from which the title is made.
        detail: the text for the client; None for the text of the error.
        again: whether the client may repeat the request after a while.
    """

    status: int
    name: str
    detail: str | None = None
    again: bool = False

    def problem(self, error: Exception) -> HttpProblem:
        return HttpProblem(
            self.status,
            str(error) if self.detail is None else self.detail,
            type=TYPES + self.name,
            title=self.name.replace("-", " ").capitalize(),
            headers={"Retry-After": str(RETRY_AFTER)} if self.again else None,
        )


_FOREIGN = _Kind(
    400, "foreign-token", "The consistency token belongs to another event log. Repeat the request without it."
)
_UNKNOWN_OUTCOME = (
    "Whether the changes took effect is not known. Repeat the request with the same idempotency key, or read the data "
    "before you repeat it."
)
_UNAVAILABLE = _Kind(503, "unavailable", "The service is not available for the moment. Nothing was changed.", True)
_UNSTORABLE = _Kind(422, "not-storable", "A value of the request cannot be stored. Nothing was changed.")
_EXISTS = _Kind(409, "already-exists", "A resource with this id exists already, or existed before.")
_LOST = _Kind(
    409,
    "lost-writes",
    "The service has lost the writes that the consistency token names. Repeat the request without the token.",
)
_NOT_READY = _Kind(
    503,
    "read-not-ready",
    "The answer does not contain your latest changes yet. The changes took effect: repeat the query, not the changes.",
    True,
)
_PARKED = _Kind(503, "read-not-ready", _NOT_READY.detail)

_KINDS: Final[Mapping[type[Exception], _Kind]] = {
    errors.InvalidInput: _Kind(400, "invalid-input"),
    errors.InvalidFind: _Kind(400, "invalid-find"),
    errors.InvalidKey: _Kind(400, "invalid-key"),
    errors.InvalidToken: _Kind(400, "invalid-token"),
    errors.ForeignLog: _FOREIGN,
    errors.NotAuthorised: _Kind(403, "not-authorised", "You are not allowed to do this."),
    errors.AggregateNotFound: _Kind(404, "not-found", "The resource does not exist."),
    errors.AggregateExists: _EXISTS,
    errors.ValueTaken: _Kind(409, "value-taken"),
    errors.ValueNotHeld: _Kind(409, "value-not-held", "The value was released or transferred meanwhile."),
    errors.ConcurrencyConflict: _Kind(
        409, "conflict", "A concurrent request changed the resource first. Read it again, and repeat the request."
    ),
    errors.IdempotencyKeyReused: _Kind(
        409, "idempotency-key-reused", "The idempotency key was used before with another request. Use a new key."
    ),
    errors.NotStorable: _UNSTORABLE,
    errors.ReadNotReady: _NOT_READY,
    errors.TooFewAnswers: _Kind(503, "too-few-answers", "Too few services have answered.", True),
    errors.TransientFailure: _UNAVAILABLE,
    errors.ApplicationNotRunning: _UNAVAILABLE,
    errors.NotSent: _UNAVAILABLE,
    errors.CommitUnknown: _Kind(500, "outcome-unknown", _UNKNOWN_OUTCOME),
    errors.RemoteTimeout: _Kind(504, "outcome-unknown", _UNKNOWN_OUTCOME),
    errors.AfterCommitFailed: _Kind(
        500, "after-commit-failed", "The changes took effect, but a later step failed. Do not repeat the request."
    ),
}
"""The table of errors. The most specific class of an error counts; any other error is a 500 without a text."""

KNOWN: Final = (*_KINDS, errors.EventsLost)
"""The classes of errors that may have a problem in the table."""


def problem_of(error: BaseException, given: Mapping[type[Exception], ProblemOf]) -> HttpProblem:
    """Return the problem of an error. The client never sees the text of an unknown error.

    Args:
        error: the error.
        given: the problems of the user's errors.
    """
    return known_problem_of(error, given) or HttpProblem(500)


def known_problem_of(error: BaseException, given: Mapping[type[Exception], ProblemOf]) -> HttpProblem | None:
    """Return the problem of an error, or None if the error is unknown; see `problem_of`."""
    if isinstance(error, HttpProblem):
        return error
    if isinstance(error, errors.EventsLost) and error.reader == "a consistency token":
        return _LOST.problem(error)
    ours = isinstance(error, errors.TwofoldError)
    for cls in type(error).__mro__:
        if ours and not issubclass(cls, errors.TwofoldError):
            continue  # an entry for LookupError is not meant for NoHandler, whose text is not for clients
        if (own := given.get(cls)) is not None:
            return HttpProblem(own, str(error), title=_title(cls)) if isinstance(own, int) else own(error)
        if (kind := _KINDS.get(cls)) is not None and isinstance(error, Exception):
            return _refined(error, kind).problem(error)
    if isinstance(error, HTTPException):
        return HttpProblem(error.status_code, str(error.detail), headers=error.headers)
    return None


def _refined(error: Exception, kind: _Kind) -> _Kind:
    if isinstance(error, errors.ReadNotReady) and error.parked:
        return _PARKED  # waiting does not help
    return kind


def _title(cls: type[BaseException]) -> str:
    return _WORDS.sub(" ", cls.__name__).capitalize()


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"

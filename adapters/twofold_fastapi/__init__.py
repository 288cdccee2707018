"""Twofold behind HTTP with FastAPI or Starlette: lifespan, sessions, headers, problem details, probes and event streams."""

from twofold.errors import MissingDependency

try:
    import fastapi as _fastapi  # noqa: F401
except ImportError as _error:
    raise MissingDependency("pip install 'twofold[fastapi]'") from _error

from ._accepted import accepted
from ._dependencies import (
    ApplicationDep,
    IdempotencyKeyDep,
    RequiredIdempotencyKeyDep,
    SessionDep,
    get_application,
    get_idempotency_key,
    get_session,
    require_idempotency_key,
)
from ._event_stream import EventStream
from ._headers import CONSISTENCY_TOKEN, IDEMPOTENCY_KEY
from ._install import install
from ._problems import HttpProblem

__all__ = [
    "CONSISTENCY_TOKEN",
    "IDEMPOTENCY_KEY",
    "ApplicationDep",
    "EventStream",
    "HttpProblem",
    "IdempotencyKeyDep",
    "RequiredIdempotencyKeyDep",
    "SessionDep",
    "accepted",
    "get_application",
    "get_idempotency_key",
    "get_session",
    "install",
    "require_idempotency_key",
]

"""A console in the browser for operators: subscriptions, parked events, the event log, schedule, caches and workers."""

from twofold.errors import MissingDependency

try:
    import jinja2 as _jinja2  # noqa: F401
    import starlette as _starlette  # noqa: F401
    import uvicorn as _uvicorn  # noqa: F401
except ImportError as _error:
    raise MissingDependency("pip install 'twofold[console]'") from _error

from ._create import create_console
from ._serve import serve

__all__ = ["create_console", "serve"]

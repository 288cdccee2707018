"""Render pages: everything that is inserted into a template is escaped."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from twofold import Application
from twofold.errors import TwofoldError

from . import _format
from ._access import csrf_token
from ._samples import Samples
from ._settings import Settings
from ._sparkline import sparkline

_MOST_NOTICES = 200

_WITHOUT_STORES = ("overview.html", "topology.html")
"""The templates that show what is known while a store does not answer."""

_NAVIGATION = (
    ("Overview", "/", "overview"),
    ("Topology", "/topology", "topology"),
    ("Parked events", "/parked", "parked"),
    ("Messages", "/messages", "messages"),
    ("Events", "/events", "events"),
    ("Message path", "/path", "path"),
    ("Processes", "/processes", "processes"),
    ("Schedule", "/schedule", "schedule"),
    ("Caches", "/caches", "caches"),
    ("Workers", "/workers", "workers"),
)


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("twofold_console"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    for name in ("number", "duration", "moment", "clock_time", "until", "pretty", "compact", "words"):
        environment.filters[name] = getattr(_format, name)
    environment.globals |= {"condition": _format.condition, "sparkline": sparkline, "navigation": _NAVIGATION}
    return environment


class Unavailable(TwofoldError):
    """A store of the application does not answer, or fails."""


@dataclass(frozen=True, slots=True)
class Notice:
    """The result of a change, shown once: a text, and its tone ("ok" or "critical")."""

    text: str
    tone: str = "ok"


@dataclass(frozen=True, slots=True)
class Console:
    """The state that the pages of one console share."""

    application: Application
    services: Sequence[Application]
    settings: Settings
    samples: Samples
    environment: Environment = field(default_factory=_environment)
    notices: OrderedDict[str, Notice] = field(default_factory=OrderedDict)


def console_of(request: Request) -> Console:
    """Return the console that a request belongs to."""
    console: Console = request.app.state.console
    return console


async def page(
    request: Request, template: str, *, code: int = 200, notice: Notice | None = None, **values: Any
) -> Response:
    """Return a page of the console.

    Raises:
        Unavailable: a store does not answer, and the page would show that there is nothing.
    """
    console = console_of(request)
    sample = await console.samples.latest()
    if sample.away is not None and template not in _WITHOUT_STORES:
        raise Unavailable(sample.away)
    found = console.notices.pop(request.query_params.get("notice", ""), None)
    return bare_page(request, template, code=code, notice=notice or found, sample=sample, **values)


def bare_page(request: Request, template: str, *, code: int = 200, **values: Any) -> Response:
    """Return a page that needs no store."""
    console = console_of(request)
    root = request.scope.get("root_path", "")
    text = console.environment.get_template(template).render(
        app=console.application,
        now=console.application.clock.now(),
        read_only=console.settings.read_only,
        signed_in=console.settings.token is not None,
        csrf=csrf_token(request, console.settings),
        url=lambda path, **query: root + link(path, query),
        **values,
    )
    return HTMLResponse(text, code)


def link(path: str, query: Mapping[str, object]) -> str:
    """Return a path with a query, without values that are empty."""
    given = {name: str(value) for name, value in query.items() if value not in (None, "")}
    return f"{path}?{urlencode(given)}" if given else path


def go_to(request: Request, path: str, notice: Notice, **query: object) -> Response:
    """Redirect after a change, and show its result there, once."""
    notices, number = console_of(request).notices, secrets.token_urlsafe(9)
    notices[number] = notice
    while len(notices) > _MOST_NOTICES:
        notices.popitem(last=False)
    return RedirectResponse(request.scope.get("root_path", "") + link(path, {**query, "notice": number}), 303)

"""Access to the console: host names, clients, sessions, origins, and the headers of every response."""

from __future__ import annotations

import hmac
import secrets
import time
from collections import OrderedDict
from collections.abc import Mapping
from hashlib import sha256
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection, Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ._settings import Settings, is_loopback

COOKIE: Final = "twofold_console"
_LASTS: Final = 12 * 3600
"""Seconds after which a person has to sign in again."""

_MOST_SESSIONS: Final = 1_000
_LARGEST_FORM: Final = 2 * 1024 * 1024
_FORWARDED: Final = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")
"""Headers of proxies, behind which a client's address says nothing."""

HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


class Sessions:
    """The sessions of people who have signed in, in the memory of this process."""

    def __init__(self) -> None:
        self._ends: OrderedDict[str, float] = OrderedDict()

    def open(self) -> str:
        """Return the id of a new session."""
        session = secrets.token_urlsafe(32)
        self._ends[session] = time.monotonic() + _LASTS
        while len(self._ends) > _MOST_SESSIONS:
            self._ends.popitem(last=False)
        return session

    def is_open(self, session: str) -> bool:
        """Return whether a session exists and has not expired."""
        return self._ends.get(session, 0.0) > time.monotonic()

    def close(self, session: str) -> None:
        """End a session."""
        self._ends.pop(session, None)


class Access:
    """Refuse requests that the settings do not allow, before a page sees them.

    The order of the checks: the name of the host (DNS rebinding), the client's address if there is no token, the origin of
    a change (CSRF), the session, read-only mode.
    """

    def __init__(self, app: ASGIApp, settings: Settings, sessions: Sessions) -> None:
        self._app = app
        self._settings = settings
        self._sessions = sessions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        refusal = self._refuse(HTTPConnection(scope), scope["method"])
        await (refusal or self._app)(scope, receive, send_with_headers)

    def _refuse(self, request: HTTPConnection, method: str) -> Response | None:
        settings, headers = self._settings, request.headers
        if not settings.allows_host(headers.get("host", "")):
            return refused(421, "The console is not served under this host name.")
        if settings.token is None and not _is_local(request, headers):
            return refused(403, "A console without a token serves the loopback interface only. Start it with a token.")
        changes = method not in ("GET", "HEAD")
        if changes and not _is_own(headers.get("origin"), headers.get("host", "")):
            return refused(403, "The request does not come from a page of the console.")
        path = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
        public = path == "/login" or path.startswith("/static/")
        if settings.token is not None and not public and not self._sessions.is_open(request.cookies.get(COOKIE, "")):
            if changes:
                return refused(401, "Sign in first.")
            return RedirectResponse(f"{request.scope.get('root_path', '')}/login", 303)
        if changes and settings.read_only and path not in ("/login", "/logout"):
            return refused(403, "The console is read-only.")
        return None


def csrf_token(request: HTTPConnection, settings: Settings) -> str:
    """Return the token that a form of this session contains."""
    return hmac.new(settings.secret, request.cookies.get(COOKIE, "").encode(), sha256).hexdigest()


def has_token(settings: Settings, given: str) -> bool:
    """Return whether a text is the console's token, in constant time."""
    return settings.token is not None and hmac.compare_digest(
        sha256(given.encode("utf-8", "replace")).digest(), sha256(settings.token.encode("utf-8", "replace")).digest()
    )


async def read_form(request: Request, settings: Settings) -> Mapping[str, str] | Response:
    """Return the fields of a form that a page of this session has sent, or a refusal."""
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/x-www-form-urlencoded":
        return refused(415, "Send a form of the type application/x-www-form-urlencoded.")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _LARGEST_FORM:
            return refused(413, "The form is larger than 2 MiB.")
    try:
        fields = dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=50, errors="strict"))
    except ValueError:
        return refused(400, "The form cannot be read.")
    if not hmac.compare_digest(fields.get("csrf", "").encode(), csrf_token(request, settings).encode()):
        return refused(403, "The form has expired, or does not come from a page of the console. Reload the page.")
    return fields


def refused(status: int, text: str) -> Response:
    """Return a short refusal."""
    return PlainTextResponse(f"{text}\n", status)


def _is_local(request: HTTPConnection, headers: Headers) -> bool:
    if any(name in headers for name in _FORWARDED):
        return False
    return request.client is not None and is_loopback(request.client.host)


def _is_own(origin: str | None, host: str) -> bool:
    """Return whether an `Origin` header is that of the console; browsers send one with every POST."""
    return origin is not None and bool(host) and urlsplit(origin).netloc.lower() == host.lower()

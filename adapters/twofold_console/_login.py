"""Sign in with the console's token, and sign out."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from ._access import COOKIE, Sessions, has_token
from ._render import Notice, bare_page, console_of


async def show_login(request: Request) -> Response:
    """Ask for the token."""
    return bare_page(request, "login.html", notice=None)


async def login(request: Request, form: Mapping[str, str]) -> Response:
    """Open a session for a person who knows the token."""
    if not has_token(console_of(request).settings, form.get("token", "").strip()):
        notice = Notice("The token is wrong.", "critical")
        return bare_page(request, "login.html", notice=notice, code=403)
    sessions: Sessions = request.app.state.sessions
    root = request.scope.get("root_path", "")
    response = RedirectResponse(f"{root}/", 303)
    response.set_cookie(
        COOKIE,
        sessions.open(),
        path=root or "/",
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )
    return response


async def logout(request: Request, form: Mapping[str, str]) -> Response:
    """End the session."""
    sessions: Sessions = request.app.state.sessions
    sessions.close(request.cookies.get(COOKIE, ""))
    root = request.scope.get("root_path", "")
    response = RedirectResponse(f"{root}/login" if console_of(request).settings.token else f"{root}/", 303)
    response.delete_cookie(COOKIE, path=root or "/", httponly=True, samesite="strict")
    return response

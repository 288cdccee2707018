"""Where the tests get their servers from."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from enum import Enum

import pytest

from .databases import Databases
from .kind import DatabaseKind, Kind


class Source(Enum):
    """Where a server comes from."""

    NAMED = "the environment names it"
    USUAL = "something answers at the usual address"
    PRIVATE = "the tests start one of their own"
    NONE = "there is none"


def source(named: str | None, answers: Callable[[], bool], installed: Callable[[], bool]) -> Source:
    """Choose a server. A server that the environment names is never replaced, even if it does not answer."""
    if named:
        return Source.NAMED
    if answers():
        return Source.USUAL
    return Source.PRIVATE if installed() else Source.NONE


def demanded(environment: Mapping[str, str]) -> bool:
    """Return whether a test fails if its server is missing."""
    return environment.get("TWOFOLD_REQUIRE_SERVICES", "") not in {"", "0"}


def how_to_get(kind: Kind) -> str:
    """Say how the tests get a server."""
    return (
        f"Run `make services` (docker compose), or set {kind.variable}, or install {kind.programs} and the tests start "
        "their own."
    )


def without(kind: Kind, environment: Mapping[str, str]) -> BaseException:
    """Return the exception for a missing server: a skip, or a failure if the server is required."""
    reason = f"needs {kind.name}, and none answers at {kind.usual}. {how_to_get(kind)}"
    if not demanded(environment):
        return pytest.skip.Exception(reason)
    return pytest.fail.Exception(f"{reason} TWOFOLD_REQUIRE_SERVICES is set, so this is a failure.", pytrace=False)


@contextmanager
def server(kind: Kind, environment: Mapping[str, str] = os.environ) -> Iterator[str]:
    """Find or start a server and give its URL; one that was started is removed at the end."""
    named = environment.get(kind.variable)
    chosen = source(named, lambda: kind.reachable(kind.usual), kind.installed)
    if chosen is Source.NONE:
        raise without(kind, environment)
    if chosen is Source.NAMED and not kind.reachable(str(named)):
        pytest.fail(f"{kind.variable} is set, and no {kind.name} accepts us there.", pytrace=False)
    private = kind.private() if chosen is Source.PRIVATE else None
    try:
        yield private.url if private else named or kind.usual
    finally:
        if private is not None:
            private.remove()


@contextmanager
def databases(kind: DatabaseKind, environment: Mapping[str, str] = os.environ) -> Iterator[Databases]:
    """Find or start a server, lend databases of it, and leave it as it was."""
    with server(kind, environment) as url:
        lender = Databases(kind, url)
        try:
            yield lender
        finally:
            lender.close()

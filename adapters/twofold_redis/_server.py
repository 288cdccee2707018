"""The Redis behind a store: run scripts on it, and translate what goes wrong."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar, cast

from redis import Redis as SyncClient
from redis.asyncio import Redis as Client
from redis.asyncio.cluster import RedisCluster
from redis.cluster import RedisCluster as SyncCluster
from redis.exceptions import NoScriptError

from twofold.errors import ConfigurationError

from ._errors import TRANSLATED, translated

AnyClient: TypeAlias = Client | RedisCluster
Argument: TypeAlias = bytes | str | int
C = TypeVar("C")


def checked(client: C, taker: str) -> C:
    """Return a client that can be awaited.

    Args:
        client: what the user gave.
        taker: the class that was given it, for the error.

    Raises:
        ConfigurationError: it is none.
    """
    given: Any = client
    if inspect.isclass(given) or not hasattr(given, "execute_command"):
        found = "that is no client"
    elif isinstance(given, (SyncClient, SyncCluster)):
        found = "that client is not on asyncio"
    else:
        return client
    raise ConfigurationError(
        f"cannot make a {taker} of {given!r:.100}: {found}. Build one: redis.asyncio.Redis.from_url('redis://localhost')."
    )


@dataclass(frozen=True, slots=True)
class Script:
    """A Lua script. Redis runs it whole, and nothing else meanwhile.

    Attributes:
        text: the script.
        sha: what Redis knows it by once it has seen it.
    """

    text: str
    sha: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "sha", hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest())


class Server:
    """Runs scripts through the user's client. Replies are bytes, whatever the client decodes otherwise.

    Args:
        client: the client.
    """

    def __init__(self, client: AnyClient) -> None:
        self._client = client

    async def run(self, script: Script, keys: Sequence[str], arguments: Sequence[Argument], attempt: str) -> Any:
        """Run a script and return its answer.

        Raises:
            TwofoldError: it failed; see `raw`.
        """
        try:
            return await self.raw(script, keys, arguments)
        except TRANSLATED as error:
            raise translated(error, attempt) from error

    async def command(self, attempt: str, *command: Argument) -> Any:
        """Send one command and return its answer.

        Raises:
            TwofoldError: it failed.
        """
        try:
            return await self._execute(*command)
        except TRANSLATED as error:
            raise translated(error, attempt) from error

    async def raw(self, script: Script, keys: Sequence[str], arguments: Sequence[Argument]) -> Any:
        """Run a script and leave errors as they are. Redis is shown its text only when it does not know it."""
        try:
            return await self._execute("EVALSHA", script.sha, len(keys), *keys, *arguments)
        except NoScriptError:
            return await self._execute("EVAL", script.text, len(keys), *keys, *arguments)

    async def _execute(self, *command: Argument) -> Any:
        return await cast(Any, self._client).execute_command(*command, NEVER_DECODE=[])

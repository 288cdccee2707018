"""Run scripts and commands on Redis, and translate errors."""

from __future__ import annotations

import asyncio
import hashlib
import inspect
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, NoReturn, TypeAlias, TypeVar

from anyio.lowlevel import checkpoint_if_cancelled
from redis import Redis as SyncClient
from redis.asyncio import Redis as Client
from redis.asyncio.cluster import RedisCluster
from redis.cluster import RedisCluster as SyncCluster
from redis.exceptions import NoScriptError

from twofold.errors import ConfigurationError
from twofold.ports import without_content

from .connections import Connections
from .errors import TRANSLATED, translated

AnyClient: TypeAlias = Client | RedisCluster
Argument: TypeAlias = bytes | str | int
C = TypeVar("C")


def checked(client: C, taker: str) -> C:
    """Return a client after a check that it is an asyncio client.

    Args:
        client: the argument of the caller.
        taker: the class that needs the client, for the error text.

    Raises:
        ConfigurationError: it is not an asyncio client.
    """
    given: Any = client
    if inspect.isclass(given) or not hasattr(given, "execute_command"):
        found = "the argument is not a client"
    elif isinstance(given, (SyncClient, SyncCluster)):
        found = "the client is not an asyncio client"
    else:
        return client
    raise ConfigurationError(
        f"cannot create a {taker} with {without_content(given)}: {found}. Use redis.asyncio.Redis.from_url('redis://localhost')."
    )


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Script:
    """A Lua script. Redis runs it atomically.

    Attributes:
        text: the script.
        sha: the hash by which Redis finds a script that it has run before.
    """

    text: str
    sha: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "sha", hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest())


class Call(NamedTuple):
    """A script with its keys and arguments."""

    script: Script
    keys: Sequence[str]
    arguments: Sequence[Argument] = ()


class Server:
    """Runs scripts with the user's client. Texts are sent in UTF-8 and replies are bytes, whatever the client's encoding is.

    Args:
        client: the client.
        seconds: the timeout of a round trip, in seconds; None for that of the client.
    """

    def __init__(self, client: AnyClient, *, seconds: float | None = None) -> None:
        self._client: Any = client  # without a type that both clients of redis-py have
        self._connections = Connections(client)
        self._seconds = seconds

    @property
    def seconds(self) -> float | None:
        """The timeout of a round trip, in seconds."""
        return self._seconds

    @property
    def read_timeout(self) -> float | None:
        """The timeout of the client for a reply, in seconds; None for no timeout."""
        found: float | None = self._client.connection_pool.connection_kwargs.get("socket_timeout")
        return found

    async def disconnect(self) -> None:
        """Close the connections of the client. It opens others when it is used again."""
        await self._connections.disconnect()

    async def run(self, script: Script, keys: Sequence[str], arguments: Sequence[Argument], attempt: str) -> Any:
        """Run a script and return its answer.

        Raises:
            TwofoldError: the script failed; see `translated`.
        """
        try:
            return await self._answered(self.raw(script, keys, arguments))
        except TRANSLATED as error:
            raise translated(error, attempt) from error

    async def each(self, calls: Sequence[Call], attempt: str) -> list[Any]:
        """Run scripts in one round trip, and return their answers.

        Raises:
            TwofoldError: a script failed. The other scripts may have been executed.
        """
        return _successful(await self.together(calls, attempt), attempt)

    async def together(self, calls: Sequence[Call], attempt: str) -> list[Any]:
        """Run scripts in one round trip, and return for each its answer or the error of redis-py.

        Raises:
            TwofoldError: no answers arrived.
        """
        try:
            return await self._answered(self._pipelined(calls))
        except TRANSLATED as error:
            raise translated(error, attempt) from error

    async def command(self, attempt: str, name: str, *arguments: Argument, block: float = 0) -> Any:
        """Send one command and return its answer.

        Args:
            attempt: the end of the text "cannot ..." of an error.
            name: the name of the command.
            arguments: the arguments of the command.
            block: how long the command may block on the server, in seconds.

        Raises:
            TwofoldError: the command failed.
        """
        try:
            return await self._answered(self.send(name, *_octets(*arguments)), block)
        except TRANSLATED as error:
            raise translated(error, attempt) from error

    async def each_command(self, attempt: str, commands: Sequence[Sequence[Argument]]) -> list[Any]:
        """Send commands in one round trip, and return their answers.

        Raises:
            TwofoldError: a command failed. The other commands may have been executed.
        """
        try:
            return _successful(await self._answered(self._piped(commands)), attempt)
        except TRANSLATED as error:
            raise translated(error, attempt) from error

    async def scan(self, attempt: str, pattern: str, batch: int) -> list[Argument]:
        """Return the keys that match a pattern, on all nodes of a cluster.

        Raises:
            TwofoldError: Redis did not answer.
        """

        async def keys() -> list[Argument]:
            return [each async for each in self._client.scan_iter(match=pattern, count=batch)]

        try:
            return await self._connections.run(keys)
        except TRANSLATED as error:
            raise translated(error, attempt) from error

    async def raw(self, script: Script, keys: Sequence[Argument], arguments: Sequence[Argument]) -> Any:
        """Run a script without translating errors. The text is sent only if Redis does not have the script."""
        try:
            return await self.send("EVALSHA", *_octets(script.sha, len(keys), *keys, *arguments))
        except NoScriptError:
            return await self.send("EVAL", *_octets(script.text, len(keys), *keys, *arguments))

    def send(self, name: str, *arguments: bytes | int) -> Awaitable[Any]:
        """Send one command and return its answer, without a timeout and without translating errors."""
        return self._connections.run(lambda: self._client.execute_command(name, *arguments, NEVER_DECODE=[]))

    async def _answered(self, work: Awaitable[T], block: float = 0) -> T:
        task = asyncio.current_task()
        cancelled = task.cancelling() if task else 0
        if self._seconds is None:
            answer = await work
        else:
            async with asyncio.timeout(self._seconds + block):
                answer = await work
        if task and task.cancelling() > cancelled:
            await raise_lost_cancellation()
        return answer

    async def _pipelined(self, calls: Sequence[Call]) -> list[Any]:
        sent = [("EVALSHA", script.sha, len(keys), *keys, *arguments) for script, keys, arguments in calls]
        answers = await self._piped(sent)
        unknown = [place for place, answer in enumerate(answers) if isinstance(answer, NoScriptError)]
        if unknown:
            for text in {calls[place].script.text for place in unknown}:
                await self.send("SCRIPT LOAD", text.encode())
            for place, answer in zip(unknown, await self._piped([sent[each] for each in unknown]), strict=True):
                answers[place] = answer
        return answers

    async def _piped(self, commands: Sequence[Sequence[Argument]]) -> list[Any]:
        pipeline = self._client.pipeline(transaction=False)
        for name, *arguments in commands:
            pipeline.execute_command(name, *_octets(*arguments), NEVER_DECODE=[])
        answers: list[Any] = await self._connections.run(lambda: pipeline.execute(raise_on_error=False))
        return answers


async def raise_lost_cancellation() -> NoReturn:
    """Raise a cancellation of the current task that the driver has lost.

    Python 3.11 may lose one inside the driver (asyncio.wait_for, when the reply comes in that moment).
    """
    # A scope of anyio repeats its cancellation, and recognises no other CancelledError as its own.
    await checkpoint_if_cancelled()
    raise asyncio.CancelledError


def _successful(answers: list[Any], attempt: str) -> list[Any]:
    for answer in answers:
        if isinstance(answer, Exception):
            raise translated(answer, attempt) from answer
    return answers


def _octets(*arguments: Argument) -> list[bytes | int]:
    """Return arguments as bytes, because a client may use another encoding than UTF-8."""
    return [each.encode() if isinstance(each, str) else each for each in arguments]

"""The server as the streams see it: names, scripts, and errors in Twofold's words."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    NoPermissionError,
    NoScriptError,
    RedisError,
    ResponseError,
)

from twofold.errors import ConfigurationError, TransientFailure

from ._errors import nobody_there
from ._stream_scripts import Script

if TYPE_CHECKING:
    from redis.asyncio import Redis


Arg: TypeAlias = str | bytes | int


class Call(NamedTuple):
    """A script with its keys and arguments."""

    script: Script
    keys: Sequence[str]
    args: Sequence[Arg] = ()


class Server:
    """Runs scripts on the user's client.

    Args:
        client: the user's client.
        prefix: begins the name of every key.
        seconds: how long one round trip may take.
    """

    def __init__(self, client: Redis, prefix: str, seconds: float) -> None:
        self.client = client
        self.prefix = prefix
        self.seconds = seconds

    def key(self, part: int, *name: str) -> str:
        """Return the name of a key of a stream; those of one stream share a hash tag."""
        return ":".join((f"{{{self.prefix}:{part}}}", *name))

    def of_all(self, *name: str) -> str:
        """Return the name of a key that belongs to no stream."""
        return ":".join((f"{{{self.prefix}}}", *name))

    async def run(self, calls: Sequence[Call], doing: str) -> list[Any]:
        """Run scripts in one round trip; return what each answers, or the error with which it was refused.

        Raises:
            TransientFailure: the server is away, or did not answer in time.
        """
        task = asyncio.current_task()
        cancelled = task.cancelling() if task else 0
        with translated(doing):
            async with asyncio.timeout(self.seconds):
                answers = await self._run(calls)
                unknown = [place for place, answer in enumerate(answers) if isinstance(answer, NoScriptError)]
                if unknown:
                    for text in {calls[place].script.text for place in unknown}:
                        await self.client.script_load(text)
                    for place, answer in zip(unknown, await self._run([calls[each] for each in unknown]), strict=True):
                        answers[place] = answer
        # Python 3.11 may lose a cancellation inside the driver (asyncio.wait_for, when the reply comes in that moment).
        if task and task.cancelling() > cancelled:
            raise asyncio.CancelledError
        return answers

    async def each(self, calls: Sequence[Call], doing: str) -> list[Any]:
        """Run scripts in one round trip; return what each answers.

        Raises:
            TransientFailure: the server is away, did not answer in time, or refused one of them for now.
            ConfigurationError: the server does not let us do that.
        """
        answers = await self.run(calls, doing)
        for answer in answers:
            if isinstance(answer, Exception):
                with translated(doing):
                    raise answer
        return answers

    async def one(self, call: Call, doing: str) -> Any:
        """Run a script; return what it answers. Raises as `each` does."""
        return (await self.each([call], doing))[0]

    async def _run(self, calls: Sequence[Call]) -> list[Any]:
        pipeline = self.client.pipeline(transaction=False)
        for script, keys, args in calls:
            pipeline.execute_command("EVALSHA", script.sha, len(keys), *keys, *args)
        return await pipeline.execute(raise_on_error=False)


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Raise errors of the driver as Twofold's."""
    try:
        yield
    except (AuthenticationError, AuthorizationError, NoPermissionError) as error:
        raise ConfigurationError(
            f"cannot {doing}: Redis does not allow it ({error}). Give the client an account that may."
        ) from error
    except ResponseError as error:
        if str(error).startswith("WRONGTYPE"):
            raise ConfigurationError(
                f"cannot {doing}: a key is used for something else ({error}). Choose another prefix."
            ) from error
        raise TransientFailure(f"cannot {doing}: Redis refused it ({error}).") from error
    except (RedisError, OSError, TimeoutError) as error:
        found = str(error) or "no answer in time"
        advice = " Start the server, or correct the address of the client." if nobody_there(error) else ""
        raise TransientFailure(f"cannot {doing}: Redis is away ({type(error).__name__}: {found}).{advice}") from error


def text(value: Any) -> str:
    """Return a text of the server, whether the client decodes or not."""
    return value.decode() if isinstance(value, bytes) else str(value)


def octets(value: Any) -> bytes:
    """Return bytes of the server, whether the client decodes or not."""
    return value if isinstance(value, bytes) else str(value).encode()

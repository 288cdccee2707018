"""What operators do with a running application: look at it, repair it, rebuild it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

import anyio

from .._definitions.cache import CacheStats
from .._subscriptions.status import SubscriptionStatus
from ..errors import ApplicationNotRunning
from ..ports.parked import ParkedEvent
from ..ports.schedule import ScheduledCommand
from .health import Health

if TYPE_CHECKING:
    from .running import Running


class Operations:
    """The part of `Application` that is about how it runs. All of it needs the application to be entered."""

    name: str
    _running: Running | None

    async def settle(self, *, timeout: float = 30.0) -> None:
        """Return when every subscription has passed the whole log, no event waits for its next try and none is appended.

        Parked events are not waited for; a broker that is away is, as it may have messages. Whether a try is due is for the
        application's clock to say.

        Args:
            timeout: how long to wait, in seconds.

        Raises:
            TimeoutError: they have not by then; the text says how far each is, and what `health` says.
        """
        running = self._started()
        try:
            with anyio.fail_after(timeout):
                await running.settle()
        except TimeoutError as error:
            found = ", ".join(
                f"{each.name}: {each.behind} behind, {each.retrying} retrying, {each.state}"
                for each in await self.status()
            )
            wrong = "".join(f" {problem}." for problem in (await self.health()).problems)
            raise TimeoutError(f"the subscriptions did not settle within {timeout} s ({found}).{wrong}") from error

    async def status(self) -> Sequence[SubscriptionStatus]:
        """Return how every projection and reaction is doing, in the order of registration."""
        return await self._started().status()

    async def health(self) -> Health:
        """Return what a probe should know: what is wrong, how far each subscription is, and who holds readers back."""
        return await self._started().health()

    def cache_stats(self) -> CacheStats:
        """Return what the cache did in this process since the application was entered; nothing when there is none."""
        answers = self._started().assembly.answers
        return answers.stats if answers is not None else CacheStats()

    async def parked(self, subscription: str) -> Sequence[ParkedEvent]:
        """Return what a projection or reaction has set aside, with the reasons.

        Those whose `again` is a time are held and tried again then; what follows them waits behind them. The others are
        parked until `retry` or `discard`.

        Raises:
            LookupError: there is no such subscription.
        """
        return await self._started().store_of(subscription).parked.read(subscription)

    async def retry(self, subscription: str, key: str, *, timeout: float = 30.0) -> Sequence[ParkedEvent]:
        """Try the held or parked events of a key again now, in order, up to the first that fails again.

        The process that runs the subscription does it, perhaps another one; this call waits for it.

        Args:
            subscription: the name of a projection or reaction.
            key: their ordering key.
            timeout: how long to wait, in seconds.

        Returns:
            What is left of them; none when all went well. The first failed again: it is held when its `again` says when
            it is tried next, else parked.

        Raises:
            LookupError: there is no such subscription, or nothing of this key is set aside, perhaps not any more.
            TimeoutError: nobody has finished it by then; it is still to be done.
        """
        with anyio.fail_after(timeout):
            return await self._started().retry(subscription, key)

    async def discard(self, subscription: str, key: str) -> Sequence[ParkedEvent]:
        """Forget the held and parked events of a key for good, and return them. Later events of the key are handled again.

        Raises:
            LookupError: there is no such subscription, or nothing of this key is set aside, perhaps not any more.
        """
        return await self._started().discard(subscription, key)

    async def scheduled(self, *, limit: int = 100) -> Sequence[ScheduledCommand]:
        """Return the scheduled commands that are tried next, at most so many, the next one first."""
        return await self._started().scheduled(limit)

    async def stuck(self, *, limit: int = 100) -> Sequence[ScheduledCommand]:
        """Return scheduled commands that failed too often, at most so many, with the reasons; the earliest first."""
        return await self._started().stuck(limit)

    async def try_again(self, command: ScheduledCommand) -> bool:
        """Let a scheduled command that is stuck be tried again now, as often as at first.

        Args:
            command: as `stuck` returned it.

        Returns:
            Whether it was still there.
        """
        return await self._started().try_again(command)

    async def forget_records(self, *, older_than: timedelta) -> int:
        """Delete idempotency keys and ids of received messages now; a running application does it by itself.

        It deletes in small batches, each in a transaction of its own. A command whose key was forgotten runs again when it
        is repeated.

        Args:
            older_than: how old what is deleted is at least, by the application's clock.

        Returns:
            How many there were.
        """
        return await self._started().forget_records(older_than)

    async def rebuild(
        self, projection: str, *, restart: bool = False, progress: Callable[[int, int], object] = lambda *_: None
    ) -> None:
        """Build a projection's rows anew from the whole log, beside those that are read, and swap both in one step.

        Queries find the old rows, kept up to date, until the swap, and the new ones after it. No reaction runs. A rebuild
        that was cut short is gone on with by the next.

        Args:
            projection: the name of an asynchronous projection.
            restart: begin anew where an earlier rebuild was cut short, because the code has changed since.
            progress: told how far it is and how far it has to go, in positions of the log.

        Raises:
            LookupError: there is no such projection.
            RebuildRunning: another process rebuilds it.
        """
        await self._started().rebuild(projection, progress, restart=restart)

    def _started(self) -> Running:
        if self._running is None:
            raise ApplicationNotRunning(
                f"the application {self.name!r} is not running. Use it inside `async with app:`."
            )
        return self._running

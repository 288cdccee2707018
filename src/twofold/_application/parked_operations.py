"""Operations on parked events: list, show, edit, retry, discard."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import UUID

import anyio

from .._background.backoff import Backoff
from .._background.polling import poll_until
from .._definitions.position import START, Position
from .._encoding.payloads import shown_payload
from .._processes.discarding import discarding
from .._subscriptions.status import error_class, not_parked, nothing_parked
from .._writing.transactions import writing
from ..ports.parked import ParkedEvent
from ..ports.stores import ReadStore
from .operating import Operating, check_number

if TYPE_CHECKING:
    from .running import Running


@dataclass(frozen=True, slots=True)
class ParkedDetails:
    """One parked event for people.

    Attributes:
        parked: the event as it is parked: key, reason, attempts, times, and the last edit.
        error: the name of the class of the error; empty if the event waits for an earlier event of its key.
        payload: the fields of the event, with secrets masked. If the application has no class for the event, every value is
            masked, because nothing tells secrets from other values.
        correlation_id: the correlation id of the event.
        causation_id: the id of the message whose handler recorded the event; None if it is not known.
    """

    parked: ParkedEvent
    error: str
    payload: Any
    correlation_id: UUID | None
    causation_id: UUID | None


class ParkedOperations(Operating):
    """The operations on parked events."""

    async def parked(
        self,
        subscription: str,
        *,
        key: str | None = None,
        error: str | None = None,
        after: int | None = None,
        limit: int | None = None,
    ) -> Sequence[ParkedEvent]:
        """Return the parked events (dead letters) of a subscription and those that wait for a retry, with the reasons.

        An event whose `again` is a time is retried at this time, and later events of its key wait for it. The others
        stay parked until `retry` or `discard`. The order is the order in which the events were parked.

        Args:
            subscription: the name of a projection, event handler or relay.
            key: an ordering key; by default, of all keys.
            error: the name of an error class, such as "TimeoutError"; by default, of any error. Events that wait for an
                earlier event of their key have the empty name.
            after: the position of the last event of the previous page: `ParkedEvent.event.position`.
            limit: the maximum number of events, at least 1; by default, all.

        Raises:
            LookupError: there is no such subscription, or the event `after` is not parked any more.
            ValueError: a number is out of range.
        """
        parked = self._running().store_of(subscription).parked
        if limit is not None:
            check_number("list parked events", "limit", limit, 1, None)
        if after is not None:
            check_number("list parked events", "after", after, START, None)
        place = None if after is None else Position(after)
        if error == "":  # no store has an index of these
            found = await parked.read(subscription, key=key, after=place)
            return [each for each in found if not error_class(each)][:limit]
        if error is not None and not error.isidentifier():
            return []
        return await parked.read(subscription, key=key, error=error, after=place, limit=limit)

    async def show(self, subscription: str, key: str, event_id: UUID) -> ParkedDetails:
        """Return one parked event with its payload, in which secrets are masked.

        Args:
            subscription: the name of a projection, event handler or relay.
            key: its ordering key.
            event_id: its id, as `parked` returns it in `event.id`.

        Raises:
            LookupError: there is no such subscription, or the event is not parked.
        """
        running = self._running()
        events = await running.store_of(subscription).parked.read(subscription, key=key)
        if not events:
            raise await nothing_parked("show", running.store_of(subscription).parked, subscription, key)
        found = next((each for each in events if each.event.id == event_id), None)
        if found is None:
            raise not_parked("show", subscription, events, event_id)
        payload = shown_payload(running.log.event_types.known(found.event.name), found.event.data)
        metadata = json.loads(found.event.metadata)
        return ParkedDetails(
            found, error_class(found), payload, _id(metadata, "correlation_id"), _id(metadata, "causation_id")
        )

    async def edit(
        self, subscription: str, key: str, event_id: UUID, payload: Mapping[str, Any], *, by: str = "", reason: str = ""
    ) -> ParkedEvent:
        """Replace the payload of a parked event, for this subscription only. Call `retry` afterwards.

        The log is not changed: other subscriptions, and a rebuild or a replay of this one, read the original payload. The
        edit is stored with the event, with its time, and logged as a warning without the payload.

        Args:
            subscription: the name of a projection, event handler or relay.
            key: its ordering key, which cannot change.
            event_id: its id, as `parked` returns it in `event.id`.
            payload: all fields, in the form of `ParkedDetails.payload`. A mask stands for the secret that is stored.
            by: who edits it, at most 500 characters.
            reason: why, at most 500 characters.

        Returns:
            The event as it is parked now.

        Raises:
            LookupError: there is no such subscription, or the event is not parked.
            UndecodableEvent: the application has no class for the event.
            ValueError: the class of the event refuses the payload, or the payload changes the ordering key.
        """
        from .._subscriptions.editing import edit

        running = self._running()
        running.store_of(subscription)
        found = next(each for each in running.assembly.subscriptions if each.name == subscription)
        return await edit(found, running.log, key, event_id, payload, by, reason)

    async def retry(
        self, subscription: str, key: str | None = None, *, error: str | None = None, timeout: float = 30.0
    ) -> Sequence[ParkedEvent]:
        """Retry the parked events of a key now, or of all keys, in order, until one of the key fails again.

        The process that runs the subscription retries them, perhaps another one; this call waits for it.

        Args:
            subscription: the name of a projection, event handler or relay.
            key: their ordering key; by default, every key whose first parked event fits `error`.
            error: the name of the class of the error that parked the first event; by default, any error.
            timeout: how long to wait, in seconds.

        Returns:
            The events of these keys that are still parked; none after success. The first of each key failed again.

        Raises:
            LookupError: there is no such subscription, or no event of this key is parked or waits for a retry.
            ValueError: the subscription is paused.
            TimeoutError: no process has finished the retry by then; the request stays.
        """
        running = self._running()
        store = running.store_of(subscription)
        try:
            with anyio.fail_after(timeout):
                now = await running.log.now(store)
                keys = await self._first_keys("retry", store, subscription, key, error)
                await _check_running(store, subscription)
                async with writing(store) as transaction:
                    for each in keys:
                        await transaction.parked.retry(subscription, each, at=now)
                for each in keys:
                    await self._tried(running, store, subscription, each, now)
                left = await store.parked.read(subscription, key=key)
                return [each for each in left if each.key in keys]
        except TimeoutError as late:
            raise TimeoutError(
                f"no worker has finished the retry of parked events of {subscription!r} within {timeout:g} s. The request "
                "stays, and a worker that runs the subscription continues it."
            ) from late

    async def discard(
        self, subscription: str, key: str | None = None, *, event_id: UUID | None = None, error: str | None = None
    ) -> Sequence[ParkedEvent]:
        """Delete parked events permanently, and return them. Each is logged as a warning.

        The subscription never handles a deleted event. If all events of a key are deleted, later events of the key are
        handled again. If one is deleted, the others stay in order: those that are parked until `retry`, and those with a
        pending retry until its time.

        A process whose command is deleted compensates its completed steps, because it would wait for the reply forever. If
        the reply of another service did not arrive in time, the command counts as a completed step. A process whose
        compensation is deleted is stuck at it (`compensation_stuck`).

        Args:
            subscription: the name of a projection, event handler or relay.
            key: their ordering key; may be left out with `error`.
            event_id: the id of one event, as `parked` returns it in `event.id`. By default, all events of the key.
            error: the name of an error class. Only events that this error has parked are deleted, of the key or of all
                keys. Events that wait behind them stay.

        Raises:
            LookupError: there is no such subscription, no event of this key is parked or waits for a retry, or this event
                does not: it was retried or discarded meanwhile.
            TypeError: the id is not a UUID, or there is neither a key nor an error.
        """
        if error is None:
            if key is None:
                raise TypeError(f"cannot discard every parked event of {subscription!r}: pass key= or error=.")
            return await self._discard(subscription, key, event_id)
        gone: list[ParkedEvent] = []
        for each in await self.parked(subscription, key=key, error=error):
            if event_id not in (None, each.event.id):
                continue
            with suppress(LookupError):  # another operator was faster
                gone += await self._discard(subscription, each.key, each.event.id)
        return gone

    async def _discard(self, subscription: str, key: str, event_id: UUID | None) -> Sequence[ParkedEvent]:
        """Delete the parked events of a key, or one of them, with what their attempts have stored."""
        from .._subscriptions.discarding import discard
        from .._subscriptions.subscription import nothing_stored

        running = self._running()
        found = next((each for each in running.assembly.subscriptions if each.name == subscription), None)
        forget = nothing_stored if found is None else found.forget
        is_process = found is not None and found.kind == "process"
        transact = partial(discarding, running.assembly.services) if is_process else None
        return await discard(running.store_of(subscription), subscription, key, event_id, forget, transact)

    async def _first_keys(
        self, attempt: str, store: ReadStore, subscription: str, key: str | None, error: str | None
    ) -> Sequence[str]:
        """Return the keys whose first parked event fits, in the order in which they were parked."""
        found = await store.parked.read(subscription, key=key)
        if not found and key is not None:
            raise await nothing_parked(attempt, store.parked, subscription, key)
        first: dict[str, ParkedEvent] = {}
        for each in found:
            first.setdefault(each.key, each)
        return [name for name, each in first.items() if error is None or error_class(each) == error]

    async def _tried(self, running: Running, store: ReadStore, subscription: str, key: str, now: datetime) -> None:
        """Wait until the requested retry of a key has been made."""

        async def was_tried() -> bool:
            again = (await store.parked.retries(subscription)).get(key)
            if again is None or again > now:
                left = await store.parked.read(subscription, key=key)
                if not left or left[0].attempts:
                    return True
                async with writing(store) as transaction:
                    # The first event was discarded meanwhile, and the next one was not attempted.
                    await transaction.parked.retry(subscription, key, at=now)
            running.notifications.appended.send()
            running.assembly.services.consistency.awaited.send()
            return False

        await poll_until(was_tried, Backoff(0.01, 0.5))


async def _check_running(store: ReadStore, subscription: str) -> None:
    """Raise ValueError if a subscription is paused."""
    partitions = await store.subscriptions.partitions(subscription)
    if partitions and partitions[0].pause is not None:
        raise ValueError(
            f"cannot retry parked events of {subscription!r}: the subscription is paused {partitions[0].pause.text}. Call "
            f"app.operations.resume({subscription!r}) first."
        )


def _id(metadata: Mapping[str, Any], name: str) -> UUID | None:
    found = metadata.get(name)
    return UUID(found) if found else None

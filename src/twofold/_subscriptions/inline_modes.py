"""Compare the inline projections of an application with those that its event log records, when the application starts."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

import anyio

from .._background.backoff import Backoff
from .._definitions.position import START, Position
from .._dispatch.services import Services
from .._writing.transactions import trial, writing
from ..errors import CheckpointMoved, CommitUnknown, ConfigurationError, RebuildRunning
from ..ports.checkpoints import Lease
from ..ports.transactions import WriteTransaction
from .contents import ALL_EVENTS, Contents, contents_of, read_contents
from .decoded_log import DecodedLog
from .inline import read_record, record_of
from .inline_rebuild import InlineRebuild, fenced
from .projection import Projection, ProjectionProcessor
from .subscription import Subscription


class InlineModes:
    """Starts inline projections, and ends those that have become asynchronous.

    Several processes may do this at the same time: one of them does the work, and the others wait for it.

    Args:
        services: the services of the application.
        log: the event log.
        owner: the name of this process.
        lease: the duration of a lease, in seconds.
    """

    def __init__(self, services: Services, log: DecodedLog, owner: str, lease: float) -> None:
        self._services = services
        self._store = services.write.store
        self._log = log
        self._owner = owner
        self._lease = lease

    async def start(self, inline: Sequence[Projection], subscriptions: Sequence[Subscription], *, writes: bool) -> None:
        """Start the inline projections of an application.

        A projection that was never inline, or that has other views or more fields than before, is rebuilt from the whole
        log. So is a projection that handles other events than before, if the log has one of them. Otherwise, and with
        fewer fields, it is only recorded. A projection that is not inline any more continues as a subscription, from the
        end of the log.

        Args:
            inline: the inline projections of the application.
            subscriptions: its subscriptions.
            writes: whether the application can append events.

        Raises:
            ConfigurationError: the log has an inline projection that this application lacks, or whose mode and views have
                changed at the same time.
            RebuildFailed: a projection fails on a stored event.
        """
        mine = {projection.name: record_of(projection) for projection in inline}
        later = {each.name: each for each in subscriptions if isinstance(each.processor, ProjectionProcessor)}
        while True:
            recorded = await self._log.events.inline()
            others = {name: views for name, views in recorded.views.items() if name not in mine}
            for name, record in others.items():
                if name in later:
                    self._check_views(later[name], record)
                elif writes:
                    raise _lacking(name)
            wrong = [each for each in inline if recorded.views.get(each.name) != mine[each.name]]
            ended = [later[name] for name in others if name in later]
            if not wrong and not ended:
                self._services.write.inline.generation = recorded.generation if writes else None
                return
            for subscription in ended:
                await self._end(subscription)
            for projection in wrong:
                await self._begin(projection)

    async def _begin(self, projection: Projection) -> None:
        name, record, backoff = projection.name, record_of(projection), Backoff(last=0.5, jitter=True)
        while (recorded := (await self._log.events.inline()).views.get(name)) != record:
            try:
                kept = await (self._begin_empty(projection) if recorded is None else self._keep(projection, recorded))
                if not kept:
                    rebuild = InlineRebuild(projection, self._services, self._log, self._owner, self._lease)
                    await rebuild.run(lambda *_: None, restart=True)
            except (RebuildRunning, CheckpointMoved, CommitUnknown):  # the record is read again
                await anyio.sleep(backoff.next())

    async def _keep(self, projection: Projection, recorded: str) -> bool:
        """Replace the record of a projection and keep its rows. Return False if the rows differ from those of a rebuild.

        The record stays if another process replaces it at the same time.
        """
        before, now = read_record(recorded, projection), contents_of(projection.views, projection.events)
        if not _has_all(before, now):
            return False
        changed = before.events ^ now.events
        names = None if ALL_EVENTS in changed else changed
        found, position = await self._find_event(names, START) if changed else (False, Position(START))
        if found:
            return False
        async with trial(self._store) as transaction:
            await transaction.inline.hold([projection.name])
            await transaction.log.lock()
            if (await self._log.events.inline()).views.get(projection.name) != recorded:
                return True
            found, _ = await self._find_event(names, position) if changed else (False, position)
            if not found:
                await transaction.inline.record(projection.name, now.text)
                await transaction.commit()
            return not found

    async def _begin_empty(self, projection: Projection) -> bool:
        """Record a new projection whose events the log does not have. Return False if the log has some."""
        found, position = await self._find_event(projection.events, START)
        if found:
            return False
        async with trial(self._store) as transaction:
            await transaction.inline.record(projection.name, record_of(projection))
            await transaction.log.lock()
            found, _ = await self._find_event(projection.events, position)
            if found:
                return False
            await transaction.commit()
        async with fenced(self._store, projection.name, self._log.identity):
            return True

    async def _find_event(self, names: Collection[str] | None, after: Position) -> tuple[bool, Position]:
        """Return whether the log has one of some events after a position, and how far it was read."""
        while True:
            page = await self._log.events.read_all(after=after, limit=1, names=names)
            if page.events or page.last == after:
                return bool(page.events), page.last
            after = page.last

    async def _end(self, subscription: Subscription) -> None:
        """Let a projection that is recorded as inline continue as a subscription."""
        name, backoff = subscription.name, Backoff(last=0.5, jitter=True)
        while (recorded := (await self._log.events.inline()).views.get(name)) is not None:
            try:
                async with writing(self._store) as transaction:
                    if await transaction.inline.delete(name):
                        await transaction.log.lock()
                        await self._continue(subscription, transaction, recorded)
            except (CheckpointMoved, CommitUnknown):  # the record is read again
                await anyio.sleep(backoff.next())

    async def _continue(self, subscription: Subscription, transaction: WriteTransaction, recorded: str) -> None:
        processor = subscription.processor
        if subscription.store is not self._store or not isinstance(processor, ProjectionProcessor):
            return  # rows in another store are filled from the beginning
        name, subscriptions = subscription.name, self._store.subscriptions
        applied = read_record(recorded, processor.projection).events  # the worker compares them with its own
        contents = replace(read_contents(subscription.contents), events=applied)
        checkpoint = replace(await self._log.at_head(), contents=contents.text)
        leases = [Lease(name, each.number, each.generation) for each in await subscriptions.partitions(name)]
        await transaction.checkpoints.divide(name, [checkpoint] * subscription.partitions, leases=leases)

    def _check_views(self, subscription: Subscription, recorded: str) -> None:
        processor = subscription.processor
        if isinstance(processor, ProjectionProcessor) and subscription.store is self._store:
            before, now = read_record(recorded, processor.projection), read_contents(subscription.contents)
            if not _has_all(before, now):
                raise ConfigurationError(
                    f"cannot run the projection {subscription.name!r} as a subscription: it was inline with other views or "
                    f"fields. Views with their fields before: {', '.join(before.view_texts)}; now: "
                    f"{', '.join(now.view_texts)}. Start it once with mode='inline', which fills its views, and change the "
                    "mode then."
                )


def _has_all(before: Contents, now: Contents) -> bool:
    """Return whether rows have the same views, and all fields."""
    return before.views == now.views and now.fields <= before.fields


def _lacking(name: str) -> ConfigurationError:
    return ConfigurationError(
        f"cannot start: the event log has the inline projection {name!r}, which this application does not have. Its rows "
        "would lack the events that this application appends. Register the projection, also in scripts and in earlier "
        "releases that still run. If no application has it any more, call once: "
        f"`await app.operations.unregister_inline({name!r})`."
    )

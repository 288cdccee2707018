"""Stores whose event log is broken."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import uuid4

from twofold.errors import ConcurrencyConflict
from twofold.ports import Expected, LogPage, Position

from .broken import Around, Break, Flat, appending, commits_anyway, of_store
from .mutant import Mutant


class Unchecked(Around):
    """Takes every append, whatever was expected."""

    async def append(self, stream: str, events: Any, *, expected: Any) -> Any:
        return await self.inner.append(stream, events, expected=Expected.ANY)


class NoStreamIgnored(Around):
    """Creates a stream that exists."""

    async def append(self, stream: str, events: Any, *, expected: Any) -> Any:
        relaxed = Expected.ANY if expected is Expected.NO_STREAM else expected
        return await self.inner.append(stream, events, expected=relaxed)


class EmptyUnchecked(Around):
    """Does nothing when there is nothing to append."""

    async def append(self, stream: str, events: Any, *, expected: Any) -> Any:
        return await self.inner.append(stream, events, expected=expected) if events else ()


class NamesNoVersion(Around):
    """Does not say which version it found."""

    async def append(self, stream: str, events: Any, *, expected: Any) -> Any:
        try:
            return await self.inner.append(stream, events, expected=expected)
        except ConcurrencyConflict as conflict:
            raise ConcurrencyConflict(stream, expected=expected, actual=None) from conflict


class SwallowsDuplicates(Around):
    """Gives an event with a known id another one."""

    async def append(self, stream: str, events: Any, *, expected: Any) -> Any:
        fresh = [event._replace(id=uuid4()) for event in events]
        return await self.inner.append(stream, fresh, expected=expected)


class DropsTheLast(Around):
    """Loses the last event of a large append."""

    async def append(self, stream: str, events: Any, *, expected: Any) -> Any:
        kept = events[:-1] if len(events) > 1000 else events
        return await self.inner.append(stream, kept, expected=expected)


class Mangles(Around):
    """Changes one field of each event on its way into the log."""

    field = "data"

    async def append(self, stream: str, events: Any, *, expected: Any) -> Any:
        changed = [event._replace(**{self.field: self.mangled(event)}) for event in events]
        return await self.inner.append(stream, changed, expected=expected)

    def mangled(self, event: Any) -> Any:
        return event.data.encode("ascii", "replace").decode()


class ForgetsMicroseconds(Mangles):
    """Keeps whole seconds."""

    field = "time"

    def mangled(self, event: Any) -> Any:
        return event.time.replace(microsecond=0)


class ForgetsTheSchema(Mangles):
    """Stores every event as version 1."""

    field = "schema"

    def mangled(self, event: Any) -> Any:
        return 1


class ForgetsMetadata(Mangles):
    """Stores no metadata."""

    field = "metadata"

    def mangled(self, event: Any) -> Any:
        return "{}"


class CommitsEarly(Around):
    """Makes each append visible at once."""

    def __init__(self, inner: Any, store: Any, read_only: bool) -> None:
        super().__init__(inner)
        self._store = store
        self._read_only = read_only

    async def append(self, stream: str, events: Any, *, expected: Any) -> Any:
        stored = await self.inner.append(stream, events, expected=expected)
        await self.inner.commit()
        self.inner = Flat(await self._store.begin())
        return stored


class Log(Around):
    """A log that reads wrongly; each subclass breaks one method."""


class Shuffled(Log):
    """Gives the events of a page in another order."""

    async def read_all(self, **options: Any) -> LogPage:
        page: LogPage = await self.inner.read_all(**options)
        return LogPage(tuple(reversed(page.events)), page.last)


class SkipsAnEvent(Log):
    """Leaves the last event of a full page out."""

    async def read_all(self, **options: Any) -> LogPage:
        page: LogPage = await self.inner.read_all(**options)
        return LogPage(page.events[:-1] if len(page.events) == options.get("limit", 500) else page.events, page.last)


class StandsStill(Log):
    """Does not say how far it looked when nothing matched."""

    async def read_all(self, **options: Any) -> LogPage:
        page: LogPage = await self.inner.read_all(**options)
        return page if page.events else LogPage((), options.get("after", Position(0)))


class JumpsAhead(Log):
    """Says of a full page that it looked as far as the head."""

    async def read_all(self, **options: Any) -> LogPage:
        page: LogPage = await self.inner.read_all(**options)
        return LogPage(page.events, await self.inner.head())


class OffByOne(Log):
    """Reads a stream from the version itself."""

    def read(self, stream: str, *, after: int = 0) -> AsyncIterator[Any]:
        events: AsyncIterator[Any] = self.inner.read(stream, after=max(0, after - 1))
        return events


class Miscounts(Log):
    """Counts the first event too."""

    async def count(self, *, after: Position, upto: Position) -> int:
        return int(await self.inner.count(after=after, upto=upto)) + 1


class ChangesIdentity(Log):
    """Has another identity each time."""

    async def identity(self) -> str:
        return uuid4().hex


class SharesIdentity(Log):
    """Has the identity of every other log."""

    async def identity(self) -> str:
        return "log"


class LogStore(Around):
    """A store with another log."""

    def __init__(self, inner: Any, log: Any) -> None:
        super().__init__(inner)
        self.log = log


def logging(make: type[Log]) -> Break:
    """Break the log of a store."""

    def broken(store: Any) -> Any:
        return LogStore(store, make(store.log))

    return broken


EVENT_LOG: Sequence[Mutant] = (
    Mutant("conflict check dropped", "test_exact_versions", appending(Unchecked)),
    Mutant("conflict check dropped, concurrently", "test_one_of_many_writers_wins", appending(Unchecked)),
    Mutant("conflict check dropped, several streams", "test_several_streams_all_or_none", appending(Unchecked)),
    Mutant("no stream ignored", "test_any_and_no_stream", appending(NoStreamIgnored)),
    Mutant("empty append unchecked", "test_an_empty_append_checks_too", appending(EmptyUnchecked)),
    Mutant("conflict without versions", "test_exact_versions", appending(NamesNoVersion)),
    Mutant("duplicate swallowed", "test_an_event_id_is_taken_once", appending(SwallowsDuplicates)),
    Mutant("last of many lost", "test_many_events_in_one_append", appending(DropsTheLast)),
    Mutant("text mangled", "test_events_survive_the_round_trip", appending(Mangles)),
    Mutant("microseconds lost", "test_events_survive_the_round_trip", appending(ForgetsMicroseconds)),
    Mutant("schema version lost", "test_events_survive_the_round_trip", appending(ForgetsTheSchema)),
    Mutant("metadata lost", "test_events_survive_the_round_trip", appending(ForgetsMetadata)),
    Mutant("commits early", "test_several_streams_all_or_none", of_store(CommitsEarly)),
    Mutant("rollback commits", "test_a_rollback_leaves_nothing_and_holds_nobody_up", commits_anyway),
    Mutant("order shuffled", "test_pages_of_any_size_give_the_same", logging(Shuffled)),
    Mutant("an event skipped", "test_pages_of_any_size_give_the_same", logging(SkipsAnEvent)),
    Mutant("filtered page stands still", "test_filtered_pages_move_on", logging(StandsStill)),
    Mutant("full page jumps ahead", "test_filtered_pages_move_on", logging(JumpsAhead)),
    Mutant("after is off by one", "test_a_stream_is_read_from_a_version", logging(OffByOne)),
    Mutant("miscounted", "test_events_are_counted", logging(Miscounts)),
    Mutant("identity changes", "test_the_identity_is_the_logs_own", logging(ChangesIdentity)),
    Mutant("identity shared", "test_the_identity_is_the_logs_own", logging(SharesIdentity)),
)

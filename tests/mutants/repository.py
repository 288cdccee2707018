"""Stores whose aggregates come back wrongly, or overwrite each other."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from typing import Any

from twofold.errors import ConcurrencyConflict
from twofold.ports import Versioned

from .broken import Around, Break, appending, break_part, commits_anyway, of_store
from .event_log import EmptyUnchecked, NoStreamIgnored, Unchecked
from .mutant import Mutant
from .state import DeletesUnguarded, DropsUpdates, FoldsIds, KeepsDeleted, OneVersion, Shares, UpdatesNothing, state


class Overwrites(Around):
    """Updates state whatever its version is, also when it moves on while this transaction waits for its turn."""

    def state(self, aggregate_type: Any) -> Any:
        return _OverwritingState(self.inner.state(aggregate_type), self.inner)


class _OverwritingState(Around):
    def __init__(self, inner: Any, transaction: Any) -> None:
        super().__init__(inner)
        self._transaction = transaction

    async def update(self, id: str, aggregate: Any, *, expected: int) -> None:
        while (stands := await self.inner.version(id)) is not None:
            with suppress(ConcurrencyConflict):
                async with self._transaction.savepoint():
                    await self.inner.update(id, aggregate, expected=stands)
                return


class LoadsOldVersion(Around):
    """Gives the newest state with the version at which an aggregate was first loaded."""

    def __init__(self, inner: Any, first: dict[object, Any]) -> None:
        super().__init__(inner)
        self._first = first

    async def load(self, id: str) -> Any:
        found = await self.inner.load(id)
        return found and Versioned(found.aggregate, self._first.setdefault(id, found.version))


class LoadsOldState(Around):
    """Gives the newest version with the state that it had one save ago."""

    def __init__(self, inner: Any, last: dict[object, Any]) -> None:
        super().__init__(inner)
        self._last = last

    async def load(self, id: str) -> Any:
        found = await self.inner.load(id)
        return found and Versioned(self._last.get(id, found.aggregate), found.version)

    async def update(self, id: str, aggregate: Any, *, expected: int) -> None:
        before = await self.inner.load(id)
        await self.inner.update(id, aggregate, expected=expected)
        self._last[id] = before and before.aggregate


class ReadsShort(Around):
    """Leaves out the last event of a stream of several."""

    async def read(self, stream: str, *, after: int = 0) -> AsyncIterator[Any]:
        events = [event async for event in self.inner.read(stream, after=after)]
        for event in events[:-1] if len(events) > 1 else events:
            yield event


class ReadsByPrefix(Around):
    """Reads every stream whose name begins like the one that is wanted."""

    def __init__(self, inner: Any, store: Any, read_only: bool) -> None:
        super().__init__(inner)
        self._store = store

    async def read(self, stream: str, *, after: int = 0) -> AsyncIterator[Any]:
        for event in (await self._store.log.read_all()).events:
            if event.stream.startswith(stream):
                yield event


class FoldsStreams(Around):
    """Takes streams whose names differ in upper and lower case for the same."""

    async def append(self, stream: str, events: Any, *, expected: Any) -> Any:
        return await self.inner.append(stream.lower(), events, expected=expected)

    def read(self, stream: str, *, after: int = 0) -> AsyncIterator[Any]:
        events: AsyncIterator[Any] = self.inner.read(stream.lower(), after=after)
        return events


class ForgetsTheWay(Around):
    """Does not know how aggregates are kept."""

    async def kept(self, aggregate: str) -> None:
        return None


class NotesNothing(Around):
    """Does not note how aggregates are kept."""

    async def keep(self, aggregate: str, way: str) -> None:
        pass


def remembering(part: Callable[[Any, dict[object, Any]], Any]) -> Break:
    """Break the state of every type by what was kept from earlier transactions."""

    def make() -> Callable[[Any], Any]:
        kept: dict[object, Any] = {}
        return lambda inner: part(inner, kept)

    return break_part("state", make)


ONE_WINS = "test_of_those_who_loaded_one_version_one_wins"
ONE_WAY = "test_a_type_is_kept_in_one_way"
CHANGES = "test_add_get_change_and_remove"

REPOSITORY: Sequence[Mutant] = (
    Mutant("conflict check dropped for state", ONE_WINS, appending(Overwrites)),
    Mutant("conflict check dropped for streams", ONE_WINS, appending(Unchecked)),
    Mutant("updates of state are lost, retried", "test_with_retries_every_increment_counts", appending(Overwrites)),
    Mutant("successes are lost", "test_the_value_is_the_number_of_successes", state(DropsUpdates)),
    Mutant("no stream ignored", "test_an_existing_id_is_refused", appending(NoStreamIgnored)),
    Mutant("no stream ignored, at once", "test_of_those_who_add_one_id_one_wins", appending(NoStreamIgnored)),
    Mutant("no stream ignored, removed", "test_a_removed_id_stays_taken", appending(NoStreamIgnored)),
    Mutant("removal ignores the version", "test_a_removal_of_what_was_changed_meanwhile", state(DeletesUnguarded)),
    Mutant("removal ignores the stream", "test_a_removal_of_what_was_changed_meanwhile", appending(Unchecked)),
    Mutant("change of nothing", "test_a_change_of_what_was_removed_meanwhile", state(UpdatesNothing)),
    Mutant("change of a removed stream", "test_a_change_of_what_was_removed_meanwhile", appending(Unchecked)),
    Mutant("empty append unchecked", "test_an_expected_version_is_checked_again_at_the_end", appending(EmptyUnchecked)),
    Mutant("unchanged unchecked", "test_an_expected_version_is_checked_again_at_the_end", appending(Overwrites)),
    Mutant("versions are not counted", "test_an_expected_version_is_checked", state(OneVersion)),
    Mutant("updates are lost", CHANGES, state(DropsUpdates)),
    Mutant("an old version is loaded", CHANGES, remembering(LoadsOldVersion)),
    Mutant("an old state is loaded", CHANGES, remembering(LoadsOldState)),
    Mutant("the last event is not read", CHANGES, appending(ReadsShort)),
    Mutant("removal keeps the row", CHANGES, state(KeepsDeleted)),
    Mutant("removed is found", "test_nothing_there", state(KeepsDeleted)),
    Mutant("removed in a unit is kept", "test_one_object_within_a_unit", state(KeepsDeleted)),
    Mutant("loads share an object", "test_the_loaded_is_not_shared", remembering(Shares)),
    Mutant("ids ignore upper and lower case", "test_aggregates_are_kept_apart", state(FoldsIds)),
    Mutant("streams ignore upper and lower case", "test_aggregates_are_kept_apart", appending(FoldsStreams)),
    Mutant("the way is forgotten", ONE_WAY, appending(ForgetsTheWay)),
    Mutant("the way is not noted", ONE_WAY, appending(NotesNothing)),
    Mutant("the way is noted in any case", "test_what_was_undone_was_not_kept", commits_anyway),
    Mutant("streams are found by prefix", "test_aggregates_are_kept_apart", of_store(ReadsByPrefix)),
)

"""Dynamic consistency boundaries: commands that decide from the events that match."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest

from twofold import Boundary, CommandBus, Event, EventBus, Repository, Router, UnitOfWork, select
from twofold._encoding.message_json import event_tags
from twofold.errors import BoundaryConflict, ConcurrencyConflict, TagsIncomplete
from twofold.middleware import retry_conflicts
from twofold.ports import NewEvent, WriteStore

from .._domain.courses import (
    Closed,
    Course,
    CourseFull,
    Noted,
    OpenCourse,
    PublishSeat,
    ReleaseSeat,
    SeatReleased,
    Seats,
    SeatTaken,
    TakeSeat,
    application,
)
from .._domain.transfers import Run, handled
from .._stores.boundaries import Checking, Selecting, having, selected
from .._stores.event_log import event as encoded
from .._tools.late import late
from .._tools.opened import NewStore, writing
from .repository_races import Gathering, race


def take(course: str, student: str) -> TakeSeat:
    """Return a command that takes a seat."""
    return TakeSeat(course_id=course, student_id=student)


def new_event(event: Event) -> NewEvent:
    """Return an event that was stored before its class had tags."""
    return encoded(event.model_dump_json(), name=str(event.message_name))


async def taken(store: WriteStore, course: str = "c1") -> int:
    """Return how many seats of a course were taken."""
    return len(await selected(store, having(f"course_id:{course}", names=["courses.seat_taken"])))


async def overtaken(
    store: WriteStore, decide: Callable[[Boundary, UnitOfWork], Awaitable[Any]], *by: Any, write: bool = True
) -> str:
    """Run a handler, and commands after it has read and before it writes; return its outcome."""
    read, written = anyio.Event(), anyio.Event()
    outcomes: list[str] = []

    async def hold() -> None:
        read.set()
        await written.wait()

    async def run(command: Run, boundary: Boundary, unit: UnitOfWork) -> str:
        await decide(boundary, unit)
        if write:
            unit.record(Noted())
        return ""

    async def dispatch() -> None:
        try:
            await slow.dispatch(Run())
        except ConcurrencyConflict as conflict:
            outcomes.append(type(conflict).__name__)
        else:
            outcomes.append("success")
        read.set()

    slow = application(late(store, hold), handled(run))
    async with application(store) as app, slow, anyio.create_task_group() as tasks:
        tasks.start_soon(dispatch)
        await read.wait()
        for each in by:
            await app.dispatch(each)
        written.set()
    return outcomes[0]


class BoundarySuite(Selecting, Checking):
    """The promises of boundaries, for every write store."""

    async def test_one_of_two_overlapping_decisions_wins(self, new_store: NewStore) -> None:
        """Of two commands that have read one boundary, one commits and the other conflicts."""
        async with new_store([]) as store:
            async with application(late(store, Gathering(2))) as app:
                outcomes = await race(app, take("c1", "s1"), take("c1", "s2"))
            assert outcomes == {"success": 1, "BoundaryConflict": 1}
            assert await taken(store) == 1

    async def test_decisions_without_overlap_both_commit(self, new_store: NewStore) -> None:
        """Two commands that have read different boundaries commit, although both have read before either writes."""
        async with new_store([]) as store:
            async with application(late(store, Gathering(2))) as app:
                assert await race(app, take("c1", "s1"), take("c2", "s1")) == {"success": 2}
            assert (await taken(store, "c1"), await taken(store, "c2")) == (1, 1)

    async def test_a_conflict_is_retried_with_the_new_events(self, new_store: NewStore) -> None:
        """The middleware repeats the handler, which reads the boundary again. No more seats are taken than there are."""
        router, refused = Router("retrying"), list[str]()
        router.use(retry_conflicts(attempts=50, delay=0.001))
        async with new_store([]) as store:
            async with application(late(store, Gathering(4)), router) as app, anyio.create_task_group() as tasks:

                async def run(student: str) -> None:
                    try:
                        await app.dispatch(take("c1", student))
                    except CourseFull:
                        refused.append(student)

                for number in range(4):
                    tasks.start_soon(run, f"s{number}")
            assert (len(refused), await taken(store)) == (2, 2)

    async def test_events_are_read_in_order_with_their_envelopes(self, new_store: NewStore) -> None:
        """A boundary returns typed events, and their envelopes, in the order of the log. A decision model folds them."""
        found: dict[str, Any] = {}

        async def run(command: Run, boundary: Boundary) -> str:
            seats = select(SeatTaken, SeatReleased, course_id="c1")
            found["events"] = await boundary.read(seats, select(SeatTaken, student_id="s9"))
            found["envelopes"] = await boundary.envelopes(seats)
            found["none"] = await boundary.read(select(Closed, course_id="c1"))
            found["all"] = await boundary.read(select(course_id="c1"))
            found["base"] = await boundary.read(select(Event, course_id="c1"))
            found["types"] = await boundary.read(select(SeatReleased))
            return ""

        async with new_store([]) as store, application(store, handled(run)) as app:
            for command in (take("c1", "s1"), take("c2", "s9"), take("c2", "s1")):
                await app.dispatch(command)
            await app.dispatch(ReleaseSeat(course_id="c1", student_id="s1"))
            await app.dispatch(Run())
            one, two = SeatTaken(course_id="c1", student_id="s1"), SeatTaken(course_id="c2", student_id="s9")
            released = SeatReleased(course_id="c1", student_id="s1")
            assert found["events"] == [one, two, released]
            assert (found["none"], found["types"]) == ([], [released])
            assert found["all"] == found["base"] == [one, released]
            assert [each.message for each in found["envelopes"]] == [one, released]
            stored = await selected(store, having("course_id:c1"))
            assert [each.position for each in found["envelopes"]] == [each.position for each in stored]
            assert [each.stream for each in found["envelopes"]] == [each.stream for each in stored]

    async def test_an_event_of_a_bus_or_an_aggregate_violates_a_boundary(self, new_store: NewStore) -> None:
        """Every append of a matching event takes part, also without a boundary."""

        async def decide(boundary: Boundary, unit: UnitOfWork) -> None:
            await boundary.read(select(course_id="c1"))

        for command in (PublishSeat(course_id="c1", student_id="s1"), OpenCourse(course_id="c1"), take("c1", "s1")):
            async with new_store([]) as store:
                assert await overtaken(store, decide, PublishSeat(course_id="c2", student_id="s1")) == "success"
                assert await overtaken(store, decide, command) == "BoundaryConflict"

    async def test_each_boundary_of_a_unit_is_checked(self, new_store: NewStore) -> None:
        """All boundaries that were read are checked, also one that was read in a savepoint that was undone."""

        async def several(boundary: Boundary, unit: UnitOfWork) -> None:
            await boundary.read(select(SeatTaken, course_id="c1"))
            await boundary.read(select(SeatTaken, course_id="c2"))

        async with new_store([]) as store:
            for course in ("c1", "c2"):
                released = PublishSeat(course_id=course, student_id="s1")
                assert await overtaken(store, several, released) == "BoundaryConflict"

    async def test_a_boundary_that_was_read_in_an_undone_savepoint_is_checked(self, new_store: NewStore) -> None:
        """The handler may have decided by the events that it read in the savepoint."""

        async def decide(boundary: Boundary, unit: UnitOfWork) -> None:
            mark = unit.changes.mark()
            await boundary.read(select(SeatTaken, course_id="c1"))
            mark()

        async with new_store([]) as store:
            by = PublishSeat(course_id="c1", student_id="s1")
            assert await overtaken(store, decide, by) == "BoundaryConflict"

    async def test_a_unit_of_work_without_writes_is_not_checked(self, new_store: NewStore) -> None:
        """A boundary that was only read is right for the moment."""

        async def decide(boundary: Boundary, unit: UnitOfWork) -> None:
            await boundary.read(select(SeatTaken, course_id="c1"))

        by = PublishSeat(course_id="c1", student_id="s1")
        async with new_store([]) as store:
            assert await overtaken(store, decide, by, write=False) == "success"

    async def test_a_boundary_contains_the_events_of_its_own_unit_of_work(self, new_store: NewStore) -> None:
        """Events that are not written yet are read, whatever recorded them, and do not violate the boundary."""
        found: list[int] = []

        async def run(
            command: Run, boundary: Boundary, events: EventBus, courses: Repository[Course], commands: CommandBus
        ) -> str:
            boundary.append(SeatTaken(course_id="c1", student_id="s1"), Noted())
            found.append(len(await boundary.read(select(course_id="c1"))))
            await events.publish(SeatTaken(course_id="c1", student_id="s2"))
            await courses.add(Course.begin(Closed(course_id="c1")))
            found.append(len(await boundary.read(select(course_id="c1"))))
            found.append(len(await boundary.read(select(SeatTaken, course_id="c1", student_id="s2"))))
            with pytest.raises(CourseFull):
                await commands.dispatch(take("c1", "s3"))
            return ""

        async with new_store([]) as store, application(store, handled(run)) as app:
            await app.dispatch(Run())
            assert found == [1, 3, 1]
            assert await taken(store) == 2

    async def test_a_failed_decision_leaves_nothing(self, new_store: NewStore) -> None:
        """Neither the event nor its tags of a unit of work that fails are stored."""

        async def run(command: Run, boundary: Boundary) -> str:
            boundary.append(SeatTaken(course_id="c1", student_id="s1"))
            raise CourseFull

        async with new_store([]) as store, application(store, handled(run)) as app:
            with pytest.raises(CourseFull):
                await app.dispatch(Run())
            assert await taken(store) == 0
            assert await app.dispatch(take("c1", "s2")) == 1

    async def test_events_from_before_their_tags_refuse_a_boundary(self, new_store: NewStore) -> None:
        """A boundary over events that lack a tag raises, until the tags are filled. Filling resumes where it stopped."""
        async with new_store([]) as store, application(store) as app:
            event = SeatTaken(course_id="c1", student_id="s1")
            old = [new_event(event) for _ in range(3)]
            async with writing(store) as transaction:
                await transaction.log.append("old", old, expected=0)
            with pytest.raises(TagsIncomplete, match="twofold tags fill"):
                await app.dispatch(take("c1", "s2"))
            await app.dispatch(PublishSeat(course_id="c1", student_id="s3"))
            with pytest.raises(TagsIncomplete):
                await app.dispatch(take("c1", "s2"))
            filled = [await app.operations.fill_tags(batch=2) for _ in range(2)]
            assert filled == [4, 0]
            with pytest.raises(CourseFull):
                await app.dispatch(take("c1", "s2"))
            assert await taken(store) == 4
            assert event_tags(event) == ("course_id:c1", "student_id:s1")

    async def test_an_interrupted_fill_continues(self, new_store: NewStore) -> None:
        """A fill that stops after a batch continues with the next event."""
        async with new_store([]) as store, application(store) as app:
            old = [new_event(SeatTaken(course_id="c1", student_id=f"s{n}")) for n in range(5)]
            async with writing(store) as transaction:
                await transaction.log.append("old", old, expected=0)

            def stop(done: int) -> None:
                if done == 2:
                    raise InterruptedError

            with pytest.raises(InterruptedError):
                await app.operations.fill_tags(batch=2, progress=stop)
            with pytest.raises(TagsIncomplete):
                await app.dispatch(take("c1", "s9"))
            assert await app.operations.fill_tags(batch=2) == 3
            assert await taken(store) == 5

    async def test_a_release_without_a_tag_makes_the_tags_incomplete(self, new_store: NewStore) -> None:
        """A class that appends without a recorded tag removes the record, so that boundaries do not miss its events."""
        async with new_store([]) as store:
            async with application(store) as app:
                await app.dispatch(take("c1", "s1"))

            class Untagged(Event, name="courses.seat_taken"):
                course_id: str
                student_id: str

            async def run(command: Run, unit: UnitOfWork) -> str:
                unit.record(Untagged(course_id="c1", student_id="s2"))
                return ""

            other = application(store, handled(run))
            async with other:
                await other.dispatch(Run())
            async with application(store) as app:
                with pytest.raises(TagsIncomplete):
                    await app.dispatch(take("c1", "s3"))
                await app.operations.fill_tags()
                with pytest.raises(CourseFull):
                    await app.dispatch(take("c1", "s3"))

    async def test_a_conflict_names_the_boundary(self, new_store: NewStore) -> None:
        """The error says which boundary was violated, and what to do."""
        async with new_store([]) as store:
            async with application(late(store, Gathering(2))) as app:
                errors: list[BoundaryConflict] = []

                async def run(student: str) -> None:
                    try:
                        await app.dispatch(take("c1", student))
                    except BoundaryConflict as conflict:
                        errors.append(conflict)

                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(run, "s1")
                    tasks.start_soon(run, "s2")
            (error,) = errors
            assert "courses.seat_released or courses.seat_taken with course_id:c1" in str(error)
            assert "retry_conflicts" in str(error)
            assert Seats().students == []

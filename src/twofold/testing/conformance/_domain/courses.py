"""The domain of the suites about boundaries: courses with a limited number of seats."""

from __future__ import annotations

from twofold import Aggregate, Application, Boundary, Command, Event, EventBus, Repository, Router, fold, on, select
from twofold.ports import WriteStore

from .._tools.beside import stores_of


class SeatTaken(Event, name="courses.seat_taken", tags=("course_id", "student_id")):
    course_id: str
    student_id: str


class SeatReleased(Event, name="courses.seat_released", tags=("course_id", "student_id")):
    course_id: str
    student_id: str


class Closed(Event, name="courses.closed", tags=("course_id",)):
    course_id: str


class Course(Aggregate, name="course"):
    id: str

    @on(Closed)
    def _closed(self, event: Closed) -> None:
        self.id = event.course_id


class Noted(Event, name="courses.noted"):
    """An event without tags."""

    text: str = ""


class CourseFull(Exception):
    """The course has no free seat."""


class Seats:
    """The decision model of a course."""

    def __init__(self) -> None:
        self.students: list[str] = []

    @on(SeatTaken)
    def _taken(self, event: SeatTaken) -> None:
        self.students.append(event.student_id)

    @on(SeatReleased)
    def _released(self, event: SeatReleased) -> None:
        self.students.remove(event.student_id)


class TakeSeat(Command[int]):
    """Takes a seat of a course with two seats; returns the number of taken seats."""

    course_id: str
    student_id: str


class ReleaseSeat(Command[None]):
    course_id: str
    student_id: str


class OpenCourse(Command[None]):
    """Adds an aggregate, which records that the course is closed."""

    course_id: str


class PublishSeat(Command[None]):
    """Records a taken seat by the event bus, without a decision."""

    course_id: str
    student_id: str


courses = Router("courses")


@courses.command_handler(TakeSeat)
async def take_seat(command: TakeSeat, boundary: Boundary) -> int:
    """Take a seat."""
    seats = fold(Seats(), await boundary.read(select(SeatTaken, SeatReleased, course_id=command.course_id)))
    if len(seats.students) >= 2:
        raise CourseFull(command.course_id)
    boundary.append(SeatTaken(course_id=command.course_id, student_id=command.student_id))
    return len(seats.students) + 1


@courses.command_handler(ReleaseSeat)
async def release_seat(command: ReleaseSeat, boundary: Boundary) -> None:
    """Release a seat."""
    boundary.append(SeatReleased(course_id=command.course_id, student_id=command.student_id))


@courses.command_handler(PublishSeat)
async def publish_seat(command: PublishSeat, events: EventBus) -> None:
    """Record a taken seat."""
    await events.publish(SeatTaken(course_id=command.course_id, student_id=command.student_id))


@courses.command_handler(OpenCourse)
async def open_course(command: OpenCourse, found: Repository[Course]) -> None:
    """Add an aggregate."""
    await found.add(Course.begin(Closed(course_id=command.course_id)))


def application(store: WriteStore, *routers: Router) -> Application:
    """Return an application of the courses with some routers."""
    app = Application("courses", **stores_of(store), work=False)
    for router in (courses, *routers):
        app.include(router)
    return app

"""A handler of several events takes their union. Checked by `make check`; never executed."""

from __future__ import annotations

from twofold import Event, EventBus, Router, on


class A(Event, name="unions.a"):
    pass


class B(Event, name="unions.b"):
    pass


class C(Event, name="unions.c"):
    pass


class D(Event, name="unions.d"):
    pass


class E(Event, name="unions.e"):
    pass


class F(Event, name="unions.f"):
    pass


class G(Event, name="unions.g"):
    pass


router = Router("unions")
events = EventBus()


@router.event_handler(A, B, name="two")
async def two(event: A | B) -> None: ...


@router.event_handler(A, B, C, D, E, F, name="six")
async def six(event: A | B | C | D | E | F) -> None: ...


@router.event_handler(A, B, C, D, E, F, G, name="seven")
async def seven(event: A | B | C | D | E | F | G) -> None: ...


@router.event_handler(A, B, name="more")
async def more(event: A | B | C) -> None: ...


@router.event_handler(Event, name="everything")
async def everything(event: Event) -> None: ...


@router.event_handler(A, B, name="base")
async def base(event: Event) -> None: ...


@router.event_handler(A, B, name="class")
class OfClass:
    async def __call__(self, event: A | B, bus: EventBus) -> None: ...


@events.handler(A, B)
async def two_alone(event: A | B) -> None: ...


@events.handler(A, B, C, D, E, F)
def six_alone(event: A | B | C | D | E | F) -> None: ...


@events.handler(A, B, C, D, E, F, G)
async def seven_alone(event: A | B | C | D | E | F | G) -> None: ...


@events.handler(Event)
async def everything_alone(event: Event) -> None: ...


class Projection:
    @on(A, B)
    async def two(self, event: A | B) -> None: ...

    @on(A, B, C, D, E, F)
    async def six(self, event: A | B | C | D | E | F) -> None: ...

    @on(A, B, C, D, E, F, G)
    async def seven(self, event: A | B | C | D | E | F | G) -> None: ...


@router.event_handler(A, B, name="half")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
async def half(event: A) -> None: ...


@router.event_handler(A, B, name="another")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
async def another(event: A | C) -> None: ...


@router.event_handler(A, B, C, D, E, F, name="five")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
async def five(event: A | B | C | D | E) -> None: ...


@router.event_handler(Event, name="one")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
async def one(event: A) -> None: ...


@router.event_handler(A, B, name="result")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
async def result(event: A | B) -> int:
    return 1


@events.handler(A, B)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
async def half_alone(event: B) -> None: ...


class WrongProjection:
    @on(A, B)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    async def half(self, event: A) -> None: ...


router.event_handler(A, B)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
router.event_handler(A, name="a", partition=2)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
router.event_handler(A, name="a", partitions="2")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]

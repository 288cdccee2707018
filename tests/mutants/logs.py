"""Logs that append or read wrongly."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

from tests.mutants.combinators import Wrap, changing, changing_result, instead, replacing
from tests.mutants.places import at
from twofold.ports import START, EventLog, Expected, LogPage, Position


def appending(change: Callable[[Any], Any]) -> Wrap:
    """Append other events than those that are given."""
    return at("transaction.log", changing("append", events=lambda events: [change(each) for each in events]))


def expecting(change: Callable[[Any], Any]) -> Wrap:
    """Expect another state of a stream."""
    return at("transaction.log", changing("append", expected=change))


def reading(**functions: Callable[..., Any]) -> Wrap:
    """Read the log in another way."""
    return at("log", instead(**functions))


async def _append_something(log: Any, stream: str, events: Any, **options: Any) -> Any:
    return await log.append(stream, events, **options) if events else ()


async def _skip_the_last(log: EventLog, *, limit: int = 500, **options: Any) -> LogPage:
    page = await log.read_all(limit=limit, **options)
    return LogPage(page.events[:-1] if len(page.events) == limit else page.events, page.last)


async def _stand_still(log: EventLog, *, after: Position = START, **options: Any) -> LogPage:
    page = await log.read_all(after=after, **options)
    return page if page.events else LogPage((), after)


async def _jump_to_head(log: EventLog, **options: Any) -> LogPage:
    page = await log.read_all(**options)
    return LogPage(page.events, await log.head())


unchecked = at("transaction.log", replacing("append", expected=Expected.ANY))
no_stream_ignored = expecting(lambda expected: Expected.ANY if expected is Expected.NO_STREAM else expected)
empty_unchecked = at("transaction.log", instead(append=_append_something))

shuffled = at("log", changing_result("read_all", to=lambda page: LogPage(page.events[::-1], page.last)))
skipping_the_last = reading(read_all=_skip_the_last)
standing_still = reading(read_all=_stand_still)
jumping_to_head = reading(read_all=_jump_to_head)

miscounting = at("log", changing_result("count", to=lambda number: number + 1))
counting_nothing = at("log", changing_result("count", to=lambda _: 0))
changing_identity = at("log", changing_result("identity", to=lambda _: uuid4().hex))
sharing_identity = at("log", changing_result("identity", to=lambda _: "log"))

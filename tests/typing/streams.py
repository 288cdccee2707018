"""Handlers of streaming queries. Checked by `make check`; never executed."""

from __future__ import annotations

from collections.abc import AsyncIterator

from twofold import Query, QueryBus, Router


class Count(Query[AsyncIterator[int]]):
    upto: int


router = Router("streams")
queries = QueryBus()


async def numbers(upto: int) -> AsyncIterator[int]:
    for number in range(upto):
        yield number


@router.query_handler(Count)
async def generating(query: Count) -> AsyncIterator[int]:
    yield query.upto


@router.query_handler(Count)
def returning(query: Count) -> AsyncIterator[int]:
    return numbers(query.upto)


@queries.handler(Count)
async def opening(query: Count) -> AsyncIterator[int]:
    return numbers(query.upto)


@router.query_handler(Count)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
def wrong(query: Count) -> AsyncIterator[str]:
    raise NotImplementedError

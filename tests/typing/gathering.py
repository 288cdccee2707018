"""The types of `gather`. Checked by `make check`; never executed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import assert_type

from twofold import Application, AtLeast, Gathered, Query, Router, Session


class GetPrice(Query[int]):
    article: str


router = Router("gathering")


@router.query_handler(GetPrice, many=True, name="here")
async def here(query: GetPrice) -> int:
    return 1


@router.query_handler(GetPrice, many=True, name="wrong")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
async def wrong(query: GetPrice) -> str:
    return ""


async def gathering(app: Application, session: Session) -> None:
    """Check the types of answers, and of wrong policies and options."""
    gathered = await app.gather(GetPrice(article="lamp"), policy=AtLeast(2), timeout=1)
    assert_type(gathered, Gathered[int])
    assert_type(gathered.answers, Mapping[str, int])
    assert_type(gathered.failures, Mapping[str, Exception])
    assert_type(await session.gather(GetPrice(article="lamp"), policy="first"), Gathered[int])
    assert_type(app.sync.gather(GetPrice(article="lamp")), Gathered[int])
    await app.gather(GetPrice(article="lamp"), policy="most")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    router.query_handler(GetPrice, many=True)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    assert_type(await here(GetPrice(article="lamp")), int)

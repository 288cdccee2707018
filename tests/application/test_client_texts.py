"""Keys, ids and tenants of clients are stored unchanged, or refused in the same way by every store."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Any

import pytest

from twofold import Application, Command
from twofold.errors import InvalidInput, InvalidKey, InvalidToken
from twofold.ports import LONGEST_KEY, WriteStore


class Kind(StrEnum):
    ORDER = "order"


class Count(Command[int], name="texts.count"):
    """Count the handled commands."""


KEPT: tuple[Any, ...] = (
    *(
        "a",
        "A",
        "a ",
        " a",
        "é",
        "e\u0301",
        "\n",
        "\x01",
        "\u2028",
        "\uffff",
        "😀" * LONGEST_KEY,
        "%",
        "'; --",
        "{0}",
        "../x",
    ),
    Kind.ORDER,
)
REFUSED: tuple[Any, ...] = (
    *("", "\0", "a\0b", "\ud800", "a\udfff", "\ud83d\ude00", "x" * (LONGEST_KEY + 1), "x" * 200_000),
    *(b"a", 1, 1.5, True, float("nan"), 10**400, ["a"], ("a",), {"a": 1}, object()),
)


async def counting(store: WriteStore) -> Application:
    """Return an application that counts commands."""
    await store.create_schema(())
    app, handled = Application("texts", write=store, work=False), 0

    @app.command_handler(Count)
    async def count(command: Count) -> int:
        nonlocal handled
        handled += 1
        return handled

    return app


async def test_texts_of_clients_are_kept(store: WriteStore) -> None:
    """Each is one key: a repeat is recognised, and no other text is taken for it."""
    async with await counting(store) as app:
        results = [await app.dispatch(Count(), idempotency_key=key) for key in KEPT]
        assert [await app.dispatch(Count(), idempotency_key=key) for key in KEPT] == results
        assert len(set(results)) == len(KEPT)
        session = app.session()
        for key in KEPT:
            assert [await session.receive("consumer", key, Count()) for _ in range(2)] == [True, False]
            assert [await session.receive(key, "id", Count()) for _ in range(2)] == [True, False]
            await session.schedule(Count(), at=app.clock.now() + timedelta(days=1), id=key)
            assert [await session.cancel(key) for _ in range(2)] == [True, False]


async def test_tenants_of_clients_are_kept_apart(store: WriteStore) -> None:
    """Each tenant has separate keys."""
    async with await counting(store) as app:
        results = [await app.session(tenant=tenant).dispatch(Count(), idempotency_key="k") for tenant in KEPT]
        again = [await app.session(tenant=tenant).dispatch(Count(), idempotency_key="k") for tenant in KEPT]
        assert (again, len(set(results))) == (results, len(KEPT))


async def test_texts_that_no_store_keeps_are_refused(store: WriteStore) -> None:
    """Each text is refused before anything is done, with a short error of one class."""
    async with await counting(store) as app:
        session, later = app.session(), app.clock.now() + timedelta(days=1)
        for text in REFUSED:
            for call in (
                lambda: app.dispatch(Count(), idempotency_key=text),  # noqa: B023 -- called immediately
                lambda: session.receive("consumer", text, Count()),  # noqa: B023 -- the same
                lambda: session.receive(text, "id", Count()),  # noqa: B023 -- the same
                lambda: session.schedule(Count(), at=later, id=text),  # noqa: B023 -- the same
                lambda: session.cancel(text),  # noqa: B023 -- the same
            ):
                with pytest.raises(InvalidKey) as caught:
                    await call()
                assert len(str(caught.value)) < 500
            with pytest.raises(InvalidKey):
                app.session(tenant=text)
        assert await app.dispatch(Count()) == 1


@pytest.mark.parametrize("text", ["a\0b", "\ud800", b"a", 1, None, 10**400], ids=map(str, range(6)))
@pytest.mark.parametrize("kind", ["memory-asyncio"])
async def test_headers_and_traces_that_no_store_keeps_are_refused(store: WriteStore, text: Any) -> None:
    """When a session is opened, whether it is the name or the value."""
    async with await counting(store) as app:
        for texts in ({"a": text}, {text: "a"}):
            for option in ("headers", "trace"):
                given: dict[str, Any] = {option: texts}
                with pytest.raises(InvalidKey) as caught:
                    app.session(**given)
                assert len(str(caught.value)) < 500


async def test_tokens_of_clients_are_refused(store: WriteStore) -> None:
    """When a session is opened."""
    tokens: tuple[Any, ...] = ("a", "\0", "\ud800", "A" * 65_536, "." * 5, 5, b"a", ["a"])
    async with await counting(store) as app:
        for token in tokens:
            with pytest.raises(InvalidToken) as caught:
                app.session(token)
            assert isinstance(caught.value, InvalidInput)
            assert len(str(caught.value)) < 500

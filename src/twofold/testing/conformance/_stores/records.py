"""Idempotency keys and received messages: claimed by one transaction, found by later ones, deleted when old."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import TypeAlias

import anyio
import pytest

from twofold.errors import ReadOnlyUnitOfWork, TransientFailure, UnitOfWorkClosed
from twofold.ports import LONGEST_KEY, KeyRecord, WriteStore, WriteTransaction

from .._tools.opened import NewStore, failed_savepoint, reading, undone, writing
from .event_log import event, stream_of

NOON = datetime(2024, 5, 17, 12, 0, 0, 123456, tzinfo=UTC)
RECORD = KeyRecord("orders.place", "c0ffee", NOON)
ANSWER = '{"total": "1.50", "note": "naïve ☕"}'
ANSWERED = RECORD._replace(result=ANSWER, token="ahead")  # noqa: S106 -- the token of a session is not secret

NAMES = "k", "K", "k ", " k", "é", "e\u0301", "ß", "ss", "k\t", "😀" * LONGEST_KEY, "😀" * (LONGEST_KEY - 1) + "😁"
"""Names that databases tend to confuse, and the longest possible names."""

Claim: TypeAlias = Callable[[WriteTransaction], Awaitable[bool]]


async def claim_key(transaction: WriteTransaction, key: str = "k", tenant: str = "") -> bool:
    """Claim a key; return whether it was free."""
    return await transaction.keys.claim(tenant, key, RECORD) is None


async def claim_message(transaction: WriteTransaction, id: str = "m", consumer: str = "c") -> bool:
    """Claim a message; return whether it was new."""
    return await transaction.inbox.claim(consumer, id, time=NOON)


CLAIMS: tuple[Claim, ...] = (claim_key, claim_message)


async def answer(transaction: WriteTransaction, key: str = "k") -> None:
    """Record the result of a key."""
    await transaction.keys.answer("", key, result=ANSWER, token="ahead")  # noqa: S106 -- no secret


async def waiting(store: WriteStore, work: Callable[[WriteTransaction], Awaitable[None]]) -> None:
    """Run an operation in a transaction, and repeat it if the store gives up waiting for a lock."""
    while True:
        with suppress(TransientFailure):
            async with writing(store) as transaction:
                await work(transaction)
            return


async def free(store: WriteStore, claim: Claim) -> bool:
    """Return whether a key or a message can be claimed, without claiming it."""
    async with undone(store) as transaction:
        return await claim(transaction)


class RecordSuite:
    """The promises of a write store about idempotency keys and received messages. Needs the fixture `new_store`."""

    async def test_a_claimed_key_is_found(self, new_store: NewStore) -> None:
        """A later claim of the same key returns the first record unchanged, to the character and the microsecond."""
        async with new_store([]) as store:
            async with writing(store) as transaction:
                assert await transaction.keys.claim("", "k", RECORD) is None
                await answer(transaction)
            async with writing(store) as transaction:
                assert await transaction.keys.claim("", "k", RECORD._replace(payload="other")) == ANSWERED
            async with writing(store) as transaction:
                assert await transaction.keys.claim("", "k", RECORD) == ANSWERED

    async def test_a_message_is_taken_once(self, new_store: NewStore) -> None:
        """A message can be claimed once by each consumer."""
        async with new_store([]) as store:
            async with writing(store) as transaction:
                assert await claim_message(transaction)
            async with writing(store) as transaction:
                assert not await claim_message(transaction)
                assert await claim_message(transaction, consumer="d")

    async def test_a_transaction_finds_its_own_claims(self, new_store: NewStore) -> None:
        """Within one transaction a message can be claimed once, and a claimed key is found, at first without its result."""
        async with new_store([]) as store, writing(store) as transaction:
            assert [await claim_message(transaction, each) for each in ("1", "2", "1", "1")] == [
                True,
                True,
                False,
                False,
            ]
            assert await transaction.keys.claim("", "k", RECORD) is None
            assert await transaction.keys.claim("", "k", RECORD) == RECORD
            await answer(transaction)
            assert await transaction.keys.claim("", "k", RECORD) == ANSWERED

    async def test_claims_go_with_their_transaction(self, new_store: NewStore) -> None:
        """A rollback, also of a savepoint, removes claims. A commit stores them together with the events."""
        async with new_store([]) as store:
            for claim in CLAIMS:
                assert await free(store, claim)
                assert await free(store, claim)
                async with writing(store) as transaction:
                    async with failed_savepoint(transaction):
                        assert await claim(transaction)
                    await transaction.log.append("s", [event()], expected=len(await stream_of(store, "s")))
                assert await free(store, claim)
                async with writing(store) as transaction:
                    assert await claim(transaction)
                assert not await free(store, claim)

    async def test_names_are_exact(self, new_store: NewStore) -> None:
        """Names that differ only in case, accents, a trailing space or the last of many characters are different names."""
        async with new_store([]) as store:
            async with writing(store) as transaction:
                for name, other in product(NAMES, repeat=2):
                    assert await claim_key(transaction, name, tenant=other)
                    assert await claim_message(transaction, name, consumer=other)
                assert await claim_key(transaction, NAMES[0], tenant="")
            async with writing(store) as transaction:
                for name, other in product(NAMES, repeat=2):
                    assert not await claim_key(transaction, name, tenant=other)
                    assert not await claim_message(transaction, name, consumer=other)

    async def test_a_second_claim_waits(self, new_store: NewStore) -> None:
        """Claims of other transactions wait for the first one.

        After its commit, they find everything that it stored.
        """
        async with new_store([]) as store:
            found: list[KeyRecord | None] = []
            taken: list[bool] = []

            async def second(transaction: WriteTransaction) -> None:
                found.append(await transaction.keys.claim("", "k", RECORD))
                taken.append(await claim_message(transaction))

            async with anyio.create_task_group() as tasks, writing(store) as transaction:
                assert await claim_key(transaction)
                assert await claim_message(transaction)
                for _ in range(3):
                    tasks.start_soon(waiting, store, second)
                await anyio.wait_all_tasks_blocked()
                assert not found
                await answer(transaction)
            assert found == [ANSWERED] * 3
            assert taken == [False] * 3

    async def test_a_rollback_serves_the_next(self, new_store: NewStore) -> None:
        """After a rollback of the first claim, exactly one of the waiting transactions gets the claim."""
        async with new_store([]) as store:
            for claim in CLAIMS:
                served: list[bool] = []

                async def second(
                    transaction: WriteTransaction, claim: Claim = claim, served: list[bool] = served
                ) -> None:
                    served.append(await claim(transaction))

                async with anyio.create_task_group() as tasks, undone(store) as transaction:
                    assert await claim(transaction)
                    for _ in range(3):
                        tasks.start_soon(waiting, store, second)
                    await anyio.wait_all_tasks_blocked()
                    assert not served
                assert sorted(served) == [False, False, True]

    async def test_claims_need_a_transaction_that_writes(self, new_store: NewStore) -> None:
        """A read-only transaction and an ended transaction refuse to claim."""
        async with new_store([]) as store:
            uses: list[Callable[[WriteTransaction], Awaitable[object]]] = [*CLAIMS, answer]
            for use in uses:
                async with reading(store) as transaction:
                    with pytest.raises(ReadOnlyUnitOfWork):
                        await use(transaction)
                async with writing(store) as transaction:
                    pass
                with pytest.raises(UnitOfWorkClosed):
                    await use(transaction)

    async def test_old_keys_are_deleted(self, new_store: NewStore) -> None:
        """Records older than a given time are deleted, the oldest first, up to the limit.

        Their keys can be claimed again.
        """
        async with new_store([]) as store:
            async with writing(store) as transaction:
                for age in (3, 1, 5, 2, 4):
                    record = RECORD._replace(time=NOON - timedelta(microseconds=age))
                    assert await transaction.keys.claim("t", f"{age}", record) is None

            async def there() -> list[str]:
                async with undone(store) as transaction:
                    return [str(age) for age in range(1, 6) if not await claim_key(transaction, f"{age}", "t")]

            assert await store.keys.delete(before=NOON - timedelta(microseconds=5), limit=9) == 0
            assert await store.keys.delete(before=NOON, limit=2) == 2
            assert await there() == ["1", "2", "3"]
            assert await store.keys.delete(before=NOON - timedelta(microseconds=1), limit=9) == 2
            assert await there() == ["1"]
            assert await store.keys.delete(before=NOON - timedelta(microseconds=1), limit=9) == 0

    async def test_old_messages_are_deleted(self, new_store: NewStore) -> None:
        """Records of messages are deleted in the same way, without affecting keys."""
        async with new_store([]) as store:
            async with writing(store) as transaction:
                assert await claim_key(transaction)
                for age in (3, 1, 2):
                    assert await transaction.inbox.claim("c", f"{age}", time=NOON - timedelta(days=age))
            assert await store.inbox.delete(before=NOON - timedelta(days=1), limit=1) == 1
            async with undone(store) as transaction:
                assert [await claim_message(transaction, f"{age}") for age in (1, 2, 3)] == [False, False, True]
            assert await store.inbox.delete(before=NOON - timedelta(days=1), limit=9) == 1
            assert await store.inbox.delete(before=NOON + timedelta(days=1), limit=9) == 1
            assert not await free(store, claim_key)
            assert await store.keys.delete(before=NOON + timedelta(days=1), limit=9) == 1

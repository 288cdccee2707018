"""Stores whose records of what was done once are broken."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext, suppress
from datetime import datetime, timedelta
from typing import Any
from unicodedata import normalize

from twofold.errors import ReadOnlyUnitOfWork
from twofold.ports import KeyRecord

from .broken import Around, appending, break_store, commits_anyway
from .mutant import Mutant


class Forgetful(Around):
    """Finds every key free."""

    async def claim_key(self, tenant: str, key: str, record: KeyRecord) -> KeyRecord | None:
        await self.inner.claim_key(tenant, key, record)
        return None


class TakesAgain(Around):
    """Finds every message free."""

    async def claim_message(self, consumer: str, id: str, *, time: datetime) -> bool:
        await self.inner.claim_message(consumer, id, time=time)
        return True


class NoAnswer(Around):
    """Loses results."""

    async def answer_key(self, tenant: str, key: str, *, result: str, token: str) -> None:
        await self.inner.answer_key(tenant, key, result="null", token=token)


class NoToken(Around):
    """Loses how far a command wrote."""

    async def answer_key(self, tenant: str, key: str, *, result: str, token: str) -> None:
        await self.inner.answer_key(tenant, key, result=result, token="")


class Agrees(Around):
    """Says that the first command was the one that is asked for."""

    async def claim_key(self, tenant: str, key: str, record: KeyRecord) -> KeyRecord | None:
        found: KeyRecord | None = await self.inner.claim_key(tenant, key, record)
        return found and found._replace(command=record.command, payload=record.payload)


class Coarse(Around):
    """Keeps whole seconds."""

    async def claim_key(self, tenant: str, key: str, record: KeyRecord) -> Any:
        return await self.inner.claim_key(tenant, key, record._replace(time=record.time.replace(microsecond=0)))


class Own(Around):
    """Does not find what this very transaction has claimed."""

    def __init__(self, inner: Any) -> None:
        super().__init__(inner)
        self._claimed: set[object] = set()

    async def claim_key(self, tenant: str, key: str, record: KeyRecord) -> KeyRecord | None:
        found: KeyRecord | None = await self.inner.claim_key(tenant, key, record)
        if found is not None and (tenant, key) not in self._claimed:
            return found
        self._claimed.add((tenant, key))
        return None

    async def claim_message(self, consumer: str, id: str, *, time: datetime) -> bool:
        free: bool = await self.inner.claim_message(consumer, id, time=time)
        if free:
            self._claimed.add((consumer, id))
        return (consumer, id) in self._claimed


class NoSavepoint(Around):
    """Undoes no savepoint."""

    def savepoint(self) -> Any:
        return nullcontext()


class Quiet(Around):
    """Loses what a transaction that only reads is told to claim."""

    async def claim_key(self, tenant: str, key: str, record: KeyRecord) -> Any:
        with suppress(ReadOnlyUnitOfWork):
            return await self.inner.claim_key(tenant, key, record)

    async def claim_message(self, consumer: str, id: str, *, time: datetime) -> bool:
        with suppress(ReadOnlyUnitOfWork):
            return bool(await self.inner.claim_message(consumer, id, time=time))
        return True


class LooksFirst(Around):
    """A store that looks which claims there are before its transaction begins, and waits for nobody."""

    def __init__(self, inner: Any) -> None:
        super().__init__(inner)
        self.claims: dict[tuple[str, ...], Any] = {}

    async def begin(self, *, read_only: bool = False) -> Any:
        seen = dict(self.claims)
        return Looked(await self.inner.begin(read_only=read_only), seen, self.claims)


class Looked(Around):
    """A transaction of `LooksFirst`."""

    def __init__(self, inner: Any, seen: dict[tuple[str, ...], Any], claims: dict[tuple[str, ...], Any]) -> None:
        super().__init__(inner)
        self._seen = seen
        self._claims = claims
        self._new: dict[tuple[str, ...], Any] = {}

    async def claim_key(self, tenant: str, key: str, record: KeyRecord) -> Any:
        found = self._seen.get(("key", tenant, key))
        if found is None:
            self._new["key", tenant, key] = record
        return found

    async def answer_key(self, tenant: str, key: str, *, result: str, token: str) -> None:
        self._new["key", tenant, key] = self._new["key", tenant, key]._replace(result=result, token=token)

    async def claim_message(self, consumer: str, id: str, *, time: datetime) -> bool:
        self._new["message", consumer, id] = time
        return ("message", consumer, id) not in self._seen

    async def commit(self) -> None:
        await self.inner.commit()
        self._claims.update(self._new)


def confusing(confuse: Callable[[str], str]) -> Callable[[Any], Any]:
    """Return what makes one name of several."""

    class Confusing(Around):
        async def claim_key(self, tenant: str, key: str, record: KeyRecord) -> Any:
            return await self.inner.claim_key(confuse(tenant), confuse(key), record)

        async def claim_message(self, consumer: str, id: str, *, time: datetime) -> Any:
            return await self.inner.claim_message(confuse(consumer), confuse(id), time=time)

    return Confusing


class OneTenant(Around):
    """Gives all tenants the same keys."""

    async def claim_key(self, tenant: str, key: str, record: KeyRecord) -> Any:
        return await self.inner.claim_key("", key, record)

    async def answer_key(self, tenant: str, key: str, **answer: str) -> None:
        await self.inner.answer_key("", key, **answer)


class OneConsumer(Around):
    """Lets only one consumer take a message."""

    async def claim_message(self, consumer: str, id: str, *, time: datetime) -> Any:
        return await self.inner.claim_message("", id, time=time)


class ForgetsToday(Around):
    """Forgets what is exactly as old as the limit."""

    async def forget_keys(self, *, before: datetime, limit: int) -> Any:
        return await self.inner.forget_keys(before=before + timedelta(microseconds=1), limit=limit)

    async def forget_messages(self, *, before: datetime, limit: int) -> Any:
        return await self.inner.forget_messages(before=before + timedelta(microseconds=1), limit=limit)


class ForgetsAtOnce(Around):
    """Forgets everything in one transaction."""

    async def forget_keys(self, *, before: datetime, limit: int) -> Any:
        return await self.inner.forget_keys(before=before, limit=10_000)

    async def forget_messages(self, *, before: datetime, limit: int) -> Any:
        return await self.inner.forget_messages(before=before, limit=10_000)


class ForgetsNothing(Around):
    """Keeps everything."""

    async def forget_keys(self, **_: Any) -> int:
        return 0

    async def forget_messages(self, **_: Any) -> int:
        return 0


class ForgetsBoth(Around):
    """Forgets keys with messages."""

    async def forget_messages(self, *, before: datetime, limit: int) -> Any:
        await self.inner.forget_keys(before=before, limit=limit)
        return await self.inner.forget_messages(before=before, limit=limit)


def _step(name: str, part: Callable[[Any], Any], killed_by: str) -> Mutant:
    return Mutant(name, killed_by, appending(part))


EXACT, SAVED = "test_names_are_exact", "test_claims_go_with_their_transaction"

RECORDS = (
    _step("keys are always free", Forgetful, "test_a_claimed_key_is_found"),
    _step("messages are always free", TakesAgain, "test_a_message_is_taken_once"),
    _step("results are lost", NoAnswer, "test_a_claimed_key_is_found"),
    _step("tokens are lost", NoToken, "test_a_claimed_key_is_found"),
    _step("the first payload is not told", Agrees, "test_a_claimed_key_is_found"),
    _step("times are coarse", Coarse, "test_a_claimed_key_is_found"),
    _step("consumers share an inbox", OneConsumer, "test_a_message_is_taken_once"),
    _step("own claims are not found", Own, "test_a_transaction_finds_its_own_claims"),
    _step("savepoints keep claims", NoSavepoint, SAVED),
    Mutant("rollbacks keep claims", SAVED, commits_anyway),
    Mutant("a rollback serves nobody", "test_a_rollback_serves_the_next", commits_anyway),
    Mutant("claims do not wait", "test_a_second_claim_waits", break_store(LooksFirst)),
    Mutant("a rollback serves all", "test_a_rollback_serves_the_next", break_store(LooksFirst)),
    _step("case does not count", confusing(str.lower), EXACT),
    _step("a space at the end does not count", confusing(str.rstrip), EXACT),
    _step("accents are composed", confusing(lambda name: normalize("NFC", name)), EXACT),
    _step("sharp s is two", confusing(str.casefold), EXACT),
    _step("long names are cut", confusing(lambda name: name[:199]), EXACT),
    _step("tenants share keys", OneTenant, EXACT),
    _step("a reader claims quietly", Quiet, "test_claims_need_a_transaction_that_writes"),
    Mutant("what is just old enough goes", "test_old_keys_are_forgotten", break_store(ForgetsToday)),
    Mutant("more is forgotten than asked for", "test_old_keys_are_forgotten", break_store(ForgetsAtOnce)),
    Mutant("keys are not forgotten", "test_old_keys_are_forgotten", break_store(ForgetsNothing)),
    Mutant("what is just as old goes, of messages", "test_old_messages_are_forgotten", break_store(ForgetsToday)),
    Mutant("messages take keys along", "test_old_messages_are_forgotten", break_store(ForgetsBoth)),
)
"""Each is killed by the named test of `RecordSuite`."""

IDEMPOTENCY = (
    _step("keys are always free", Forgetful, "test_many_at_once_have_one_effect"),
    _step("results are lost", NoAnswer, "test_a_repeat_returns_the_first_result"),
    _step("the first payload is not told", Agrees, "test_a_key_belongs_to_one_command"),
    _step("tokens are lost", NoToken, "test_a_repeat_reads_what_the_first_wrote"),
    _step("tenants share keys", OneTenant, "test_each_tenant_has_its_keys"),
    _step("own claims are not found", Own, "test_a_nested_key_goes_with_the_outer_command"),
    Mutant("failures keep their keys", "test_a_failure_leaves_the_key_free", commits_anyway),
    Mutant("crashes keep their keys", "test_a_crash_around_the_commit", commits_anyway),
    Mutant("failures keep their messages", "test_a_failed_message_is_handled_when_it_comes_again", commits_anyway),
    _step("messages are always free", TakesAgain, "test_a_message_is_handled_once"),
    _step("batches hold no duplicates", TakesAgain, "test_duplicates_in_a_batch"),
    _step("consumers share an inbox", OneConsumer, "test_a_message_is_handled_once"),
    Mutant("nothing is forgotten", "test_what_is_old_is_forgotten", break_store(ForgetsNothing)),
)
"""Each is killed by the named test of `IdempotencySuite`."""

"""Stores with broken idempotency keys and inboxes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from unicodedata import normalize

from tests.mutants.combinators import Wrap, both, changing, for_each, instead
from tests.mutants.harness import Mutants, MutantSuite
from tests.mutants.places import at
from tests.mutants.records import (
    agreeing,
    always_free,
    always_new,
    deleting_nothing,
    hiding_own_claims,
    inbox,
    keys,
    losing_results,
    losing_tokens,
    sharing_inbox,
    sharing_keys,
)
from tests.mutants.transactions import commits_anyway, leaves_savepoints
from twofold.errors import ReadOnlyUnitOfWork
from twofold.ports import KeyRecord, WriteStore
from twofold.testing.conformance import RecordSuite
from twofold.testing.conformance._tools.proxy import Proxy


def confusing(confuse: Callable[[str], str]) -> Wrap:
    """Claim the same name for several names."""
    return both(
        keys(changing("claim", tenant=confuse, key=confuse)),
        inbox(changing("claim", consumer=confuse, id=confuse)),
    )


def deleting(**change: Callable[[Any], Any]) -> Wrap:
    """Delete other records than those that are old enough."""
    return both(at("keys", changing("delete", **change)), at("inbox", changing("delete", **change)))


async def _claim_quietly(keys: Any, *args: Any) -> Any:
    with suppress(ReadOnlyUnitOfWork):
        return await keys.claim(*args)


async def _receive_quietly(inbox: Any, *args: Any, **time: Any) -> Any:
    with suppress(ReadOnlyUnitOfWork):
        return await inbox.claim(*args, **time)
    return True


async def _delete_keys_too(store: WriteStore, inbox: Any, *, before: datetime, limit: int) -> Any:
    await store.keys.delete(before=before, limit=limit)
    return await inbox.delete(before=before, limit=limit)


class LooksFirst(Proxy):
    """A store that reads the existing claims before its transaction begins, and waits for no other transaction."""

    def __init__(self, inner: Any) -> None:
        super().__init__(inner)
        self.claims: dict[tuple[str, ...], Any] = {}

    async def begin(self, *, read_only: bool = False) -> Any:
        seen = dict(self.claims)
        return Looked(await self.inner.begin(read_only=read_only), seen, self.claims)


class Looked(Proxy):
    """A transaction of `LooksFirst`."""

    def __init__(self, inner: Any, seen: dict[tuple[str, ...], Any], claims: dict[tuple[str, ...], Any]) -> None:
        super().__init__(inner)
        self._seen = seen
        self._claims = claims
        self._new: dict[tuple[str, ...], Any] = {}
        self.keys = Proxy(None, claim=self._claim_key, answer=self._answer_key)
        self.inbox = Proxy(None, claim=self._claim_message)

    async def _claim_key(self, tenant: str, key: str, record: KeyRecord) -> Any:
        found = self._seen.get(("key", tenant, key))
        if found is None:
            self._new["key", tenant, key] = record
        return found

    async def _answer_key(self, tenant: str, key: str, *, result: str, token: str) -> None:
        self._new["key", tenant, key] = self._new["key", tenant, key]._replace(result=result, token=token)

    async def _claim_message(self, consumer: str, id: str, *, time: datetime) -> bool:
        self._new["message", consumer, id] = time
        return ("message", consumer, id) not in self._seen

    async def commit(self) -> None:
        await self.inner.commit()
        self._claims.update(self._new)


deleting_just_old = deleting(before=lambda before: before + timedelta(microseconds=1))

MUTANTS: Mutants = {
    "test_a_claimed_key_is_found": {
        "keys are always free": always_free,
        "results are lost": losing_results,
        "tokens are lost": losing_tokens,
        "the first payload is not told": agreeing,
        "times are coarse": keys(
            changing("claim", record=lambda record: record._replace(time=record.time.replace(microsecond=0)))
        ),
    },
    "test_a_message_is_taken_once": {
        "messages are always free": always_new,
        "consumers share an inbox": sharing_inbox,
    },
    "test_a_transaction_finds_its_own_claims": {"own claims are not found": hiding_own_claims},
    "test_claims_go_with_their_transaction": {
        "savepoints keep claims": leaves_savepoints,
        "rollbacks keep claims": commits_anyway,
    },
    "test_a_rollback_serves_the_next": {
        "a rollback serves nobody": commits_anyway,
        "a rollback serves all": LooksFirst,
    },
    "test_a_second_claim_waits": {"claims do not wait": LooksFirst},
    "test_names_are_exact": {
        "case does not count": confusing(str.lower),
        "a space at the end does not count": confusing(str.rstrip),
        "accents are composed": confusing(lambda name: normalize("NFC", name)),
        "sharp s is two": confusing(str.casefold),
        "long names are cut": confusing(lambda name: name[:199]),
        "tenants share keys": sharing_keys,
    },
    "test_claims_need_a_transaction_that_writes": {
        "a reader claims quietly": both(keys(instead(claim=_claim_quietly)), inbox(instead(claim=_receive_quietly)))
    },
    "test_old_keys_are_deleted": {
        "what is just old enough goes": deleting_just_old,
        "more is forgotten than asked for": deleting(limit=lambda _: 10_000),
        "keys are not forgotten": deleting_nothing,
    },
    "test_old_messages_are_deleted": {
        "what is just as old goes, of messages": deleting_just_old,
        "messages take keys along": for_each(
            lambda store: at("inbox", instead(delete=partial(_delete_keys_too, store)))
        ),
    },
}


class TestMutants(MutantSuite):
    """Broken idempotency keys and inboxes."""

    suite = RecordSuite
    mutants = MUTANTS

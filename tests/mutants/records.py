"""Idempotency keys and inboxes that lose records, mix them up, or do not delete them."""

from __future__ import annotations

from typing import Any

from tests.mutants.combinators import Wrap, both, changing_result, ignoring, instead, replacing
from tests.mutants.places import at
from twofold.ports import KeyRecord
from twofold.testing.conformance._tools.proxy import Proxy


def keys(broken: Wrap) -> Wrap:
    """Break idempotency keys."""
    return at("transaction.keys", broken)


def inbox(broken: Wrap) -> Wrap:
    """Break the inbox."""
    return at("transaction.inbox", broken)


async def _agree(keys: Any, tenant: str, key: str, record: KeyRecord) -> KeyRecord | None:
    found: KeyRecord | None = await keys.claim(tenant, key, record)
    return found and found._replace(command=record.command, payload=record.payload)


class HidesOwn(Proxy):
    """Does not find the claims of its own transaction."""

    def __init__(self, inner: Any) -> None:
        super().__init__(inner)
        self._claimed: set[object] = set()

    @property
    def keys(self) -> Any:
        async def claim(keys: Any, tenant: str, key: str, record: KeyRecord) -> Any:
            found = await keys.claim(tenant, key, record)
            if found is not None and (tenant, key) not in self._claimed:
                return found
            self._claimed.add((tenant, key))
            return None

        return instead(claim=claim)(self.inner.keys)

    @property
    def inbox(self) -> Any:
        async def claim(inbox: Any, consumer: str, id: str, **time: Any) -> bool:
            if await inbox.claim(consumer, id, **time):
                self._claimed.add((consumer, id))
            return (consumer, id) in self._claimed

        return instead(claim=claim)(self.inner.inbox)


always_free = keys(changing_result("claim", to=lambda _: None))
always_new = inbox(changing_result("claim", to=lambda _: True))
losing_results = keys(replacing("answer", result="null"))
losing_tokens = keys(replacing("answer", token=""))
agreeing = keys(instead(claim=_agree))
sharing_keys = keys(replacing("claim", "answer", tenant=""))
sharing_inbox = inbox(replacing("claim", consumer=""))
hiding_own_claims = at("transaction", HidesOwn)
deleting_nothing = both(*(at(part, ignoring("delete", returning=0)) for part in ("keys", "inbox")))

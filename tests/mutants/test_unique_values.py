"""Stores with broken unique values."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from typing import Any

from tests.mutants.combinators import Wrap, changing, changing_result, ignoring, instead
from tests.mutants.harness import Mutants, MutantSuite
from tests.mutants.places import at
from tests.mutants.transactions import commits_anyway, leaves_savepoints
from twofold.errors import ReadOnlyUnitOfWork
from twofold.ports import UniqueValue
from twofold.testing.conformance import UniqueValueSuite
from twofold.testing.conformance._tools.proxy import Proxy


def unique(broken: Wrap) -> Wrap:
    """Break unique values."""
    return at("transaction.unique", broken)


def _by(owner: Any) -> Wrap:
    return unique(
        changing("claim", "release", "transfer", value=lambda value: value._replace(owner=owner(value.owner)))
    )


async def _claim_for_owner(unique: Any, value: UniqueValue) -> Any:
    found = await unique.claim(value)
    return None if found is not None and found.owner == value.owner else found


async def _release_any(unique: Any, value: UniqueValue) -> Any:
    found = await unique.claim(value)
    return await unique.release(found or value) and found is not None


async def _transfer_any(unique: Any, value: UniqueValue, *, to: str) -> Any:
    found = await unique.claim(value)
    if found is None:
        await unique.release(value)
        return False
    return await unique.transfer(found._replace(time=value.time), to=to)


async def _transfer_without_time(unique: Any, value: UniqueValue, *, to: str) -> Any:
    found = await unique.claim(value)
    return await unique.transfer(value if found is None else value._replace(time=found.time), to=to)


def _quietly(method: str, returning: object) -> Wrap:
    async def call(unique: Any, *args: Any, **options: Any) -> Any:
        with suppress(ReadOnlyUnitOfWork):
            return await getattr(unique, method)(*args, **options)
        return returning

    return unique(instead(**{method: call}))


class LooksFirst(Proxy):
    """A store that reads the claims before its transaction begins, and waits for no other transaction."""

    def __init__(self, inner: Any) -> None:
        super().__init__(inner)
        self.claims: dict[str, UniqueValue] = {}

    async def begin(self, *, read_only: bool = False) -> Any:
        return Looked(await self.inner.begin(read_only=read_only), self.claims)


class Looked(Proxy):
    """A transaction of `LooksFirst`."""

    def __init__(self, inner: Any, claims: dict[str, UniqueValue]) -> None:
        super().__init__(inner)
        self._claims = claims
        self._seen = dict(claims)
        self.unique = Proxy(None, claim=self._claim, release=self._release)

    async def _claim(self, value: UniqueValue) -> Any:
        return self._seen.setdefault(value.key, value) if value.key in self._seen else self._put(value)

    def _put(self, value: UniqueValue) -> None:
        self._seen[value.key] = value

    async def _release(self, value: UniqueValue) -> bool:
        return self._seen.pop(value.key, None) is not None

    async def commit(self) -> None:
        await self.inner.commit()
        self._claims.clear()
        self._claims.update(self._seen)


def _coarse(time: datetime) -> datetime:
    return time.replace(microsecond=0)


MUTANTS: Mutants = {
    "test_a_claimed_value_is_found": {
        "values are always free": unique(changing_result("claim", to=lambda _: None)),
        "the owner claims again": unique(instead(claim=_claim_for_owner)),
        "times are coarse": unique(changing("claim", value=lambda value: value._replace(time=_coarse(value.time)))),
        "scopes are cut": unique(changing("claim", value=lambda value: value._replace(scope=value.scope[:199]))),
        "tenants are lost": unique(changing("claim", value=lambda value: value._replace(tenant=""))),
    },
    "test_values_do_not_mix": {
        "keys are cut": unique(changing("claim", "release", value=lambda value: value._replace(key=value.key[:1]))),
    },
    "test_a_transaction_finds_its_own_changes": {
        "a release does nothing": unique(ignoring("release", returning=True)),
        "a transfer does nothing": unique(ignoring("transfer", returning=True)),
    },
    "test_changes_go_with_their_transaction": {
        "savepoints keep changes": leaves_savepoints,
        "rollbacks keep changes": commits_anyway,
    },
    "test_a_value_belongs_to_its_owner": {
        "case does not count": _by(str.lower),
        "a space at the end does not count": _by(str.rstrip),
        "everybody releases": unique(instead(release=_release_any)),
        "everybody transfers": unique(instead(transfer=_transfer_any)),
        "a release of nothing succeeds": unique(changing_result("release", to=lambda _: True)),
    },
    "test_a_transfer_changes_owner_and_time": {
        "the time stays": unique(instead(transfer=_transfer_without_time)),
        "a transfer changes nothing": unique(ignoring("transfer", returning=True)),
    },
    "test_a_second_claim_waits": {"claims do not wait": LooksFirst},
    "test_a_rollback_serves_the_next": {
        "a rollback serves nobody": commits_anyway,
        "a rollback serves all": LooksFirst,
    },
    "test_a_claim_waits_for_a_release": {"claims do not wait for a release": LooksFirst},
    "test_changes_need_a_transaction_that_writes": {
        "a reader claims quietly": _quietly("claim", None),
        "a reader releases quietly": _quietly("release", returning=False),
        "a reader transfers quietly": _quietly("transfer", returning=False),
    },
}


class TestMutants(MutantSuite):
    """Broken unique values."""

    suite = UniqueValueSuite
    mutants = MUTANTS

"""Texts, tokens and values of clients that are let through, and stored rows that cannot be read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from tests.adapters import test_hostile_values
from tests.application import test_client_texts, test_unreadable_rows
from tests.domains.hostile import Decimals, Numbers
from tests.mutants.combinators import changing, changing_result
from tests.mutants.core import Faults, FaultSuite, at_once, replacing, setting
from tests.mutants.harness import Mutants, MutantSuite
from tests.mutants.places import unbroken_read_store
from tests.mutants.rows import rows
from twofold._application import health
from twofold._consistency import token
from twofold._dispatch import idempotency, inbox, keys, scheduler
from twofold._reading.read_model import CommittedRows
from twofold._reading.unreadable import UnreadableRows
from twofold.errors import TransientFailure, UnreadableRow
from twofold.testing.conformance import NewReadStore
from twofold_memory import InMemory


def _nothing_wrong(*_: object) -> None:
    return None


def _without_tenants(*_: object) -> str:
    return ""


def _stripping(check: Any) -> Any:
    return lambda what, key: check(what, key).strip() or "empty"


def _in_lower_case(check: Any) -> Any:
    return lambda what, key: check(what, key).lower()


def _checking_keys(change: Any) -> Any:
    return at_once(*(replacing(module, "check_key", change) for module in (idempotency, inbox, scheduler)))


async def _no_problem(_: object) -> tuple[()]:
    return ()


async def _all_that_were(self: UnreadableRows, _: object) -> Sequence[UnreadableRow]:
    return [error for errors in self._errors.values() for error in errors.values()]


def _skipping(skip: bool) -> Any:
    def make(find: Any) -> Any:
        async def changed(self: Any, where: Any = None, **options: Any) -> Any:
            return await find(self, where, **{**options, "skip_unreadable": skip})

        return changed

    return make


TEXTS: Faults = {
    test_client_texts.test_texts_of_clients_are_kept: {
        "spaces around a key are ignored": _checking_keys(_stripping),
        "the case of a key is ignored": _checking_keys(_in_lower_case),
    },
    test_client_texts.test_tenants_of_clients_are_kept_apart: {
        "tenants share keys": setting(idempotency, "tenant_key", _without_tenants),
    },
    test_client_texts.test_texts_that_no_store_keeps_are_refused: {
        "keys are not checked": setting(keys, "wrong_text", _nothing_wrong),
        "keys of any length are stored": setting(keys, "LONGEST_KEY", 10**9),
    },
    test_client_texts.test_tokens_of_clients_are_refused: {
        "a wrong token is a failure of the store": setting(token, "InvalidToken", TransientFailure),
    },
}

UNREADABLE: Faults = {
    test_unreadable_rows.test_find_names_the_row_or_leaves_it_out: {
        "an unreadable row is always left out": replacing(CommittedRows, "find", _skipping(True)),
        "an unreadable row is never left out": replacing(CommittedRows, "find", _skipping(False)),
    },
    test_unreadable_rows.test_health_names_the_row_until_a_rebuild: {
        "health does not name an unreadable row": setting(health, "_unreadable", _no_problem),
        "a row that can be read again is still a problem": setting(UnreadableRows, "left", _all_that_were),
    },
}


class HostileValues(test_hostile_values.TestHostileValues):
    """The values for two types of fields, without parameters."""

    async def test_numbers(self, new_store: NewReadStore) -> None:
        """Every store answers alike about integers."""
        await self.test_every_store_answers_alike(new_store, Numbers)

    async def test_decimals(self, new_store: NewReadStore) -> None:
        """Every store answers alike about decimals."""
        await self.test_every_store_answers_alike(new_store, Decimals)


VALUES: Mutants = {
    "test_numbers": {
        "the last condition is ignored": rows(
            changing("select", selection=lambda wanted: replace(wanted, where=wanted.where[:-1]))
        ),
        "a row is lost": rows(changing_result("select", to=lambda found: found[:-1])),
    },
    "test_decimals": {
        "rows are in another order": rows(changing_result("select", to=lambda found: found[::-1])),
    },
}


class TestTexts(FaultSuite):
    """Keys, ids, tenants and tokens of clients that are changed, mixed up, or not refused."""

    mutants = TEXTS
    given = {"store": InMemory}  # noqa: RUF012 -- declared as a ClassVar in the base class


class TestUnreadableRows(FaultSuite):
    """Unreadable rows that hide others, or that are not reported."""

    mutants = UNREADABLE
    given = {"app": lambda: test_unreadable_rows.counting(InMemory())}  # noqa: RUF012 -- the same


class TestValues(MutantSuite):
    """Stores that answer differently to hostile values."""

    suite = HostileValues
    mutants = VALUES
    kinds = ("sqlite", "postgresql", "mariadb", "redis")
    unbroken = staticmethod(unbroken_read_store)

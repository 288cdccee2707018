"""Faults of the core in unique values, and in aggregates that are loaded or begun."""

from __future__ import annotations

from typing import Any, ClassVar

from tests.mutants.core import Fault, Faults, FaultSuite, replacing, setting
from twofold import Aggregate, Unique
from twofold._dispatch import unique
from twofold._writing.repository import Repository
from twofold._writing.storage import WriteSide
from twofold.errors import ValueTaken
from twofold.ports import UniqueValue
from twofold.testing.conformance import RepositorySuite, UniqueCommandSuite


def _hashing(text_of: Any) -> Fault:
    return replacing(unique, "_hash", lambda found: lambda *names: found("", "s", text_of(*names)))


def _changing(**change: Any) -> Fault:
    def make(record: Any) -> Any:
        def changed(self: Unique, *args: Any) -> UniqueValue:
            made: UniqueValue = record(self, *args)
            return made._replace(**{name: value(getattr(made, name)) for name, value in change.items()})

        return changed

    return replacing(Unique, "_record", make)


async def _claim_in_own_unit(self: Unique, scope: str, value: str, *, owner: object) -> None:
    """Claim in a transaction of its own, which the rollback of the command does not undo."""
    transaction = await self._scope.services.write.store.begin()
    found = await transaction.unique.claim(record := self._record(scope, value, owner))
    await transaction.commit()
    if found is not None and found.owner != record.owner:
        raise ValueTaken(scope)


async def _claim_once(self: Unique, scope: str, value: str, *, owner: object) -> None:
    """Refuse every claimed value, also for its owner."""
    transaction = await self._scope.unit_of_work().transaction()
    if await transaction.unique.claim(self._record(scope, value, owner)) is not None:
        raise ValueTaken(scope)


async def _claim_quietly(self: Unique, scope: str, value: str, *, owner: object) -> None:
    transaction = await self._scope.unit_of_work().transaction()
    await transaction.unique.claim(self._record(scope, value, owner))


async def _transfer_quietly(self: Unique, scope: str, value: str, *, owner: object, to: object) -> None:
    transaction = await self._scope.unit_of_work().transaction()
    await transaction.unique.transfer(self._record(scope, value, owner), to=str(to))


def _naming_values(self: ValueTaken, scope: str) -> None:
    self.scope = scope
    self.args = (f"ada@example.org is taken in {scope!r}",)


UNIQUE: Faults = {
    UniqueCommandSuite.test_one_of_several_concurrent_claims_succeeds: {
        "a taken value is no error": setting(Unique, "claim", _claim_quietly),
    },
    UniqueCommandSuite.test_the_error_names_the_scope_alone: {
        "the error names the value": setting(ValueTaken, "__init__", _naming_values),
    },
    UniqueCommandSuite.test_the_owner_claims_again: {"a value is claimed once": setting(Unique, "claim", _claim_once)},
    UniqueCommandSuite.test_a_failed_command_claims_nothing: {
        "a claim outlives its command": setting(Unique, "claim", _claim_in_own_unit),
    },
    UniqueCommandSuite.test_a_released_value_can_be_claimed: {
        "owners are not told apart": _changing(owner=lambda _: "a"),
    },
    UniqueCommandSuite.test_a_transfer_needs_the_owner: {
        "a transfer that changes nothing is no error": setting(Unique, "transfer", _transfer_quietly),
        "the error has another class": setting(unique, "ValueNotHeld", ValueTaken),
    },
    UniqueCommandSuite.test_values_are_compared_exactly: {
        "case does not count": _hashing(lambda tenant, scope, value: value.casefold()),
        "a space at the end does not count": _hashing(lambda tenant, scope, value: value.rstrip(" ")),
        "long values are cut": _hashing(lambda tenant, scope, value: value[:9_999]),
    },
    UniqueCommandSuite.test_scopes_and_tenants_are_separate: {
        "names are joined without a border": _hashing(lambda tenant, scope, value: f"{tenant}{scope}{value}"),
        "tenants share values": _hashing(lambda tenant, scope, value: f"{scope} {value}"),
        "scopes share values": _hashing(lambda tenant, scope, value: f"{tenant} {value}"),
    },
    UniqueCommandSuite.test_values_that_are_no_text_are_refused: {
        "anything is hashed": setting(unique, "_hash", lambda *names: f"{hash(names):064x}"[:64]),
        "any owner is stored": setting(unique, "check_key", lambda _, key: key),
    },
}


async def _always_exists(self: WriteSide, stream: str, missing: object, exists: Exception) -> Exception:
    return exists


def _without_check(get_or_begin: Any) -> Any:
    async def wrong(self: Repository[Aggregate], id: object, begin: Any) -> Aggregate:
        found = await self.find(id)
        if found is None:
            await self.add(found := begin())
        return found

    return wrong


BEGUN: Faults = {
    RepositorySuite.test_get_or_begin_begins_once: {
        "an aggregate that was begun meanwhile is not a conflict": setting(WriteSide, "_added_before", _always_exists),
    },
    RepositorySuite.test_commands_that_found_no_aggregate_all_succeed_with_retries: {
        "an aggregate that was added meanwhile is not a conflict": setting(WriteSide, "_added_before", _always_exists),
    },
    RepositorySuite.test_get_or_begin_refuses_another_id: {
        "an aggregate with any id is begun": replacing(Repository, "get_or_begin", _without_check),
    },
}


class TestUnique(FaultSuite):
    """Unique values that are compared, owned or rolled back wrongly."""

    mutants = UNIQUE
    given: ClassVar = {"self": UniqueCommandSuite}


class TestGetOrBegin(FaultSuite):
    """Aggregates that are begun twice, or whose handler is not repeated."""

    mutants = BEGUN
    given: ClassVar = {"self": RepositorySuite}

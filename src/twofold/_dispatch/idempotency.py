"""Idempotency keys: the same key, the same command, one effect and one result."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

from .._definitions.message import Command
from .._encoding.fingerprint import fingerprint
from .._encoding.results import Results
from ..errors import IdempotencyKeyReused
from ..ports.event_log import StoredEvent
from ..ports.idempotency_keys import KeyRecord
from ..ports.transactions import WriteTransaction
from .keys import check_key, tenant_key
from .scope import NEW, Scope


class Keyed:
    """The claim of a dispatch with an idempotency key. The tenant of its session is part of the key.

    Args:
        command: the command, as the caller passed it.
        key: the key.
        tenant: the tenant.

    Raises:
        InvalidKey: the key is empty or too long.
        ResultNotRecordable: the result type has no JSON.
    """

    attempt: int = 1

    def __init__(self, command: Command[Any], key: str, tenant: str | None) -> None:
        self.key = check_key("an idempotency key", key)
        self._tenant = tenant
        self._command = type(command).message_name or type(command).__name__
        self._results = Results.of(type(command))
        self._payload = ""

    @classmethod
    async def hashed(cls, command: Command[Any], key: str, tenant: str | None) -> Self:
        """Return the claim with the hash of the command's fields.

        Raises:
            ResultNotRecordable: a field of the command has no JSON.
        """
        keyed = cls(command, key, tenant)
        keyed._payload = await fingerprint(command, f"{tenant_key(tenant)}\0{keyed.key}")
        return keyed

    def lock_key(self) -> object:
        """Return the lock key, which is equal for dispatches with the same key."""
        return "key", self._tenant, self.key

    async def claim(self, scope: Scope) -> Any:
        """Claim the key; return `NEW`, or the result of the dispatch that claimed it first."""
        unit = scope.unit_of_work()
        transaction = await unit.transaction()
        record = KeyRecord(self._command, self._payload, scope.services.write.clock.now())
        found = await unit._guard(transaction.keys.claim(tenant_key(scope.envelope.tenant), self.key, record))
        if found is None:
            return NEW
        if (found.command, found.payload) != (self._command, self._payload):
            what = f"for {found.command}" if found.command != self._command else "with another payload"
            raise self._reused(f"the key was used {what} at {found.time:%Y-%m-%d %H:%M:%S} UTC")
        if found.result is None:
            raise self._reused("the command with this key is being handled in an outer dispatch")
        if found.token:
            scope.conversation.seen.resume(found.token)
        return self._results.decode(found.result)

    async def handled(self, scope: Scope, result: Any) -> None:
        """Write the result at commit, after the events, whose positions are part of the record."""
        text, seen, tenant = self._results.encode(result), scope.conversation.seen, tenant_key(scope.envelope.tenant)
        unit = scope.unit_of_work()

        async def answer(transaction: WriteTransaction, stored: Sequence[StoredEvent]) -> None:
            await transaction.keys.answer(tenant, self.key, result=text, token=seen.token_of(stored))

        if scope.parent is not None:
            # Inside an outer command the key may be used again before the commit.
            await unit._guard(answer(await unit.transaction(), ()))
        unit.write_last(answer)

    def _reused(self, found: str) -> IdempotencyKeyReused:
        return IdempotencyKeyReused(
            f"cannot dispatch {self._command} with the idempotency key {self.key!r}: {found}. "
            "Repeat a command unchanged, and use a new key for each new intent.",
            key=self.key,
        )

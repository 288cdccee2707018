"""Unique values: claimed by an owner in the unit of work of a handler."""

from __future__ import annotations

from hashlib import sha256

from .._background.calls import Calls, recorded
from .._background.shown import shown
from .._definitions.names import LONGEST_LABEL, wrong_text
from ..errors import ConfigurationError, InvalidKey, ValueNotHeld, ValueTaken
from ..ports.unique_values import UniqueValue
from .keys import check_key, tenant_key
from .scope import Scope


class Unique:
    """Claims values that only one owner may have, such as email addresses. A handler takes one as a parameter.

        @app.command_handler(Register)
        async def register(command: Register, users: Repository[User], unique: Unique) -> str:
            user = User.register(command.email)
            await unique.claim("email", command.email.casefold(), owner=user.id)
            await users.add(user)
            return user.id

    Claims, releases and transfers are part of the handler's unit of work: they are committed with it, or rolled back. A
    claim waits while another transaction holds the same value uncommitted, so of two concurrent claims exactly one succeeds.

    A value is unique in its scope and its tenant. Two values are equal if they have the same characters, on every store:
    case, spaces and Unicode forms count. Normalise a value before you claim it. Its length is not limited, because the store
    keeps a hash of it, and not the value itself.
    """

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._calls: Calls = scope.calls

    @recorded
    async def claim(self, scope: str, value: str, *, owner: object) -> None:
        """Claim a value for an owner. If the owner has the value already, the call does nothing.

        Args:
            scope: the name of the set of values in which the value is unique, such as "email": part of your code.
            value: the value, normalised.
            owner: the id of the owner; `str(owner)` is what is stored.

        Raises:
            ValueTaken: another owner has the value. The unit of work can still commit other changes.
            InvalidKey: the value or the owner is empty, or is not text.
            TransientFailure: the wait for another transaction timed out.
        """
        wanted, unit = self._record(scope, value, owner), self._scope.unit_of_work()
        transaction = await unit.transaction()
        found = await unit._guard(transaction.unique.claim(wanted))
        if found is not None and found.owner != wanted.owner:
            raise ValueTaken(scope)

    @recorded
    async def release(self, scope: str, value: str, *, owner: object) -> bool:
        """Release a value, so that any owner can claim it.

        Args:
            scope: the scope of the claim.
            value: the value, normalised as it was claimed.
            owner: the id of the owner.

        Returns:
            Whether the owner had the value. A value of another owner is not released.

        Raises:
            InvalidKey: the value or the owner is empty, or is not text.
            TransientFailure: the wait for another transaction timed out.
        """
        wanted, unit = self._record(scope, value, owner), self._scope.unit_of_work()
        transaction = await unit.transaction()
        return await unit._guard(transaction.unique.release(wanted))

    @recorded
    async def transfer(self, scope: str, value: str, *, owner: object, to: object) -> None:
        """Transfer a value from its owner to another one in one step. No other claim can come in between.

        Args:
            scope: the scope of the claim.
            value: the value, normalised as it was claimed.
            owner: the id of the present owner.
            to: the id of the new owner.

        Raises:
            ValueNotHeld: `owner` does not have the value. The unit of work can still commit other changes.
            InvalidKey: the value or an owner is empty, or is not text.
            TransientFailure: the wait for another transaction timed out.
        """
        wanted, unit = self._record(scope, value, owner), self._scope.unit_of_work()
        new_owner = check_key("the owner of a unique value", str(to))
        transaction = await unit.transaction()
        if not await unit._guard(transaction.unique.transfer(wanted, to=new_owner)):
            raise ValueNotHeld(scope)

    def _record(self, scope: str, value: str, owner: object) -> UniqueValue:
        if wrong := wrong_text(scope, LONGEST_LABEL):
            raise ConfigurationError(f"cannot use {shown(scope)} as the scope of unique values: {wrong}.")
        services, tenant = self._scope.services, tenant_key(self._scope.envelope.tenant)
        return UniqueValue(
            key=_hash(tenant, scope, value),
            tenant=tenant,
            scope=scope,
            owner=check_key("the owner of a unique value", str(owner)),
            time=services.write.clock.now(),
        )


def _hash(tenant: str, scope: str, value: str) -> str:
    """Return the hash that is equal for equal values only. A tenant and a scope contain no NUL."""
    found: object = value
    if not isinstance(found, str) or not value:
        what = "it is empty" if isinstance(found, str) else f"it is a {type(found).__name__}, not a str"
        raise InvalidKey(f"cannot use a value of the scope {scope!r} as a unique value: {what}. Use a str.")
    try:
        return sha256(f"{tenant}\0{scope}\0{value}".encode()).hexdigest()
    except UnicodeEncodeError:
        raise InvalidKey(
            f"cannot use a value of the scope {scope!r} as a unique value: it contains half of a surrogate pair. Remove the "
            "character."
        ) from None

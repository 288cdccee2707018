"""Idempotency keys: the same key, the same command, one effect and one result."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from functools import cache
from hashlib import sha256
from inspect import Parameter
from typing import TYPE_CHECKING, Any, get_type_hints

from pydantic import ConfigDict, PydanticUserError, TypeAdapter
from pydantic_core import to_json

from ._encoding import without_json
from ._messages import Command, Message, result_type
from ._once import NEW, check_key
from .errors import IdempotencyKeyReused, ResultNotRecordable
from .ports.event_log import StoredEvent
from .ports.records import KeyRecord
from .ports.stores import WriteTransaction

if TYPE_CHECKING:
    from ._scope import Scope


class Keyed:
    """A dispatch with an idempotency key. The tenant of its session is part of the key.

    Args:
        command: the command, as its caller made it.
        key: the key.
        tenant: the tenant.

    Raises:
        InvalidKey: the key is empty or too long.
        ResultNotRecordable: the command has a result type or a field that has no JSON.
    """

    def __init__(self, command: Command[Any], key: str, tenant: str | None) -> None:
        self._key = check_key("an idempotency key", key)
        self._tenant = tenant
        self._command = type(command).message_name or type(command).__name__
        self._results = Results.of(type(command))
        self._payload = fingerprint(command)

    def turn(self) -> object:
        """Return what is equal for dispatches with the same key."""
        return "key", self._tenant, self._key

    async def claim(self, scope: Scope) -> Any:
        """Claim the key; return `NEW`, or the result of the dispatch that was first."""
        unit = scope.unit_of_work()
        transaction = await unit.transaction()
        record = KeyRecord(self._command, self._payload, scope.services.write.clock.now())
        found = await unit._guard(transaction.claim_key(_tenant_of(scope), self._key, record))
        if found is None:
            return NEW
        if (found.command, found.payload) != (self._command, self._payload):
            what = f"for {found.command}" if found.command != self._command else "with another payload"
            raise self._reused(f"the key was used {what} at {found.time:%Y-%m-%d %H:%M:%S} UTC")
        if found.result is None:
            raise self._reused("the command with this key is being handled further up")
        scope.session.saw(found.token)
        return self._results.decode(found.result)

    async def handled(self, scope: Scope, result: Any) -> None:
        """Write the result at commit, behind the events, whose positions belong to the record."""
        text, session, tenant = self._results.encode(result), scope.session, _tenant_of(scope)
        unit = scope.unit_of_work()

        async def answer(transaction: WriteTransaction, stored: Sequence[StoredEvent]) -> None:
            await transaction.answer_key(tenant, self._key, result=text, token=session.token_of(stored))

        if scope.parent is not None and scope.parent.message is not None:
            # Within an outer command the key may come again before the commit.
            await unit._guard(answer(await unit.transaction(), ()))
        unit.write_last(answer)

    def _reused(self, found: str) -> IdempotencyKeyReused:
        return IdempotencyKeyReused(
            f"cannot dispatch {self._command} with the idempotency key {self._key!r}: {found}. "
            "Repeat a command unchanged, and make a new key for each new intent.",
            key=self._key,
        )


def _tenant_of(scope: Scope) -> str:
    """Return the tenant that the command concerns; a nested one has it from the outermost message."""
    tenant = scope.envelope.tenant
    return check_key("a tenant", tenant) if tenant else ""


class Results:
    """The results of one type of command as JSON, and back.

    Raises:
        ResultNotRecordable: there is no JSON for them.
    """

    def __init__(self, command_type: type[Command[Any]]) -> None:
        self._name = command_type.__name__
        try:
            self._adapter = adapter_of(command_type)
        except Exception as error:
            raise ResultNotRecordable(
                f"cannot dispatch {self._name} with an idempotency key: its result type has no JSON ({error}). "
                f"Let it answer with a type that pydantic knows, class {self._name}(Command[str])."
            ) from error

    @staticmethod
    @cache
    def of(command_type: type[Command[Any]]) -> Results:
        """Return those of a type of command, made once."""
        return Results(command_type)

    def encode(self, result: Any) -> str:
        """Return a result as JSON, from which the same result can be made.

        Raises:
            ResultNotRecordable: it cannot.
        """
        try:
            text = self._adapter.dump_json(result, warnings=False).decode()
            again = self._adapter.validate_json(text)
        except Exception as error:
            raise self._lossy(f"it has no JSON that can be read back ({error})") from error
        if again != result and result == result:
            raise self._lossy(f"as JSON it would come back as {again!r:.200}")
        return text

    def decode(self, text: str) -> Any:
        """Return a kept result.

        Raises:
            ResultNotRecordable: the result type has changed since.
        """
        try:
            return self._adapter.validate_json(text)
        except Exception as error:
            raise ResultNotRecordable(
                f"cannot answer {self._name} again: it has taken effect, and its recorded result does not fit its result "
                f"type any more ({error}). Read what it changed; keep result types compatible for as long as keys are kept."
            ) from error

    def _lossy(self, found: str) -> ResultNotRecordable:
        return ResultNotRecordable(
            f"cannot record what {self._name} was answered with: {found}. Nothing was committed. Return exactly what its "
            "result type says, and let that be plain data: no secrets, no fields that JSON leaves out."
        )


def adapter_of(message_type: type[Message]) -> TypeAdapter[Any]:
    """Return what turns the results of a command or query into JSON and back; pydantic raises when there is no JSON."""
    return _adapter(_annotation(message_type))


def answer_type(message_type: type[Message]) -> Any:
    """Return what a command or query is answered with, its names resolved; Any when that cannot be told."""
    try:
        return _annotation(message_type)
    except (NameError, TypeError, SyntaxError):
        return Any


def _annotation(command_type: type[Message]) -> Any:
    declared = result_type(command_type)
    if declared is Parameter.empty:
        return Any
    holder = type("Answer", (), {"__annotations__": {"result": declared}})
    module = vars(sys.modules[command_type.__module__])
    return get_type_hints(holder, module, {command_type.__name__: command_type}, include_extras=True)["result"]


def _adapter(annotation: Any) -> TypeAdapter[Any]:
    plain = ConfigDict(ser_json_inf_nan="strings", ser_json_bytes="base64", val_json_bytes="base64")
    try:
        return TypeAdapter(annotation, config=plain)
    except PydanticUserError:  # a type with a configuration of its own, such as a model
        return TypeAdapter(annotation)


def fingerprint(command: Command[Any]) -> str:
    """Return a hash of a command's fields that is the same in every process. Secrets count by their masks.

    Raises:
        ResultNotRecordable: a field has no JSON.
    """
    try:
        text = _canonical(command.model_dump(serialize_as_any=True))
    except Exception as error:
        raise ResultNotRecordable(
            f"cannot dispatch {type(command).__name__} with an idempotency key: {without_json(command)} no JSON "
            f"({error}), and so a repeat could not be compared with it. Use types that pydantic knows."
        ) from error
    return sha256(text.encode()).hexdigest()


def _canonical(value: Any) -> str:
    """Write a value so that equal ones are written alike: sets and mappings have an order."""
    match value:
        case Mapping():
            pairs = sorted(f"{_canonical(key)}:{_canonical(item)}" for key, item in value.items())
            return "{" + ",".join(pairs) + "}"
        case set() | frozenset():
            return "<" + ",".join(sorted(map(_canonical, value))) + ">"
        case list() | tuple():
            return "[" + ",".join(map(_canonical, value)) + "]"
    return to_json(value, inf_nan_mode="strings", bytes_mode="base64").decode()

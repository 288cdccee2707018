"""Processes (sagas, process managers): their state, and their methods."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import BaseModel

from .._background.shown import shown_option
from ..errors import InvalidDefinition
from .message import Command, Event
from .names import annotated, shadowed, wrong_wire_name
from .process_marks import MessageMethod, ReplyMethod, message_methods, reply_methods, timeout_methods
from .subclasses import most_specific

LONGEST_KEY = 160
"""The maximum length of the key of a process, in characters. The name of its stream contains it."""

LONGEST_NAME = 100
"""The maximum length of the name of a process, in characters."""


class Process(
    BaseModel,
    validate_assignment=True,
    extra="forbid",
    ser_json_inf_nan="strings",
    ser_json_bytes="base64",
    val_json_bytes="base64",
):
    """A saga or process manager: state that is stored between messages, and methods that react to them.

        class Fulfilment(Process, name="orders.fulfilment", key="order_id"):
            order_id: str
            paid: bool = False

            @starts(OrderPlaced)
            def placed(self, event: OrderPlaced, flow: Flow) -> None:
                flow.send(ReserveStock(order_id=self.order_id), compensate=ReleaseStock(order_id=self.order_id))
                flow.timeout("unpaid", after=timedelta(minutes=30))

            @on(OrderPaid)
            def was_paid(self, event: OrderPaid, flow: Flow) -> None:
                self.paid = True
                flow.cancel_timeout("unpaid")
                flow.complete()

            @on_timeout("unpaid")
            def unpaid(self, flow: Flow) -> None:
                flow.compensate("not paid within 30 minutes")

    The fields are the state, as in a pydantic model. Assignments are validated. The field of `key` is set from the message
    that starts the process, and other fields need defaults. Methods are not async: they change fields, and decide by
    `Flow`. Fields, commands and timeouts are committed together with the checkpoint of the process.

    Class arguments:
        name: the stable name, of the stored processes and of their subscription, such as "orders.fulfilment".
        key: the field that identifies a process. Events and commands have it in a field of the same name, unless the
            decorator has `by=`.
        version: the version of the fields, from 1. Increase it when the fields change, and add an upcaster with the name of
            the process.

    Raises:
        InvalidDefinition: the name, the key or the version is not valid; a field except the key has no default; a field or a
            method has the name of an attribute of this class; a method is async; two methods take the same input; or no
            method starts the process.
    """

    process_name: ClassVar[str] = ""
    process_key: ClassVar[str] = ""
    process_version: ClassVar[int] = 1
    process_messages: ClassVar[Mapping[type[Any], MessageMethod]] = {}
    process_timeouts: ClassVar[Mapping[str, str]] = {}
    process_replies: ClassVar[tuple[ReplyMethod, ...]] = ()

    def __init_subclass__(cls, *, name: str = "", key: str = "", version: int = 1, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if found := shadowed(Process, vars(cls), annotated(cls)):
            raise _wrong(cls, f"it declares {found!r}, and every process has an attribute of that name. Rename it")
        if wrong := wrong_wire_name(name) if len(name) <= LONGEST_NAME else f"Use at most {LONGEST_NAME} characters":
            raise _wrong(cls, f"its name is {shown_option(name)}. {wrong}")
        if name.startswith("twofold."):
            raise _wrong(cls, f"its name is {name!r}. Names that begin with 'twofold.' are reserved. Use another name")
        if type(version) is not int or version < 1:
            raise _wrong(cls, f"its version is {shown_option(version)}. Use an integer from 1")
        cls.process_name, cls.process_key, cls.process_version = name, key, version
        _collect(cls)

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        if cls.process_key not in cls.model_fields:
            fields = ", ".join(cls.model_fields) or "none"
            raise _wrong(cls, f"key={shown_option(cls.process_key)} is not one of its fields ({fields})")
        for field, info in cls.model_fields.items():
            if field != cls.process_key and info.is_required():
                raise _wrong(cls, f"the field {field!r} has no default. Only the key is set when a process starts")

    @classmethod
    def _key_field(cls, message_type: type[Any]) -> str | None:
        """Return the field of a message that has the key; None if no method takes the message."""
        method = cls._method_of(message_type)
        return None if method is None else method.by or cls.process_key

    @classmethod
    def _method_of(cls, message_type: type[Any]) -> MessageMethod | None:
        """Return the method that takes a message."""
        found = cls.process_messages.get(message_type)
        return most_specific(message_type, cls.process_messages) if found is None else found


def _collect(cls: type[Process]) -> None:
    messages: dict[type[Any], MessageMethod] = {}
    for each in message_methods(cls):
        first = messages.setdefault(each.message, each)
        if first is not each:
            names = f"{first.name} and {each.name}"
            raise _wrong(cls, f"two methods take {each.message.__name__}: {names}. Keep one")
    timeouts = list(timeout_methods(cls))
    replies = tuple(reply_methods(cls))
    for what in {name for name, _ in timeouts if [each for each, _ in timeouts].count(name) > 1}:
        raise _wrong(cls, f"two methods handle the timeout {what!r}. Keep one")
    answers = [(each.command, each.error) for each in replies]
    for reply in replies:
        if answers.count((reply.command, reply.error)) > 1:
            what = "the reply" if reply.error is None else reply.error.__name__
            raise _wrong(cls, f"two methods take {what} of {reply.command.__name__}. Keep one")
    for name in {
        *(each.name for each in messages.values()),
        *dict(timeouts).values(),
        *(each.name for each in replies),
    }:
        method = getattr(cls, name)
        if inspect.iscoroutinefunction(method) or inspect.isasyncgenfunction(method):
            raise _wrong(cls, f"the method {name} is async. Write `def`, and send a command for everything that waits")
    if not any(each.starts for each in messages.values()):
        raise _wrong(cls, "no method starts it. Mark one with @starts(SomeEvent)")
    cls.process_messages, cls.process_timeouts, cls.process_replies = messages, dict(timeouts), replies


def started_by(cls: type[Process]) -> list[type[Command[Any]]]:
    """Return the commands that start a process."""
    return [each for each in cls.process_messages if issubclass(each, Command)]


def events_of(cls: type[Process]) -> list[type[Event]]:
    """Return the events that a process takes."""
    return [each for each in cls.process_messages if issubclass(each, Event)]


def _wrong(cls: type[Any], why: str) -> InvalidDefinition:
    return InvalidDefinition(f"cannot define the process {cls.__qualname__}: {why}.")

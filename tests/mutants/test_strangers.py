"""Messages of strangers that are mixed up or block others, and names that only some stores distinguish."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from uuid import UUID

from tests.adapters.redis_streams import test_malformed
from tests.mutants.core import Faults, FaultSuite, at_once, setting
from tests.transport import test_receiving, test_strangers
from tests.wiring import test_names
from twofold._definitions import names
from twofold._integration import cloud_events_decoding as decoding
from twofold._integration import inbound
from twofold._wiring import check_names
from twofold.errors import StorageError
from twofold.ports import Transport
from twofold_memory import InMemory, InMemoryTransport
from twofold_redis._streams import partition


def _without_source(found: Callable[[str, str], UUID]) -> Callable[[str, str], UUID]:
    return lambda text, _: found(text, "")


def _any_form(text: str, source: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        return decoding.identity_of(text, source)


def _decode_all(self: Any, deliveries: Any) -> Any:
    return [(delivery, decoding.decode(delivery.message.body, self._accepted)) for delivery in deliveries], []


def _nothing_wrong(*_: object) -> tuple[()]:
    return ()


def connecting() -> Callable[[], Awaitable[Transport]]:
    """Return a function that connects to a new broker in memory."""
    broker = InMemoryTransport()

    async def connect() -> Transport:
        return broker

    return connect


FIXTURES: Mapping[str, Callable[[], Any]] = {"connect": connecting, "there": InMemory, "broker": InMemoryTransport}

MESSAGES: Faults = {
    test_receiving.test_events_are_identified_by_source_and_id_as_texts: {
        "sources do not count": setting(decoding, "identity_of", _without_source(decoding.identity_of)),
        "every form of a UUID is the UUID": at_once(
            setting(decoding, "_uuid", _any_form), setting(decoding, "identity_of", lambda text, _: _any_form(text, ""))
        ),
    },
    test_strangers.test_hostile_messages_are_parked: {
        "an undecodable message fails its batch": setting(inbound.Inbound, "_decoded", _decode_all),
    },
}

NAMES: Faults = {
    test_names.test_reserved_names_of_views: {
        "derived names of tables are free": setting(names, "_RESERVED_TABLE", re.compile(r"(twofold|sqlite|pg|ix)_.*")),
        "the case of a reserved name counts": setting(
            names, "_RESERVED_TABLE", re.compile(names._RESERVED_TABLE.pattern)
        ),
    },
    test_names.test_two_aggregates_of_one_name: {
        "names of aggregates are not compared": setting(check_names, "_check_aggregates", _nothing_wrong),
    },
    test_names.test_views_whose_names_differ_by_case: {
        "names of views are not compared": setting(check_names, "_check_views", _nothing_wrong),
    },
}


def _only_utf8(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise StorageError("an entry is not UTF-8") from error


ENTRIES: Faults = {
    test_malformed.test_a_malformed_entry_is_delivered_and_parked: {
        "an entry that is not UTF-8 ends the consumer": setting(partition, "text_of", _only_utf8),
    },
}


class TestEntries(FaultSuite):
    """Malformed entries of Redis streams that block others."""

    mutants = ENTRIES


class TestMessages(FaultSuite):
    """Events of strangers that are taken for other events, or that block others."""

    mutants = MESSAGES
    given = FIXTURES


class TestNames(FaultSuite):
    """Names that the check of an application overlooks."""

    mutants = NAMES

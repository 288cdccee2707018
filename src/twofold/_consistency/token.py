"""The consistency token: the writes of a session as a text for other processes."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from hashlib import sha256
from itertools import accumulate, pairwise
from typing import Any, NamedTuple
from uuid import UUID

from .._background.shown import shown
from .._definitions.position import START, Position
from ..errors import InvalidToken

REMEMBERED = 64
"""The number of last positions in a token, by which a query recognises a parked write. All logs share them."""

LONGEST = 32_768
"""The maximal number of characters of a token."""

_LONGEST_LOG = 100
"""The maximal number of characters of a log's identity."""

KEPT_TYPES = 64
"""The number of event types whose last positions a session stores."""

TYPES = 8
"""The number of event types whose last positions are in a token. All logs share them."""

_KEY_BYTES = 6
"""The number of bytes of the key of a type."""

KEPT = REMEMBERED * 32
"""The number of positions that a session stores."""

_LAST = 2**63 - 1

_LEFT_OUT: dict[int, tuple[Any, ...]] = {0: ({}, None, None, []), 1: (None, None, []), 3: ([],), 4: ()}
"""The values of the last parts of a token that it may leave out, by the number of those that it has."""


class Written(NamedTuple):
    """The writes of a session to one log.

    Attributes:
        log: the identity of the log.
        position: the last position.
        events: the last few positions, ascending.
        origins: the last few writes to other logs that have arrived in this one: their logs and their positions there.
        event: the id of the event at the last position; None if there is no event, or the event is not known.
        types: the last position of each type of event after `untyped`: keys of types and positions, by ascending position.
        untyped: the last position whose type of event is not known; None if no type is known.
        ids: the ids of events at the positions of `types`, as far as they are known.
    """

    log: str
    position: Position
    events: tuple[Position, ...]
    origins: tuple[tuple[str, Position], ...] = ()
    event: UUID | None = None
    types: tuple[tuple[str, Position], ...] = ()
    untyped: Position | None = None
    ids: tuple[tuple[Position, UUID], ...] = ()

    def last_events(self, types: frozenset[str]) -> Sequence[tuple[Position, UUID]]:
        """Return the last events of these types, by their keys, as far as their ids are known."""
        known = self.known_ids()
        return [(position, known[position]) for each, position in self.types if each in types and position in known]

    def known_ids(self) -> dict[Position, UUID]:
        """Return the known ids of events, by their positions."""
        return dict(self.ids) | ({} if self.event is None else {self.position: self.event})

    def upto(self, types: frozenset[str] | None) -> Position:
        """Return the last position that may have an event of these types; `START` if none has.

        Args:
            types: the keys of the types; None for all events.
        """
        if types is None or self.untyped is None:
            return self.position
        return max([self.untyped, *(position for each, position in self.types if each in types)])


@lru_cache(maxsize=4096)
def type_key(name: str) -> str:
    """Return the key of a type of event: a short hash of its wire name, so that tokens are short and reveal no names.

    If two types share a key, a query may wait for an event that its projections ignore.
    """
    return _base64(sha256(name.encode()).digest()[:_KEY_BYTES])


@lru_cache(maxsize=4096)
def type_keys(names: frozenset[str]) -> frozenset[str]:
    """Return the keys of several types of events."""
    return frozenset(map(type_key, names))


def last_of_types(
    types: Iterable[tuple[str, Position]], untyped: Position, *, kept: int
) -> tuple[tuple[tuple[str, Position], ...], Position]:
    """Return the last position of each type of event, and the last position whose type is not known.

    Args:
        types: the keys of types and the positions of events.
        untyped: a position up to which types are not known.
        kept: the number of types to keep, those with the latest events. The types of earlier events are not known then.
    """
    last: dict[str, Position] = {}
    for each, position in types:
        if position > max(untyped, last.get(each, START)):
            last[each] = position
    ordered = sorted(last.items(), key=lambda each: each[1])
    dropped = ordered[:-kept]
    return tuple(ordered[-kept:]), dropped[-1][1] if dropped else untyped


def encode_token(written: Written, *, remembered: int = REMEMBERED) -> str:
    """Return a text for a header: printable ASCII without spaces. Distances between positions keep it short.

    Args:
        written: the writes to one log.
        remembered: how many of its last positions to encode, and how many of its last origins.
    """
    event = "" if written.event is None else _base64(written.event.bytes)
    parts: list[object] = [written.log, written.position, event, _distances(sorted(written.events)[-remembered:])]
    if written.origins:
        logs: dict[str, list[Position]] = {}
        for log, position in written.origins[-remembered:]:
            logs.setdefault(log, []).append(position)
        parts.append({log: _distances(positions) for log, positions in logs.items()})
    if written.untyped is not None:
        kept = max(1, TYPES * remembered // REMEMBERED)
        types, untyped = last_of_types(written.types, written.untyped, kept=kept)
        if types:
            distances = {key: written.position - each for key, each in types}
            parts += [*([] if written.origins else [{}]), untyped, distances]
            known = written.known_ids()
            ids = ["" if (each := known.get(position)) is None else _base64(each.bytes) for _, position in types[:-1]]
            parts += [ids] if any(ids) else []
    text = json.dumps(parts, separators=(",", ":"))
    return _base64(text.encode())


def _base64(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def _octets(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True)


def _distances(positions: Sequence[Position]) -> list[int]:
    return [position - before for before, position in pairwise((START, *sorted(set(positions))))]


def encode_tokens(written: Sequence[Written]) -> str:
    """Return one text for the writes to several logs; empty when there are none."""
    remembered = max(1, REMEMBERED // max(1, len(written)))
    return ".".join(encode_token(each, remembered=remembered) for each in written)


def decode_tokens(token: str) -> Sequence[Written]:
    """Decode the text of `encode_tokens`.

    Raises:
        InvalidToken: the token is malformed.
    """
    text: object = token  # of a client
    if not isinstance(text, str) or len(text) > LONGEST:
        raise _invalid(text)
    return [decode_token(each) for each in token.split(".")]


def new_in(token: str, before: str) -> Sequence[Written]:
    """Return the writes of a token that an earlier token of the same session lacks.

    Raises:
        InvalidToken: one of the tokens is malformed.
    """
    known = decode_tokens(before) if before else ()
    return [written for written in decode_tokens(token) if written not in known]


def merged(written: Sequence[Written]) -> tuple[Written, ...]:
    """Return the union of these writes, one entry for each log."""
    logs: dict[str, Written] = {}
    for each in written:
        before = logs.get(each.log)
        logs[each.log] = each if before is None else _both(before, each)
    return tuple(logs.values())


def latest(one: Written | None, other: Written | None) -> Written | None:
    """Return the union of two entries of one log."""
    if one is None or other is None:
        return one or other
    return _both(one, other)


def _both(one: Written, other: Written) -> Written:
    events = sorted({*one.events, *other.events})[-KEPT:]
    origins = tuple(dict.fromkeys((*one.origins, *other.origins)))[-KEPT:]
    last = max(one, other, key=lambda each: each.position)
    return Written(one.log, last.position, tuple(events), origins, last.event, *types_of_both(one, other))


def types_of_both(
    one: Written, other: Written
) -> tuple[tuple[tuple[str, Position], ...], Position | None, tuple[tuple[Position, UUID], ...]]:
    """Return `types`, `untyped` and `ids` of the union of two entries of one log."""
    untyped = max(each.position if each.untyped is None else each.untyped for each in (one, other))
    types, untyped = last_of_types((*one.types, *other.types), untyped, kept=KEPT_TYPES)
    return types, untyped if types else None, ids_of_types(types, one.known_ids() | other.known_ids())


def ids_of_types(
    types: Iterable[tuple[str, Position]], known: Mapping[Position, UUID]
) -> tuple[tuple[Position, UUID], ...]:
    """Return the known ids of the events at the last positions of types."""
    return tuple((position, known[position]) for _, position in types if position in known)


def decode_token(token: str) -> Written:
    """Decode the text of `encode_token`.

    Raises:
        InvalidToken: the token is malformed.
    """
    try:
        log, position, event, own, *rest = json.loads(_octets(token))
        parts: list[Any] = [*rest, *_LEFT_OUT[len(rest)]]
        origins, untyped, given, named = parts
        found = [(_log(other), each) for other, distances in origins.items() for each in _positions(distances)]
        events = _positions(own)
        if type(position) is int and (events or (START,))[-1] <= position <= _LAST:
            last = UUID(bytes=_octets(event)) if event else None
            types = () if untyped is None else _types(given, untyped, position)
            ids = _ids(named, types)
            return Written(_log(log), Position(position), events, tuple(found), last, types, untyped, ids)
    except (LookupError, ValueError, TypeError, AttributeError, RecursionError):
        pass  # one error for everything that `encode_token` did not return
    raise _invalid(token)


def _invalid(token: object) -> InvalidToken:
    found = f"{len(token)} characters, the limit is {LONGEST}" if isinstance(token, str) else type(token).__name__
    return InvalidToken(
        f"cannot resume a session from {shown(token)}: it is not a session token ({found}). Pass on Session.token "
        "unchanged, or start a session without one."
    )


def _log(identity: object) -> str:
    if isinstance(identity, str) and 0 < len(identity) <= _LONGEST_LOG and identity.isprintable():
        return identity
    raise ValueError(f"{shown(identity)} is not the identity of a log")


def _positions(distances: object) -> tuple[Position, ...]:
    """Return the positions from their distances."""
    if not isinstance(distances, list) or not all(type(each) is int and each > 0 for each in distances):
        raise ValueError(f"{shown(distances)} are not distances")
    found = tuple(map(Position, accumulate(distances)))
    if found and found[-1] > _LAST:
        raise ValueError("a position exceeds 64 bits")
    return found


def _types(distances: object, untyped: object, position: int) -> tuple[tuple[str, Position], ...]:
    """Return the last positions of types of events from their distances to the last position of all."""
    if type(untyped) is not int or not START <= untyped < position or not isinstance(distances, dict):
        raise ValueError(f"{shown(untyped)} and {shown(distances)} are not positions of types")
    if any(type(each) is not int or not 0 <= each < position - untyped for each in distances.values()):
        raise ValueError(f"{shown(distances)} are not distances")
    if 0 not in distances.values() or any(len(_octets(key)) != _KEY_BYTES for key in distances):
        raise ValueError(f"{shown(distances)} does not have the type of the last event")
    found = [(key, Position(position - distance)) for key, distance in distances.items()]
    return tuple(sorted(found, key=lambda each: each[1]))


def _ids(texts: object, types: Sequence[tuple[str, Position]]) -> tuple[tuple[Position, UUID], ...]:
    """Return the ids of the last events of all types but the last, in the order of the types."""
    if not isinstance(texts, list) or len(texts) not in (0, len(types) - 1):
        raise ValueError(f"{shown(texts)} are not ids of events")
    pairs = zip(types, texts, strict=False)
    return tuple((position, UUID(bytes=_octets(text))) for (_, position), text in pairs if text)

"""The consistency token: the writes of a session as a text for other processes."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple

from .._definitions.position import START, Position
from ..errors import InvalidToken

REMEMBERED = 64
"""How many of the last positions a token carries, so that a query recognises a parked write."""

KEPT = REMEMBERED * 32
"""How many positions a session keeps."""

_LAST = 2**63 - 1


class Written(NamedTuple):
    """The writes of a session to one log.

    Attributes:
        log: the identity of the log.
        position: the last position.
        events: the last few positions, ascending.
        origins: the last few writes to other logs that have arrived in this one: their logs and their positions there.
    """

    log: str
    position: Position
    events: tuple[Position, ...]
    origins: tuple[tuple[str, Position], ...] = ()


def encode_token(written: Written) -> str:
    """Return a text for a header: printable ASCII without spaces. Distances between positions keep it short."""
    parts: list[object] = [written.log, written.position, _distances(written.events)]
    if written.origins:
        logs = dict.fromkeys(log for log, _ in written.origins)
        parts.append(
            {log: _distances([position for other, position in written.origins if other == log]) for log in logs}
        )
    text = json.dumps(parts, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def _distances(positions: Sequence[Position]) -> list[int]:
    last = sorted(set(positions))[-REMEMBERED:]
    return [position - before for before, position in pairwise((START, *last))]


def encode_tokens(written: Sequence[Written]) -> str:
    """Return one text for the writes to several logs; empty when there are none."""
    return ".".join(map(encode_token, written))


def decode_tokens(token: str) -> Sequence[Written]:
    """Decode the text of `encode_tokens`.

    Raises:
        InvalidToken: the token is malformed.
    """
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
    return Written(one.log, max(one.position, other.position), tuple(events), origins)


def decode_token(token: str) -> Written:
    """Decode the text of `encode_token`.

    Raises:
        InvalidToken: the token is malformed.
    """
    try:
        log, position, distances, *rest = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        (origins,) = rest or ({},)
        found = [(other, each) for other, given in origins.items() for each in _positions(given)]
        events = _positions(distances)
        if isinstance(log, str) and type(position) is int and (events or (START,))[-1] <= position <= _LAST:
            return Written(log, Position(position), events, tuple(found))
    except (ValueError, TypeError, AttributeError, RecursionError):
        pass
    raise InvalidToken(
        f"cannot resume a session from {token[:40]!r}: it is not a session token. Pass on Session.token unchanged, "
        "or start a session without one."
    )


def _positions(distances: Sequence[object]) -> tuple[Position, ...]:
    """Return the positions from their distances."""
    if not isinstance(distances, list) or not all(type(each) is int and each > 0 for each in distances):
        raise ValueError(f"{distances!r:.80} are not distances")
    found = tuple(map(Position, accumulate(distances)))
    if found and found[-1] > _LAST:
        raise ValueError(f"{found[-1]} is not a position")
    return found

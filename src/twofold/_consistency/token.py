"""The token that carries how far a session wrote."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple

from .._definitions.position import START, Position
from ..errors import InvalidToken

REMEMBERED = 64
"""How many of the last written positions a token carries, to recognise when one of them is held or parked."""

KEPT = REMEMBERED * 32
"""How many of them a session keeps."""

_LAST = 2**63 - 1


class Written(NamedTuple):
    """What a session wrote.

    Attributes:
        log: the identity of the log it wrote to.
        position: the last position it wrote.
        events: the last few positions it wrote, ascending.
        origins: logs and positions of the last few events that it wrote elsewhere, of which this place is known here.
    """

    log: str
    position: Position
    events: tuple[Position, ...]
    origins: tuple[tuple[str, Position], ...] = ()


def encode_token(written: Written) -> str:
    """Return a text that fits a header: printable ASCII without spaces. Distances between positions keep it short."""
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
    """Return one text for what was written to several logs; empty when that is nothing."""
    return ".".join(map(encode_token, written))


def decode_tokens(token: str) -> Sequence[Written]:
    """Read what `encode_tokens` wrote.

    Raises:
        InvalidToken: it is not that.
    """
    return [decode_token(each) for each in token.split(".")]


def new_in(token: str, before: str) -> Sequence[Written]:
    """Return what a token says that an earlier one of the same session did not.

    Raises:
        InvalidToken: one of them is none.
    """
    known = decode_tokens(before) if before else ()
    return [written for written in decode_tokens(token) if written not in known]


def merged(written: Sequence[Written]) -> tuple[Written, ...]:
    """Return what all of these stand for together, one for each log."""
    logs: dict[str, Written] = {}
    for each in written:
        before = logs.get(each.log)
        logs[each.log] = each if before is None else _both(before, each)
    return tuple(logs.values())


def latest(one: Written | None, other: Written | None) -> Written | None:
    """Return what both stand for together; they belong to one log."""
    if one is None or other is None:
        return one or other
    return _both(one, other)


def _both(one: Written, other: Written) -> Written:
    events = sorted({*one.events, *other.events})[-KEPT:]
    origins = tuple(dict.fromkeys((*one.origins, *other.origins)))[-KEPT:]
    return Written(one.log, max(one.position, other.position), tuple(events), origins)


def decode_token(token: str) -> Written:
    """Read a token.

    Raises:
        InvalidToken: it is not one.
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
    """Return the positions that these distances lead to."""
    if not isinstance(distances, list) or not all(type(each) is int and each > 0 for each in distances):
        raise ValueError(f"{distances!r:.80} are no distances")
    found = tuple(map(Position, accumulate(distances)))
    if found and found[-1] > _LAST:
        raise ValueError(f"{found[-1]} is no position")
    return found

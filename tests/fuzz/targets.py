"""The functions that decode input of clients and strangers, each with valid inputs and the errors that it may raise."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import NamedTuple
from uuid import UUID

from orders.csv_rows import COLUMNS, NotAnOrderFile
from orders.invoices import read_invoices
from twofold import Keyset, Page, Query, View, any_of, ge, lt, ne, one_of
from twofold._consistency.token import Written, decode_tokens, encode_tokens, type_key
from twofold._integration.cloud_events import FeedFilter
from twofold._integration.cloud_events_decoding import decode
from twofold._reading.cursors import cursor
from twofold._reading.find import selection
from twofold._remote.wire import decode_reply, decode_request
from twofold.errors import InvalidFind, InvalidRequest, InvalidToken, NoHandler, RemoteFailure, UndecodableEvent
from twofold.ports import Position
from twofold.ports.rows import Ordering


class Target(NamedTuple):
    """A function that must accept any bytes.

    Attributes:
        run: decodes an input.
        seeds: valid inputs.
        refusals: the errors that it may raise.
    """

    run: Callable[[bytes], object]
    seeds: Sequence[bytes]
    refusals: tuple[type[Exception], ...]


class Colour(Enum):
    """A field whose values are names."""

    RED = "red"
    BLUE = "blue"


class Everything(View, name="fuzz_everything", key="id"):
    """A row with a field of each kind that can be compared."""

    id: str
    number: int
    price: Decimal
    weight: float
    done: bool
    day: date
    at: datetime
    takes: timedelta
    ref: UUID
    colour: Colour | None


class Ask(Query[list[int]]):
    """A query whose answer is a list."""


NOON = datetime(2025, 3, 3, 12, 0, 0, 17, UTC)
UNIT = UUID(int=7)
ROW = Everything(
    id="1",
    number=7,
    price=Decimal("9.90"),
    weight=1.5,
    done=True,
    day=NOON.date(),
    at=NOON,
    takes=timedelta(1),
    ref=UNIT,
    colour=None,
)
ORDER = (Ordering("price", descending=True), Ordering("at"), Ordering("id"))


def _token(data: bytes) -> object:
    return decode_tokens(data.decode("utf-8", "surrogateescape"))


def _cursor(data: bytes) -> object:
    page = Keyset(20, after=data.decode("utf-8", "surrogateescape"))
    return selection(Everything, {}, ("-price", "at", "id"), page)


def _filter(data: bytes) -> object:
    """Build filters as a web layer does that passes on the values of a JSON body."""
    try:
        fields = json.loads(data)
        given, order, page, size = dict(fields["where"]), fields["order"], fields["page"], fields["size"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return None  # the web layer refuses the body
    where = {name: _compared(value, alternatives=bool(fields.get("any"))) for name, value in given.items()}
    return selection(Everything, where, order, Page(page, size))


def _compared(value: object, *, alternatives: bool) -> object:
    match value:
        case {"ge": limit}:
            return ge(limit)
        case {"lt": limit}:
            return lt(limit)
        case {"ne": other}:
            return ne(other)
        case [*values]:
            return any_of(*values) if alternatives else one_of(values)
    return value


def _event(data: bytes) -> object:
    return decode(data, FeedFilter("shop", frozenset({"shop.sold"})))


def _reply(data: bytes) -> object:
    return decode_reply(Ask, data, {"ValueError": ValueError})


def _csv(data: bytes) -> object:
    source = io.BytesIO(data)
    source.name = "fuzz.csv"
    return sum(1 for _ in read_invoices(source))


POSITIONS = tuple(Position(number) for number in (3, 40, 500))
EVENT = {
    "specversion": "1.0", "source": "shop", "type": "shop.sold", "id": str(UNIT), "time": NOON.isoformat(),
    "subject": "order-1", "datacontenttype": "application/json", "data": {"order_id": "1", "total": "9.90"},
    "partitionkey": "1",
}  # fmt: skip
REQUEST = {
    "kind": "command", "name": "shop.sell", "version": 1, "data": {"order_id": "1"}, "token": "",
    "origin": {"tenant": None, "trace": {}, "headers": {"a": "b"}, "correlation_id": str(UNIT), "causation_id": None},
}  # fmt: skip
WHERE = {
    "number": {"ge": 5},
    "price": [1, "2.50"],
    "at": {"lt": NOON.isoformat()},
    "colour": {"ne": "red"},
    "done": True,
}
LINE = "1,P1,Lamp,2,2025-03-03 08:00:00,1.50,7.0,France\r\n"


def _json(value: object) -> bytes:
    return json.dumps(value).encode()


TARGETS: dict[str, Target] = {
    "token": Target(
        _token,
        [
            encode_tokens([Written("log", POSITIONS[-1], POSITIONS, (("other", POSITIONS[0]),))]).encode(),
            encode_tokens(
                [
                    Written(
                        "log", POSITIONS[-1], POSITIONS, types=((type_key("a.b"), POSITIONS[-1]),), untyped=POSITIONS[0]
                    )
                ]
            ).encode(),
            encode_tokens(
                [
                    Written(
                        "log",
                        POSITIONS[-1],
                        POSITIONS,
                        event=UNIT,
                        types=((type_key("a.b"), POSITIONS[1]), (type_key("a.c"), POSITIONS[-1])),
                        untyped=POSITIONS[0],
                        ids=((POSITIONS[1], UNIT),),
                    )
                ]
            ).encode(),
        ],
        (InvalidToken,),
    ),
    "cursor": Target(_cursor, [cursor(ROW, ORDER).encode()], (InvalidFind,)),
    "filter": Target(
        _filter,
        [_json({"where": WHERE, "any": each, "order": "-number", "page": 2, "size": 20}) for each in (True, False)],
        (InvalidFind,),
    ),
    "event": Target(_event, [_json(EVENT)], (UndecodableEvent,)),
    "request": Target(decode_request, [_json(REQUEST)], (Exception,)),
    "reply": Target(
        _reply,
        [_json({"result": [1, 2], "token": ""}), _json({"error": {"name": "ValueError", "text": "no", "fields": {}}})],
        (RemoteFailure, NoHandler, InvalidRequest, ValueError),
    ),
    "csv": Target(_csv, [(",".join(COLUMNS) + "\r\n" + LINE * 3).encode()], (NotAnOrderFile,)),
}

"""The examples of the OpenAPI description. A test sends the requests, and compares the responses with the models."""

from __future__ import annotations

from typing import Any, Final

ORDER_ID: Final = "01939b7a-3c6f-7d52-9f0e-5d3f4a1b2c3d"
USER_ID: Final = 12345
DAY: Final = "2025-03-05"

PLACE: Final[dict[str, Any]] = {
    "user_id": USER_ID,
    "items": [{"product_id": "20000", "quantity": 2}, {"product_id": "20001", "quantity": 1}],
    "payment": "card",
}
LINES: Final[list[dict[str, Any]]] = [
    {
        "product_id": "20000",
        "product_name": "Red Lantern",
        "quantity": 2,
        "unit_price": "23.09",
        "image": "https://shop.example/images/20000.jpg",
    },
    {
        "product_id": "20001",
        "product_name": "Red Teapot",
        "quantity": 1,
        "unit_price": "3.63",
        "image": "https://shop.example/images/20001.jpg",
    },
]
_HEAD: Final = {
    "order_id": ORDER_ID,
    "user_id": USER_ID,
    "user_name": "Ada Berg",
    "placed_at": "2025-03-05T09:30:00Z",
    "total": "49.81",
}
ORDER: Final[dict[str, Any]] = {
    **_HEAD,
    "status": "paid",
    "lines": LINES,
    "payment": "card",
    "paid_at": "2025-03-05T09:31:00Z",
    "address": {"recipient": "Ada Berg", "street": "16 Harbour Street", "city": "Bristol", "country": "United Kingdom"},
    "shipped_at": None,
    "delivered_at": None,
}
LIST: Final[dict[str, Any]] = {
    "items": [{**_HEAD, "status": "paid", "first_lines": LINES, "line_count": 2}],
    "total": 1,
}
STATISTICS: Final[dict[str, Any]] = {
    "day": {
        "day": DAY,
        "orders": 1,
        "line_count": 2,
        "amount": "49.81",
        "cancelled": 0,
        "cancelled_amount": "0",
    },
    "top_products": [
        {
            "id": f"{DAY}/20000",
            "day": DAY,
            "product_id": "20000",
            "product_name": "Red Lantern",
            "quantity": 2,
            "amount": "46.18",
        }
    ],
}

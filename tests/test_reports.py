"""Reports of tests reach the process that prints them, whatever the tests have logged."""

from __future__ import annotations

import json

from tests.reports import encodable


def test_characters_that_utf8_cannot_encode_are_replaced() -> None:
    """They are replaced at any depth, and other values stay equal."""
    report = {"outcome": "passed", "sections": [("log", "half \udcff")], "\udcff": {"line": 7, "text": "ä😀\x00"}}

    found = encodable(report)

    assert found == {
        "outcome": "passed",
        "sections": [("log", r"half \udcff")],
        r"\udcff": {"line": 7, "text": "ä😀\x00"},
    }
    json.dumps(found, ensure_ascii=False).encode("utf-8")

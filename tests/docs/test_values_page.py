"""The page of values says what the library does."""

from __future__ import annotations

from scripts.values_page import PAGE, page


def test_the_page_is_current() -> None:
    """The committed page is the one that `python scripts/values_page.py` writes."""
    assert PAGE.read_text() == page()

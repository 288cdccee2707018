"""The page about errors speaks of errors that exist."""

from __future__ import annotations

import re
from pathlib import Path

from twofold import errors

PAGE = Path(__file__).resolve().parents[2] / "docs" / "troubleshooting.md"


def test_every_heading_names_an_error() -> None:
    """A heading that begins with a class in code style names a class of `twofold.errors`."""
    named = re.findall(r"^### `([A-Z]\w+)", PAGE.read_text(), flags=re.MULTILINE)
    assert named
    assert [name for name in named if not hasattr(errors, name)] == []

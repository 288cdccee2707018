"""Every log record of Twofold passes the filter that keeps foreign texts in one line."""

from __future__ import annotations

import re
from pathlib import Path

from .packages import ROOT

_DIRECT = re.compile(r"\bgetLogger\(")


def _creates_loggers(file: Path) -> bool:
    return _DIRECT.search(file.read_text("utf-8")) is not None


def test_loggers_come_from_one_place() -> None:
    """Only `logger_of` creates loggers; test tools and the set-up of JSON logs get existing ones."""
    found = {
        file.name for folder in ("src", "adapters") for file in (ROOT / folder).rglob("*.py") if _creates_loggers(file)
    }
    assert found == {"log_lines.py", "logged.py", "logging.py", "simulate.py"}

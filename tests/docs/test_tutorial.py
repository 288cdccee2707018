"""The code of the tutorial runs."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

PAGE = Path(__file__).resolve().parents[2] / "docs" / "tutorial.md"


def test_the_code_of_the_tutorial_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A newcomer who pastes every block of the page into one file sees what the page says."""
    module = ModuleType("tutorial")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.chdir(tmp_path)

    exec(compile(_code(PAGE.read_text()), str(PAGE), "exec"), module.__dict__)  # noqa: S102 -- our own page

    printed = capsys.readouterr().out
    for said in _printed(PAGE.read_text()):
        assert said in printed


def _code(page: str) -> str:
    """Return the page with everything but its Python blank, so that a traceback names the page's own lines."""
    lines: list[str] = []
    inside = False
    for line in page.splitlines():
        if line == "```":
            inside = False
        lines.append(line if inside else "")
        inside = inside or line == "```python"
    return "\n".join(lines)


def _printed(page: str) -> list[str]:
    """Return what the page says is printed."""
    shown = re.findall(r"```text\n(.*?)```", page, flags=re.DOTALL)
    assert shown
    return [line for block in shown for line in block.splitlines() if "…" not in line]

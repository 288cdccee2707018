"""The code of the how-to pages runs and prints the output that the pages show."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from twofold.testing.conformance._tools.in_time import CEILING

PAGES = sorted((Path(__file__).resolve().parents[2] / "docs" / "how-to").glob("*.md"))


@pytest.mark.parametrize(
    "page", [page for page in PAGES if "```python\n" in page.read_text()], ids=lambda page: page.stem
)
def test_the_code_of_the_page_runs(page: Path, tmp_path: Path) -> None:
    """A reader who pastes every block of the page into one file sees what the page says."""
    text = page.read_text()
    script = tmp_path / "page.py"
    script.write_text("\n\n".join(re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)))
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=CEILING, check=False)
    # Python prints warnings and errors of the log when logging is not configured: those of subscriptions are expected, with
    # their tracebacks, which are indented.
    assert [line for line in done.stderr.splitlines() if not line.startswith(("subscription ", "    "))] == []
    assert done.stdout == "".join(re.findall(r"```text\n(.*?)```", text, flags=re.DOTALL))

"""The code of the page about testing runs."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from twofold.testing.conformance._tools.in_time import CEILING

PAGE = Path(__file__).resolve().parents[2] / "docs" / "testing.md"


def test_the_code_of_the_page_runs(tmp_path: Path) -> None:
    """A reader who pastes every block of the page into one file has tests that pass."""
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)
    assert blocks
    script = tmp_path / "test_tills.py"
    script.write_text("\n\n".join(blocks))
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=CEILING, check=False)
    assert done.stderr == ""
    assert done.returncode == 0

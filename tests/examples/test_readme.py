"""The code of the README runs."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from twofold.testing.conformance._tools.in_time import CEILING

ROOT = Path(__file__).resolve().parents[2]


def test_the_code_of_the_readme_runs(tmp_path: Path) -> None:
    """The code prints the output that the README shows."""
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.DOTALL)
    script = tmp_path / "readme.py"
    script.write_text(code)
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=CEILING, check=False)
    assert done.stderr == ""
    (printed,) = re.findall(r"It prints `(.*?)`", (ROOT / "README.md").read_text())
    assert done.stdout.strip() == printed

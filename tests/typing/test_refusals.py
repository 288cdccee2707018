"""The checks of this folder can fail: mypy refuses a wrong handler, and passes the right one."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from twofold.testing.conformance._tools.in_time import CEILING

ROOT = Path(__file__).resolve().parents[2]
SOURCE = """
from twofold import Command, CommandBus

class Place(Command[str]):
    number: int

commands = CommandBus()

@commands.handler(Place)
async def place(command: Place) -> {result}:
    raise NotImplementedError
"""


@pytest.mark.skipif(find_spec("mypy") is None, reason="mypy is not installed: `make check` brings it")
def test_mypy_refuses_a_wrong_result(tmp_path: Path) -> None:
    """A handler with a wrong result is a type error at its decorator. A handler with the right result is accepted."""
    right, wrong = tmp_path / "right.py", tmp_path / "wrong.py"
    right.write_text(SOURCE.format(result="str"))
    wrong.write_text(SOURCE.format(result="int"))
    line = SOURCE.splitlines().index("@commands.handler(Place)") + 1
    cache = ROOT / ".mypy_cache" / "refusals"  # without a cache, mypy checks all of Twofold for 10 s
    options = ["--strict", "--config-file=", f"--cache-dir={cache}"]
    command = [sys.executable, "-m", "mypy", *options, str(right), str(wrong)]
    done = subprocess.run(command, cwd=ROOT / "src", capture_output=True, text=True, timeout=3 * CEILING, check=False)
    errors = [each for each in done.stdout.splitlines() if ": error: " in each]
    assert done.returncode == 1
    assert [each.split(": error: ")[0].rsplit("/", 1)[-1] for each in errors] == [f"wrong.py:{line}"]

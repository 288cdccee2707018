"""Processes of the lab whose tests are killed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.servers.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]

TESTS = """
import asyncio, pathlib, sys
from tests.crash.lab import Member

if __name__ == "__main__":
    member = Member("idle", pathlib.Path(sys.argv[1]), asyncio.sleep, 3600)
    print(member._process.pid, flush=True)
    input()
"""


def runs(process: int) -> bool:
    """Return whether a process has not ended. One that has ended may wait for its parent."""
    try:
        return "State:\tZ" not in Path(f"/proc/{process}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_processes_end_with_the_tests_that_started_them(tmp_path: Path) -> None:
    """Tests that are killed leave no process behind."""
    script = tmp_path / "tests_of_the_lab.py"
    script.write_text(f"import sys\nsys.path[:0] = {[str(ROOT / each) for each in ('', 'src', 'adapters')]!r}\n{TESTS}")
    command = [sys.executable, str(script), str(tmp_path / "log")]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as tests:
        assert tests.stdout is not None
        member = int(tests.stdout.readline())
        assert runs(member)

        tests.kill()

    wait_until(lambda: not runs(member), "the process was to end")

"""Run the orders example step by step in the folder `demo`, and show each command before it runs."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1].resolve()
FOLDER = ROOT / "demo"
SAMPLE = os.path.relpath(ROOT / "examples" / "orders" / "sample.csv", FOLDER)
# Relative, because it is shorter. Not resolved, because a link in .venv belongs to its environment.
PYTHON = os.path.relpath(sys.executable, FOLDER)

STORY = {
    "Commands: an order for each invoice of a CSV file. Some orders are paid, and some of those are shipped": (
        "import", SAMPLE, "--pay-rate", "0.6", "--ship-rate", "0.3",
    ),
    "Read models, written by projections that follow the event log: an order": ("show", "100175"),
    "a page of a user's orders": ("list", "12371", "--page-size", "5"),
    "and a day's statistics": ("stats", "2025-03-05"),
}  # fmt: skip


def main() -> int:
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    print(f"The demo runs in {FOLDER}. Its files stay there until the next run.")
    print(f"\n$ cd {shlex.quote(str(FOLDER))}")
    for chapter, words in STORY.items():
        command = [PYTHON, "-m", "orders", *words]
        print(f"\n{chapter}\n$ {shlex.join(command)}", flush=True)
        done = subprocess.run(command, cwd=FOLDER, check=False)
        if done.returncode:
            return done.returncode
    made = ", ".join(sorted(each.name for each in FOLDER.iterdir()))
    print(f"\n{FOLDER} now contains {made}. To explore further:\n")
    print(f"$ cd {shlex.quote(str(FOLDER))}\n$ {shlex.join([PYTHON, '-m', 'orders', '--help'])}")
    print("\nTo serve these orders over HTTP, with a description at http://127.0.0.1:8000/docs:\n\n$ make serve")
    return 0


if __name__ == "__main__":
    sys.exit(main())

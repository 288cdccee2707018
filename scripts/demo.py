"""Run the orders example step by step, in the folder `demo` of the clone, and show each command before it runs."""

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
# Relative, as it reads better; not resolved, as a link in .venv stands for its environment.
PYTHON = os.path.relpath(sys.executable, FOLDER)

STORY = {
    "Commands go in: an order for each invoice of a dirty CSV file; some are paid, some of these shipped": (
        "import", SAMPLE, "--pay-rate", "0.6", "--ship-rate", "0.3",
    ),
    "Read models come out, written by projections behind the log: an order": ("show", "100175"),
    "a page of a user's orders": ("list", "12371", "--page-size", "5"),
    "and a day's statistics": ("stats", "2025-03-05"),
}  # fmt: skip


def main() -> int:
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    print(f"The demo starts from the beginning in {FOLDER}. Its files stay there until the next run.")
    print(f"\n$ cd {shlex.quote(str(FOLDER))}")
    for chapter, words in STORY.items():
        command = [PYTHON, "-m", "orders", *words]
        print(f"\n{chapter}\n$ {shlex.join(command)}", flush=True)
        done = subprocess.run(command, cwd=FOLDER, check=False)
        if done.returncode:
            return done.returncode
    made = ", ".join(sorted(each.name for each in FOLDER.iterdir()))
    print(f"\nIn {FOLDER} there are now {made}. To look further:\n")
    print(f"$ cd {shlex.quote(str(FOLDER))}\n$ {shlex.join([PYTHON, '-m', 'orders', '--help'])}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Run the orders example step by step, in a new folder, and show each command before it runs."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

SAMPLE = Path(__file__).parents[1] / "examples" / "orders" / "sample.csv"

STORY = {
    "Commands go in: an order for each invoice of a dirty CSV file; some are paid, some of these shipped": (
        "import", str(SAMPLE), "--pay-rate", "0.6", "--ship-rate", "0.3",
    ),
    "Read models come out, written by projections behind the log: an order": ("show", "100175"),
    "a page of a user's orders": ("list", "12371", "--page-size", "5"),
    "and a day's statistics": ("stats", "2025-03-05"),
}  # fmt: skip


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        for chapter, command in STORY.items():
            shown = " ".join(Path(word).name if word == str(SAMPLE) else word for word in command)
            print(f"\n{chapter}\n$ python -m orders {shown}", flush=True)
            done = subprocess.run([sys.executable, "-m", "orders", *command], cwd=folder, check=False)
            if done.returncode:
                return done.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())

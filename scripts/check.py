"""Run every check, two at a time, and fail when one fails: `python scripts/check.py [NAME ...]`.

A check that passes prints one line. A check that fails prints its whole output.
"""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Check:
    """A check: its name, the commands that must succeed one after another (arguments for Python), and a hint."""

    name: str
    commands: tuple[str, ...]
    hint: str = ""


# The slow checks come first, so that both lanes end at about the same time.
CHECKS = (
    Check("pyright", ("-m pyright",)),
    Check("mypy", ("-m mypy",)),
    Check("package", ("scripts/check_package.py",)),
    # Without --quiet: it hides warnings from --strict, too.
    Check("docs", ("-m mkdocs build --strict", "scripts/check_site.py site")),
    Check("architecture", ("-m pytest -q -p no:cacheprovider tests/architecture scripts",)),
    Check("wording", ("scripts/check_wording.py",)),
    Check("lint", ("-m ruff check --output-format concise .",)),
    Check("format", ("-m ruff format --check --output-format concise .",), "`make format` repairs it."),
)


@dataclass(frozen=True)
class Outcome:
    """The result of a check."""

    check: Check
    passed: bool
    output: str
    seconds: float


def run(check: Check) -> Outcome:
    started = time.monotonic()
    passed, output = True, ""
    # Colour and progress are for terminals, and this output is read from a pipe.
    plain = os.environ | {"NO_COLOR": "1", "TERM": "dumb"}
    for command in check.commands:
        done = subprocess.run(
            [sys.executable, *command.split()],
            cwd=ROOT,
            env=plain,
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        output += done.stdout
        if done.returncode != 0:
            passed = False
            break
    return Outcome(check, passed, output.strip(), time.monotonic() - started)


def show(outcome: Outcome) -> None:
    """Print the last line of a check that passed, and the whole output of a check that failed."""
    word = "ok    " if outcome.passed else "FAILED"
    last = outcome.output.splitlines()[-1] if outcome.passed and outcome.output else ""
    print(f"{word} {outcome.check.name:<13}{outcome.seconds:5.1f} s   {last}".rstrip(), flush=True)
    if not outcome.passed:
        text = f"{outcome.output}\n{outcome.check.hint}".strip()
        print(f"\n{textwrap.indent(text, '  ')}\n", flush=True)


def main(names: list[str]) -> int:
    unknown = set(names) - {check.name for check in CHECKS}
    if unknown:
        known = ", ".join(check.name for check in CHECKS)
        print(f"unknown checks: {', '.join(sorted(unknown))}. Known checks: {known}.")
        return 2
    chosen = [check for check in CHECKS if not names or check.name in names]
    failed = []
    with ThreadPoolExecutor(max_workers=2) as lanes:
        for future in as_completed([lanes.submit(run, check) for check in chosen]):
            outcome = future.result()
            show(outcome)
            if not outcome.passed:
                failed.append(outcome.check.name)
    if failed:
        print(f"{len(failed)} of {len(chosen)} checks failed: {', '.join(sorted(failed))}.")
        return 1
    print(f"All {len(chosen)} checks passed.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Install the requirements of a make target into the current environment: `python scripts/install.py GROUP`.

It installs the project in editable mode and one group of `[dependency-groups]`, in the versions of constraints.txt.
pip reads such groups from version 25.1 on; Python 3.11 comes with an older one.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# The demo installs only what the demo uses, so that it starts sooner. So does the server of its orders.
EXTRAS = {"demo": "sqlite", "serve": "sqlite,fastapi"}


def included(group: str, groups: dict[str, list[str | dict[str, str]]]) -> tuple[set[str], list[str]]:
    """Return the names of a group and of the groups that it includes, and their requirements."""
    names, requirements = {group}, []
    for item in groups[group]:
        if isinstance(item, str):
            requirements.append(item)
        else:
            more_names, more_requirements = included(item["include-group"], groups)
            names |= more_names
            requirements += more_requirements
    return names, requirements


def main(group: str) -> int:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    groups, requirements = included(group, project["dependency-groups"])
    print(f"Setting up .venv for '{group}'. This is repeated only when its versions change.", flush=True)
    started = time.monotonic()
    # By environment variable, because the project is built by another pip, which options do not reach.
    constrained = {"PIP_CONSTRAINT": "constraints.txt", "PIP_BUILD_CONSTRAINT": "constraints.txt"}
    pip = [sys.executable, "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
    target = f".[{EXTRAS.get(group, 'all')}]"
    command = [*pip, "-e", target, *requirements]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | constrained, check=False)
    if done.returncode == 0:
        for name in groups:  # each stamp tells make that this group is in place
            (Path(sys.prefix) / f".{name}").touch()
        print(f"Set up in {time.monotonic() - started:.0f} s.")
    return done.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))

"""Install what a make target needs into the environment that runs this: `python scripts/install.py GROUP`.

That is the project, in place, and one group of `[dependency-groups]`, all in the versions of constraints.txt.
pip reads such groups itself from version 25.1 on; the one that comes with Python 3.11 does not.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# A newcomer who runs the demo waits for nothing that the demo does not use.
EXTRAS = {"demo": "sqlite"}


def included(group: str, groups: dict[str, list[str | dict[str, str]]]) -> tuple[set[str], list[str]]:
    """Return the names of a group and all that it includes, and the requirements of them all."""
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
    print(f"Setting up .venv for '{group}': once, and again when its versions change.", flush=True)
    started = time.monotonic()
    # By environment, because the project itself is built by a pip of its own, which no option reaches.
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

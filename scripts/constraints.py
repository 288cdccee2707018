"""Resolve every dependency of the project again and write constraints.txt.

The oldest supported Python decides the versions. Newer Pythons must work with these versions and may add packages.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
HEADER = "# The exact versions that were tested, on all supported Pythons. Rebuilt by `make constraints`.\n"


def requirements(project: dict[str, Any]) -> list[str]:
    """Return all requirements in pyproject.toml, except the project itself."""
    extras = project["project"]["optional-dependencies"].values()
    groups = project["dependency-groups"].values()
    wanted = [*project["build-system"]["requires"], *project["project"]["dependencies"]]
    wanted += [item for items in [*extras, *groups] for item in items if isinstance(item, str)]
    own = re.compile(rf"{project['project']['name']}\b")
    return [item for item in wanted if not own.match(item)]


def pythons(project: dict[str, Any]) -> list[str]:
    """Return the supported versions of Python, oldest first."""
    found = [re.fullmatch(r".* :: (3\.\d+)", item) for item in project["project"]["classifiers"]]
    return [match[1] for match in found if match]


def resolve(python: str, wanted: list[str], known: dict[str, str]) -> dict[str, str]:
    """Return the versions that pip would install for one version of Python, given the versions so far."""
    with tempfile.TemporaryDirectory() as folder:
        constraints, report = Path(folder, "constraints.txt"), Path(folder, "report.json")
        constraints.write_text(listed(known), "utf-8")
        command = [sys.executable, "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
        command += ["--dry-run", "--ignore-installed", "--python-version", python, "--only-binary=:all:"]
        command += ["--target", folder, "--report", str(report), "-c", str(constraints), *wanted]
        subprocess.run(command, check=True)
        resolved = json.loads(report.read_text("utf-8"))["install"]
    return {item["metadata"]["name"].lower(): item["metadata"]["version"] for item in resolved}


def listed(versions: dict[str, str]) -> str:
    return "".join(f"{name}=={version}\n" for name, version in sorted(versions.items()))


def main() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    versions: dict[str, str] = {}
    for python in pythons(project):
        versions |= resolve(python, requirements(project), versions)
        print(f"Python {python}: resolved; {len(versions)} packages so far.")
    (ROOT / "constraints.txt").write_text(HEADER + listed(versions), "utf-8")


if __name__ == "__main__":
    main()

"""The command that creates a new service: new."""

from __future__ import annotations

import json
import re
import sys
from importlib.metadata import Distribution, distribution, packages_distributions
from importlib.resources import files
from importlib.resources.abc import Traversable
from keyword import iskeyword
from pathlib import Path
from typing import Annotated

import typer

from ._output import Failure, run, say

_NAME = "my_service"
"""The name of the service in the template."""

_EXTRAS = "cli,fastapi,migrations,mysql,postgresql,redis,sqlite"


def new(
    name: Annotated[str, typer.Argument(help="The name of the service: a Python package, such as shop.")],
    folder: Annotated[Path, typer.Option(help="Where to create the folder of the service.")] = Path(),
) -> None:
    """Create a small service with FastAPI, tests, a compose file and a Makefile. It runs, and its tests pass, as it is."""

    async def work() -> None:
        installed = distribution("twofold")
        if not re.fullmatch(r"[a-z]([a-z0-9_]*[a-z0-9])?", name) or iskeyword(name):
            raise Failure(
                f"cannot name a service {name!r}: the name must be a Python package of lower-case letters, digits and _, "
                "and end with a letter or a digit.",
                code=2,
            )
        if name in _taken(installed):
            raise Failure(
                f"cannot name a service {name!r}: it would hide the Python module of this name. Choose another name.",
                code=2,
            )
        target = folder / name
        if target.exists():
            raise Failure(f"cannot create {target}: it exists. Choose another name, or pass --folder.", code=2)
        _copy(files("twofold_cli") / "template", target, name, _requirement(installed))
        say(f"Created {target}. Next: cd {target} && make test && make run")

    run(work)


def _taken(installed: Distribution) -> set[str]:
    """Return the names of modules that the service or its environment imports, and of the folder of its tests."""
    required = {
        re.split(r"[^\w.-]", each, maxsplit=1)[0].replace("-", "_").lower() for each in installed.requires or ()
    }
    ours = {each.name for each in Path(str(files("twofold_cli"))).parent.iterdir() if each.name.startswith("twofold")}
    return {"tests", "twofold", *ours, *required, *sys.stdlib_module_names, *packages_distributions()}


def _copy(source: Traversable, target: Path, name: str, requirement: str) -> None:
    target.mkdir(parents=True)
    for item in source.iterdir():
        path = target / item.name.replace(_NAME, name).removesuffix(".txt")
        if item.is_dir():
            _copy(item, path, name, requirement)
        else:
            text = item.read_text("utf-8").replace(_NAME, name)
            path.write_text(text.replace("TWOFOLD", requirement) if item.name == "pyproject.toml" else text, "utf-8")


def _requirement(installed: Distribution) -> str:
    """Return the requirement of this installation of Twofold: its origin if it was installed from a URL, else its version.

    A repository is named with its commit, as `pip freeze` does.
    """
    direct = json.loads(installed.read_text("direct_url.json") or "{}")
    origin = direct.get("url")
    if repository := direct.get("vcs_info"):
        origin = f"{repository['vcs']}+{origin}@{repository['commit_id']}"
    return f"twofold[{_EXTRAS}] @ {origin}" if origin else f"twofold[{_EXTRAS}]>={installed.version}"

"""The command that creates a new service: new."""

from __future__ import annotations

import json
import re
from importlib.metadata import distribution
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
        if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or iskeyword(name):
            raise Failure(
                f"cannot name a service {name!r}: the name must be a Python package of lower-case letters, digits and _.",
                code=2,
            )
        target = folder / name
        if target.exists():
            raise Failure(f"cannot create {target}: it exists. Choose another name, or pass --folder.", code=2)
        _copy(files("twofold_cli") / "template", target, name)
        say(f"Created {target}. Next: cd {target} && make test && make run")

    run(work)


def _copy(source: Traversable, target: Path, name: str) -> None:
    target.mkdir(parents=True)
    for item in source.iterdir():
        path = target / item.name.replace(_NAME, name).removesuffix(".txt")
        if item.is_dir():
            _copy(item, path, name)
        else:
            text = item.read_text("utf-8").replace(_NAME, name)
            path.write_text(text.replace("TWOFOLD", _requirement()) if item.name == "pyproject.toml" else text, "utf-8")


def _requirement() -> str:
    """Return the requirement of this installation of Twofold: its folder if it was installed from one, else its version."""
    installed = distribution("twofold")
    origin = json.loads(installed.read_text("direct_url.json") or "{}").get("url")
    return f"twofold[{_EXTRAS}] @ {origin}" if origin else f"twofold[{_EXTRAS}]>={installed.version}"

"""Let atheris choose the inputs of one target by coverage: `python -m tests.fuzz.guided NAME [--inputs N]`.

atheris is installed by hand, for this program only.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer


def main(
    name: Annotated[str, typer.Argument(help="Which target.")],
    inputs: Annotated[int, typer.Option(help="The number of inputs.")] = 150_000,
) -> None:
    """Start with the valid inputs of a target and vary them. An error that is not allowed is raised."""
    atheris = import_module("atheris")
    with atheris.instrument_imports(include=["twofold", "orders"]):  # all else would take minutes
        run = import_module("tests.fuzz.__main__")
    target = run.TARGETS[name]
    with TemporaryDirectory() as corpus:
        for number, seed in enumerate(target.seeds):
            Path(corpus, str(number)).write_bytes(seed)
        atheris.Setup([sys.argv[0], f"-runs={inputs}", "-max_len=4096", corpus], lambda data: run.outcome(target, data))
        atheris.Fuzz()


if __name__ == "__main__":
    typer.run(main)

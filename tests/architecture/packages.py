"""The packages that pyproject.toml declares, and those that the code imports."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

_PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


_MODULES = {"opentelemetry-api": "opentelemetry"}
"""The modules of packages that have another name."""


def optional() -> dict[str, list[str]]:
    """Return the extras and their requirements."""
    extras: dict[str, list[str]] = _PROJECT["optional-dependencies"]
    return extras


def declared(*extras: str) -> set[str]:
    """Return the top-level modules of the packages that the core and these extras declare."""
    found = {_module(each) for each in _PROJECT["dependencies"]}
    for extra in extras:
        for each in optional()[extra]:
            of_ours = re.fullmatch(rf"{_PROJECT['name']}\[(.+)\]", each)
            found |= declared(*of_ours[1].split(",")) if of_ours else {_module(each)}
    return found


@cache
def nodes(source: str) -> tuple[ast.AST, ...]:
    """Return the syntax tree of a source as a flat sequence. Many rules read the same sources."""
    return tuple(ast.walk(ast.parse(source)))


def imported(source: str) -> Iterator[str]:
    """Yield the dotted names that a source imports from other packages, inside functions too."""
    for node in nodes(source):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from (name for name in names if _top(name) not in sys.stdlib_module_names)


def private_names(source: str) -> Iterator[str]:
    """Yield the private names of other packages that a source uses: it imports them, or reads them from a module."""
    names = [name for name in imported(source) if not _top(name).startswith("twofold")]
    yield from (name for name in names if any(part.startswith("_") for part in name.split(".")))
    modules = {
        (alias.asname or alias.name).partition(".")[0]
        for node in nodes(source)
        if isinstance(node, ast.Import)
        for alias in node.names
        if _top(alias.name) in {_top(name) for name in names}
    }
    for node in nodes(source):
        if isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.startswith("__"):
            value = node.value
            while isinstance(value, ast.Attribute):
                value = value.value
            if isinstance(value, ast.Name) and value.id in modules:
                yield ast.unparse(node)


def _top(name: str) -> str:
    return name.partition(".")[0]


def _module(requirement: str) -> str:
    name: str = re.split(r"[^\w.-]", requirement)[0]
    return _MODULES.get(name, name.replace("-", "_").lower())

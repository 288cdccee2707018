"""The rooms of a package are ordered: a room imports only itself and the rooms below it, also for type checking."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

ROOMS: Mapping[str, Sequence[str]] = {
    "twofold": (
        "errors",
        "_background",
        "_definitions",
        "_telemetry",
        "ports",
        "_encoding",
        "_buses",
        "_reading",
        "_consistency",
        "_writing",
        "_registration",
        "_dispatch",
        "_steps",
        "middleware",
        "logging",
        "_subscriptions",
        "_remote",
        "_caching",
        "_integration",
        "_processes",
        "_wiring",
        "_application",
        "__init__",
        "testing",
    ),
    "twofold_console": (
        "_settings",
        "_sparkline",
        "_format",
        "_layout",
        "_timeline",
        "_samples",
        "_access",
        "_render",
        "_pausing",
        "_overview",
        "_topology",
        "_parked",
        "_messages",
        "_events",
        "_operating",
        "_processes",
        "_login",
        "_create",
        "_serve",
        "__init__",
    ),
    "twofold_fastapi": (
        "_headers",
        "_problems",
        "_context",
        "_responses",
        "_accepted",
        "_openapi",
        "_dependencies",
        "_event_stream",
        "_middleware",
        "_probes",
        "_install",
        "__init__",
    ),
    "twofold_redis": (
        "_server",
        "_commit",
        "_rows",
        "_subscriptions",
        "_cache",
        "_streams",
        "_notifier",
        "_transaction",
        "_store",
        "__init__",
    ),
    "twofold_cli": (
        "_output",
        "_target",
        "_graph",
        "_applications",
        "_console",
        "_events",
        "_messages",
        "_parked",
        "_processes",
        "_projects",
        "_scheduled",
        "_schema",
        "_subscriptions",
        "_tags",
        "_main",
        "__main__",
        "__init__",
    ),
    "twofold_sqlalchemy": (
        "_dialects",
        "_connection",
        "_schema",
        "_log",
        "_views",
        "_records",
        "_aggregates",
        "_subscriptions",
        "_prepared",
        "_transaction",
        "_migrations",
        "_store",
        "__init__",
    ),
}
"""The rooms of each package, from the ground floor to the top. A room is a folder or a module of the package."""


def modules_of(package: str) -> dict[str, Path]:
    """Return the files of a package by the full names of their modules."""
    (folder,) = (ROOT / base / package for base in ("src", "adapters") if (ROOT / base / package).is_dir())
    return {".".join(path.relative_to(folder.parent).with_suffix("").parts): path for path in folder.rglob("*.py")}


def imported(module: str, source: str) -> Iterator[str]:
    """Yield the full names that a module imports, wherever in the module.

    Args:
        module: the module's full name; that of a package ends with `.__init__`.
        source: the module's source.
    """
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = module.split(".")[: -node.level] if node.level else []
            origin = ".".join([*above, *([node.module] if node.module else [])])
            yield from (f"{origin}.{alias.name}" for alias in node.names)


def faults(package: str, rooms: Sequence[str], module: str, source: str) -> list[str]:
    """Return the imports by which a module reaches a room above its own."""
    room = module.split(".")[1]
    if room not in rooms:
        return [f"{module} is in no room of the list"]
    below = rooms[: rooms.index(room) + 1]
    own = (name.split(".") for name in imported(module, source) if name.split(".")[0] == package)
    # A name that is not a room is a name of the package's `__init__`, which is the top room.
    return [f"{module} imports {'.'.join(name)}" for name in own if _room_of(name, rooms) not in below]


def _room_of(name: Sequence[str], rooms: Sequence[str]) -> str:
    is_room = len(name) > 1 and (name[1] in rooms or name[1].startswith("_"))
    return name[1] if is_room else "__init__"


def circle(graph: Mapping[str, Sequence[str]]) -> Sequence[str]:
    """Return the modules of an import circle, or none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        found: Sequence[str] = error.args[1]
        return found
    return ()


@pytest.mark.parametrize("package", ROOMS)
def test_rooms_import_only_rooms_below(package: str) -> None:
    """No module imports from a room above its own, and every module is in a room of the list."""
    modules = modules_of(package)
    found = [faults(package, ROOMS[package], module, path.read_text()) for module, path in modules.items()]
    assert [fault for each in found for fault in each] == []


@pytest.mark.parametrize("package", ROOMS)
def test_the_list_names_existing_rooms_only(package: str) -> None:
    """Every room of the list exists."""
    assert set(ROOMS[package]) == {module.split(".")[1] for module in modules_of(package)}


@pytest.mark.parametrize("package", ROOMS)
def test_modules_import_each_other_in_no_circle(package: str) -> None:
    """Within a room, too, the imports of the modules have no circle."""
    modules = modules_of(package)
    graph = {
        module: [
            target
            for name in imported(module, path.read_text())
            for target in (name, name.rpartition(".")[0])
            if target in modules
        ]
        for module, path in modules.items()
    }
    assert circle(graph) == ()


@pytest.mark.parametrize(
    "source",
    [
        "from .._views.table import ViewTable",
        "from .. import _store",
        "from .. import SqlAlchemy",
        "import twofold_sqlalchemy._views.table",
        "from twofold_sqlalchemy import SqlAlchemy",
        "from twofold_sqlalchemy._log import event_log",
        "def f():\n    from .._log import event_log",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .._log.event_log import SqlEventLog",
        "from .._attic import old",
    ],
)
def test_the_rule_for_rooms_can_fail(source: str) -> None:
    """An import of a higher room is found in every form, also inside a function and for type checking."""
    assert faults("twofold_sqlalchemy", ROOMS["twofold_sqlalchemy"], "twofold_sqlalchemy._schema.tables", source)


def test_a_module_outside_of_the_rooms_is_found() -> None:
    """A new folder needs a place in the list."""
    assert faults("twofold_sqlalchemy", ROOMS["twofold_sqlalchemy"], "twofold_sqlalchemy._attic.old", "")


@pytest.mark.parametrize(
    "source",
    [
        "from .tables import Tables",
        "from . import tables",
        "from .._connection.database import Database",
        "from .._dialects import codec",
        "from twofold.ports import Position",
        "import twofold_sqlalchemy._dialects.codec",
    ],
)
def test_a_room_may_import_itself_and_rooms_below(source: str) -> None:
    """Neither the own room nor a lower room nor another package is a fault."""
    rooms = ROOMS["twofold_sqlalchemy"]
    assert faults("twofold_sqlalchemy", rooms, "twofold_sqlalchemy._schema.schema", source) == []


def test_the_rule_for_circles_can_fail() -> None:
    """A circle of three modules is found."""
    assert set(circle({"a": ["b"], "b": ["c"], "c": ["a"], "d": ["a"]})) == {"a", "b", "c"}

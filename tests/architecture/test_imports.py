"""The permitted imports: the core imports no adapter and no driver, and adapters import only public names of the core."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.packages import declared, nodes, optional

ROOT = Path(__file__).resolve().parents[2]
ADAPTERS = sorted(path.name for path in (ROOT / "adapters").iterdir() if path.is_dir())
DRIVERS = declared(*optional()) - declared("testing") | {"dependency_injector"}
"""The imports that the core may make only inside functions: the packages of the extras, and the container."""


def imports(source: str) -> Iterator[tuple[str, str, bool]]:
    """Yield (module, imported name or "", whether importing the source runs it) of every absolute import."""
    found = nodes(source)
    functions = [node for node in found if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    late = {id(node) for function in functions for node in ast.walk(function)}
    for node in found:
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, "", id(node) not in late
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            for alias in node.names:
                yield node.module, alias.name, id(node) not in late


def faults_of_adapter(name: str, source: str) -> list[str]:
    """Return what an adapter's module imports that it may not."""
    found: list[str] = []
    for module, imported, _ in imports(source):
        parts = module.split(".")
        if parts[0] not in (name, "__future__") and any(part.startswith("_") for part in (*parts, imported)):
            found.append(f"{module}.{imported} is private")
        if parts[0] in ADAPTERS and parts[0] != name:
            found.append(f"{module} is another adapter")
    return found


def faults_of_core(source: str) -> list[str]:
    """Return what a module of the core imports that it may not."""
    return [
        f"{module} at top level" if module.split(".")[0] in DRIVERS else f"{module} is an adapter"
        for module, _, top in imports(source)
        if module.split(".")[0] in ADAPTERS or (top and module.split(".")[0] in DRIVERS)
    ]


@pytest.mark.parametrize(
    "path", sorted((ROOT / "adapters").rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT))
)
def test_adapters_import_only_public_names(path: Path) -> None:
    """An adapter imports public names of twofold and of other libraries, and no other adapter."""
    name = path.relative_to(ROOT / "adapters").parts[0]
    assert faults_of_adapter(name, path.read_text()) == []


@pytest.mark.parametrize("path", sorted((ROOT / "src").rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_the_core_knows_no_adapter_and_no_driver(path: Path) -> None:
    """The core imports no adapter, and drivers only inside the functions that need them."""
    assert faults_of_core(path.read_text()) == []


@pytest.mark.parametrize(
    "source",
    [
        "from twofold._dispatch.scope import Scope",
        "from twofold import _scope",
        "import twofold._dispatch.scope",
        "import twofold_sqlalchemy",
        "from aiosqlite.core import _STOP_RUNNING_SENTINEL",
        "import sqlalchemy.util._collections",
    ],
)
def test_the_rule_for_adapters_can_fail(source: str) -> None:
    """A private name or another adapter is found, also inside a function."""
    assert faults_of_adapter("twofold_memory", source)
    assert faults_of_adapter("twofold_memory", f"def f():\n    {source}")


@pytest.mark.parametrize(
    "source",
    [
        "import twofold_memory",
        "import sqlalchemy.orm",
        "from trio import run",
        "try:\n    import trio\nexcept ImportError:\n    pass",
        "def f():\n    import twofold_memory",
    ],
)
def test_the_rule_for_the_core_can_fail(source: str) -> None:
    """An adapter, or a driver at top level, is found."""
    assert faults_of_core(source)


def test_a_driver_may_be_imported_where_it_is_needed() -> None:
    """A driver inside a function is allowed."""
    assert faults_of_core("def f():\n    import trio") == []

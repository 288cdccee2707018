"""A new service passes its own tests, and those of a type checker."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from importlib.metadata import PathDistribution
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.cli.conftest import Call

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def service(call: Call, tmp_path: Path) -> Path:
    """The folder of a new service."""
    assert call("new", "lamp_shop", "--folder", str(tmp_path)).exit_code == 0
    return tmp_path / "lamp_shop"


def run(service: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a module of Python in the folder of the service."""
    path = os.pathsep.join([str(service), *(str(ROOT / each) for each in ("src", "adapters"))])
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("TWOFOLD", "PYTEST"))}
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=service,
        env=environment | {"PYTHONPATH": path, "MYPYPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


def test_its_tests_pass(service: Path) -> None:
    """In memory, and over HTTP."""
    result = run(service, "pytest", "-q", "-p", "no:cacheprovider")
    assert "4 passed" in result.stdout, result.stdout + result.stderr


def test_its_command_line_finds_the_application(service: Path) -> None:
    """The target is in pyproject.toml, and the wiring has no faults."""
    result = run(service, "twofold_cli", "check")
    assert (result.returncode, result.stdout) == (0, "lamp_shop: no faults.\n"), result.stderr


def test_it_is_typed(service: Path) -> None:
    """The service passes mypy --strict."""
    if find_spec("mypy") is None:
        pytest.skip("mypy is not installed: `make check` brings it")
    cache = ROOT / ".mypy_cache" / "new_service"  # without a cache, mypy checks all of Twofold for 10 s
    result = run(service, "mypy", "--strict", f"--cache-dir={cache}", "lamp_shop")
    assert result.returncode == 0, result.stdout


def test_no_name_of_the_template_is_left(service: Path) -> None:
    """Every file has the name of the service, and the requirement names this installation."""
    texts = {
        file: file.read_text("utf-8") for file in service.rglob("*") if file.suffix in {".py", ".toml", ".md", ".yml"}
    }
    assert not [file for file, text in texts.items() if "my_service" in text or "TWOFOLD" in text]
    (requirement, _) = tomllib.loads(texts[service / "pyproject.toml"])["project"]["dependencies"]
    assert requirement.startswith("twofold[")


@pytest.mark.parametrize("name", ["Shop", "my-shop", "class", "../shop", "", "shop_", "_shop", "1shop"])
def test_a_name_that_is_no_package_is_refused(call: Call, tmp_path: Path, name: str) -> None:
    """Nothing is created."""
    assert call("new", name, "--folder", str(tmp_path)).exit_code == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["http", "tests", "redis", "dependency_injector", "twofold", "twofold_memory"])
def test_a_name_that_hides_another_module_is_refused(call: Call, tmp_path: Path, name: str) -> None:
    """The service could not import the module of that name, or its tests could not import the service."""
    result = call("new", name, "--folder", str(tmp_path))
    assert (result.exit_code, "it would hide" in result.stderr) == (2, True), result.stderr
    assert list(tmp_path.iterdir()) == []


class FromRepository(PathDistribution):
    """An installation of Twofold from a Git repository."""

    def read_text(self, filename: str | os.PathLike[str]) -> str | None:
        if filename != "direct_url.json":
            return super().read_text(filename)
        return '{"url": "https://git.example/twofold.git", "vcs_info": {"vcs": "git", "commit_id": "7f3a"}}'


def test_an_installation_from_a_repository_is_required_with_its_commit(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pip installs the same commit for the service."""
    monkeypatch.setattr("twofold_cli._projects.distribution", lambda _: FromRepository(tmp_path))
    assert call("new", "lamp_shop", "--folder", str(tmp_path)).exit_code == 0
    project = tomllib.loads((tmp_path / "lamp_shop" / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["dependencies"][0].endswith(" @ git+https://git.example/twofold.git@7f3a")


def test_an_existing_folder_is_kept(call: Call, service: Path) -> None:
    """A second call changes nothing."""
    result = call("new", "lamp_shop", "--folder", str(service.parent))
    assert (result.exit_code, "it exists" in result.stderr) == (2, True)

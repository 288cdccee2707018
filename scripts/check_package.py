"""Build the wheel, check its content, install it alone, and import it without any driver.

Each fault of the package is a sentence in a list. The program fails if the list is not empty.
"""

from __future__ import annotations

import email
import os
import re
import subprocess
import sys
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CORE = {"anyio", "dependency-injector", "pydantic", "pydantic-core", "typing-extensions"}
# Adapters that must import without any extra. The other adapters must name the missing extra.
FREE_OF_DRIVERS = {"twofold", "twofold_memory"}
# A test suite may import more than an application.
FOR_TESTS = "twofold.testing"

IMPORT_ALL = """
import importlib, pkgutil, sys
count = 0
for package in sys.argv[2:]:
    names = [package]
    module = importlib.import_module(package)
    names += [found.name for found in pkgutil.walk_packages(module.__path__, package + ".")]
    for name in names:
        if not name.startswith(sys.argv[1]):
            importlib.import_module(name)
            count += 1
print(count)
"""

IMPORT_WITHOUT_DRIVER = """
import importlib, sys
from twofold.errors import MissingDependency
try:
    importlib.import_module(sys.argv[1])
except MissingDependency as error:
    print(error)
else:
    sys.exit("imported, though no driver is installed")
"""


def sources(root: Path) -> dict[str, Path]:
    """Return the packages of the source roots by name."""
    found = [*(root / "src").iterdir(), *(root / "adapters").iterdir()]
    return {path.name: path for path in found if (path / "__init__.py").exists()}


def faults_of_wheel(wheel: Path, packages: dict[str, Path]) -> list[str]:
    """Compare a wheel, file by file, with the packages that it should hold, and its metadata with CORE."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        metadata = email.message_from_bytes(
            archive.read(next(name for name in names if name.endswith(".dist-info/METADATA")))
        )
    shipped = {name for name in names if ".dist-info/" not in name}
    expected = {
        path.relative_to(package.parent).as_posix()
        for package in packages.values()
        for path in package.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    faults = [f"the wheel lacks {name}" for name in sorted(expected - shipped)]
    faults += [f"the wheel should not hold {name}" for name in sorted(shipped - expected)]
    faults += [f"{name} has no py.typed" for name in sorted(packages) if f"{name}/py.typed" not in shipped]
    core = {re.split(r"[^\w.-]", item)[0] for item in metadata.get_all("Requires-Dist", []) if "extra ==" not in item}
    if core != CORE:
        faults.append(f"the core needs {sorted(core)}; it should need {sorted(CORE)}")
    return faults


def faults_of_imports(python: Path, packages: set[str]) -> list[str]:
    """Import everything that needs no driver, and check that the other packages name their extra."""
    # Isolated mode (-I): only installed packages can be imported.
    alone: list[str | Path] = [python, "-I", "-W", "error", "-c"]
    free = run([*alone, IMPORT_ALL, FOR_TESTS, *sorted(packages & FREE_OF_DRIVERS)])
    if free.returncode != 0:
        return [f"the core alone does not import:\n{free.stdout}"]
    faults = []
    for package in sorted(packages - FREE_OF_DRIVERS):
        extra = {"twofold_sqlalchemy": "twofold[sqlite]"}.get(package, f"twofold[{package.removeprefix('twofold_')}]")
        done = run([*alone, IMPORT_WITHOUT_DRIVER, package])
        if done.returncode != 0 or f"pip install '{extra}'" not in done.stdout:
            faults.append(
                f"{package} without its driver should raise MissingDependency"
                f" and name pip install '{extra}'; it said:\n{done.stdout}"
            )
    return faults


def run(command: list[str | Path]) -> subprocess.CompletedProcess[str]:
    """Run a command with the constrained versions, also for builds."""
    constrained = {"PIP_CONSTRAINT": "constraints.txt", "PIP_BUILD_CONSTRAINT": "constraints.txt"}
    return subprocess.run(
        command,
        cwd=ROOT,
        env=os.environ | constrained,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def must(command: list[str | Path]) -> None:
    done = run(command)
    if done.returncode != 0:
        sys.exit(done.stdout)


def main() -> int:
    packages = sources(ROOT)
    with tempfile.TemporaryDirectory() as folder:
        quiet = ["-qq", "--disable-pip-version-check"]
        must([sys.executable, "-m", "pip", "wheel", *quiet, "--no-deps", "-w", folder, ROOT])
        [wheel] = Path(folder).glob("*.whl")
        faults = faults_of_wheel(wheel, packages)
        venv.create(Path(folder, "venv"), symlinks=os.name != "nt")
        python = Path(folder, "venv", "Scripts" if os.name == "nt" else "bin", "python")
        # The pip of this environment installs into the new one, which does not need its own pip.
        must([sys.executable, "-m", "pip", "--python", python, "install", *quiet, wheel])
        faults += faults_of_imports(python, set(packages))
    for fault in faults:
        print(fault)
    if not faults:
        print(f"{wheel.name}: {', '.join(sorted(packages))}; imported with the core's dependencies alone")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())

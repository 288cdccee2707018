"""Commands that read the wiring, and how the command line finds the application."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Call, Json

ROOT = Path(__file__).resolve().parents[2]


def test_check_and_explain(call: Call, as_json: Json) -> None:
    """No store is opened."""
    assert as_json("check") == {"application": "shop", "faults": []}
    assert "repository of Order" in call("explain", "Place").stdout
    unknown = call("explain", "Plaec")
    assert (unknown.exit_code, "Place" in unknown.stderr) == (3, True)


def test_faults_are_listed_with_file_and_line(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The exit code is 1."""
    (tmp_path / "broken.py").write_text(
        "from twofold import Application, Command, Repository\nfrom twofold_memory import InMemory\n"
        "class Pay(Command[None]): pass\napp = Application('broken', write=InMemory())\n"
        "@app.command_handler(Pay)\nasync def pay(command: Pay, unknown: object) -> None: ...\n"
    )
    monkeypatch.chdir(tmp_path)
    result = call("check", "--app", "broken:app")
    assert (result.exit_code, "broken.py:5" in result.stdout) == (1, True)


def test_the_graph_shows_the_flow(call: Call, as_json: Json) -> None:
    """From command to aggregate, event, subscriptions, view and query."""
    text = call("graph").stdout
    for line in ("Place -> shop_order", "order_rows -> shop_order_row", "shop_order_row -> GetOrder"):
        assert line in text
    assert call("graph", "--format", "mermaid").stdout.startswith("flowchart LR")
    assert {"nodes", "edges"} < set(json.loads(call("graph", "--format", "json").stdout))


@pytest.mark.parametrize(
    ("target", "text"),
    [("shop", "module:attribute"), ("../shop:app", "module:attribute"),
     ("no_such_module:app", "no such module"), ("tests.cli.shop:nothing", "no such attribute"),
     ("tests.cli.shop:shop", "not an Application")],
)  # fmt: skip
def test_a_wrong_target_says_what_to_write(call: Call, target: str, text: str) -> None:
    """The exit code is 2."""
    result = call("check", "--app", target)
    assert (result.exit_code, text in result.stderr) == (2, True)


def test_the_target_of_pyproject(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is found from a folder below, and a project without one gets an error that shows how to name it."""
    monkeypatch.delenv("TWOFOLD_APP")
    (tmp_path / "pyproject.toml").write_text("[tool.other]\n")
    (tmp_path / "src").mkdir()
    monkeypatch.chdir(tmp_path / "src")
    assert call("check").exit_code == 2
    (tmp_path / "pyproject.toml").write_text('[tool.twofold]\napp = "tests.cli.shop:opened"\n')
    assert "no faults" in call("check").stdout


def test_the_schema_commands(call: Call, as_json: Json) -> None:
    """From no tables to the latest version, and once more without effect."""
    assert call("schema", "current").exit_code == 1
    assert "CREATE TABLE twofold_events" in call("schema", "sql").stdout
    assert call("schema", "upgrade", "--yes").exit_code == 0
    (store,) = as_json("schema", "current")
    assert store["current"] == store["latest"]
    assert "is the latest" in call("schema", "upgrade").stdout


def test_an_error_in_the_application_is_a_failure(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The exit code is 3, as 1 would be a finding. The traceback shows where the error is."""
    (tmp_path / "broken_shop.py").write_text("def opened():\n    raise AttributeError('no such setting')\n")
    monkeypatch.chdir(tmp_path)
    result = call("status", "--app", "broken_shop:opened")
    assert (result.exit_code, "no such setting" in result.stderr, "broken_shop.py" in result.stderr) == (3, True, True)


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("raise KeyError('DATABASE_URL')", "KeyError: 'DATABASE_URL'"),
        ("raise OSError('no disk')", "OSError: no disk"),
        ("import no_such_library", "No module named 'no_such_library'"),
        ("def f(:", "SyntaxError"),
    ],
)
def test_a_module_that_fails_shows_where(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, text: str
) -> None:
    """The last line names the module and the error, and the traceback above it the line."""
    (tmp_path / "failing_shop.py").write_text(f"{code}\n")
    monkeypatch.chdir(tmp_path)
    result = call("status", "--app", "failing_shop:app")
    last = result.stderr.splitlines()[-1]
    assert (result.exit_code, last.startswith("Error: cannot import 'failing_shop'"), text in last) == (3, True, True)
    assert "failing_shop.py" in result.stderr


def test_a_module_that_exits_is_a_failure(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its exit code is not that of the command, which a script would take for a success."""
    (tmp_path / "exiting_shop.py").write_text("import sys\nsys.exit(0)\n")
    monkeypatch.chdir(tmp_path)
    result = call("status", "--app", "exiting_shop:app")
    assert (result.exit_code, "the code exits with 0" in result.stderr) == (3, True)


@pytest.mark.skipif(
    signal.getsignal(signal.SIGINT) is signal.SIG_IGN, reason="a shell lets its background jobs ignore SIGINT"
)
def test_an_interrupt_while_the_module_loads_ends_the_command(tmp_path: Path) -> None:
    """Ctrl+C has the exit code 130, and shows no traceback."""
    (tmp_path / "slow_shop.py").write_text("import time\nprint('loading', flush=True)\ntime.sleep(600)\n")
    path = os.pathsep.join(str(ROOT / each) for each in ("src", "adapters"))
    with subprocess.Popen(
        [sys.executable, "-m", "twofold_cli", "status", "--app", "slow_shop:app"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "loading\n"
        process.send_signal(signal.SIGINT)
        output = process.communicate(timeout=60)
    assert (process.returncode, output) == (130, ("", ""))


def test_the_help_names_the_table_of_pyproject(call: Call) -> None:
    """Brackets are not taken for markup."""
    assert "tool.twofold" in call("--help").stdout
    assert "tool.twofold" in call("status", "--help").stdout

"""`twofold worker` as a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Call, Json
from twofold.testing.conformance._tools.in_time import CEILING

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def worker(seeded: Call, monkeypatch: pytest.MonkeyPatch) -> Iterator[subprocess.Popen[str]]:
    """A worker of the shop whose mail server accepts every product."""
    monkeypatch.delenv("SHOP_REFUSES")
    path = os.pathsep.join(str(ROOT / each) for each in ("src", "adapters", "."))
    with subprocess.Popen(
        [sys.executable, "-m", "twofold_cli", "worker"],
        env=os.environ | {"PYTHONPATH": path, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert "the worker runs" in process.stdout.readline()
        yield process
        process.kill()


def test_a_retry_is_run_by_the_worker(worker: subprocess.Popen[str], seeded: Call, as_json: Json) -> None:
    """The command line asks, the worker handles the event, and the command reports the result."""
    (parked,) = as_json("parked", "list")
    result = seeded("parked", "retry", "mail", parked["key"])
    assert (result.exit_code, result.stdout) == (0, "The events were handled.\n")


IGNORED = pytest.mark.skipif(
    signal.getsignal(signal.SIGHUP) is signal.SIG_IGN, reason="`nohup` lets this process and its children ignore SIGHUP"
)
STOPS = [signal.SIGTERM, signal.SIGINT, pytest.param(signal.SIGHUP, marks=IGNORED)]


@pytest.mark.parametrize("stop", STOPS)
def test_a_worker_stops_at_a_signal(worker: subprocess.Popen[str], stop: signal.Signals) -> None:
    """It finishes its batches and exits with 0."""
    worker.send_signal(stop)
    output, _ = worker.communicate(timeout=60)
    assert (worker.returncode, "the worker has stopped" in output) == (0, True)


HANGING = """
import asyncio, time

async def opens():
    print("opening", flush=True)
    await asyncio.sleep(3600)

def loads():
    print("opening", flush=True)
    time.sleep(3600)
"""


@pytest.mark.parametrize("stop", STOPS)
@pytest.mark.parametrize("target", ["opens", "loads"])
def test_a_worker_that_does_not_start_stops_at_a_signal(stop: signal.Signals, target: str, tmp_path: Path) -> None:
    """An application that hangs while it is opened does not keep the process."""
    (tmp_path / "hanging.py").write_text(HANGING)
    path = os.pathsep.join(str(ROOT / each) for each in ("src", "adapters"))
    with subprocess.Popen(
        [sys.executable, "-m", "twofold_cli", "worker", "--app", f"hanging:{target}"],
        env=os.environ | {"PYTHONPATH": path},
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "opening\n"
        process.send_signal(stop)
        process.wait(CEILING)

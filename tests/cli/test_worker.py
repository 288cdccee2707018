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


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_a_worker_stops_at_a_signal(worker: subprocess.Popen[str], stop: signal.Signals) -> None:
    """It finishes its batches and exits with 0."""
    worker.send_signal(stop)
    output, _ = worker.communicate(timeout=60)
    assert (worker.returncode, "the worker has stopped" in output) == (0, True)

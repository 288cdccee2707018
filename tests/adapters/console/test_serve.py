"""The command that serves the console."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx2

from tests.servers.process import free_port
from tests.servers.waiting import wait_until
from twofold.testing.conformance._tools.in_time import CEILING


def test_the_command_serves_until_it_is_stopped(tmp_path: Path) -> None:
    """`twofold console` serves pages with a token, prints no request, and ends with SIGTERM in time."""
    port = free_port()
    environment = os.environ | {"TWOFOLD_CONSOLE_TOKEN": "a-token-of-many-characters"}
    command = [sys.executable, "-m", "twofold_cli", "console", "--app", "tests.adapters.console.shop:new_shop"]
    log = tmp_path / "log"
    with (
        log.open("w") as output,
        subprocess.Popen(
            [*command, "--port", str(port)], env=environment, stdout=output, stderr=subprocess.STDOUT, text=True
        ) as process,
    ):

        def answers() -> bool:
            assert process.poll() is None, log.read_text()
            try:
                return "Sign in" in httpx2.get(f"http://127.0.0.1:{port}/", follow_redirects=True).text
            except httpx2.TransportError:
                return False

        try:
            wait_until(answers, "the console was to answer")
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(CEILING) == 0
    assert log.read_text() == f"shop: the console is at http://127.0.0.1:{port}/\n"

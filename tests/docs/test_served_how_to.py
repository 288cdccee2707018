"""The services of the how-to pages run in a server process, and their clients print the output that the pages show."""

from __future__ import annotations

import re
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.servers.process import free_port
from tests.servers.waiting import wait_until
from twofold.testing.conformance._tools.in_time import CEILING

PAGES = sorted((Path(__file__).resolve().parents[2] / "docs" / "how-to").glob("*.md"))
SERVED = [page for page in PAGES if '```shell title="server"' in page.read_text()]


def blocks(text: str, kind: str) -> list[str]:
    """Return the blocks of code after a fence."""
    return re.findall(rf"^```{kind}\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)


def listens(port: int) -> bool:
    """Return whether a server accepts connections."""
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def serving(command: str, folder: Path, port: int) -> Iterator[None]:
    """Run the server of a page until the end of the block. It stops in time when it is asked to, without an error."""
    log = folder / f"server-{port}.log"
    with log.open("w") as output:
        started = [sys.executable, "-m", *shlex.split(command)]
        with subprocess.Popen(started, cwd=folder, stdout=output, stderr=output) as server:
            try:
                wait_until(lambda: listens(port) or server.poll() is not None, "the server was to listen")
                yield
                server.send_signal(signal.SIGTERM)
                assert server.wait(CEILING) in (0, -signal.SIGTERM), log.read_text()
            finally:
                server.kill()
    assert "Traceback" not in log.read_text()


@pytest.mark.parametrize("page", SERVED, ids=lambda page: page.stem)
def test_the_service_of_the_page_serves_its_client(page: Path, tmp_path: Path) -> None:
    """A reader who saves the files of the page, starts the server and runs the client sees what the page says."""
    text, port = page.read_text(), free_port()
    for name in set(re.findall(r'^```python title="(.*?)"$', text, flags=re.MULTILINE)):
        found = "\n\n".join(blocks(text, f'python title="{re.escape(name)}"'))
        (tmp_path / name).write_text(found.replace("8000", str(port)))
    (command,) = blocks(text, 'shell title="server"')
    with serving(command.replace("8000", str(port)), tmp_path, port):
        client = [sys.executable, str(tmp_path / "client.py")]
        done = subprocess.run(client, capture_output=True, text=True, timeout=CEILING, check=False)
        assert done.stderr == "", (tmp_path / f"server-{port}.log").read_text()
        assert done.stdout == "".join(blocks(text, "text"))

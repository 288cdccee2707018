"""The command that fills the tags of stored events."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import anyio
import pytest

from tests.cli import labels
from tests.cli.conftest import Call
from twofold import Application
from twofold.errors import TagsIncomplete


def label(release: Callable[[], AbstractAsyncContextManager[Application]], number: int = 1) -> list[int]:
    """Dispatch commands in a release of the application, and return their results."""

    async def run() -> list[int]:
        async with release() as app, app:
            return [await app.dispatch(labels.Label(of="a")) for _ in range(number)]

    return anyio.run(run)


def test_the_tags_of_stored_events_are_filled(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the command, a boundary of the new release reads the events of the old one."""
    monkeypatch.setenv("TWOFOLD_APP", "tests.cli.labels:after")
    assert call("schema", "create").exit_code == 0
    assert call("tags", "fill").stdout == "All tags are complete.\n"
    label(labels.before, number=3)
    with pytest.raises(TagsIncomplete):
        label(labels.after)
    filled = call("tags", "fill", "--batch", "2")
    assert (filled.exit_code, filled.stdout) == (0, "The tags of 3 event(s) were filled.\n")
    assert label(labels.after, number=2) == [3, 4]
    assert call("tags", "fill").stdout == "All tags are complete.\n"

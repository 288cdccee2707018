"""Relays that do not repeat what a broker has confirmed and lost."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.mutants.core import replacing, setting
from twofold._application.relay_again import RelayAgain
from twofold._integration.relay import ProgressReports, RelayProcessor, progress_topic


async def _stay(*_: object) -> None:
    """Leave the checkpoint where it is."""


def _trusting(begin: Any) -> Any:
    """Move to the position of a report, whatever event the log has there."""

    async def trust(self: Any, after: Any) -> None:
        await begin(self, replace(after, event=None))

    return trust


async def _resume_only(self: Any, publisher: Any, reached: Any) -> None:
    await publisher.resume(progress_topic(self.source))


def _once(publish: Any) -> Any:
    published = set[Any]()

    async def once(self: Any, events: Any) -> int:
        self._confirmed |= published & {stored.id for stored, _ in events}
        count: int = await publish(self, events)
        published.update(stored.id for stored, _ in events[:count])
        return count

    return once


trusting = replacing(RelayAgain, "begin", _trusting)
staying = setting(RelayAgain, "begin", _stay)
resuming_only = setting(ProgressReports, "_recover", _resume_only)
publishing_once = replacing(RelayProcessor, "_publish", _once)

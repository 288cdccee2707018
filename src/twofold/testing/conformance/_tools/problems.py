"""The problems of an application as texts."""

from __future__ import annotations

from twofold import Application


async def problems_of(app: Application) -> list[str]:
    """Return the texts of the problems that `health` reports."""
    health = await app.health()
    return [problem.text for problem in health.problems]

"""What there is to say of subscriptions without a store; the rest is in `twofold.testing.conformance`."""

from __future__ import annotations

from twofold import Event, Router, on


class Happened(Event, name="test.happened"):
    pass


def test_decorators_return_what_they_decorate() -> None:
    """Projections and event handlers stay what the user wrote, so that a test uses them plainly."""
    router = Router("plain")

    class Things:
        @on(Happened)
        async def happened(self, event: Happened) -> None: ...

    async def react(event: Happened) -> None: ...

    assert router.projection("things")(Things) is Things
    assert router.event_handler(Happened, name="react")(react) is react

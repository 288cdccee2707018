"""Properties of subscriptions that need no store. The other cases are in `twofold.testing.conformance`."""

from __future__ import annotations

from twofold import Event, Router, on


class Happened(Event, name="test.happened"):
    pass


def test_decorators_return_the_decorated_function() -> None:
    """Decorators return projections and event handlers unchanged, so that a test can call them directly."""
    router = Router("plain")

    class Things:
        @on(Happened)
        async def happened(self, event: Happened) -> None: ...

    async def react(event: Happened) -> None: ...

    assert router.projection("things")(Things) is Things
    assert router.event_handler(Happened, name="react")(react) is react

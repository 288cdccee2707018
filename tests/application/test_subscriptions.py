"""What there is to say of subscriptions without a store; the rest is in `twofold.testing.conformance`."""

from __future__ import annotations

from twofold import Event, Module, on


class Happened(Event, name="test.happened"):
    pass


def test_decorators_return_what_they_decorate() -> None:
    """Projections and reactions stay what the user wrote, so that a test uses them plainly."""
    module = Module("plain")

    class Things:
        @on(Happened)
        async def happened(self, event: Happened) -> None: ...

    async def react(event: Happened) -> None: ...

    assert module.projection("things")(Things) is Things
    assert module.reaction(Happened, name="react")(react) is react

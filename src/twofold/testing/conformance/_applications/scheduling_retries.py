"""Scheduled commands that fail: the number of the attempt, and the class of the error."""

from __future__ import annotations

from twofold import Envelope, Retry

from .._domain.reminders import Broken, Remind, reminded, reminders, reminding
from .._tools.dial import Dial
from .._tools.in_time import CEILING, WHOLE_TEST, in_time
from .._tools.opened import NewStore

RETRY = Retry(attempts=3, delay=10.0, on=OSError, park_on=FileNotFoundError, skip_on=Broken)


class ScheduledRetries:
    """The cases of `SchedulerSuite` about the attempts at one command."""

    async def test_the_class_of_an_error_decides(self, new_store: NewStore) -> None:
        """A command is retried, stuck immediately or skipped by the class of its error. Its handler sees the attempt."""
        dial, envelopes = Dial(), list[Envelope[Remind]]()
        errors = {"busy": OSError, "gone": FileNotFoundError, "unlisted": ValueError, "skipped": Broken}

        async def during(command: Remind) -> None:
            if command.note in errors:
                raise errors[command.note]

        router = reminding(during, envelopes)
        async with new_store([]) as store:
            with in_time(WHOLE_TEST):
                async with reminders(store, router, clock=dial, retry=RETRY) as app:
                    for note in (*errors, "good"):
                        await app.session().schedule(Remind(note=note), at=dial.now(), id=note)
                    await app.settle(timeout=CEILING)
                    assert await reminded(store) == ["good"]
                    assert {each.id: each.attempts for each in await app.operations.stuck()} == {
                        "gone": 1, "unlisted": 1,
                    }  # fmt: skip
                    assert {each.id: each.attempts for each in await app.operations.scheduled()} == {"busy": 1}
                    for seconds in (10, 20):
                        dial.time = dial.after(seconds)
                        await app.settle(timeout=CEILING)
                    assert {each.id: each.attempts for each in await app.operations.stuck()} == {
                        "busy": 3, "gone": 1, "unlisted": 1,
                    }  # fmt: skip
                    assert await app.operations.scheduled() == []
        attempts = {note: [each.attempt for each in envelopes if each.message.note == note] for note in errors}
        assert attempts == {"busy": [1, 2, 3], "gone": [1], "unlisted": [1], "skipped": [1]}

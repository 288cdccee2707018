"""Operations on durable steps: list and forget their outcomes."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from .._background.log_lines import logger_of
from .._background.shown import shown
from .._writing.transactions import writing
from ..ports.step_results import StepRecord
from .operating import Operating

logger = logger_of("twofold.operations")


class StepOperations(Operating):
    """The operations on durable steps."""

    async def steps(self, subscription: str, *, event_id: UUID) -> Sequence[StepRecord]:
        """Return the stored steps of an event that an event handler has not finished, in the order of their names.

        Args:
            subscription: the name of an event handler.
            event_id: the id of the event, such as `ParkedEvent.event.id`.

        Raises:
            LookupError: there is no such subscription.
            TypeError: the id is not a UUID.
        """
        _check_id("list the steps", event_id)
        running = self._running()
        running.store_of(subscription)
        return await running.parts.write.steps.read(subscription, event_id)

    async def forget_step(self, subscription: str, *, event_id: UUID, step: str) -> bool:
        """Delete the stored outcome of a step, so that the next attempt makes the outside call. It is logged as a warning.

        The call gets the same idempotency key as before. Retry the event afterwards, if it is parked.

        Args:
            subscription: the name of an event handler.
            event_id: the id of the event.
            step: the name of the step.

        Returns:
            Whether the step was stored.

        Raises:
            LookupError: there is no such subscription.
            TypeError: the id is not a UUID.
        """
        _check_id("forget a step", event_id)
        running = self._running()
        running.store_of(subscription)
        async with writing(running.parts.write) as transaction:
            found = await transaction.steps.delete(subscription, event_id, step)
        if found:
            logger.warning(
                "subscription %s: an operator deleted the outcome of the step %r of event %s, whose call is made again",
                *(subscription, step, event_id),
            )
        return bool(found)


def _check_id(attempt: str, event_id: object) -> None:
    if not isinstance(event_id, UUID):
        raise TypeError(
            f"cannot {attempt} of the event {shown(event_id)}: event_id= is a UUID, as parked() returns it."
        )

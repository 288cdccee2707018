"""Receivers that overlook the losses of their source, or see losses where there are none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from tests.mutants.core import Faults, FaultSuite, at_once, replacing, setting
from tests.mutants.test_strangers import FIXTURES
from tests.transport import test_publishing, test_source_losses
from twofold._application import messaging
from twofold._consistency import token
from twofold._consistency.arrivals import Arrivals
from twofold._integration import recording, source_losses
from twofold._integration.cloud_events import InboundEvent
from twofold._integration.source_losses import loss_names
from twofold_memory import InMemory


def _nothing(*_: object) -> None:
    return None


def _without_heads(found: Any) -> Any:
    return lambda last, message: found(
        last, message if isinstance(message, InboundEvent) else message._replace(head=None)
    )


async def _even_accepted(store: Any, consumer: str) -> Any:
    return await store.subscriptions.checkpoint(loss_names(consumer).lost)


async def _yes(*_: object) -> bool:
    return True


GIVEN: Mapping[str, Callable[[], Any]] = {**FIXTURES, "here": InMemory}

LOSSES: Faults = {
    test_source_losses.test_lost_events_are_reported_and_listed: {
        "no loss is noticed": setting(source_losses, "_last_common", _nothing),
        "the end of the log is not compared": replacing(source_losses, "_last_common", _without_heads),
        "an accepted loss is reported again": setting(messaging, "open_loss", _even_accepted),
    },
    test_source_losses.test_a_token_of_a_lost_event_is_not_answered: {
        "every event before a position is taken for recorded": setting(Arrivals, "_is_recorded", _yes),
        "only the last event of a token is compared": setting(token, "ids_of_types", lambda *_: ()),
    },
    test_publishing.test_an_idle_relay_publishes_its_checkpoint_again: {
        "events from before a consumer are waited for": at_once(
            setting(test_publishing, "CEILING", 2.0),
            replacing(
                recording,
                "part_of",
                lambda of: lambda name, number: of(name, number)._replace(started=f"other.{number}"),
            ),
        ),
    },
    test_source_losses.test_another_process_reports_the_loss: {
        "a loss is not stored": setting(source_losses.Loss, "write", lambda *_: InMemory().log.head()),
    },
    test_source_losses.test_a_repetition_is_not_a_loss: {
        "every earlier position is a loss": setting(source_losses, "MARGIN", timedelta(days=-1_000)),
    },
}


class TestSourceLosses(FaultSuite):
    """Losses that are overlooked, reported permanently, or invented."""

    mutants = LOSSES
    given = GIVEN

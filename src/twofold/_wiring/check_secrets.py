"""Faults of events, views and messages whose secrets would be stored or sent as masks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from .._definitions.message import Event
from .._definitions.view import View
from .._encoding.answer_types import answer_type
from .._encoding.secrets import ADVICE, MASK, masked, masks
from .._registration.places import Place, place_of
from .._registration.registered import Registered
from ..errors import Fault


def check_secrets(
    registered: Registered, events: Mapping[type[Event], Place], views: Iterable[type[View]]
) -> Iterator[Fault]:
    """Yield events, views, served messages and their results whose secrets would be masked."""
    for event_type, place in events.items():
        if names := masked(event_type):
            yield place.fault(
                f"the event {event_type.__name__} would be stored without its secrets: {', '.join(names)} would come "
                f"back as {MASK}. {ADVICE}"
            )
    for view in sorted(views, key=lambda each: each.__qualname__):
        if names := masked(view):
            yield place_of(view, Place("<unknown>", 0)).fault(
                f"the rows of {view.__name__} would be stored without their secrets: {', '.join(names)} would come back as "
                f"{MASK}. {ADVICE}"
            )
    for entry in registered.served:
        for message in entry.messages:
            if names := masked(message):
                yield entry.place.fault(
                    f"{message.__name__} is served and would be sent without its secrets: {', '.join(names)} would "
                    f"arrive as {MASK}. {ADVICE}"
                )
            if masks(answer_type(message)):
                yield entry.place.fault(
                    f"{message.__name__} is served, and its result contains secrets, which would arrive as {MASK}. {ADVICE}"
                )

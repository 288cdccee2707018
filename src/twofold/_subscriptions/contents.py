"""The contents of the rows of a projection: the views with their fields, and the events that the rows are made of.

They are stored with the checkpoint. A release of the application with other contents is compared with the record:

- Every row has the recorded fields, and the recorded events are applied to it. `recording` keeps this true.
- A release that lacks recorded contents does not run the projection. If it lacks only fields, it may take over.
- A release with more contents runs the projection, and reports it until the rows are rebuilt.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from .._definitions.view import View
from ..errors import ProjectionChanged
from ..ports.checkpoints import Checkpoint
from .subscription import Subscription

ALL_EVENTS: Final = "*"

LARGEST: Final = 64 * 1024
"""The largest size of recorded contents, in bytes; see `Checkpoint.contents`."""


@dataclass(frozen=True, slots=True)
class Contents:
    """The contents of the rows of a projection, or a part of them.

    Attributes:
        views: the names of views.
        events: the wire names of events, or `*` for all events.
        fields: the views and their fields, as `view.field`. A view without fields was recorded before fields were.
    """

    views: frozenset[str]
    events: frozenset[str]
    fields: frozenset[str]

    def __bool__(self) -> bool:
        return bool(self.views or self.events or self.fields)

    def __sub__(self, other: Contents) -> Contents:
        known = other.with_fields()
        return Contents(
            self.views - other.views,
            frozenset() if ALL_EVENTS in other.events else self.events - other.events,
            frozenset(each for each in self.fields - other.fields if _view_of(each) in known),
        )

    def __str__(self) -> str:
        named = (("view", self.views), ("event", self.events), ("field", self.fields))
        return " and ".join(
            f"the {kind}{'s' if len(names) > 1 else ''} {', '.join(sorted(names))}" for kind, names in named if names
        )

    @property
    def text(self) -> str:
        """The stored form. A view is written as its name and its fields, separated by spaces, to save quotes."""
        return json.dumps([self.view_texts, sorted(self.events)], ensure_ascii=False, separators=(",", ":"))

    @property
    def view_texts(self) -> list[str]:
        """Each view as its name and its fields, separated by spaces."""
        fields: dict[str, list[str]] = {view: [] for view in sorted(self.views)}
        for each in sorted(self.fields):
            view, _, field = each.partition(".")
            fields[view].append(field)
        return [" ".join([view, *names]) for view, names in fields.items()]

    def with_fields(self) -> frozenset[str]:
        """Return the views whose fields are known."""
        return frozenset(map(_view_of, self.fields))

    def completed_by(self, other: Contents) -> Contents:
        """Return these contents, with the fields of views and the events of other contents if they are not known."""
        unknown = self.views - self.with_fields()
        fields = self.fields | {each for each in other.fields if _view_of(each) in unknown}
        return Contents(self.views, self.events or other.events, fields)

    def without_fields(self, fields: Collection[str]) -> Contents:
        """Return these contents without some fields."""
        return replace(self, fields=self.fields.difference(fields))


def contents_of(views: Iterable[type[View]], events: Collection[str] | None) -> Contents:
    """Return the contents of rows. None stands for all events. Excluded fields are never stored."""
    views = frozenset(views)
    return Contents(
        frozenset(view.view_name for view in views),
        frozenset([ALL_EVENTS] if events is None else events),
        frozenset(
            f"{view.view_name}.{name}"
            for view in views
            for name, field in view.model_fields.items()
            if not field.exclude
        ),
    )


def read_contents(text: str) -> Contents:
    """Return stored contents."""
    views, events = json.loads(text) if text else ((), ())
    return replace(read_views(views), events=frozenset(events))


def read_views(texts: Iterable[str]) -> Contents:
    """Return the contents of views that are written as their names and fields."""
    split = [each.split(" ") for each in texts]
    fields = frozenset(f"{view}.{field}" for view, *names in split for field in names)
    return Contents(frozenset(view for view, *_ in split), frozenset(), fields)


def recorded_in(subscription: Subscription, stored: Sequence[Checkpoint]) -> Contents:
    """Return the recorded contents. Without a checkpoint, nothing is recorded, and this release has what it needs."""
    return read_contents(stored[0].contents if stored else subscription.contents)


def lacking_in(subscription: Subscription, stored: Sequence[Checkpoint]) -> Contents:
    """Return the recorded contents that this release does not have. It must not write rows then."""
    return recorded_in(subscription, stored) - read_contents(subscription.contents)


def refused_by(subscription: Subscription, stored: Sequence[Checkpoint]) -> ProjectionChanged | None:
    """Return why this release must not run a projection, or None."""
    lacking = lacking_in(subscription, stored)
    if not lacking:
        return None
    return ProjectionChanged(
        f"cannot run the projection {subscription.name!r}: another release of the application has written its rows, with "
        f"{lacking}, which this release does not have. Stop this release if the other one replaces it. To let this release "
        f"write the rows, call app.operations.rebuild({subscription.name!r})."
    )


def incomplete_in(subscription: Subscription, stored: Sequence[Checkpoint]) -> ProjectionChanged | None:
    """Return why the rows of a projection are incomplete for this release, or None."""
    missing = read_contents(subscription.contents) - recorded_in(subscription, stored)
    if not missing:
        return None
    return ProjectionChanged(
        f"the rows of the projection {subscription.name!r} are incomplete: earlier events were applied without {missing}, "
        f"which this release has. Call app.operations.rebuild({subscription.name!r}), which fills the rows from the whole "
        "log."
    )


def _view_of(field: str) -> str:
    return field.partition(".")[0]

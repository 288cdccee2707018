"""The thresholds of health: from when on a lag or a number of parked events is a problem."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from types import MappingProxyType
from typing import Final

from ..errors import ConfigurationError

_NONE: Mapping[str, Thresholds] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """The values above which `Application.health` reports a problem. None never reports it.

        app = Application("shop", write=..., health=Thresholds(lag=10, of={"search_index": Thresholds(lag=600)}))

    Attributes:
        lag: the lag of a subscription, in seconds: the age of the first event that it has not processed.
        backlog: the lag of a subscription, in events.
        parked: the number of parked events of a subscription.
        overdue: how long a scheduled command is overdue, in seconds.
        of: the thresholds of single subscriptions, by name, in place of these.

    Raises:
        ConfigurationError: a value is not a number of at least 0, or `of` is not a mapping of names to thresholds.
    """

    lag: float | None = 60.0
    backlog: int | None = 10_000
    parked: int | None = 0
    overdue: float | None = 60.0
    of: Mapping[str, Thresholds] = field(default_factory=lambda: _NONE)

    def __post_init__(self) -> None:
        for name in ("lag", "backlog", "parked", "overdue"):
            value: object = getattr(self, name)
            number = isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value) and value >= 0
            if value is not None and not number:
                raise ConfigurationError(
                    f"Thresholds({name}={value!r:.100}): {name} must be a number of at least 0, or None for no limit."
                )
        of: object = self.of
        if not isinstance(of, Mapping) or not all(isinstance(each, Thresholds) for each in of.values()):
            raise ConfigurationError(
                f"Thresholds(of={of!r:.100}): pass a mapping, such as {{'search_index': Thresholds(lag=600)}}."
            )

    def for_subscription(self, name: str) -> Thresholds:
        """Return the thresholds of one subscription."""
        return self.of.get(name, self)


DEFAULT_THRESHOLDS: Final = Thresholds()
"""The thresholds of an application that sets none."""

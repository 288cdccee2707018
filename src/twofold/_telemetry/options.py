"""The telemetry option of an application."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from math import isfinite
from typing import Any, Literal, TypeAlias

from ..errors import ConfigurationError


@dataclass(frozen=True, slots=True, kw_only=True)
class Telemetry:
    """Record spans and metrics through the OpenTelemetry API (extra `telemetry`).

        app = Application("shop", write=..., telemetry=Telemetry(interval=15.0))

    Attributes:
        tracer_provider: the OpenTelemetry tracer provider; the global one by default.
        meter_provider: the OpenTelemetry meter provider; the global one by default.
        interval: how often the lag of the subscriptions and the health are read from the stores, in seconds.
        shortest_span: the shortest duration of a `handle`, `append` or `commit` span, in seconds. A shorter one is left out,
            unless it has failed, has children, or was changed by the handler. Its duration is measured all the same.

    Raises:
        ConfigurationError: a provider or a number of seconds does not fit, or the OpenTelemetry API is not installed.
    """

    tracer_provider: Any = None
    meter_provider: Any = None
    interval: float = 5.0
    shortest_span: float = 0.001

    def __post_init__(self) -> None:
        if not _is_seconds(self.interval) or self.interval == 0:
            raise ConfigurationError(
                f"Telemetry(interval={self.interval!r:.100}): interval must be a positive number of seconds."
            )
        if not _is_seconds(self.shortest_span):
            raise ConfigurationError(
                f"Telemetry(shortest_span={self.shortest_span!r:.100}): shortest_span must be 0 or a positive number of "
                "seconds."
            )
        for name, method in (("tracer_provider", "get_tracer"), ("meter_provider", "get_meter")):
            given = getattr(self, name)
            if given is not None and not callable(getattr(given, method, None)):
                raise ConfigurationError(
                    f"Telemetry({name}={type(given).__name__}): pass an OpenTelemetry provider, which has {method}()."
                )
        if find_spec("opentelemetry") is None:
            raise ConfigurationError(
                "Telemetry() needs the OpenTelemetry API. Install it with the extra: twofold[telemetry]."
            )


def _is_seconds(given: object) -> bool:
    return isinstance(given, int | float) and not isinstance(given, bool) and isfinite(given) and given >= 0


TelemetryOption: TypeAlias = Telemetry | Literal[False] | None
"""How telemetry is set: on, off, or None for on if a provider is set when the application starts."""
